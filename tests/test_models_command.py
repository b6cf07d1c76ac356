"""``dmd models`` knows the speech models too; and which there are is one table, in step with faster-whisper's."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from faster_whisper.utils import _MODELS

from dmd_runtime import models_command
from dmd_runtime.assets import Assets
from dmd_runtime.config import SessionConfig
from dmd_runtime.errors import AssetError, ConfigError, ModelError
from dmd_runtime.streaming.speech_engine import load_recogniser, speech_threads
from dmd_runtime.streaming.speech_models import SPEECH_MODELS, recommended, speech_model, speech_model_folder
from tests.features.speech_assets import model_folder
from tests.hub_factory import Hub

Say = Callable[..., tuple[int, str, str]]


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with closing(Hub(monkeypatch)) as it:
        yield it


@pytest.fixture
def say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Say:
    """The command on an empty cache; the models that always run are never fetched."""
    monkeypatch.setattr(
        models_command, "Assets", lambda offline: Assets(offline=offline, cache=tmp_path, environ={"PATH": ""})
    )
    monkeypatch.setattr(models_command, "recommended_here", lambda: "base")

    def it(what: str, *names: str, offline: bool = False) -> tuple[int, str, str]:
        out, err = io.StringIO(), io.StringIO()
        code = models_command.command(what, names, offline=offline, out=out, err=err)
        return code, out.getvalue(), err.getvalue()

    return it


def test_the_table_is_faster_whispers_own() -> None:
    assert {model.name: model.repository for model in SPEECH_MODELS}.items() <= _MODELS.items()
    assert all(model.multilingual != model.name.endswith(".en") for model in SPEECH_MODELS)
    assert speech_model("whisper-tiny.en") is speech_model("tiny.en") is SPEECH_MODELS[0]


def test_what_does_best_depends_on_the_machine_and_the_language() -> None:
    assert recommended(gpu=False, cores=2) == "tiny.en"
    assert recommended(gpu=False, cores=2, language="de") == "tiny"
    assert recommended(gpu=False, cores=16) == "base.en"
    assert recommended(gpu=True, cores=2, language="de") == "large-v3-turbo"


def test_list_tells_language_size_and_place_of_each(say: Say) -> None:
    code, out, _ = say("list")
    assert code == 0
    assert re.search(r"^face_landmarker +3.8 MB", out, re.MULTILINE)
    assert re.search(r"^base \* +many +148 MB +\d+ MB +not here +\w", out, re.MULTILINE)
    assert re.search(r"^large-v3-turbo +many", out, re.MULTILINE)
    assert say("list", "small.en")[1].count("\n") == 2


def test_fetch_gets_one_and_verify_reads_it(say: Say, hub: Hub, tmp_path: Path) -> None:
    assert say("verify", "base") == (2, "base  not here\n", "")
    code, out, err = say("fetch", "base")
    assert (code, err) == (0, "")
    assert out.count("whisper-base/model.bin  0.7 MB  from http://127.0.0.1") == 1
    assert out.endswith(f"base  0.7 MB  {tmp_path / 'whisper-base'}\n")
    assert say("verify", "whisper-base")[0] == 0
    assert str(tmp_path / "whisper-base") in say("list", "base")[1]
    (tmp_path / "whisper-base" / "config.json").write_bytes(b"!")
    code, out, _ = say("verify", "base")
    assert code == 2
    assert "WRONG" in out
    assert "expected 18 bytes, got 1" in out


def test_what_cannot_be_had_is_one_line(say: Say, hub: Hub) -> None:
    hub.files.clear()
    code, _, err = say("fetch", "base")
    assert code == 2
    assert err.startswith("dmd: model whisper-base is not here, and the hub could not give it")
    assert err.count("\n") == 1
    assert "working offline" in say("fetch", "base", offline=True)[2]


def test_an_unknown_name_is_told_with_all_there_are(say: Say) -> None:
    with pytest.raises(AssetError, match=r"whisper-tiny.en, or of tiny.en, tiny, .*got 'nonsense'"):
        say("list", "nonsense")


def test_names_that_only_faster_whisper_knows_are_taken(tmp_path: Path) -> None:
    with pytest.raises(AssetError, match=r"model whisper-distil-small\.en is not here"):
        speech_model_folder("distil-small.en", Assets(offline=True, cache=tmp_path, environ={}))
    with pytest.raises(AssetError, match=r"expected a folder, none, or one of tiny.en, .*got none of these"):
        speech_model_folder("nonsense", Assets(offline=True, cache=tmp_path, environ={}))


@pytest.mark.parametrize(
    ("setting", "rule"),
    [
        ({"compute_type": "int7"}, r"speech.compute_type: .*'int8', 'int8_float16'.*, got 'int7'"),
        ({"threads": -1}, r"speech.threads: .*greater than or equal to 0, got -1"),
        ({"language": "German"}, r"speech.language: .*got 'German'"),
        ({"model": ""}, r"speech.model: .*at least 1 character, got ''"),
    ],
)
def test_settings_state_their_rule(setting: dict[str, object], rule: str) -> None:
    with pytest.raises(ConfigError, match=rule):
        SessionConfig.load(speech=setting)


def test_threads_come_from_the_machine_unless_they_are_set() -> None:
    config = SessionConfig.load()
    assert [speech_threads(config, cores) for cores in (1, 2, 8)] == [1, 1, 4]
    assert speech_threads(SessionConfig.load(speech={"threads": 3}), 16) == 3


def test_numbers_that_a_device_does_not_compute_with_are_told() -> None:
    model_folder("whisper-tiny.en")
    assets = Assets(offline=True)
    cpu = {"device": "cpu"}
    config = SessionConfig.load(speech={"compute_type": "float16"}, runtime=cpu)
    with pytest.raises(ModelError, match=r"speech.compute_type: cpu computes in .*int8.*, got float16"):
        load_recogniser(config, assets, assets.fetch)
    config = SessionConfig.load(speech={"language": "de", "model": "tiny.en"}, runtime=cpu)
    with pytest.raises(ModelError, match=r"recognises en only, got language 'de'; the model tiny knows many"):
        load_recogniser(config, assets, assets.fetch)
    exact = SessionConfig.load(speech={"compute_type": "float32", "model": "tiny.en"}, runtime=cpu)
    assert load_recogniser(exact, assets, assets.fetch).name == "whisper-tiny.en"
