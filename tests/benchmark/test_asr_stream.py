"""The stream of speech and the clock it is heard against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from dmd_runtime.benchmark.asr_figures import SpokenWord, latencies
from dmd_runtime.benchmark.asr_stream import PAUSE, Clip, Speech, offline_errors, onsets, read_clips, simulate, stream
from dmd_runtime.errors import SourceError
from dmd_runtime.messages import Float32
from dmd_runtime.sources.base import ANALYSIS_RATE
from tests.factories import make_clip


def clip(*words: str, truth: tuple[str, ...] | None = None) -> Clip:
    """One second for each word, which is said in its middle."""
    said = tuple(SpokenWord(word, k + 0.25, k + 0.75) for k, word in enumerate(words))
    return Clip(name="clip", samples=np.ones(len(words) * ANALYSIS_RATE, np.float32), words=said, truth=truth)


@dataclass
class Now:
    """What a listener says."""

    committed: Sequence[str] = ()
    tentative: Sequence[str] = ()


@dataclass
class Echo:
    """Knows the words; commits each ``delay`` after it was over and shows it as soon as it has begun."""

    speech: Speech
    delay: float = 0.5
    cost: float = 0.0
    time: float = 0.0
    heard: int = 0
    pieces: list[int] = field(default_factory=list)

    def timer(self) -> float:
        return self.time

    def hear(self, samples: Float32, now: float) -> Now:
        self.heard += len(samples)
        self.pieces.append(len(samples))
        self.time += self.cost
        return self.known(self.heard / ANALYSIS_RATE)

    def finish(self, now: float) -> Now:
        return Now([word.text for word in self.speech.words])

    def known(self, t: float) -> Now:
        words = self.speech.words
        return Now(
            [w.text for w in words if w.end + self.delay <= t],
            [w.text for w in words if w.start < t < w.end + self.delay],
        )


def test_a_stream_has_pauses_and_goes_on_until_it_is_long_enough() -> None:
    made = stream([clip("a", "b", truth=("a", "x")), clip("c")], 6.0)
    lengths = [PAUSE, 2, PAUSE, 1, PAUSE, 2, PAUSE]
    assert made.seconds == pytest.approx(sum(lengths))
    assert [w.text for w in made.words] == ["a", "b", "c", "a", "b"]
    assert made.truth == ("a", "x", "c", "a", "x")
    for word in made.words:
        middle = round((word.start + word.end) / 2 * ANALYSIS_RATE)
        assert made.samples[middle] == 1.0
    assert onsets(made.words) == [w.start for w in made.words if w.text in "ac"]


def test_latency_is_what_the_listener_waits_and_what_its_work_costs() -> None:
    made = stream([clip("a", "b", "c")], 6.0)
    swift, slow = Echo(made), Echo(made, cost=0.3)
    run = simulate(swift, made, tick=0.1, timer=swift.timer)
    waited = latencies(made.words, run.committed)[:, 0]
    assert len(waited) == len(made.words)
    assert (waited >= 0.5 - 1e-6).all()
    assert (waited <= 0.6 + 1e-6).all()
    late = latencies(made.words, simulate(slow, made, tick=0.1, timer=slow.timer).committed)[:, 0]
    assert (late >= 0.8 - 1e-6).all()
    assert (late <= 1.1 + 1e-6).all()
    assert max(slow.pieces) == pytest.approx(0.3 * ANALYSIS_RATE, abs=2)  # what came while it worked
    assert sum(slow.pieces) == sum(swift.pieces) == len(made.samples)


def test_the_first_word_shown_is_timed_once_a_stretch() -> None:
    made = stream([clip("a", "b")], 8.0)
    run = simulate(echo := Echo(made), made, timer=echo.timer)
    assert len(run.partials) == len(onsets(made.words)) == 3
    assert max(run.partials) <= 0.1 + 1e-6


def test_what_was_certain_and_is_altered_is_counted() -> None:
    made = stream([clip("a", "b", "c", "d")], 4.0)

    class Fickle(Echo):
        def known(self, t: float) -> Now:
            said = list(super().known(t).committed)
            return Now(["A", *said[1:]] if len(said) == 3 else said)

    run = simulate(fickle := Fickle(made), made, timer=fickle.timer)
    assert run.changed == 3 + 2  # the first alters all that stand behind it too; back again likewise, at two words
    assert run.real_time_factor == 0.0


def test_clips_come_with_their_transcripts(tmp_path: Path) -> None:
    make_clip(tmp_path / "one.mkv", seconds=1)
    make_clip(tmp_path / "two.mkv", seconds=1)
    table = "file\ttext\tkind\none.mkv\tHello, there\tground truth\ntwo.mkv\tGuess\tASR, not ground truth\n"
    (tmp_path / "transcripts.tsv").write_text(table, encoding="utf-8")
    one, two = read_clips(tmp_path, lambda samples: [("Hello", 0.0, len(samples) / ANALYSIS_RATE)])
    assert (one.truth, two.truth) == (("hello", "there"), None)
    assert offline_errors([one, two]) == (1, 2)
    assert two.words == (SpokenWord("Hello", 0.0, len(two.samples) / ANALYSIS_RATE),)


def test_a_folder_without_sound_is_said(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="expected a folder with recordings of speech, got none"):
        read_clips(tmp_path, lambda _: [])
