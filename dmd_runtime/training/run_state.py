"""What a run needs to go on where it stood: files that are whole or not there, and read without running anything."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from dmd_runtime.errors import RecordingError, SourceError
from dmd_runtime.whole_file import whole_file

STATE = "state.pt"
_BEST = "best-{epoch:04d}.pt"


class RunState:
    """The files of one run: the state after its last whole epoch, and the weights of its best.

    The weights come first, under their epoch's name, and older ones go last: whenever a run is killed, the state that
    is found names weights that are there.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __bool__(self) -> bool:
        return (self._folder / STATE).is_file()

    def write(self, state: Mapping[str, Any], best: Mapping[str, torch.Tensor] | None) -> None:
        """Keep ``state``, whose ``best_epoch`` names the weights; ``best`` are these where they are new."""
        name = _BEST.format(epoch=state["best_epoch"])
        if best is not None:
            write_whole(self._folder / name, _bytes(best))
        write_whole(self._folder / STATE, _bytes(state))
        for old in self._folder.glob("best-*.pt"):
            if old.name != name:
                old.unlink(missing_ok=True)

    def read(self) -> dict[str, Any]:
        """The state.

        Raises
        ------
        SourceError
            It is damaged.
        """
        return self._load(STATE)

    def best(self, epoch: int) -> dict[str, torch.Tensor]:
        """The weights of an epoch."""
        return self._load(_BEST.format(epoch=epoch))

    def clear(self) -> None:
        """The run is over."""
        for path in (self._folder / STATE, *self._folder.glob("best-*.pt")):
            path.unlink(missing_ok=True)

    def _load(self, name: str) -> dict[str, Any]:
        path = self._folder / name
        try:
            found = torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:  # a damaged file can make the unpickler raise anything
            first = " ".join(str(error).split())[:120]
            raise SourceError(f"{path}: expected the state of a training run, got: {first}") from error
        if not isinstance(found, dict):
            raise SourceError(f"{path}: expected the state of a training run, got {type(found).__name__}")
        return found


def write_whole(path: Path, body: bytes) -> None:
    """Write a file whole or not at all.

    Raises
    ------
    RecordingError
        It cannot be written there.
    """
    try:
        with whole_file(path) as file:
            file.write(body)
    except OSError as error:
        raise RecordingError(
            f"{path}: expected a place that can be written to, got: {error.strerror or error}"
        ) from error


def _bytes(content: Mapping[str, Any]) -> bytes:
    buffer = io.BytesIO()
    torch.save(dict(content), buffer)
    return buffer.getvalue()
