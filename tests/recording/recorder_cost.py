"""What recording costs: ``python -m tests.recording.recorder_cost [numbered|noise|FILM …]``.

Twenty seconds of 640 × 480 at 30 pictures a second with sound are written as fast as they can be. Prints a JSON object
for each kind of picture: processor time in ms for each picture (with its share of the sound), per cent of one core at
30 pictures a second, MB a minute. A film is scaled, and played over and over.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from itertools import cycle, islice
from pathlib import Path

import numpy as np

from dmd_runtime.messages import AudioBlock, UInt8, VideoFrame, freeze
from dmd_runtime.recording.media_writer import MediaWriter, fitted
from dmd_runtime.sources.base import ANALYSIS_RATE
from dmd_runtime.sources.synthetic import frame_image

SIZE = (640, 480)
FPS, SECONDS = 30, 20
BLOCK = ANALYSIS_RATE // FPS


def images(kind: str) -> list[UInt8]:
    """A hundred at most, uint8 (480, 640, 3)."""
    random = np.random.default_rng(0)
    if kind == "numbered":
        made = [frame_image(number, SIZE) for number in range(100)]
    elif kind == "noise":
        made = [random.integers(0, 256, (SIZE[1], SIZE[0], 3), dtype=np.uint8) for _ in range(20)]
    else:
        import av

        with av.open(kind) as film:
            made = [fitted(f.to_ndarray(format="rgb24"), SIZE) for f in islice(film.decode(video=0), 100)]
    return [freeze(np.ascontiguousarray(image)) for image in made]


def measure(kind: str, folder: Path) -> dict[str, float | str]:
    """Write, and count what this process used meanwhile: nothing else is at work in it."""
    shown, count = cycle(images(kind)), FPS * SECONDS
    sound = np.random.default_rng(1).normal(0, 0.1, (count, BLOCK)).astype(np.float32)
    begun = time.process_time()
    writer = MediaWriter(folder, video=True, audio=True, patient=True)
    for seq in range(count):
        writer(VideoFrame(seq=seq, t=seq / FPS, image=next(shown)))
        t = seq * BLOCK / ANALYSIS_RATE
        writer(AudioBlock(seq=seq, t=t, samples=freeze(sound[seq]), rate=ANALYSIS_RATE))
    writer.finish()
    took = time.process_time() - begun
    counts = writer.counts
    assert counts.frames == count
    return {
        "kind": Path(kind).name,
        "ms_per_picture": round(took / count * 1e3, 2),
        "percent_of_a_core": round(took / SECONDS * 100, 1),
        "mb_per_minute": round(counts.bytes / 1e6 / SECONDS * 60, 1),
    }


def main(*kinds: str) -> None:
    """Print what each costs."""
    for kind in kinds or ("numbered", "noise"):
        with tempfile.TemporaryDirectory() as folder:
            os.write(1, json.dumps(measure(kind, Path(folder))).encode() + b"\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
