"""Speech that does not pause, a pause that does not end, a machine that is too slow: nothing grows, nothing is lost."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np
import pytest

from dmd_runtime.features.pace import PaceConfig
from dmd_runtime.features.streaming_transcription import StreamingConfig, StreamingTranscriber
from dmd_runtime.features.voice_activity import SpeechPiece, VoiceActivityConfig
from dmd_runtime.features.word_guards import Hypothesis, repeats
from dmd_runtime.messages import Float32, Utterance
from tests.features.script_reader import EACH, RATE, Reader, committed, numbered, pieces, spoken
from tests.features.speech_assets import clips, errors, listen, load, plain, recogniser

QUIET = 1e-4


@dataclass
class Watched:
    """A recogniser that remembers how much sound it was given at each call (s)."""

    seconds: list[float] = field(default_factory=list)

    def __call__(self, samples: Float32, *begin: object, **how: object) -> Hypothesis:
        self.seconds.append(len(samples) / RATE)
        return recogniser().short(samples, *begin, **how)  # type: ignore[arg-type]


def heard(samples: Float32, watched: Watched) -> list[Utterance]:
    block = StreamingTranscriber(watched, patient=True)
    said = [m for m in listen(samples, 1600, **vars(VoiceActivityConfig.streaming(0.4))) if isinstance(m, SpeechPiece)]
    return [*(u for piece in said for u in block.push(piece)), *block.finish()]


def words_of(said: list[Utterance]) -> list[str]:
    return [word for one in committed(said) for word in plain(one.text)]


def without_pauses(seconds: float) -> tuple[Float32, list[str], int]:
    """Recordings one upon the other, their silence cut off; what is said, and the errors each by itself."""
    parts: list[Float32] = []
    truth: list[str] = []
    alone = turn = 0
    recordings = [(load(path), plain(text)) for path, text in clips("talkers")]
    own = [errors(text, plain(recogniser()(samples).text)) for samples, text in recordings]
    while sum(map(len, parts)) < seconds * RATE:
        samples, text = recordings[turn % len(recordings)]
        loud = np.flatnonzero(np.abs(samples) > 0.02)
        parts.append(samples[max(0, loud[0] - 800) : loud[-1] + 800])
        truth, alone, turn = truth + text, alone + own[turn % len(recordings)], turn + 1
    return np.concatenate(parts), truth, alone


@pytest.mark.parametrize("seconds", [12.0, pytest.param(70.0, marks=pytest.mark.slow)])
def test_speech_without_a_pause_stays_bounded_and_repeats_nothing(seconds: float) -> None:
    samples, truth, alone = without_pauses(seconds)
    watched = Watched()
    said = heard(samples, watched)
    words = words_of(said)
    assert errors(truth, words) <= alone + 0.05 * len(truth) + 2
    assert repeats(words) <= 2
    assert max(watched.seconds) <= 21.0
    early, late = np.array_split(watched.seconds, 2)
    assert late.mean() <= max(early.mean() + 4.0, 12.0)  # the work for a second does not grow
    assert words[-1] in truth[-2:]  # the last recording breaks off within its last word


PHRASE = 2.6
"""Seconds of a recording that end in a pause of its own, so that nothing is cut within a word."""


@pytest.mark.parametrize("pause", [20.0, pytest.param(70.0, marks=pytest.mark.slow)])
def test_a_long_pause_costs_nothing_and_the_words_behind_it_are_there(pause: float) -> None:
    path, text = next(clip for clip in clips("speech") if clip[0].name == "jfk.flac")
    samples, truth = load(path)[: round(PHRASE * RATE)], plain(text)
    quiet = np.random.default_rng(0).normal(0, QUIET, round(pause * RATE)).astype(np.float32)
    once, twice = Watched(), Watched()
    alone = words_of(heard(samples, once))
    said = heard(np.concatenate((samples, quiet, samples)), twice)
    words = committed(said)
    assert alone == truth[:5]
    assert words_of(said) == [*alone, *alone]
    assert len(twice.seconds) <= 2 * len(once.seconds) + 2
    assert not [w for w in words if PHRASE + 0.3 < w.span.start < PHRASE + pause]


# ----------------------------------------------------------------------------- load


@dataclass
class Machine:
    """The transcriber behind a queue, on a virtual clock that each decoding takes ``seconds`` of."""

    reader: Reader
    depth: int = 0
    lag: float = 0.0
    said: list[Utterance] = field(default_factory=list)

    def run(self, turns: int, words: int, *, pause: float = 1.0) -> StreamingTranscriber:
        config = StreamingConfig(pace=PaceConfig(cadence=0.4))
        block = StreamingTranscriber(self.reader, config, stopwatch=lambda: self.reader.now)
        length = words * EACH + pause
        come = deque(
            (piece.span.end, piece)
            for turn in range(turns)
            for piece in pieces(spoken(words), seq=turn, start=10.0 + turn * length)
        )
        waiting: deque[SpeechPiece] = deque()
        while come or waiting:
            if not waiting:
                self.reader.now = max(self.reader.now, come[0][0])
            while come and come[0][0] <= self.reader.now:
                waiting.append(come.popleft()[1])
            self.depth = max(self.depth, len(waiting))
            item = waiting.popleft()
            for utterance in block.push(item, behind=bool(waiting)):
                self.said.append(utterance)
                self.lag = max(self.lag, self.reader.now - utterance.span.end)
        return block


@pytest.mark.parametrize("took", [0.1, 0.8, 2.0, 4.0])
def test_whoever_is_too_slow_decodes_less_and_greedily_and_loses_no_final_word(took: float) -> None:
    words = numbered(15)
    machine = Machine(Reader(words, seconds=took))
    block = machine.run(turns=12, words=15)
    finals = [u for u in machine.said if u.final]
    assert [[w.text for w in u.words] for u in finals] == [words] * 12
    committed(machine.said)  # none of them changes
    assert machine.depth <= 4 * took / 0.4 + 3  # stale ones are coalesced: the queue holds a few decodings' time
    assert machine.lag <= 4 * took + 1.0
    figures = block.figures()
    if took > 0.5:
        assert figures["coalesced"] > 12
        assert 0.4 < figures["cadence_s"] <= 4.0
        assert machine.reader.beams[-1] == 1
    else:
        assert figures["coalesced"] == 0


@pytest.mark.parametrize("took", [0.8, 4.0])
def test_the_queue_of_a_slow_machine_does_not_grow_with_time(took: float) -> None:
    short, long = Machine(Reader(numbered(15), seconds=took)), Machine(Reader(numbered(15), seconds=took))
    short.run(turns=6, words=15)
    long.run(turns=60, words=15)
    assert long.depth <= short.depth + 2
    assert long.lag <= short.lag + took
