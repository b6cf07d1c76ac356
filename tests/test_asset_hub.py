"""Models of the hub: listed, pinned, fetched whole, resumed and checked. Loopback only."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from dmd_runtime import asset_hub
from dmd_runtime.assets import Assets, FetchCancelledError, Progress
from dmd_runtime.errors import AssetError
from dmd_runtime.streaming.speech_models import (
    Presence,
    SpeechModelStatus,
    fetch_speech_model,
    speech_model_folder,
    speech_status,
)
from tests.hub_factory import FILES, MODEL, Hub, base

WANTED = {name: data for name, data in FILES.items() if name != "README.md"}
TOTAL = sum(map(len, WANTED.values()))
Make = Callable[..., Assets]


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with closing(Hub(monkeypatch)) as it:
        yield it


@pytest.fixture
def make(tmp_path: Path) -> Make:
    return lambda **more: Assets(**{"cache": tmp_path / "cache", "environ": {}, **more})


def status(assets: Assets) -> SpeechModelStatus:
    return speech_status(base(), assets)


def cancelled(assets: Assets, after: int) -> list[Progress]:
    """Start a download, and stop it when so many bytes have come."""
    cancel, steps = threading.Event(), []

    def note(step: Progress) -> None:
        steps.append(step)
        if step.whole_done >= after:
            cancel.set()

    with pytest.raises(FetchCancelledError):
        fetch_speech_model(base(), assets, on_progress=note, cancel=cancel)
    return steps


def test_it_is_fetched_whole_with_its_exact_size_and_then_nobody_is_asked(hub: Hub, make: Make) -> None:
    assets, steps = make(), []
    assert status(assets).presence is Presence.ABSENT
    folder = speech_model_folder(MODEL, assets, on_progress=steps.append)
    assert folder == assets.cache / "whisper-base"
    names = {path.name for path in folder.iterdir()} - {".lock"}
    assert names == {*WANTED, asset_hub.LISTING}, "only what the recogniser needs"
    assert all((folder / name).read_bytes() == data for name, data in WANTED.items())
    done = [step.whole_done for step in steps]
    assert done == sorted(done)
    assert (done[0], done[-1], {step.whole_total for step in steps}) == (0, TOTAL, {TOTAL})
    pinned = json.loads((folder / asset_hub.LISTING).read_text())
    assert (pinned["revision"], pinned["repository"]) == (hub.revision, base().repository)
    asked = len(hub.seen)
    assert speech_model_folder("whisper-base", make(offline=True)) == folder
    assert len(hub.seen) == asked
    here = status(assets)
    assert (here.presence, here.done_bytes, here.total_bytes) == (Presence.HERE, TOTAL, TOTAL)
    assert not (assets.cache / "whisper-base.part").exists()


def test_cancelling_keeps_the_part_and_another_start_goes_on_with_it(hub: Hub, make: Make) -> None:
    cancelled(make(), after=300_000)
    half = status(make())
    assert (half.presence, half.place, half.total_bytes) == (Presence.PART, None, TOTAL)
    assert 300_000 <= half.done_bytes < TOTAL
    assert not (make().cache / "whisper-base").exists(), "whole or not at all"
    steps: list[Progress] = []
    fetch_speech_model(base(), make(), on_progress=steps.append)
    assert steps[0].whole_done == half.done_bytes
    assert hub.sent < TOTAL * 1.5, "only what was missing was sent"
    assert hub.asked.count(MODEL) == 0
    assert hub.asked.count(f"faster-whisper-{MODEL}") == 1, "pinned: the hub is not asked again what there is"
    assert status(make()).presence is Presence.HERE


def test_a_connection_that_breaks_goes_on_where_it_stopped(hub: Hub, make: Make) -> None:
    listing = len(hub.files[f"/api/models/{base().repository}?blobs=true"])
    hub.cuts = [listing, 18, 100_000, 200_000]
    fetch_speech_model(base(), make())
    ranges = [wanted for path, wanted in hub.seen if path.endswith("model.bin")]
    assert ranges == ["", "bytes=100000-", "bytes=300000-"]
    assert status(make()).presence is Presence.HERE


@pytest.mark.parametrize("name", ["model.bin", "tokenizer.json"])
def test_a_file_with_another_hash_is_refused_and_nothing_is_here(name: str, hub: Hub, make: Make) -> None:
    hub.files[f"{hub.at}/{name}"] = bytes(len(FILES[name]))
    with pytest.raises(AssetError, match=rf"^model whisper-base is not complete: {name}.* could not be had: .*got "):
        fetch_speech_model(base(), make())
    assert status(make()).place is None
    hub.publish(hub.revision, FILES)
    fetch_speech_model(base(), make())
    assert status(make()).presence is Presence.HERE


def test_a_newer_revision_takes_the_place_of_a_pinned_one_that_is_gone(hub: Hub, make: Make) -> None:
    cancelled(make(), after=300_000)
    changed = {**FILES, "tokenizer.json": b'{"tokens": [1]}'}
    hub.publish("b" * 40, changed)
    seen = len(hub.seen)
    folder = fetch_speech_model(base(), make())
    assert (folder / "tokenizer.json").read_bytes() == changed["tokenizer.json"]
    assert json.loads((folder / asset_hub.LISTING).read_text())["revision"] == "b" * 40
    resumed = [wanted for path, wanted in hub.seen[seen:] if path.startswith(hub.at) and path.endswith("model.bin")]
    assert resumed[0].startswith("bytes="), "the part of a file that is the same in both is kept"


def test_a_repository_that_is_not_there_is_one_line(hub: Hub, make: Make) -> None:
    hub.files.clear()
    with pytest.raises(AssetError, match=r"^model whisper-base is not here, and the hub could not give it .*404 Not F"):
        fetch_speech_model(base(), make())
    assert not (make().cache / "whisper-base.part").exists()


def test_a_hub_that_cannot_be_reached_is_one_line(hub: Hub, make: Make) -> None:
    hub.close()
    with pytest.raises(AssetError, match=r"the hub could not give it \(\S+\): it cannot be reached: "):
        fetch_speech_model(base(), make())


def test_offline_nobody_is_asked(hub: Hub, make: Make) -> None:
    cancelled(make(), after=1000)
    seen = len(hub.seen)
    with pytest.raises(AssetError, match=r"working offline"):
        fetch_speech_model(base(), make(offline=True))
    assert len(hub.seen) == seen
    assert status(make(offline=True)).presence is Presence.PART


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ({"siblings": []}, "expected model.bin, config.json, tokenizer.json, vocabulary.* among its files, got none"),
        ({"siblings": [{"rfilename": "model.bin", "size": 3}]}, "expected a list of its files, got something else"),
        ({"siblings": None}, "expected a list of its files, got something else"),
        ({"sha": None}, "expected a list of its files, got something else"),
    ],
)
def test_an_odd_answer_is_one_line(told: dict[str, Any], why: str, hub: Hub, make: Make) -> None:
    hub.publish(hub.revision, FILES, told=told)
    with pytest.raises(AssetError) as refused:
        fetch_speech_model(base(), make())
    assert why in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_name_that_leaves_its_folder_is_refused(hub: Hub, make: Make) -> None:
    hub.publish(hub.revision, {**FILES, "vocabulary.x/../../evil": b"x"})
    with pytest.raises(AssetError, match="something else"):
        fetch_speech_model(base(), make())


def test_a_wrong_file_in_the_cache_is_told_and_replaced(hub: Hub, make: Make) -> None:
    folder = fetch_speech_model(base(), make())
    (folder / "model.bin").write_bytes(b"spoilt")
    wrong = status(make())
    assert (wrong.place, wrong.problems) == (None, (f"{folder / 'model.bin'}: expected 700000 bytes, got 6",))
    assert fetch_speech_model(base(), make()) == folder
    assert speech_status(base(), make(), anew=True).presence is Presence.HERE


def test_a_copy_in_another_folder_is_checked_by_its_own_listing(hub: Hub, make: Make, tmp_path: Path) -> None:
    folder = fetch_speech_model(base(), make())
    named = tmp_path / "named"
    named.mkdir()
    folder.rename(named / "whisper-base")
    assets = make(environ={"DMD_ASSETS": str(named)}, offline=True)
    assert (status(assets).place, status(assets).origin) == (named / "whisper-base", "DMD_ASSETS")
    (named / "whisper-base" / asset_hub.LISTING).unlink()
    assert status(assets).place is None
    assert f"expected {asset_hub.LISTING} beside the model" in status(assets).problems[0]


def test_a_copy_of_an_earlier_version_is_used_and_nobody_is_asked(hub: Hub, make: Make) -> None:
    kept = make().cache / "hub" / f"models--{base().repository.replace('/', '--')}"
    snapshot = kept / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (kept / "refs").mkdir()
    (kept / "refs" / "main").write_text("abc")
    for name, data in WANTED.items():
        assert status(make()).place is None
        (snapshot / name).write_bytes(data)
    assert speech_model_folder(MODEL, make()) == snapshot
    assert hub.seen == []


def test_whatever_is_in_the_part_the_model_is_right_or_not_here(hub: Hub, make: Make) -> None:
    part = make().cache / "whisper-base.part"
    for spoil in ("model.bin.part", "model.bin", asset_hub.LISTING):
        with suppress(FetchCancelledError):
            cancelled(make(), after=300_000)
        (part / spoil).write_bytes(b"spoilt")
        folder = fetch_speech_model(base(), make())
        assert all((folder / name).read_bytes() == data for name, data in WANTED.items())
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()
