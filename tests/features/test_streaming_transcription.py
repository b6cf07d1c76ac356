"""Words while they are spoken: the policy over a recogniser that knows what is said when, and the real one."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dmd_runtime.errors import ConfigError, ModelError
from dmd_runtime.features.pace import PaceConfig
from dmd_runtime.features.streaming_transcription import StreamingConfig, StreamingTranscriber
from dmd_runtime.features.voice_activity import SpeechPiece, SpeechSettled, VoiceActivityConfig
from dmd_runtime.features.word_guards import Hypothesis
from dmd_runtime.messages import Float32, Utterance
from tests.features.script_reader import LEAD, Reader, committed, numbered, pieces, spoken
from tests.features.speech_assets import RATE, clips, errors, listen, load, plain, recogniser


def transcribed(
    reader: Reader, sound: Float32, every: float = 0.4, config: StreamingConfig | None = None
) -> list[Utterance]:
    block = StreamingTranscriber(reader, config, patient=True)
    said = [u for piece in pieces(sound, every) for u in block.push(piece)]
    assert block.finish() == ()
    return said


# ---------------------------------------------------------------------------- policy


def test_words_are_committed_while_the_speech_goes_on_and_begin_the_next_decoding() -> None:
    reader = Reader(numbered(10))
    said = transcribed(reader, spoken(10))
    assert [u.final for u in said] == [False] * (len(said) - 1) + [True]
    assert [w.text for w in committed(said)] == numbered(10)
    assert any(w.committed for u in said[:-1] for w in u.words)
    assert reader.begun_with[-1] == tuple(range(1, len(reader.begun_with[-1]) + 1)) != ()
    first = next(w for w in said[-1].words)
    assert first.span.start == pytest.approx(10.0, abs=0.05)  # session time


def test_tentative_words_come_after_the_committed_ones_and_the_end_commits_them() -> None:
    said = transcribed(Reader(numbered(4)), spoken(4))
    assert any(not w.committed for w in said[-2].words)
    assert all(w.committed for w in said[-1].words)


@settings(max_examples=40, deadline=None)
@given(
    count=st.integers(1, 60),
    every=st.sampled_from([0.3, 0.4, 0.7, 1.5]),
    stops=st.sampled_from([0, 5, 13]),
)
def test_however_long_it_is_and_wherever_it_is_cut_every_word_is_said_once(
    count: int, every: float, stops: int
) -> None:
    reader = Reader(numbered(count, stops))
    said = transcribed(reader, spoken(count), every, StreamingConfig(cut_after=4.0, cut_anywhere=5.0, longest=10.0))
    assert [w.text for w in committed(said)] == numbered(count, stops)
    assert [u.seq for u in said] == sorted(u.seq for u in said)
    finals = [u for u in said if u.final]
    assert [u.seq for u in finals] == list(range(len(finals)))
    assert all(a.span.end <= b.span.start + 1e-9 for a, b in itertools.pairwise(finals))
    assert reader.longest <= 10.0 + every + LEAD  # the buffer is bounded


def test_speech_of_which_nothing_can_be_agreed_on_is_bounded_too() -> None:
    class Babble(Reader):
        def __call__(self, samples: Float32, *_: object, **__: object) -> Hypothesis:
            self.longest = max(self.longest, len(samples) / RATE)
            text = f"babble{len(samples)}"
            return Hypothesis(words=((text, 0.0, 0.5, 0.5),), log_probability=-0.3, no_speech=0.0)

    reader = Babble([])
    said = transcribed(reader, spoken(150))
    assert len([u for u in said if u.final]) >= 3
    assert reader.longest < 21.0


def test_an_utterance_in_which_nothing_is_believed_takes_back_what_was_tentative() -> None:
    reader = Reader(numbered(5), log_probability=-3.0)
    said = transcribed(reader, spoken(5))
    assert all(u.words == () for u in said)
    assert said[-1].final


def test_what_is_said_to_noise_is_not_committed_before_the_end() -> None:
    reader = Reader(["thank", "you"])
    said = transcribed(reader, np.concatenate((spoken(2), np.zeros(2 * RATE, dtype=np.float32))))
    assert not any(w.committed for u in said[:-1] for w in u.words)
    assert [w.text for w in said[-1].words] == ["thank", "you"]  # it was loud and sure


def test_what_was_left_out_at_the_end_is_decoded_once_more() -> None:
    class Stops(Reader):
        def __call__(self, samples: Float32, begin: Sequence[int] = (), **how: object) -> Hypothesis:
            whole = super().__call__(samples, begin)
            first = samples.astype(int).max(initial=0) > 4 and samples.astype(int)[0] == 0
            keep = 3 if first else len(whole.words)
            return Hypothesis(words=whole.words[:keep], log_probability=-0.3, no_speech=0.0)

    said = transcribed(Stops(numbered(8)), spoken(8))
    assert [w.text for w in said[-1].words] == numbered(8)


def test_the_end_of_the_sound_closes_what_is_open() -> None:
    block = StreamingTranscriber(Reader(numbered(6)), patient=True)
    said = [u for piece in list(pieces(spoken(6)))[:-1] for u in block.push(piece)]
    said += block.finish()
    assert said[-1].final
    assert len(committed(said)) >= 5
    assert block.push(SpeechSettled(99.0)) == ()


def test_an_exception_of_the_recogniser_surfaces() -> None:
    def broken(*_: object, **__: object) -> Hypothesis:
        raise RuntimeError("out of memory")

    with pytest.raises(ModelError, match=r"from 10\.0 to 10\.\d s: out of memory"):
        StreamingTranscriber(broken).push(next(pieces(spoken(1))))


# ------------------------------------------------------------------------------ load


def test_who_is_behind_leaves_out_partials_and_never_a_final_one() -> None:
    reader = Reader(numbered(12))
    block = StreamingTranscriber(reader)
    said = [u for piece in pieces(spoken(12)) for u in block.push(piece, behind=True)]
    assert [u.final for u in said] == [True]
    assert [w.text for w in committed(said)] == numbered(12)
    assert block.figures()["coalesced"] == block.skipped == len(list(pieces(spoken(12)))) - 1


def test_a_slow_machine_decodes_less_often_and_says_so() -> None:
    reader = Reader(numbered(20), seconds=0.9)
    config = StreamingConfig(pace=PaceConfig(cadence=0.4, load=0.6))
    block = StreamingTranscriber(reader, config, stopwatch=lambda: reader.now)
    said = [u for piece in pieces(spoken(20)) for u in block.push(piece)]
    assert [w.text for w in committed(said)] == numbered(20)
    assert block.skipped > 5
    assert block.figures()["cadence_s"] == pytest.approx(1.5)
    assert block.figures()["rtf"] > 0.4
    assert reader.beams[-1] == 1  # greedy


def test_a_patient_one_gives_the_same_whatever_it_takes() -> None:
    slow = Reader(numbered(20), seconds=5.0)
    block = StreamingTranscriber(slow, patient=True, stopwatch=lambda: slow.now)
    said = [u for piece in pieces(spoken(20)) for u in block.push(piece, behind=True)]
    assert said == transcribed(Reader(numbered(20)), spoken(20))


@pytest.mark.parametrize("wrong", [{"cut_after": 1.0}, {"longest": 28.0}, {"cut_anywhere": 3.0}, {"rest": 0.1}])
def test_a_config_outside_its_rules_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="got "):
        StreamingConfig(**wrong)  # type: ignore[arg-type]


# -------------------------------------------------------------------- the real model


def heard(samples: Float32, *, patient: bool = True) -> list[Utterance]:
    config = vars(VoiceActivityConfig.streaming(0.4))
    block = StreamingTranscriber(recogniser().short, patient=patient)
    said = [item for item in listen(samples, 1600, **config) if isinstance(item, SpeechPiece)]
    return [*(u for piece in said for u in block.push(piece)), *block.finish()]


@pytest.mark.parametrize("folder", ["talkers", "speech"])
def test_recordings_are_recognised_while_they_go_on(folder: str) -> None:
    """No committed word changes, and of the words at most one in fifty more is wrong than with each file as a whole."""
    wrong = whole = total = early = words = 0
    for path, text in clips(folder):
        samples, reference = load(path), plain(text)
        said = heard(samples)
        got = committed(said)
        early += len(committed([u for u in said if not u.final]))
        words += len(got)
        wrong += errors(reference, [w for word in got for w in plain(word.text)])
        whole += errors(reference, plain(recogniser()(samples).text))
        total += len(reference)
    assert wrong <= whole + max(1, 0.02 * total) + 4  # four words that the reference of one recording leaves out
    assert early > 0.5 * words  # most do not wait for the end of their utterance


def test_the_last_word_is_there_wherever_the_sound_stops() -> None:
    """Sound that ends within half a second of the last word, and no silence behind it."""
    path, _ = next(clip for clip in clips("speech") if clip[0].name == "jfk.flac")
    samples = load(path)
    for end, last in ((2.4, "americans"), (7.75, "you"), (10.5, "country")):
        words = [w for word in committed(heard(samples[: round(end * RATE)])) for w in plain(word.text)]
        assert words[-1] == last, (end, words)


def test_even_if_noise_passed_for_voice_no_words_would_be_invented() -> None:
    rng = np.random.default_rng(0)
    t = np.arange(4 * RATE) / RATE
    sounds = [
        np.zeros(len(t)),
        *(10 ** (db / 20) * rng.standard_normal(len(t)) for db in (-50, -25, -10)),
        0.2 * np.sin(2 * np.pi * 440 * t),
        0.1 * np.sum([np.sin(2 * np.pi * f * t) for f in (220.0, 277.2, 329.6)], axis=0),
    ]
    for number, sound in enumerate(sounds):
        block = StreamingTranscriber(recogniser().short, patient=True)
        said = [u for piece in pieces(sound.astype(np.float32)) for u in block.push(piece)]
        assert committed(said) == [], number
