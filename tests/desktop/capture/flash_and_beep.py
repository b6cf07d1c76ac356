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

import av
import numpy as np
import numpy.typing as npt

from desktop.capture.sound_track import SoundTrack
from dmd_runtime import ANALYSIS_RATE, AudioBlock, VideoFrame, freeze
from dmd_runtime.recording.media_writer import MediaWriter

FPS = 25
EVERY, LASTS = 5.0, 0.2  # s
CHUNK = 512
_DARK = freeze(np.zeros((16, 32, 3), dtype=np.uint8))
_BRIGHT = freeze(np.full((16, 32, 3), 255, dtype=np.uint8))

Float64 = npt.NDArray[np.float64]


def record(folder: Path, *, seconds: float, ppm: float, late: float = 0.02, seed: int = 0) -> SoundTrack:
    """Write ``media.mkv``: pictures stamped by the clock, sound of a device that runs ``ppm`` fast and comes ``late``.

    Both begin at true time 0, which is session time; both see and hear what happens every five seconds.
    """
    random, track = np.random.default_rng(seed), SoundTrack()
    writer = MediaWriter(folder, video=True, audio=True, patient=True)
    items = heapq.merge(_pictures(seconds), _sound(track, seconds, ppm, random, late), key=lambda timed: timed[0])
    for _, item in items:
        writer(item)
    for block in track.finish():
        writer(block)
    writer.finish()
    return track


def measure(folder: Path) -> Float64:
    """(time of the flash, beep less flash), float64 (n, 2), seconds, as a player finds them in the file."""
    with av.open(str(folder / "media.mkv")) as file:
        bright, at = [], []
        for frame in file.decode(video=0):
            bright.append(frame.to_ndarray(format="gray").mean() > 128)
            at.append(float(frame.pts * frame.time_base))
    with av.open(str(folder / "media.mkv")) as file:
        blocks = [(float(b.pts * b.time_base), b.to_ndarray()[0]) for b in file.decode(audio=0)]
    times = np.concatenate([t + np.arange(len(samples)) / ANALYSIS_RATE for t, samples in blocks])
    loud = times[np.abs(np.concatenate([samples for _, samples in blocks])) > 3000]
    flashes = np.array(at)[np.flatnonzero(np.diff(np.array(bright, dtype=np.int8)) == 1) + 1]
    beeps = loud[np.flatnonzero(np.diff(loud, prepend=-2.0) > 1.0)]
    assert len(flashes) == len(beeps)
    return np.stack([flashes, beeps - flashes], axis=1)


def _happens(t: Float64) -> npt.NDArray[np.bool_]:
    return (t >= EVERY - 1e-9) & (t % EVERY < LASTS)


def _pictures(seconds: float) -> Iterator[tuple[float, VideoFrame]]:
    times = np.arange(round(seconds * FPS)) / FPS
    for k, (t, on) in enumerate(zip(times.tolist(), _happens(times + 1e-9).tolist(), strict=True)):
        yield t, VideoFrame(seq=k, t=t, image=_BRIGHT if on else _DARK)


def _sound(
    track: SoundTrack, seconds: float, ppm: float, random: np.random.Generator, late: float
) -> Iterator[tuple[float, AudioBlock]]:
    rate = ANALYSIS_RATE * (1 + ppm * 1e-6)  # true samples a second
    track.begin(0.0)
    for first in range(0, round(seconds * rate), CHUNK):
        t = np.arange(first, first + CHUNK) / rate
        wave = np.where(_happens(t), 0.5 * np.cos(2e3 * np.pi * (t % EVERY)), 0.0).astype(np.float32)
        end = (first + CHUNK) / rate
        arrived = end + float(random.uniform(0, late))
        for block in track.add(wave, arrived):
            yield end, block


def main(seconds: str, *devices: str) -> None:
    """Print the greatest offsets in ms: of all, after the first minute, and by how much they move after that."""
    for ppm in map(float, devices):
        with tempfile.TemporaryDirectory() as folder:
            clock = record(Path(folder), seconds=float(seconds), ppm=ppm).clock
            at, offset = measure(Path(folder)).T * [[1.0], [1e3]]
        later = offset[at > 60]
        found = {"worst_ms": np.abs(offset).max(), "later_ms": np.abs(later).max(), "moves_ms": np.ptp(later)}
        told = {"ppm": ppm, "flashes": len(at)} | {name: round(float(value), 2) for name, value in found.items()}
        told |= {"stretched": clock.stretched, "steps": clock.lost + clock.corrected}
        os.write(1, json.dumps(told).encode() + b"\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
