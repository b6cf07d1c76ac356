"""A long recording, as fast as it can be made, and its memory.

``python -m tests.recording.long_recording SECONDS ROOT`` prints a JSON array a line: seconds of session time, resident
memory in MB, bytes of the folder.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path

import psutil

from dmd_runtime.config import SessionConfig
from dmd_runtime.messages import Message, VideoFrame
from dmd_runtime.recording.recording import Recording
from dmd_runtime.sources.synthetic import SyntheticSource
from dmd_runtime.streaming.session import Session
from tests.recording.recording_process import Toolbox

SIZE = (320, 240)


def main(seconds: str, root: str) -> None:
    """Record numbered pictures and samples; the stages are fakes, all that writes is real."""
    duration = float(seconds)
    toolbox, config = Toolbox(), SessionConfig.load()
    window = config.window.model_copy(update={"step": 4.0})  # a reading is the one slow thing here: the rows of those
    config = config.model_copy(update={"window": window})  # that are still to be made would be what grows
    source = SyntheticSource(duration=duration, size=SIZE, paced=False)
    session = Session(source, toolbox, config, exact=True)  # type: ignore[arg-type]
    recording = Recording(session, toolbox, config, Path(root), label="long", with_media=True)
    process, due = psutil.Process(), 0.0

    def look(message: Message) -> None:
        nonlocal due
        if isinstance(message, VideoFrame) and message.t >= due:
            due += duration / 30
            _tell(round(message.t, 3), process.memory_info().rss / 2**20, recording.counts.bytes)

    session.subscribe(look)
    session.run()
    recording.finish()
    _tell(duration, process.memory_info().rss / 2**20, recording.counts.bytes, threading.active_count())


def _tell(*what: float) -> None:
    os.write(1, json.dumps(what).encode() + b"\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
