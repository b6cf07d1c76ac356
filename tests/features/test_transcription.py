"""Transcription: guards and times as pure functions, the block over a fake recogniser, and the real one."""

from __future__ import annotations

import logging
import shutil
import socket
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmd_runtime.errors import ConfigError, ModelError
from dmd_runtime.features.transcription import (
    Transcriber,
    TranscriptionConfig,
    WhisperRecogniser,
)
from dmd_runtime.features.voice_activity import SpeechSegment, SpeechSettled
from dmd_runtime.features.word_guards import (
    GuardConfig,
    Hypothesis,
    TimedWord,
    compression,
    objection,
    placed,
    repeats,
)
from dmd_runtime.messages import Float32, Float64, Span, Utterance
from tests.features.speech_assets import (
    RATE,
    SENTENCE,
    clips,
    errors,
    listen,
    load,
    model_folder,
    plain,
    recogniser,
    segments_of,
    spoken,
)

logger = logging.getLogger(__name__)


def timed(text: str, start: float = 0.0, each: float = 0.3) -> tuple[TimedWord, ...]:
    return tuple((f" {w}", start + i * each, start + (i + 1) * each, 0.9) for i, w in enumerate(text.split()))


def said(text: str, log_probability: float = -0.3, no_speech: float = 0.1) -> Hypothesis:
    return Hypothesis(words=timed(text), log_probability=log_probability, no_speech=no_speech)


def segment(start: float = 10.0, end: float = 12.0, lead: float = 0.25, *, final: bool = True) -> SpeechSegment:
    count = round((end - start + lead) * RATE)
    sound = np.full(count, 0.1, dtype=np.float32)
    return SpeechSegment(seq=3, span=Span(start, end), samples=sound, final=final, lead=lead)


class Script:
    """A recogniser that reads from a script and remembers how long the sounds were."""

    def __init__(self, *answers: Hypothesis) -> None:
        self.answers = list(answers)
        self.heard: list[int] = []

    def __call__(self, samples: Float32) -> Hypothesis:
        self.heard.append(len(samples))
        return self.answers.pop(0)


# ------------------------------------------------------------------------- guards


@pytest.mark.parametrize(
    ("hypothesis", "level", "why"),
    [
        (said("I am here"), -20.0, None),
        (said("Thank you."), -20.0, None),
        (said("Okay.", -0.9), -60.0, None),
        (said(""), -20.0, "no words"),
        (said(". ."), -20.0, "no words"),
        (said("something else", -1.5), -20.0, "log-probability"),
        (said("something else", -0.8, 0.9), -20.0, "no-speech"),
        (said("something else", -0.2, 0.9), -20.0, None),
        (said("and then " * 40), -20.0, "compression"),
        (said("beep beep beep beep beep"), -20.0, "5 times in a row"),
        (said("no no no no"), -20.0, None),
        (said("one two three four five six seven eight nine ten eleven twelve thirteen"), -20.0, "13 words in 1.0 s"),
        (said("Thank you."), -60.0, "say to noise"),
        (said("Thanks for watching!", -0.3, 0.4), -20.0, "say to noise"),
    ],
)
def test_what_is_not_believed_and_why(hypothesis: Hypothesis, level: float, why: str | None) -> None:
    reason = objection(hypothesis, seconds=1.0, level_db=level, config=GuardConfig())
    assert reason is None if why is None else why in str(reason)


def test_repeats_counts_phrases() -> None:
    assert repeats(["a", "b", "c", "d"]) == 1
    assert repeats(["x", "a", "b", "a", "b", "a", "b", "y"]) == 3
    assert repeats([]) == 1
    assert compression("") == 0.0


@given(
    times=st.lists(st.tuples(st.floats(-2, 12), st.floats(-1, 3)), max_size=30),
    start=st.floats(0, 1e5),
    length=st.floats(0.05, 8),
    lead=st.floats(0, 1),
)
def test_words_lie_inside_the_span_one_after_the_other(
    times: list[tuple[float, float]], start: float, length: float, lead: float
) -> None:
    span = Span(start, start + length)
    words = placed([("w", a, a + d, 1.3) for a, d in times], span, lead=lead, committed=True)
    assert len(words) == len(times)
    assert all(span.start <= w.span.start < w.span.end <= span.end for w in words)
    assert all(a.span.end <= b.span.start for a, b in pairwise(words))
    assert all(w.p == 1.0 and w.committed for w in words)


def test_times_are_session_times_and_marks_join_the_word_before() -> None:
    words = placed(
        [(" Well", 0.3, 0.5, 0.5), (" -", 0.5, 0.6, 0.1), (" no.", 0.7, 0.9, 0.8)],
        Span(5.0, 7.0),
        lead=0.25,
        committed=False,
    )
    assert [w.text for w in words] == ["Well-", "no."]
    np.testing.assert_allclose([w.span for w in words], [(5.05, 5.25), (5.45, 5.65)])


@pytest.mark.parametrize("wrong", [{"max_no_speech": 2.0}, {"max_compression": 0.5}, {"min_log_probability": 0.0}])
def test_guards_outside_their_rules_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="got "):
        GuardConfig(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", [{"beam_size": 0}, {"tokens_per_second": 1.0}, {"rest": 0.1}])
def test_a_config_outside_its_rules_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="got "):
        TranscriptionConfig(**wrong)  # type: ignore[arg-type]


# ---------------------------------------------------------------------- the block


def test_a_final_segment_gives_committed_words_and_a_tentative_one_does_not() -> None:
    block = Transcriber(Script(said("go home now please go", -0.3), said("go home", -0.3)))
    (final,) = block.push(segment())
    (tentative,) = block.push(segment(final=False))
    assert (final.seq, final.span, final.final) == (3, Span(10.0, 12.0), True)
    assert all(w.committed for w in final.words)
    assert not any(w.committed for w in tentative.words)
    assert block.push(SpeechSettled(20.0)) == ()
    assert block.finish() == ()


def test_words_that_are_not_believed_give_an_utterance_without_words() -> None:
    (utterance,) = Transcriber(Script(said("what is that", -3.0))).push(segment())
    assert utterance == Utterance(seq=3, span=Span(10.0, 12.0), words=(), final=True)


def test_what_was_left_out_at_the_end_is_decoded_once_more() -> None:
    first = Hypothesis(words=timed("one two three"), log_probability=-0.3, no_speech=0.0)  # ends at 0.9 of 4.25 s
    script = Script(first, said("four five six seven eight nine ten eleven"))
    (utterance,) = Transcriber(script).push(segment(10.0, 14.0))
    assert [w.text for w in utterance.words][-2:] == ["ten", "eleven"]
    assert script.heard == [round(4.25 * RATE), round((4.25 - 0.9) * RATE)]
    assert utterance.words[3].span.start == pytest.approx(10.0 - 0.25 + 0.9)


def test_a_tentative_segment_is_decoded_once() -> None:
    script = Script(said("one"))
    Transcriber(script).push(segment(10.0, 14.0, final=False))
    assert len(script.heard) == 1


def test_an_exception_of_the_recogniser_surfaces() -> None:
    def broken(samples: Float32) -> Hypothesis:
        raise RuntimeError("out of memory")

    with pytest.raises(ModelError, match=r"from 10\.0 to 12\.0 s: out of memory"):
        Transcriber(broken).push(segment())


# ------------------------------------------------------------------------ loading


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"nowhere: expected a folder with model\.bin, .* got nothing"):
        WhisperRecogniser(tmp_path / "nowhere")


def test_an_unknown_device_is_refused(tmp_path: Path) -> None:
    for name in ("model.bin", "config.json", "tokenizer.json", "vocabulary.txt"):
        (tmp_path / name).touch()
    with pytest.raises(ModelError, match="auto, cpu or cuda, got 'toaster'"):
        WhisperRecogniser(tmp_path, device="toaster")
    with pytest.raises(ModelError, match="expected a CTranslate2 Whisper model that runs on cpu"):
        WhisperRecogniser(tmp_path, device="cpu")


def test_a_folder_without_tokenizer_is_refused_before_anything_is_asked_of_the_hub(tmp_path: Path) -> None:
    for name in ("model.bin", "config.json", "vocabulary.txt"):
        (tmp_path / name).touch()
    with pytest.raises(ModelError, match=r"tokenizer\.json is missing"):
        WhisperRecogniser(tmp_path)


def test_a_language_the_model_does_not_know_is_refused() -> None:
    with pytest.raises(ModelError, match="recognises en; got language 'de'"):
        WhisperRecogniser(model_folder("whisper-tiny.en"), TranscriptionConfig(language="de"), device="cpu")


def test_loading_and_decoding_touch_no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def forbidden(*args: object, **kwargs: object) -> None:
        raise AssertionError("a socket was opened")

    folder = tmp_path / "copy"
    shutil.copytree(model_folder("whisper-tiny.en"), folder, symlinks=False)
    monkeypatch.setattr(socket, "socket", forbidden)
    monkeypatch.setattr(socket, "getaddrinfo", forbidden)
    WhisperRecogniser(folder, device="cpu")


# ------------------------------------------------------------------ the real model


def transcribed(samples: Float32, **config: float) -> list[Utterance]:
    block = Transcriber(recogniser())
    return [u for s in segments_of(listen(samples, 1600, detector=None, **config)) for u in block.push(s)]


def words_of(utterances: list[Utterance]) -> list[str]:
    return [word for u in utterances if u.final for w in u.words for word in plain(w.text)]


@pytest.fixture
def sentence(tmp_path_factory: pytest.TempPathFactory) -> Float32:
    samples = spoken(SENTENCE, tmp_path_factory.getbasetemp())
    end = np.flatnonzero(np.abs(samples) > 0.01)[-1]
    return samples[: end + 400]  # nothing follows the last word


def test_the_words_are_right_up_to_the_last_one_and_twice_the_same(sentence: Float32) -> None:
    first, second = transcribed(sentence), transcribed(sentence)
    assert words_of(first) == plain(SENTENCE)
    assert first == second
    words = [w for u in first for w in u.words]
    assert all(a.span.end <= b.span.start for a, b in pairwise(words))
    assert words[-1].span.end <= len(sentence) / RATE
    assert all(0.0 < w.p <= 1.0 for w in words)


@pytest.mark.parametrize("kind", ["telephone", "clipped", "quiet"])
def test_bad_sound_still_gives_words(sentence: Float32, kind: str) -> None:
    spectrum = np.fft.rfft(sentence)
    spectrum[np.fft.rfftfreq(len(sentence), 1 / RATE) > 3800] = 0  # what was recorded at 8 kHz
    sounds: dict[str, Float32 | Float64] = {
        "telephone": np.fft.irfft(spectrum, len(sentence)),
        "clipped": np.clip(sentence * 20, -0.9, 0.9),
        "quiet": sentence * np.float32(0.02),
    }
    wrong = errors(plain(SENTENCE), words_of(transcribed(sounds[kind].astype(np.float32))))
    assert wrong <= 0.2 * len(plain(SENTENCE))


def test_tentative_words_come_before_the_final_ones_and_change_nothing(sentence: Float32) -> None:
    utterances = transcribed(sentence, partial_every=2.0)
    assert [u.final for u in utterances] == [False, False, True]
    assert words_of(utterances) == words_of(transcribed(sentence))


def test_even_if_noise_passed_for_voice_no_words_would_be_invented() -> None:
    rng = np.random.default_rng(0)
    t = np.arange(4 * RATE) / RATE
    sounds: list[Float32 | Float64] = [
        np.zeros(len(t)),
        *(10 ** (db / 20) * rng.standard_normal(len(t)) for db in (-50, -25, -10)),
        0.2 * np.sin(2 * np.pi * 440 * t),
        0.1 * np.sum([np.sin(2 * np.pi * f * t) for f in (220.0, 277.2, 329.6)], axis=0),
    ]
    block = Transcriber(recogniser())
    for number, sound in enumerate(sounds):
        item = SpeechSegment(seq=number, span=Span(0.0, 4.0), samples=sound.astype(np.float32), final=True)
        assert block.push(item)[0].words == (), number


@pytest.mark.parametrize(("folder", "least"), [("talkers", 0.9), ("speech", 0.9)])
def test_recordings_are_recognised(folder: str, least: float) -> None:
    """Words right, utterance by utterance and the whole file at once, over all files of a folder."""
    total = cut = whole = 0
    for path, text in clips(folder):
        samples = load(path)
        reference = plain(text)
        mine = errors(reference, words_of(transcribed(samples)))
        other = errors(reference, plain(recogniser()(samples).text))
        logger.info("%s: %d words, %d wrong in utterances, %d at once", path.name, len(reference), mine, other)
        total, cut, whole = total + len(reference), cut + mine, whole + other
    logger.info(
        "%s: %.1f %% right in utterances, %.1f %% at once", folder, *(100 - 100 * e / total for e in (cut, whole))
    )
    assert 1 - cut / total >= least
    assert cut <= whole + 0.03 * total
