"""The demo film is what docs/demo.md says: small, marked, a face to the detector, words to the recogniser."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest

from dmd_runtime.features.transcription import Transcriber
from dmd_runtime.features.visual import VisualExtractor
from dmd_runtime.messages import AudioBlock, FeatureBlock, Float32, Float64, VideoFrame
from dmd_runtime.sources.base import ANALYSIS_RATE, SourceInfo
from dmd_runtime.sources.file import FileSource
from tests.factories import FakeClock
from tests.features.face_assets import face_model
from tests.features.speech_assets import errors, listen, plain, recogniser, segments_of

FILM = Path(__file__).resolve().parent.parent / "resources" / "demo.mkv"
logger = logging.getLogger(__name__)
PLAN: dict[str, Any] = json.loads(FILM.with_suffix(".json").read_text(encoding="utf-8"))


@dataclass
class Watcher:
    """Takes a film as it comes: measures faces where there is an extractor, keeps the sound and the stamps."""

    extractor: VisualExtractor | None = None
    stamps: list[float] = field(default_factory=list)
    shapes: set[tuple[int, ...]] = field(default_factory=set)
    blocks: list[FeatureBlock] = field(default_factory=list)
    sound: list[Float32] = field(default_factory=list)

    def video(self, frame: VideoFrame) -> None:
        self.stamps.append(frame.t)
        self.shapes.add(frame.image.shape)
        if self.extractor is not None:
            self.blocks += [m for m in self.extractor.push(frame) if isinstance(m, FeatureBlock)]

    def audio(self, block: AudioBlock) -> None:
        assert block.lost == 0
        self.sound.append(block.samples)


def watch(watcher: Watcher) -> SourceInfo:
    source = FileSource(FILM, paced=False)
    try:
        source.run(watcher, FakeClock(), Event())
    finally:
        source.close()
    return source.info


@dataclass(frozen=True)
class Seen:
    """When a face was looked for and when one was found, with its numbers (n, D), and the sound."""

    due: Float64
    times: Float64
    values: Float32
    sound: Float32

    def of(self, *names: str) -> Float64:
        """Mean of the named coefficients at each of ``times``."""
        index = [VisualExtractor.names.index(name) for name in names]
        return self.values[:, index].mean(axis=1, dtype=np.float64)

    def mean(self, mood: str, *names: str) -> float:
        (span,) = [span for span in PLAN["moods"] if span["mood"] == mood]
        inside = (self.times >= span["t0"]) & (self.times <= span["t1"])
        return float(self.of(*names)[inside].mean())


@pytest.fixture(scope="module")
def seen() -> Seen:
    watcher = Watcher(VisualExtractor(face_model()))
    watch(watcher)
    assert watcher.extractor is not None
    watcher.extractor.close()
    due, times, values = (np.concatenate([getattr(b, k) for b in watcher.blocks]) for k in ("due", "times", "values"))
    return Seen(due, times, values, np.concatenate(watcher.sound))


def test_it_is_small_and_marked() -> None:
    watcher = Watcher()
    info = watch(watcher)
    assert FILM.stat().st_size <= 3_000_000
    assert info.marks == ("DEMO",)
    assert info.media is not None
    assert info.duration == pytest.approx(PLAN["duration"], abs=0.1)
    assert watcher.shapes == {(480, 640, 3)}
    steps = np.diff(watcher.stamps)
    assert steps.min() > 0.03
    assert steps.max() < 0.037
    sound = sum(map(len, watcher.sound)) / ANALYSIS_RATE
    assert sound == pytest.approx(watcher.stamps[-1], abs=0.1)


def test_its_plan_shows_each_kind_of_gap() -> None:
    spoken = [(line["t0"], line["t1"]) for line in PLAN["lines"]]
    silence, away = PLAN["silence"], PLAN["away"]
    assert silence["t1"] - silence["t0"] >= 4.5  # a window and a step: one window at least is silent
    assert not any(t0 < silence["t1"] and t1 > silence["t0"] for t0, t1 in spoken)
    assert away["t1"] - away["t0"] >= 2.0
    assert any(t0 < away["t1"] and t1 > away["t0"] for t0, t1 in spoken)
    assert {line["mood"] for line in PLAN["lines"]} == {"neutral", "happy", "angry", "surprised", "sad"}


def test_a_face_is_seen_but_while_the_camera_is_away(seen: Seen) -> None:
    away, turned = PLAN["away"], PLAN["turned"]
    outside = (seen.due < turned["t0"]) | (seen.due > turned["t1"])
    middle = (seen.due > away["t0"]) & (seen.due < away["t1"])
    found = np.isin(seen.due, seen.times)
    logger.info("face found, camera on it: %d of %d", found[outside].sum(), outside.sum())
    logger.info("face found, camera away: %d of %d", found[middle].sum(), middle.sum())
    assert middle.sum() >= 25
    assert not found[middle].any()
    assert found[outside].mean() >= 0.95


@pytest.mark.parametrize(
    ("names", "high", "low", "by"),
    [
        ("mouthSmileLeft mouthSmileRight", "happy", "angry", 0.4),
        ("mouthSmileLeft mouthSmileRight", "happy", "sad", 0.4),
        ("browDownLeft browDownRight", "angry", "happy", 0.12),
        ("browDownLeft browDownRight", "angry", "sad", 0.12),
        ("browOuterUpLeft browOuterUpRight", "surprised", "angry", 0.3),
        ("browInnerUp", "sad", "angry", 0.3),
    ],
)
def test_the_face_does_what_the_words_say(seen: Seen, names: str, high: str, low: str, by: float) -> None:
    means = {mood: seen.mean(mood, *names.split()) for mood in (high, low)}
    logger.info("%s: %s", names, {mood: round(mean, 3) for mood, mean in means.items()})
    assert means[high] > means[low] + by


def test_it_blinks(seen: Seen) -> None:
    closed = seen.of("eyeBlinkLeft", "eyeBlinkRight")
    peaks = [float(closed[(seen.times >= t) & (seen.times <= t + 0.4)].max(initial=0.0)) for t in PLAN["blinks"]]
    logger.info("eyeBlink: median %.2f, at blinks %s", np.median(closed), np.round(peaks, 2).tolist())
    assert sum(peak > np.median(closed) + 0.2 for peak in peaks) >= 3


def test_its_mouth_goes_with_its_voice(seen: Seen) -> None:
    half = ANALYSIS_RATE // 20
    padded = np.pad(seen.sound.astype(np.float64), half)
    starts = np.rint(seen.times * ANALYSIS_RATE).astype(int)
    level = np.array([np.sqrt(np.mean(padded[s : s + 2 * half] ** 2)) for s in starts])
    correlation = float(np.corrcoef(level, seen.of("jawOpen"))[0, 1])
    logger.info("jawOpen with the level of the voice: %.2f", correlation)
    assert correlation > 0.4


def test_its_words_are_recognised() -> None:
    watcher = Watcher()
    watch(watcher)
    transcriber = Transcriber(recogniser())
    segments = [s for s in segments_of(listen(np.concatenate(watcher.sound))) if s.final]
    words = [word.text for segment in segments for u in transcriber.push(segment) for word in u.words]
    said = plain(" ".join(line["text"] for line in PLAN["lines"]))
    wrong = errors(said, plain(" ".join(words)))
    logger.info("words wrong: %d of %d", wrong, len(said))
    assert wrong <= 0.2 * len(said)
