"""Nothing leaves the machine: no library opens a connection; our own fetchers do when asked, as the user wants."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from dmd_runtime.assets import Assets
from dmd_runtime.privacy import quiet_hub
from dmd_runtime.streaming.speech_models import fetch_speech_model
from tests import network_guard
from tests.features.face_assets import face_model
from tests.hub_factory import Hub, base

ROOT = Path(__file__).resolve().parent.parent
LOOK = """
import sys
from pathlib import Path
import numpy as np
from dmd_runtime.features.visual import VisualExtractor
from dmd_runtime.messages import VideoFrame
image = np.random.default_rng(0).integers(0, 255, (240, 320, 3), dtype=np.uint8)
extractor = VisualExtractor(Path(sys.argv[1]))
(block,) = extractor.push(VideoFrame(seq=0, t=0.0, image=image))
extractor.still(image)
extractor.close()
print(len(block.due))
"""
UNPROTECTED = """
import mediapipe
import dmd_runtime.features.landmarker as landmarker
landmarker.import_mediapipe = lambda: mediapipe
"""
PROTECT = """
import sys
from dmd_runtime.privacy import import_mediapipe, quiet_hub
quiet_hub()
import_mediapipe()
"""


def run(*args: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run Python with ``args``; of the settings of this environment for networks, only ``settings`` are there."""
    kept = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy") and k[:3] not in ("HF_", "PIP")}
    command = [sys.executable, *args]
    path = {"PYTHONPATH": str(ROOT)}
    return subprocess.run(
        command, cwd=ROOT, env=kept | path | settings, capture_output=True, text=True, timeout=120, check=False
    )


def guarded(*args: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """:func:`run`, ended by the kernel (return code -31) when it goes to the network."""
    done = run(str(ROOT / "tests" / "network_guard.py"), *args, **settings)
    if done.returncode == network_guard.UNGUARDED:
        pytest.skip("this system has no seccomp")
    return done


class Proxy:
    """A proxy on loopback that answers GET with ``BODY`` and refuses CONNECT; ``asked`` holds the request lines."""

    BODY = b"a model"

    def __init__(self) -> None:
        self.asked: list[str] = []
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                proxy.asked.append(self.requestline)
                self.send_response(200)
                self.send_header("Content-Length", str(len(proxy.BODY)))
                self.end_headers()
                self.wfile.write(proxy.BODY)

            def do_CONNECT(self) -> None:
                proxy.asked.append(self.requestline)
                self.send_error(403)

            def log_message(self, *_: Any) -> None: ...

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join(5)


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    it = Proxy()
    yield it
    it.close()


# MediaPipe


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"https_proxy": "http://127.0.0.1:9"},
        {"HTTPS_PROXY": "http://127.0.0.1:9", "ALL_PROXY": "http://127.0.0.1:9"},
        {"no_proxy": "*"},
        {"NO_PROXY": "play.googleapis.com"},
    ],
    ids=lambda s: ",".join(s) or "none",
)
def test_faces_are_measured_without_a_connection_whatever_proxies_the_user_has(settings: dict[str, str]) -> None:
    done = guarded("-c", LOOK, str(face_model()), **settings)
    assert (done.returncode, done.stdout) == (0, "1\n"), done.stderr


def test_the_guard_sees_what_mediapipe_does_by_itself() -> None:
    # When this fails, the library may have stopped reporting: then the workaround can go.
    assert guarded("-c", UNPROTECTED + LOOK, str(face_model())).returncode == -31  # SIGSYS


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the library uses the system's network code")
def test_the_users_proxy_is_never_asked_for_mediapipe(proxy: Proxy) -> None:
    done = run("-c", LOOK, str(face_model()), https_proxy=proxy.url, all_proxy=proxy.url)
    assert (done.returncode, proxy.asked) == (0, []), done.stderr
    run("-c", UNPROTECTED + LOOK, str(face_model()), https_proxy=proxy.url, all_proxy=proxy.url)
    assert set(proxy.asked) == {"CONNECT play.googleapis.com:443 HTTP/1.1"}


def test_only_one_place_imports_mediapipe() -> None:
    def imported(path: Path) -> set[str]:
        nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
        names = {a.name for n in nodes if isinstance(n, ast.Import) for a in n.names}
        names |= {n.module for n in nodes if isinstance(n, ast.ImportFrom) and n.module}
        return {name.split(".")[0] for name in names}

    files = [p for top in ("dmd_runtime", "desktop", "scripts", "tests") for p in (ROOT / top).rglob("*.py")]
    assert [p.relative_to(ROOT) for p in files if "mediapipe" in imported(p)] == [Path("dmd_runtime", "privacy.py")]


def test_mediapipe_is_said_to_report_where_that_is_not_prevented(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from dmd_runtime import privacy

    privacy._warn_once.cache_clear()
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setitem(sys.modules, "mediapipe", "the library")
    assert [privacy.import_mediapipe() for _ in range(2)] == ["the library"] * 2
    assert len(caplog.messages) == 1
    assert "reports its use" in caplog.messages[0]


# A whole session, and the models of words


def test_a_whole_session_opens_no_connection(tmp_path: Path) -> None:
    done = guarded("-m", "dmd_runtime", "run", "synthetic:3", "--out", str(tmp_path), "--offline")
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.rglob("session.json"))


def test_a_session_that_may_fetch_asks_nobody_when_all_is_there(tmp_path: Path) -> None:
    if any(model.place is None for model in Assets(offline=True).status()):
        pytest.skip("a model is not here: dmd models fetch")
    done = guarded("-m", "dmd_runtime", "run", "synthetic:3", "--out", str(tmp_path), no_proxy="*")
    assert done.returncode == 0, done.stderr


FIND = """
import sys
from pathlib import Path
from dmd_runtime.assets import Assets
from dmd_runtime.streaming.speech_models import speech_model_folder
print(speech_model_folder("base", Assets(cache=Path(sys.argv[1]))))
"""


def test_a_speech_model_of_the_hub_that_is_here_asks_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(Hub(monkeypatch)):
        folder = fetch_speech_model(base(), Assets(cache=tmp_path, environ={}))
    done = guarded("-c", FIND, str(tmp_path))
    assert (done.returncode, done.stdout.strip()) == (0, str(folder)), done.stderr


def test_the_hub_client_keeps_what_the_user_has_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", {"HF_HUB_DISABLE_IMPLICIT_TOKEN": "0"})
    quiet_hub()
    assert os.environ["HF_HUB_DISABLE_IMPLICIT_TOKEN"] == "0"
    assert os.environ["HF_HUB_DISABLE_TELEMETRY"] == "1"


# Our own fetchers, after MediaPipe's way out was closed


def test_a_download_goes_through_the_users_proxy(proxy: Proxy, tmp_path: Path) -> None:
    code = """
from pathlib import Path
from threading import Event
from dmd_runtime.asset_manifest import AssetFile
from dmd_runtime.asset_sources import download
file = AssetFile(path="face.task", bytes=7, sha256="0" * 64, url="http://models.invalid/face.task")
download(file, Path(sys.argv[1]), lambda done: None, Event())
"""
    done = run("-c", PROTECT + code, str(tmp_path / "draft"), http_proxy=proxy.url)
    assert done.returncode == 0, done.stderr
    assert proxy.asked == ["GET http://models.invalid/face.task HTTP/1.1"]
    assert (tmp_path / "draft").read_bytes() == Proxy.BODY


def test_pip_goes_through_the_users_proxy(proxy: Proxy, tmp_path: Path) -> None:
    code = """
from pathlib import Path
from threading import Event
from dmd_runtime.asset_sources import pip_download
pip_download("nothing==1", Path(sys.argv[1]), Event())
"""
    settings = {"PIP_INDEX_URL": "https://index.invalid/simple", "PIP_RETRIES": "0", "PIP_CONFIG_FILE": os.devnull}
    done = run("-c", PROTECT + code, str(tmp_path), https_proxy=proxy.url, **settings)
    assert "FetchError" in done.stderr
    assert set(proxy.asked) == {"CONNECT index.invalid:443 HTTP/1.0"}


def test_the_hub_is_asked_through_the_users_proxy(proxy: Proxy, tmp_path: Path) -> None:
    settings = {"https_proxy": proxy.url, "HF_ENDPOINT": "https://hub.invalid"}
    done = run("-c", PROTECT + FIND, str(tmp_path), **settings)
    assert "the hub could not give it" in done.stderr
    assert {line.rpartition(" ")[0] for line in proxy.asked} == {"CONNECT hub.invalid:443"}
