from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from dmd_runtime.config import SessionConfig
from dmd_runtime.errors import ModelError
from dmd_runtime.features.acoustic import AcousticExtractor
from dmd_runtime.features.speech_representation import HOP, WIDTH
from dmd_runtime.features.voice_activity import SpeechSettled, VoiceActivityDetector
from dmd_runtime.features.windowed_speech import WindowedSpeech
from dmd_runtime.messages import FOREVER, AudioBlock, FeatureBlock, Float32, SpeechActivity, WindowRows
from dmd_runtime.streaming.hearing import Hearing, Voice
from tests.messages_factory import A

CONFIG = SessionConfig.load().window
RATE = 16_000
NOISE = (np.random.default_rng(0).standard_normal(5 * RATE) / 10).astype(np.float32)


def encode(samples: Float32) -> Float32:
    return np.ones((-(-len(samples) // HOP), WIDTH), dtype=np.float32)


def hearing(*, voice: bool = True) -> Hearing:
    both = Voice(AcousticExtractor(), WindowedSpeech(encode, CONFIG))
    return Hearing(VoiceActivityDetector(), both if voice else None)


def said(block: Hearing, size: int) -> list[object]:
    pieces = [
        AudioBlock(seq=k, t=k * size / RATE, samples=NOISE[k * size : (k + 1) * size], rate=RATE)
        for k in range(-(-len(NOISE) // size))
    ]
    out: list[object] = [m for piece in pieces for m in block.push(piece)]
    return [*out, *block.finish()]


@pytest.mark.parametrize("size", [160, 512, 7_000, 5 * RATE])
def test_the_rows_of_a_window_come_before_the_voice_is_settled_past_its_end(size: int) -> None:
    come: list[float] = []
    for message in said(hearing(), size):
        if isinstance(message, WindowRows):
            come.append(message.end)
        if isinstance(message, FeatureBlock):
            ended = np.arange(CONFIG.first, min(message.settled_until, 5.0) + 1e-9, CONFIG.step)
            assert set(ended) <= set(come)
    assert come[:7] == [2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0]


def kinds(messages: Sequence[object]) -> list[type]:
    return list(dict.fromkeys(type(m) for m in messages))


def test_speech_is_told_first() -> None:
    (block,) = (AudioBlock(seq=0, t=0.0, samples=NOISE, rate=RATE),)
    order = kinds(hearing().push(block))
    assert order[-2:] == [WindowRows, FeatureBlock]
    assert SpeechActivity in order[:-2]


def test_without_a_voice_speech_is_still_heard() -> None:
    messages = said(hearing(voice=False), 512)
    assert set(kinds(messages)) == {SpeechActivity, SpeechSettled, FeatureBlock}
    (block,) = (m for m in messages if isinstance(m, FeatureBlock))
    assert (block.modality, block.settled_until, len(block.times)) == (A, FOREVER, 0)


def test_blocks_that_are_none_are_refused() -> None:
    with pytest.raises(ModelError, match="16000 Hz, got 8000"):
        Hearing(VoiceActivityDetector(), Voice(AcousticExtractor(), WindowedSpeech(encode, CONFIG))).push(
            AudioBlock(seq=0, t=0.0, samples=NOISE, rate=8_000)
        )
