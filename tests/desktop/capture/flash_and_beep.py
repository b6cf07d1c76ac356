"""Flashes and beeps of one moment, through the count of samples and the recorder, measured in the file.

``python -m tests.desktop.capture.flash_and_beep SECONDS PPM…`` prints a JSON object for each device that runs so fast.
"""

from __future__ import annotations

import heapq
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from desktop.capture.sound_track import SoundTrack
from dmd_runtime import ANALYSIS_RATE, AudioBlock, VideoFrame
from dmd_runtime.recording.media_writer import NAME, MediaWriter
from tests.recording.flashes import measure, pictures, wave

CHUNK = 512


def record(folder: Path, *, seconds: float, ppm: float, late: float = 0.02, seed: int = 0) -> SoundTrack:
    """Write ``media.mkv``: pictures stamped by the clock, sound of a device that runs ``ppm`` fast and comes ``late``.

    Both begin at true time 0, which is session time; both see and hear what happens every five seconds.
    """
    random, track = np.random.default_rng(seed), SoundTrack()
    writer = MediaWriter(folder, video=True, audio=True, patient=True)
    seen: Iterator[tuple[float, VideoFrame | AudioBlock]] = ((frame.t, frame) for frame in pictures(seconds))
    items = heapq.merge(seen, _sound(track, seconds, ppm, random, late), key=lambda timed: timed[0])
    for _, item in items:
        writer(item)
    for block in track.finish():
        writer(block)
    writer.finish()
    return track


def _sound(
    track: SoundTrack, seconds: float, ppm: float, random: np.random.Generator, late: float
) -> Iterator[tuple[float, AudioBlock]]:
    rate = ANALYSIS_RATE * (1 + ppm * 1e-6)  # true samples a second
    track.begin(0.0)
    for first in range(0, round(seconds * rate), CHUNK):
        end = (first + CHUNK) / rate
        arrived = end + float(random.uniform(0, late))
        for block in track.add(wave(np.arange(first, first + CHUNK) / rate), arrived):
            yield end, block


def main(seconds: str, *devices: str) -> None:
    """Print the greatest offsets in ms: of all, after the first minute, and by how much they move after that."""
    for ppm in map(float, devices):
        with tempfile.TemporaryDirectory() as folder:
            clock = record(Path(folder), seconds=float(seconds), ppm=ppm).clock
            at, offset = measure(Path(folder, NAME)).T * [[1.0], [1e3]]
        later = offset[at > 60]
        found = {"worst_ms": np.abs(offset).max(), "later_ms": np.abs(later).max(), "moves_ms": np.ptp(later)}
        told = {"ppm": ppm, "flashes": len(at)} | {name: round(float(value), 2) for name, value in found.items()}
        told |= {"stretched": clock.stretched, "steps": clock.lost + clock.corrected}
        os.write(1, json.dumps(told).encode() + b"\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
