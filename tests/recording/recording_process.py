"""A process that records as the program does, until it is killed: ``python -m tests.recording.recording_process``.

Pictures and sound come as from a camera and a microphone; the stages are small fakes, all that writes is real. What was
handed to the recording is told on standard output, one JSON array a line, right after it was.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np

from dmd_runtime.clock import Clock
from dmd_runtime.config import SessionConfig
from dmd_runtime.messages import AudioBlock, Message, Reading, UInt8, VideoFrame, Word, freeze
from dmd_runtime.recording.recording import Consent, Recording
from dmd_runtime.sources.base import ANALYSIS_RATE, MediaSink, SourceInfo
from dmd_runtime.sources.file import FileSource
from dmd_runtime.sources.pacing import BLOCK, Timed, deliver
from dmd_runtime.sources.synthetic import frame_image
from dmd_runtime.streaming.session import Session
from tests.session_factory import FakeToolbox

FPS = 30
SIZE = (320, 240)
LATE = 2.0  # s until the first picture of a late camera
DEVICE = SourceInfo(kind="device", name="a camera", has_video=True, has_audio=True)


class Toolbox(FakeToolbox):
    def provenance(self) -> dict[str, Any]:
        return {"checkpoint": {"name": "tiny"}}


class Made:
    """A still picture and silence, noise, or numbered pictures, for ever; ``late``: sound alone at first."""

    info = DEVICE

    def __init__(self, kind: str) -> None:
        random = np.random.default_rng(5)
        noise = [freeze(random.integers(0, 256, (SIZE[1], SIZE[0], 3), dtype=np.uint8)) for _ in range(7)]
        self._noise: list[UInt8] = noise if kind == "noise" else []
        self._sound = random.normal(0, 0.1, BLOCK).astype(np.float32) * (kind == "noise")
        self._numbered = kind == "numbered"
        self._first = round(LATE * FPS) if kind == "late" else 0

    def run(self, sink: MediaSink, clock: Clock, stop: Event) -> float:
        return deliver([self._video(), self._audio()], sink, clock, stop, paced=True)

    def close(self) -> None:
        pass

    def _video(self) -> Iterator[Timed]:
        still = freeze(np.full((SIZE[1], SIZE[0], 3), 90, dtype=np.uint8))
        for seq in count(self._first):
            image = self._noise[seq % 7] if self._noise else frame_image(seq, SIZE) if self._numbered else still
            yield Timed(seq / FPS, (seq + 1) / FPS, VideoFrame(seq=seq, t=seq / FPS, image=image))

    def _audio(self) -> Iterator[Timed]:
        samples = freeze(self._sound.copy())
        for seq in count():
            block = AudioBlock(seq=seq, t=seq * BLOCK / ANALYSIS_RATE, samples=samples, rate=ANALYSIS_RATE)
            yield Timed(block.end, block.end, block)


class Played:
    """A file as if a camera saw it."""

    info = DEVICE

    def __init__(self, path: Path) -> None:
        self._file = FileSource(path, paced=True, with_hash=False)

    def run(self, sink: MediaSink, clock: Clock, stop: Event) -> float:
        return self._file.run(sink, clock, stop)

    def close(self) -> None:
        self._file.close()


class Told:
    """A subscriber after the recording: annotates now and then, and tells what the recording has had."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording

    def __call__(self, message: Message) -> None:
        if isinstance(message, VideoFrame):
            self._tell("frame", message.t)
            if message.seq % 7 == 0:
                self._mark(message)
        elif isinstance(message, AudioBlock):
            self._tell("sound", message.end)
        elif isinstance(message, Reading):
            self._tell("reading", message.span.end)
        elif isinstance(message, Word):
            self._tell("word", message.span.start)

    def _mark(self, frame: VideoFrame) -> None:
        name = f"point {frame.seq}"
        self._recording.mark(frame.t, name, by="test")
        self._tell("marker", name)
        turn, place = divmod(frame.seq // 7, 3)  # a span is begun, goes on for one mark, and is ended
        if place != 1:
            begun = f"span {turn}"
            end = frame.t if place == 2 else None
            self._recording.mark(frame.t - 14 / FPS * (place == 2), begun, t1=end, id=begun, open=end is None)
            self._tell("marker", begun)
        self._recording.trace(frame.t, "valence", 0.5, "test")
        self._tell("trace", round(frame.t, 6))

    def _tell(self, *what: object) -> None:
        os.write(1, json.dumps(what).encode() + b"\n")


def main(root: str, kind: str) -> None:
    """Record ``still``, ``noise``, ``numbered``, ``late`` or a file below ``root`` until the end, if there is one."""
    source = Played(Path(kind)) if Path(kind).is_file() else Made(kind)
    toolbox, config = Toolbox(), SessionConfig.load()
    session = Session(source, toolbox, config)  # type: ignore[arg-type]
    consent = Consent(text="a test", given_by="nobody")
    recording = Recording(session, toolbox, config, Path(root), label="killed", consent=consent)  # type: ignore[arg-type]
    session.subscribe(Told(recording))
    session.run()
    recording.finish()


if __name__ == "__main__":
    main(*sys.argv[1:])
