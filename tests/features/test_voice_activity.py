"""Voice activity: decisions and cuts as pure functions, the block over a fake detector, the real one."""

from __future__ import annotations

import logging
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dmd_runtime.errors import ConfigError, ModelError
from dmd_runtime.features.silero import CHUNK, SileroModel
from dmd_runtime.features.speech_cuts import CHUNK_SECONDS, Cut, Segmenter, Voicing, chunks
from dmd_runtime.features.voice_activity import (
    SpeechSegment,
    SpeechSettled,
    VoiceActivityConfig,
    VoiceActivityDetector,
    level_db,
)
from dmd_runtime.messages import FOREVER, AudioBlock, Float32, Span, SpeechActivity
from tests.features.speech_assets import RATE, SENTENCE, listen, segments_of, spoken

SHORT = VoiceActivityConfig(max_utterance=2.0, cut_search=1.0, long_after=1.2)
probabilities = st.lists(st.sampled_from([0.0, 0.3, 0.4, 0.6, 1.0]), max_size=200)
runs = st.lists(st.tuples(st.booleans(), st.integers(1, 60)), max_size=12).map(
    lambda parts: [voiced for voiced, count in parts for _ in range(count)]
)


class LoudIsVoice:
    """A detector for which every chunk's probability is its loudest sample."""

    def stream(self) -> LoudIsVoice:
        return self

    def __call__(self, chunk: Float32) -> float:
        return min(1.0, float(np.abs(chunk).max()))


def detector(config: VoiceActivityConfig = SHORT) -> VoiceActivityDetector:
    return VoiceActivityDetector(config, LoudIsVoice())


def block(samples: Float32, t: float = 0.0, lost: int = 0, rate: int = RATE) -> AudioBlock:
    return AudioBlock(seq=0, t=t, samples=samples, rate=rate, lost=lost)


def bursts(pattern: list[bool], extra: int = 0) -> Float32:
    """Chunks of a loud ramp or of silence, and ``extra`` samples: every sample tells where it is from."""
    samples = np.repeat(np.array(pattern, dtype=np.float32), CHUNK)
    samples = np.concatenate((samples, np.ones(extra, dtype=np.float32)))
    return (samples * np.linspace(0.6, 0.9, len(samples))).astype(np.float32)


def voice(said: list[object]) -> list[Span]:
    """All voiced spans, joined where they touch."""
    spans: list[Span] = []
    for span in (s for m in said if isinstance(m, SpeechActivity) for s in m.spans):
        if spans and abs(spans[-1].end - span.start) < 1e-9:
            spans[-1] = Span(spans[-1].start, span.end)
        else:
            spans.append(span)
    return spans


# ------------------------------------------------------------------ voiced or not


def decided(values: list[float], config: VoiceActivityConfig = SHORT) -> list[bool]:
    voicing = Voicing(config)
    return [flag for p in values for flag in voicing.push(p)] + voicing.finish()


@given(values=probabilities)
def test_every_chunk_is_decided_once_and_soon(values: list[float]) -> None:
    voicing, count = Voicing(SHORT), 0
    for i, p in enumerate(values, 1):
        count += len(voicing.push(p))
        assert i - max(chunks(SHORT.min_speech), chunks(SHORT.min_gap)) < count <= i
    assert count + len(voicing.finish()) == len(values)


@given(values=probabilities)
def test_no_burst_and_no_gap_is_shorter_than_the_rule(values: list[float]) -> None:
    flags = decided(values)
    edges = np.flatnonzero(np.diff(np.array([False, *flags, False], dtype=np.int8)))
    assert (edges[1::2] - edges[::2] >= chunks(SHORT.min_speech)).all()
    assert (edges[2::2] - edges[1:-1:2] >= chunks(SHORT.min_gap)).all()


def test_hysteresis() -> None:
    assert decided([0.6] * 4 + [0.4] * 5 + [0.3] * 4) == [True] * 9 + [False] * 4
    assert decided([0.4] * 9) == [False] * 9


# --------------------------------------------------------------------- utterances


def cuts_of(flags: list[bool], config: VoiceActivityConfig = SHORT) -> tuple[list[Cut], list[int]]:
    segmenter, cuts, settled = Segmenter(config), [], []
    for i, voiced in enumerate(flags):
        level = -20.0 - 7 * (i % 5)
        cuts += segmenter.push(voiced=voiced, probability=0.9 if voiced else 0.1, level_db=level)
        settled.append(segmenter.settled)
    return cuts + segmenter.finish(), settled


@given(flags=runs)
def test_utterances_are_disjoint_ordered_and_hold_all_voice(flags: list[bool]) -> None:
    cuts, _ = cuts_of(flags)
    assert [cut.number for cut in cuts] == list(range(len(cuts)))
    assert all(a.end <= b.start for a, b in pairwise(cuts))
    inside = np.zeros(len(flags), dtype=bool)
    for cut in cuts:
        assert 0 < cut.end - cut.start <= chunks(SHORT.max_utterance)
        inside[cut.start : cut.end] = True
    assert inside[np.array(flags, dtype=bool)].all()


@given(flags=runs)
def test_an_utterance_hears_nobody_elses_voice(flags: list[bool]) -> None:
    cuts, _ = cuts_of(flags)
    for cut in cuts:
        assert 0 <= cut.lead <= chunks(SHORT.lead)
        assert 0 <= cut.tail <= chunks(SHORT.tail)
        assert not any(flags[cut.start - cut.lead : cut.start])
        assert not any(flags[cut.end : cut.end + cut.tail])


@given(flags=runs)
def test_settled_never_goes_back_and_is_kept(flags: list[bool]) -> None:
    _, settled = cuts_of(flags)
    assert settled == sorted(settled)
    segmenter = Segmenter(SHORT)
    promise = 0
    for voiced in flags:
        for cut in segmenter.push(voiced=voiced, probability=0.5, level_db=-20.0):
            assert cut.start >= promise
        promise = segmenter.settled


@given(flags=runs)
def test_tentative_segments_change_no_final_one(flags: list[bool]) -> None:
    final, _ = cuts_of(flags)
    config = VoiceActivityConfig(max_utterance=2.0, cut_search=1.0, long_after=1.2, partial_every=0.3)
    both, _ = cuts_of(flags, config)
    assert [cut for cut in both if cut.final] == final
    for cut in both:
        if not cut.final:
            replacing = next(c for c in both if c.final and c.number == cut.number)
            assert (cut.start, cut.lead) == (replacing.start, replacing.lead)


def test_an_utterance_ends_after_half_a_second_and_a_long_one_sooner() -> None:
    config = VoiceActivityConfig()
    pause = [False] * chunks(0.3)
    short, _ = cuts_of([True] * chunks(1.0) + pause + [True] * chunks(1.0), config)
    long, _ = cuts_of([True] * chunks(4.5) + pause + [True] * chunks(1.0), config)
    assert (len(short), len(long)) == (1, 2)


def test_a_long_utterance_is_cut_in_its_longest_gap_else_where_it_is_quietest() -> None:
    config = VoiceActivityConfig()
    length = chunks(config.max_utterance)
    gap = slice(length - 40, length - 36)
    flags = [True] * (length + 30)
    quiet = Segmenter(config)
    cuts = []
    for i in range(len(flags)):
        cuts += quiet.push(voiced=True, probability=1.0, level_db=-50.0 if i == length - 25 else -20.0)
    assert [cut.end for cut in cuts] == [length - 25]
    flags[gap] = [False] * 4
    cuts, _ = cuts_of(flags, config)
    assert (cuts[0].end, cuts[1].start) == (gap.start, gap.stop)
    assert (cuts[0].tail, cuts[1].lead) == (4, 4)


# ---------------------------------------------------------------------- the block


@settings(deadline=None, max_examples=40)
@given(
    pattern=runs,
    extra=st.integers(0, CHUNK - 1),
    sizes=st.lists(st.integers(50, 9000), min_size=1, max_size=5),
    partial=st.sampled_from([None, 0.5]),
)
def test_the_size_of_blocks_changes_nothing(
    pattern: list[bool], extra: int, sizes: list[int], partial: float | None
) -> None:
    samples = bursts(pattern, extra)
    config = VoiceActivityConfig(max_utterance=2.0, cut_search=1.0, partial_every=partial)
    one = listen(samples, max(1, len(samples)), detector=detector(config))
    other = listen(samples, *sizes, detector=detector(config))
    np.testing.assert_allclose(voice(one), voice(other), atol=1e-9)
    assert len(segments_of(one)) == len(segments_of(other))
    for a, b in zip(segments_of(one), segments_of(other), strict=True):
        assert (a.seq, a.span, a.lead, a.final) == (b.seq, b.span, b.lead, b.final)
        np.testing.assert_array_equal(a.samples, b.samples)
        begin = round((a.span.start - a.lead) * RATE)
        np.testing.assert_array_equal(a.samples, samples[begin : begin + len(a.samples)])
    marks = [m.until for m in other if isinstance(m, SpeechSettled)]
    assert marks == sorted(set(marks))
    assert marks[-1] == FOREVER
    settled = [m.settled_until for m in other if isinstance(m, SpeechActivity)]
    assert settled == sorted(settled)


def test_nothing_comes_before_what_was_settled() -> None:
    promised = certain = 0.0
    d = detector()
    pattern = ([True] * 20 + [False] * 30 + [True] * 100 + [False] * 5) * 2
    for i in range(0, len(pattern), 3):
        for message in d.push(block(bursts(pattern)[i * CHUNK : (i + 3) * CHUNK], t=i * CHUNK_SECONDS)):
            if isinstance(message, SpeechSegment):
                assert message.span.start >= promised
            elif isinstance(message, SpeechSettled):
                promised = message.until
            else:
                assert all(certain <= span.start <= span.end <= message.settled_until for span in message.spans)
                certain = message.settled_until


def test_lost_sound_ends_the_utterance_and_is_no_speech() -> None:
    d = detector()
    first = bursts([True] * 20)
    d.push(block(first, t=1.0))
    resume = 1.0 + len(first) / RATE + 0.5
    said = list(d.push(block(bursts([True] * 20), t=resume, lost=RATE // 2)))
    (closed,) = segments_of(said)
    assert closed.span == pytest.approx((1.0, 1.0 + len(first) / RATE))
    (last,) = segments_of(d.finish())
    assert (last.seq, last.lead) == (1, 0.0)
    assert last.span.start == pytest.approx(resume)
    assert SpeechSettled(resume) in said


def test_the_last_word_is_there_although_nothing_follows() -> None:
    samples = bursts([False] * 10 + [True] * 12, extra=100)
    (segment,) = segments_of(listen(samples, detector=detector()))
    assert segment.span.end == pytest.approx(len(samples) / RATE)
    np.testing.assert_array_equal(segment.samples[-100:], samples[-100:])


def test_without_sound_everything_is_settled_at_the_end() -> None:
    activity, settled = detector().finish()
    assert activity == SpeechActivity(spans=(), settled_until=FOREVER, speaking=False, level_db=-120.0)
    assert settled == SpeechSettled(FOREVER)


def test_speaking_and_level_tell_what_is_now() -> None:
    d = detector()
    said = d.push(block(np.full(CHUNK * 6, 0.8, dtype=np.float32)))[0]
    assert isinstance(said, SpeechActivity)
    assert said.speaking
    assert said.level_db == pytest.approx(20 * np.log10(0.8), abs=0.01)
    quiet = d.push(block(np.zeros(CHUNK * 6, dtype=np.float32), t=6 * CHUNK_SECONDS))
    assert any(isinstance(m, SpeechActivity) and not m.speaking and m.level_db == -120.0 for m in quiet)
    assert level_db(np.empty(0, dtype=np.float32)) == -120.0


def test_samples_that_are_no_numbers_are_silence_and_are_reported_once(caplog: pytest.LogCaptureFixture) -> None:
    samples = bursts([True] * 20)
    samples[::7] = np.nan
    with caplog.at_level(logging.WARNING):
        (segment,) = segments_of(listen(samples, detector=detector()))
    assert np.isfinite(segment.samples).all()
    assert len(caplog.records) == 1


def test_another_rate_is_refused() -> None:
    with pytest.raises(ModelError, match=r"at 16000 Hz, got 48000 Hz"):
        detector().push(block(np.zeros(10, dtype=np.float32), rate=48_000))


@pytest.mark.parametrize(
    "wrong",
    [
        {"threshold": 0.3},
        {"release": 0.0},
        {"lead": -0.1},
        {"end_silence": 0.1},
        {"max_utterance": 40.0},
        {"cut_search": 9.0},
        {"partial_every": 0.0},
    ],
)
def test_a_config_outside_its_rules_is_refused_with_the_value(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="got "):
        VoiceActivityConfig(**wrong)


# ----------------------------------------------------------------- the real model


def test_the_stream_agrees_with_faster_whisper_on_the_whole() -> None:
    from faster_whisper.vad import get_vad_model

    rng = np.random.default_rng(0)
    samples = (0.2 * rng.standard_normal(CHUNK * 60)).astype(np.float32)
    samples[CHUNK * 20 : CHUNK * 40] *= np.sin(np.arange(CHUNK * 20) / 20).astype(np.float32)
    stream = SileroModel().stream()
    ours = [stream(samples[i : i + CHUNK]) for i in range(0, len(samples), CHUNK)]
    theirs = get_vad_model()(samples.copy()).reshape(-1)
    np.testing.assert_allclose(ours[:-1], theirs[:-1], atol=1e-4)  # theirs blanks the context in the last chunk


def test_a_wrong_model_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.onnx").write_bytes(b"nonsense")
    with pytest.raises(ModelError, match=r"x\.onnx: expected the Silero"):
        SileroModel(tmp_path / "x.onnx")


def _chord() -> Float32:
    t = np.arange(20 * RATE) / RATE
    tones = np.array([np.sin(2 * np.pi * f * t) for f in (220.0, 277.2, 329.6, 440.0)], dtype=np.float32)
    return np.asarray(0.1 * tones.sum(axis=0), dtype=np.float32)


def _noise(db: float) -> Float32:
    noise = np.random.default_rng(1).standard_normal(20 * RATE)
    return np.clip(noise * 10 ** (db / 20), -1, 1).astype(np.float32)


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros(60 * RATE, dtype=np.float32),
        _noise(-50),
        _noise(-30),
        _noise(-12),
        (0.3 * np.sin(2 * np.pi * 440 * np.arange(20 * RATE) / RATE)).astype(np.float32),
        _chord(),
    ],
    ids=["digital silence", "noise -50 dB", "noise -30 dB", "noise -12 dB", "hum", "chord"],
)
def test_silence_noise_and_hum_are_no_speech(samples: Float32) -> None:
    said = listen(samples, 4096)
    assert segments_of(said) == []
    assert voice(said) == []


def test_speech_is_found_whatever_the_blocks(tmp_path_factory: pytest.TempPathFactory) -> None:
    quiet = np.zeros(RATE, dtype=np.float32)
    samples = np.concatenate((quiet, spoken(SENTENCE, tmp_path_factory.getbasetemp()), quiet))
    one, other = listen(samples, 512), listen(samples, 160, 4800, 7)
    np.testing.assert_allclose(voice(one), voice(other), atol=1e-9)
    (a,), (b,) = segments_of(one), segments_of(other)
    assert 0.8 < a.span.start < 1.2
    assert a.span == b.span
    np.testing.assert_array_equal(a.samples, b.samples)
