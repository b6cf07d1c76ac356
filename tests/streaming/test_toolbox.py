from __future__ import annotations

from pathlib import Path

import pytest
import torch

from dmd_runtime.assets import Assets
from dmd_runtime.config import SessionConfig
from dmd_runtime.errors import AssetError, CheckpointError, ConfigError, ModelError
from dmd_runtime.modality import MODALITIES
from dmd_runtime.model.checkpoint import untrained
from dmd_runtime.sources.base import SourceInfo
from dmd_runtime.streaming.toolbox import Toolbox, find_checkpoint, live_config, live_recipe, torch_device
from tests.messages_factory import A, L, V
from tests.session_factory import tiny_checkpoint


@pytest.fixture
def nothing_here(tmp_path: Path) -> Assets:
    """Assets of a machine with no model file and no network."""
    return Assets(offline=True, cache=tmp_path / "cache", environ={})


def test_without_any_model_file_sound_alone_is_left_and_the_reasons_are_told(nothing_here: Assets) -> None:
    toolbox = Toolbox.load(SessionConfig.load(), nothing_here)
    assert set(toolbox.missing) == {V, L}
    assert all("dmd models fetch" in reason for reason in toolbox.missing.values())
    info = SourceInfo(kind="device", name="both", has_video=True, has_audio=True)
    assert set(toolbox.absent_for(info)) == {V, L}
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
