"""``dmd models list|fetch|verify``: what they write and their exit status."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from threading import Event
from typing import TYPE_CHECKING, TextIO

from dmd_runtime.asset_manifest import Asset
from dmd_runtime.asset_sources import FetchCancelledError, OnProgress, Progress
from dmd_runtime.errors import AssetError

if TYPE_CHECKING:
    from dmd_runtime.assets import Assets, AssetStatus

EXIT_INPUT = 2


def cli_list(assets: Assets, names: Sequence[str] = (), *, out: TextIO) -> int:
    """``dmd models list``: a table of what there is and where; returns 0."""
    rows = [("MODEL", "SIZE", "LICENCE", "FOR", "WHERE")]
    chosen = _chosen(assets, names)
    for status in (status for status in assets.status() if status.asset in chosen):
        asset = status.asset
        rows.append((asset.name, _megabytes(asset), asset.licence, asset.purpose, _where(status) or "not here"))
        rows += [("", "", "", "", f"refused {problem}") for problem in status.problems]
    print_table(rows, out)
    return 0


def cli_fetch(
    assets: Assets,
    names: Sequence[str] = (),
    *,
    out: TextIO,
    err: TextIO | None = None,
    on_progress: OnProgress | None = None,
    cancel: Event | None = None,
) -> int:
    """``dmd models fetch``: get what is missing (default: of all); returns 0, or 2 where one could not be had."""
    failed = False
    show = ProgressLine(out)
    for asset in _chosen(assets, names):
        try:
            place = assets.fetch(asset.name, on_progress=on_progress or show, cancel=cancel)
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


class ProgressLine:
    """Progress as a bar that moves on a terminal, as one line for each file and source elsewhere."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._moves = out.isatty()
        self._last = ""

    def __call__(self, step: Progress) -> None:
        """Show how far it is."""
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
        """Take the bar away."""
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
    print_table(rows, out)
    return 0 if all(status.ok for status in results) else EXIT_INPUT


def _chosen(assets: Assets, names: Sequence[str]) -> list[Asset]:
    return [assets[name] for name in dict.fromkeys(names)] or list(assets.manifest.values())


def _megabytes(asset: Asset) -> str:
    return f"{asset.bytes / 1e6:.1f} MB"


def _where(status: AssetStatus) -> str:
    return f"{status.place} ({status.origin})" if status.place else ""


def print_table(rows: Sequence[tuple[str, ...]], out: TextIO) -> None:
    """Write rows in columns that are as wide as need be."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip(), file=out)
