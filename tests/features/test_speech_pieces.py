"""Speech handed over while it goes on: every sample once, whatever the blocks, and never more kept than a piece."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dmd_runtime.errors import ConfigError
from dmd_runtime.features.silero import CHUNK
from dmd_runtime.features.speech_cuts import chunks
from dmd_runtime.features.voice_activity import SpeechPiece, SpeechSegment, VoiceActivityConfig
from dmd_runtime.messages import SpeechActivity
from tests.features.speech_assets import RATE, listen
from tests.features.test_voice_activity import block, bursts, detector, runs

STREAMING = VoiceActivityConfig.streaming(0.4)


def pieces_of(said: list[object]) -> list[SpeechPiece]:
    assert not any(isinstance(m, SpeechSegment) for m in said)
    return [m for m in said if isinstance(m, SpeechPiece)]


@settings(deadline=None, max_examples=40)
@given(pattern=runs, extra=st.integers(0, CHUNK - 1), sizes=st.lists(st.integers(50, 9000), min_size=1, max_size=5))
def test_pieces_of_an_utterance_follow_one_another_and_hold_what_a_segment_would(
    pattern: list[bool], extra: int, sizes: list[int]
) -> None:
    samples = bursts(pattern, extra)
    pieces = pieces_of(listen(samples, *sizes, detector=detector(STREAMING)))
    whole = VoiceActivityConfig(end_silence_long=STREAMING.end_silence, max_utterance=28.0)
    segments = [m for m in listen(samples, 1600, detector=detector(whole)) if isinstance(m, SpeechSegment)]
    assert [p.seq for p in pieces if p.final] == [s.seq for s in segments]
    for segment in segments:
        mine = [p for p in pieces if p.seq == segment.seq]
        assert [p.final for p in mine] == [False] * (len(mine) - 1) + [True]
        np.testing.assert_array_equal(np.concatenate([p.samples for p in mine]), segment.samples)
        assert (mine[-1].span, mine[-1].lead) == (segment.span, segment.lead)
        assert all(p.span.start == segment.span.start for p in mine)


def test_the_first_piece_comes_soon_and_the_others_as_often_as_asked() -> None:
    said = pieces_of(listen(bursts([True] * 100), 512, detector=detector(STREAMING)))
    heard = np.cumsum([len(p.samples) for p in said]) / CHUNK
    np.testing.assert_array_equal(heard[:3], [chunks(0.35), chunks(0.35) + chunks(0.4), chunks(0.35) + 2 * chunks(0.4)])


def test_a_minute_of_speech_without_a_pause_is_one_utterance_and_little_is_kept() -> None:
    d = detector(STREAMING)
    sound = bursts([True] * chunks(60.0))
    finals = most = 0
    for at in range(0, len(sound), 1600):
        said = d.push(block(sound[at : at + 1600], t=at / RATE))
        finals += sum(p.final for p in said if isinstance(p, SpeechPiece))
        assert d._run is not None
        most = max(
            most, len(d._run._samples), *(len(x) * CHUNK for x in (d._run._segmenter._voiced, d._run._undecided))
        )
    assert finals == 0
    assert most <= 1.0 * RATE
    assert [p.final for p in d.finish() if isinstance(p, SpeechPiece)] == [True]


def test_lost_sound_ends_an_utterance_in_pieces_too() -> None:
    d = detector(STREAMING)
    first = bursts([True] * 40)
    said = [m for m in d.push(block(first, t=1.0)) if isinstance(m, SpeechPiece)]
    resume = 1.0 + len(first) / RATE + 0.5
    said += [
        m for m in d.push(block(bursts([True] * 40), t=resume, lost=RATE // 2)) if not isinstance(m, SpeechActivity)
    ]
    pieces = [m for m in said if isinstance(m, SpeechPiece)]
    ended = next(i for i, p in enumerate(pieces) if p.final)
    assert sum(len(p.samples) for p in pieces[: ended + 1]) == len(first)
    assert (pieces[ended + 1].seq, pieces[ended + 1].lead) == (1, 0.0)
    assert pieces[ended + 1].span.start == pytest.approx(resume)


def test_pieces_need_to_know_how_often() -> None:
    with pytest.raises(ConfigError, match="needs partial_every"):
        VoiceActivityConfig(in_pieces=True)
    with pytest.raises(ConfigError, match="first_partial must be"):
        VoiceActivityConfig(partial_every=0.5, first_partial=0.0)
