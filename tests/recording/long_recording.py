"""A long recording, as fast as it can be made, and its memory.

``python -m tests.recording.long_recording SECONDS ROOT [MS]`` prints a JSON array a line: seconds of session time,
resident memory in MB, bytes of the folder, seconds that the source is ahead of the last reading. With ``MS`` the model
takes so many milliseconds longer for each window, and so is the slowest of all.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import psutil

from dmd_runtime.clock import Clock
from dmd_runtime.config import SessionConfig
from dmd_runtime.messages import Message, Reading, VideoFrame, Window
from dmd_runtime.recording.recording import Recording
from dmd_runtime.sources.synthetic import SyntheticSource
from dmd_runtime.streaming.session import Session
from tests.recording.recording_process import Toolbox

SIZE = (320, 240)


class Slow(Toolbox):
    """Its model takes ``seconds`` longer."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds

    def interpreter(self, *, clock: Clock, marks: tuple[str, ...]) -> Callable[[Window], Reading]:
        read = super().interpreter(clock=clock, marks=marks)

        def slowly(window: Window) -> Reading:
            threading.Event().wait(self._seconds)
            reading: Reading = read(window)
            return reading

        return slowly


def main(seconds: str, root: str, slower_ms: str = "0") -> None:
    """Record numbered pictures and samples; the stages are fakes, all that writes is real."""
    duration = float(seconds)
    toolbox, config = Slow(float(slower_ms) / 1e3) if float(slower_ms) else Toolbox(), SessionConfig.load()
    source = SyntheticSource(duration=duration, size=SIZE, paced=False)
    session = Session(source, toolbox, config, exact=True)  # type: ignore[arg-type]
    recording = Recording(session, toolbox, config, Path(root), label="long", with_media=True)
    process, due, read_until = psutil.Process(), 0.0, 0.0

    def look(message: Message) -> None:
        nonlocal due, read_until
        if isinstance(message, Reading):
            read_until = message.span.end
        elif isinstance(message, VideoFrame) and message.t >= due:
            due += duration / 30
            _tell(
                round(message.t, 3),
                process.memory_info().rss / 2**20,
                recording.counts.bytes,
                round(message.t - read_until, 1),
            )

    session.subscribe(look)
    session.run()
    recording.finish()
    _tell(duration, process.memory_info().rss / 2**20, recording.counts.bytes, threading.active_count())


def _tell(*what: float) -> None:
    os.write(1, json.dumps(what).encode() + b"\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
