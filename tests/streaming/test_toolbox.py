from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from dmd_runtime.assets import Assets
from dmd_runtime.config import SessionConfig
from dmd_runtime.errors import AssetError, CheckpointError, ConfigError, ModelError
from dmd_runtime.features.visual import NAMES
from dmd_runtime.messages import FOREVER, AudioBlock, FeatureBlock, SpeechActivity
from dmd_runtime.modality import MODALITIES
from dmd_runtime.model.checkpoint import Checkpoint, untrained
from dmd_runtime.model.encoders import Encoder
from dmd_runtime.model.face_encoder import FaceEncoderConfig
from dmd_runtime.sources.base import SourceInfo
from dmd_runtime.streaming.extractors import live_config, live_recipe
from dmd_runtime.streaming.toolbox import Toolbox, find_checkpoint, torch_device
from tests.messages_factory import A, L, V
from tests.model import encoder_factory
from tests.model.encoder_factory import text
from tests.session_factory import tiny_checkpoint


@pytest.fixture
def nothing_here(tmp_path: Path) -> Assets:
    """Assets of a machine with no model file and no network."""
    return Assets(offline=True, cache=tmp_path / "cache", environ={})


def test_without_any_model_file_nothing_is_left_and_the_reasons_are_told(
    nothing_here: Assets, caplog: pytest.LogCaptureFixture
) -> None:
    toolbox = Toolbox.load(SessionConfig.load(), nothing_here)
    assert toolbox.missing == {
        V: "face model missing (dmd models fetch)",
        A: "speech encoder missing (dmd models fetch)",
        L: "speech model missing (dmd models fetch)",
    }
    assert [r.getMessage().split()[1] for r in caplog.records] == ["face_landmarker", "whisper-tiny.en"]  # each once
    info = SourceInfo(kind="device", name="both", has_video=True, has_audio=True)
    assert set(toolbox.absent_for(info)) == {V, A, L}
    voice = toolbox.sound()
    said = [*voice.push(AudioBlock(seq=0, t=0.0, samples=np.zeros(1600, np.float32), rate=16_000)), *voice.finish()]
    assert {type(m) for m in said} >= {SpeechActivity, FeatureBlock}  # voice activity goes on; the voice settles
    assert all(m.settled_until == FOREVER for m in said if isinstance(m, FeatureBlock))
    silent = SourceInfo(kind="file", name="pictures", has_video=True, has_audio=False)
    assert toolbox.absent_for(silent)[A] == "no sound"


def test_a_model_asked_for_by_name_must_be_had(nothing_here: Assets) -> None:
    with pytest.raises(AssetError, match=r"whisper-tiny\.en|nonsense"):
        Toolbox.load(SessionConfig.load(speech={"model": "nonsense"}), nothing_here)


def test_speech_recognition_can_be_switched_off(nothing_here: Assets) -> None:
    toolbox = Toolbox.load(SessionConfig.load(speech={"model": "none"}), nothing_here)
    assert toolbox.missing[L] == "speech recognition is off"


def test_the_recipe_is_known_without_any_model_file(nothing_here: Assets) -> None:
    recipe = live_recipe(SessionConfig.load(), nothing_here)
    assert {m: recipe.specs[m].rows for m in MODALITIES} == {L: 32, V: 60, A: 200}


def test_a_checkpoint_of_another_recipe_is_refused_with_both_names(nothing_here: Assets, tmp_path: Path) -> None:
    other = tiny_checkpoint()
    other.save(tmp_path / "other.safetensors")
    with pytest.raises(CheckpointError, match="expected the feature recipe") as error:
        Toolbox.load(SessionConfig.load(), nothing_here, checkpoint=tmp_path / "other.safetensors")
    ours = live_recipe(SessionConfig.load(), nothing_here).id
    assert ours in str(error.value)
    assert str(other.recipe["id"]) in str(error.value)


def test_a_fitting_checkpoint_is_used(nothing_here: Assets, tmp_path: Path) -> None:
    recipe = live_recipe(SessionConfig.load(), nothing_here)
    digest = untrained(live_config(recipe), recipe.to_json(), seed=7).save(tmp_path / "mine.safetensors")
    toolbox = Toolbox.load(SessionConfig.load(), nothing_here, checkpoint=tmp_path / "mine.safetensors")
    assert toolbox.provenance()["checkpoint"] == {"name": "mine", "digest": digest, "trained": False}
    assert toolbox.marks == ("UNTRAINED",)


def face(seed: int = 0) -> Encoder:
    return encoder_factory.face(seed, FaceEncoderConfig(row=len(NAMES), channels=2, embedding=3))


def carrying(encoders: dict[str, Encoder], assets: Assets, **changes: object) -> Checkpoint:
    """A checkpoint that fits the live recipe with these encoders."""
    blank = replace(tiny_checkpoint(), encoders=encoders)
    recipe = live_recipe(SessionConfig.load(), assets, blank)
    return replace(untrained(live_config(recipe), recipe.to_json()), encoders=encoders, **changes)


def test_what_a_checkpoint_brings_is_in_the_recipe(nothing_here: Assets, tmp_path: Path) -> None:
    made = carrying({"face": face(), "text": text()}, nothing_here)
    made.save(tmp_path / "mine.safetensors")
    toolbox = Toolbox.load(SessionConfig.load(), nothing_here, checkpoint=tmp_path / "mine.safetensors")
    specs = toolbox.recipe.specs
    assert specs[V].settings["face_encoder"] == face().identity[:16]
    assert specs[V].dim == live_recipe(SessionConfig.load(), nothing_here).specs[V].dim + 3
    assert specs[L].settings["delta"] == text().identity[:16]
    assert (specs[A].name, specs[A].version, specs[A].dim) == ("voice+whisper-tiny.en", 2, 57 + 384)
    assert specs[A].settings["context"] == "window"


def test_another_encoder_is_another_recipe(nothing_here: Assets, tmp_path: Path) -> None:
    made = replace(carrying({"face": face()}, nothing_here), encoders={"face": face(seed=1)})
    made.save(tmp_path / "mixed.safetensors")
    with pytest.raises(CheckpointError, match=r"extractors\.V\.settings\.face_encoder"):
        Toolbox.load(SessionConfig.load(), nothing_here, checkpoint=tmp_path / "mixed.safetensors")


def test_the_starter_is_taken_by_default_where_it_ships(
    nothing_here: Assets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dmd_runtime.streaming.toolbox.resource", lambda name: tmp_path / name)
    assert Toolbox.load(SessionConfig.load(), nothing_here).checkpoint.name == "untrained"
    (tmp_path / "checkpoints").mkdir()
    carrying({"face": face()}, nothing_here, training={"corpus": "x"}).save(
        tmp_path / "checkpoints" / "starter.safetensors"
    )
    toolbox = Toolbox.load(SessionConfig.load(), nothing_here)
    assert (toolbox.checkpoint.name, toolbox.marks) == ("starter", ())


def test_another_window_length_is_another_recipe(nothing_here: Assets) -> None:
    longer = SessionConfig.load(window={"duration": 6.0})
    assert live_recipe(longer, nothing_here).id != live_recipe(SessionConfig.load(), nothing_here).id


def test_a_checkpoint_that_is_nowhere_names_what_ships() -> None:
    with pytest.raises(CheckpointError, match=r"checkpoint nowhere: expected a \.safetensors file or a name"):
        find_checkpoint("nowhere")


def test_devices_are_checked() -> None:
    assert torch_device("cpu") == torch.device("cpu")
    assert torch_device("auto").type in ("cpu", "cuda", "mps")
    with pytest.raises(ModelError, match="device quantum: expected auto or one that is here"):
        torch_device("quantum")


def test_a_language_that_the_default_model_does_not_know_is_told() -> None:
    assets = Assets(offline=True)
    if assets.find("whisper-tiny.en") is None or assets.find("minilm-l6-v2") is None:
        pytest.skip("speech models are not here: dmd models fetch")
    with pytest.raises((ModelError, ConfigError), match="recognises en"):
        Toolbox.load(SessionConfig.load(speech={"language": "de"}), assets)
