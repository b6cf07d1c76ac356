"""How long a source waits for a session that is recorded: ``python -m tests.recording.slow_disk [MS_PER_PICTURE…]``.

Ten seconds of 640 × 480 at 30 pictures a second, in real time, through a recorder each of whose pictures takes so many
milliseconds longer than it does. Prints a JSON object a line; times are those of ``Session.video``, in ms.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from threading import Event

import numpy as np

from dmd_runtime.config import SessionConfig
from dmd_runtime.messages import VideoFrame
from dmd_runtime.recording.media_file import MediaFile
from dmd_runtime.recording.recording import Consent, Recording
from dmd_runtime.sources.synthetic import SyntheticSource
from dmd_runtime.streaming.session import Session
from tests.recording.recording_process import Toolbox

SECONDS = 10.0


class Timed(Session):
    """Keeps how long each picture took to be handed over."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self.took: list[float] = []

    def video(self, frame: VideoFrame) -> None:
        begun = time.perf_counter()
        super().video(frame)
        self.took.append((time.perf_counter() - begun) * 1e3)


def measure(delay_ms: float, root: Path) -> dict[str, float]:
    """One recording."""
    write = MediaFile.picture

    def slow(file: MediaFile, item: VideoFrame) -> object:
        Event().wait(delay_ms / 1e3)
        return write(file, item)

    MediaFile.picture = slow  # type: ignore[assignment, method-assign]
    try:
        source = SyntheticSource(duration=SECONDS, size=(640, 480), paced=True)
        source.info = replace(source.info, kind="device")
        session = Timed(source, Toolbox(), config := SessionConfig.load())
        consent = Consent(text="a measurement", given_by="nobody")
        recording = Recording(session, Toolbox(), config, root, consent=consent)  # type: ignore[arg-type]
        session.run()
        ended = time.perf_counter()
        recording.finish()
    finally:
        MediaFile.picture = write  # type: ignore[method-assign]
    counts = recording.counts
    p50, p99, most = np.percentile(session.took, [50, 99, 100]).round(3).tolist()
    return {
        "delay_ms": delay_ms,
        "captured": session.counts.frames,
        "written": counts.frames,
        "dropped": counts.frames_dropped,
        "audio_lost": counts.audio_lost,
        "p50_ms": p50,
        "p99_ms": p99,
        "most_ms": most,
        "finish_s": round(time.perf_counter() - ended, 2),
    }


def main(*delays: str) -> None:
    """Print what was measured with each delay."""
    for delay in map(float, delays or ("0", "100", "1000")):
        with tempfile.TemporaryDirectory() as root:
            os.write(1, json.dumps(measure(delay, Path(root))).encode() + b"\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
