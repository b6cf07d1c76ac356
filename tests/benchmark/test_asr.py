"""The benchmark of transcription, on seconds of the demo's voice with the real model."""

from __future__ import annotations

import json

import numpy as np
import pytest

from dmd_runtime.assets import Assets
from dmd_runtime.benchmark import asr
from dmd_runtime.errors import AssetError, SourceError


@pytest.fixture(scope="module")
def model() -> None:
    try:
        Assets(offline=True).fetch("whisper-tiny.en")
    except AssetError as error:
        pytest.skip(f"the speech model is not here: {error}")


@pytest.mark.usefixtures("model")
def test_three_policies_hear_the_same_speech() -> None:
    figures = asr.run(seconds=1.0, quiet_minutes=0.05)
    json.dumps(figures, allow_nan=True)
    for policy in ("streaming", "local agreement", "utterance-wise"):
        found = figures[policy]
        assert found["latency_s"]["n"] > 0.6 * figures["speech"]["words"]
        assert found["changed"] == 0
        assert found["rtf"] > 0
    assert figures["streaming"]["latency_s"]["mean"] < figures["utterance-wise"]["latency_s"]["mean"]
    assert figures["words that nobody said"] == {"silence": 0, "noise": 0, "music": 0, "minutes each": 0.05}


@pytest.mark.usefixtures("model")
def test_recordings_without_speech_are_said(tmp_path) -> None:
    with pytest.raises(SourceError, match="expected a folder with recordings of speech, got none"):
        asr.run(corpus=tmp_path)


@pytest.mark.parametrize("kind", ["silence", "noise", "music"])
def test_what_nobody_says_is_as_long_as_asked_and_bounded(kind: str) -> None:
    speech = asr._nothing_said(kind, 2.0)
    assert speech.seconds == pytest.approx(2.0)
    assert np.abs(speech.samples).max() < 1.0
    assert speech.samples.dtype == np.float32
