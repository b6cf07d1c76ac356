"""A toolbox of small named fakes around a real, tiny DMD: sessions that run in milliseconds and know no model files."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from dmd_runtime.clock import Clock
from dmd_runtime.features.base import nothing
from dmd_runtime.features.standardize import Standardizer
from dmd_runtime.features.voice_activity import SpeechSegment, SpeechSettled
from dmd_runtime.messages import (
    FOREVER,
    AudioBlock,
    FaceObservation,
    FeatureBlock,
    Message,
    Provenance,
    Span,
    SpeechActivity,
    Utterance,
    VideoFrame,
    Word,
)
from dmd_runtime.modality import Modality
from dmd_runtime.model.checkpoint import Checkpoint, untrained
from dmd_runtime.model.config import DMDConfig
from dmd_runtime.model.fast import FastDMD
from dmd_runtime.sources.base import SourceInfo
from dmd_runtime.streaming.inference import Interpreter
from dmd_runtime.streaming.speech_engine import SpeechInUse
from tests.messages_factory import LABELS, A, L, V, block, recipe


def tiny_checkpoint() -> Checkpoint:
    """Untrained, for the recipe of :func:`tests.messages_factory.recipe`."""
    r = recipe()
    config = DMDConfig(
        dims={m: s.dim for m, s in r.specs.items()},
        lengths={m: s.rows for m, s in r.specs.items()},
        kernels={L: 3, V: 3, A: 5},
        width=8,
        heads=2,
        layers=1,
        labels=LABELS,
    )
    return untrained(config, r.to_json())


@dataclass
class FakeFaces:
    """A face in every picture before ``until``; dies at picture number ``dies_at``."""

    until: float = FOREVER
    dies_at: int | None = None
    opening: threading.Event | None = None
    fails_to_open: bool = False
    due: list[float] = field(default_factory=list)

    def open(self) -> None:
        if self.fails_to_open:
            raise RuntimeError("no face model")
        if self.opening is not None:
            assert self.opening.wait(30)

    def push(self, frame: VideoFrame, skipped: Sequence[float] = ()) -> Sequence[Message]:
        if self.dies_at is not None and frame.seq >= self.dies_at:
            raise RuntimeError("the face model broke")
        self.due += [*skipped, frame.t]
        seen = frame.t < self.until
        rows = block(V, [frame.t] if seen else [], due=[*skipped, frame.t], settled_until=frame.t + 1e-6)
        face = FaceObservation(
            t=frame.t, box=(0, 0, 1, 1), confidence=1.0, identity=1, outline=np.zeros((3, 2), np.float32)
        )
        return (rows, face) if seen else (rows,)

    def finish(self) -> Sequence[Message]:
        return (nothing(V),)


@dataclass
class FakeHearing:
    """A row at the start of every block; all sound is voiced; one segment a second."""

    hold: threading.Event | None = None
    dies: bool = False
    lost: int = 0
    samples: int = 0
    spoken_until: float = 0.0

    def push(self, b: AudioBlock) -> Sequence[Any]:
        if self.dies:
            raise RuntimeError("the sound model broke")
        if self.hold is not None:
            assert self.hold.wait(30)
        self.lost += b.lost
        self.samples += len(b.samples)
        out: list[Any] = []
        if b.end - self.spoken_until >= 1.0:
            span = Span(self.spoken_until, b.end)
            out.append(SpeechSegment(seq=int(b.end), span=span, samples=b.samples, final=True))
            self.spoken_until = b.end
            out.append(SpeechSettled(b.end))
        activity = SpeechActivity(spans=(Span(b.t, b.end),), settled_until=b.end, speaking=True, level_db=-20.0)
        return (*out, activity, block(A, [b.t], settled_until=b.end))

    def finish(self) -> Sequence[Any]:
        silence = SpeechActivity(spans=(), settled_until=FOREVER, speaking=False, level_db=-120.0)
        return (silence, SpeechSettled(FOREVER), nothing(A))


class FakeWords:
    """Says "word" in the middle of every segment."""

    def push(self, item: SpeechSegment | SpeechSettled, *, behind: bool = False) -> Sequence[Utterance | FeatureBlock]:
        if isinstance(item, SpeechSettled):
            return (nothing(L, item.until),)
        middle = Span(item.span.start + 0.25, item.span.start + 0.75)
        word = Word(span=middle, text="word", p=0.9, committed=True)
        said = Utterance(seq=item.seq, span=item.span, words=(word,), final=True)
        return (said, block(L, [middle.start], ends=[middle.end], settled_until=item.span.end))

    def figures(self) -> dict[str, float]:
        return {}

    def finish(self) -> Sequence[Utterance | FeatureBlock]:
        return (nothing(L),)


@dataclass
class FakeToolbox:
    """What a session needs of a :class:`~dmd_runtime.streaming.toolbox.Toolbox`."""

    faces: FakeFaces = field(default_factory=FakeFaces)
    hearing: FakeHearing = field(default_factory=FakeHearing)
    checkpoint: Checkpoint = field(default_factory=tiny_checkpoint)
    marks: tuple[str, ...] = ("UNTRAINED",)
    broken_model: bool = False
    speech: SpeechInUse = field(default_factory=lambda: SpeechInUse(model="fake", language="auto"))

    def __post_init__(self) -> None:
        self.recipe = recipe()

    def absent_for(self, info: SourceInfo) -> dict[Modality, str]:
        absent = {} if info.has_video else {V: "no video"}
        return absent if info.has_audio else absent | {A: "no sound", L: "no sound"}

    def visual(self) -> FakeFaces:
        return self.faces

    def sound(self) -> FakeHearing:
        return self.hearing

    def words(self, *, patient: bool) -> FakeWords:
        return FakeWords()

    def interpreter(self, *, clock: Clock, marks: tuple[str, ...]) -> Any:
        if self.broken_model:
            return _broken
        provenance = Provenance(
            checkpoint=self.checkpoint.digest,
            checkpoint_name=self.checkpoint.name,
            recipe=self.recipe.id,
            device="cpu",
            app_version="0",
            marks=marks,
        )
        return Interpreter(
            self.checkpoint,
            FastDMD(self.checkpoint.model, trace=False),
            Standardizer.identity(self.recipe),
            device=torch.device("cpu"),
            clock=clock,
            provenance=provenance,
        )


def _broken(window: object) -> Any:
    raise RuntimeError("the model broke")
