"""What is known of clips that are done: one small safetensors file each, whole or not there; an extraction's memory."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from dmd_runtime.features.base import Recipe
from dmd_runtime.modality import MODALITIES, Modality
from dmd_runtime.model import strict_json
from dmd_runtime.training.clip_windows import ClipWindows
from dmd_runtime.training.label_csv import Clip
from dmd_runtime.training.run_state import write_whole

SUFFIX = ".safetensors"


def part_of(folder: Path, clip: Clip, identity: str) -> Path:
    """Where a clip's windows are kept; another place once the clip, its text or the features are others."""
    found = None if clip.path is None else clip.path.stat()
    file = "" if found is None else f"{clip.path} {found.st_size} {found.st_mtime_ns}"
    said = strict_json.write([clip.id, clip.text, file, identity])
    return folder / f"{hashlib.sha256(said.encode()).hexdigest()[:24]}{SUFFIX}"


def write_part(path: Path, windows: ClipWindows) -> None:
    """Keep a clip's windows.

    Raises
    ------
    RecordingError
        They cannot be written there.
    """
    arrays: dict[str, npt.NDArray[Any]] = {f"{m.value}/features": windows.features[m] for m in MODALITIES}
    arrays |= {f"{m.value}/mask": windows.mask[m] for m in MODALITIES}
    whole = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    write_whole(path, save(whole, {"ends": strict_json.write(windows.ends)}))


def ends_in(path: Path, recipe: Recipe) -> tuple[float, ...] | None:
    """Where a kept clip's windows end; None where there is no such part, or it is damaged or of another shape."""
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="np") as part:
            ends = tuple(map(float, strict_json.parse((part.metadata() or {})["ends"])))
            for m, spec in recipe.specs.items():
                shapes = [tuple(part.get_slice(f"{m.value}/{what}").get_shape()) for what in ("features", "mask")]
                if shapes != [(len(ends), spec.rows, spec.dim), (len(ends), spec.rows)]:
                    return None
    except (OSError, SafetensorError, ValueError, TypeError, KeyError):
        return None
    return ends


@dataclass(frozen=True)
class Joined:
    """The windows of many parts as one array (N, …), read when they are asked for.

    Attributes
    ----------
    places : sequence of (Path, int)
        A part and the window in it.
    name : str
        Of the tensor.
    of_one : tuple of int
        Shape of one window.
    """

    places: Sequence[tuple[Path, int]]
    name: str
    of_one: tuple[int, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, …)."""
        return (len(self.places), *self.of_one)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, rows: slice) -> npt.NDArray[Any]:
        return np.stack([self._row(path, index) for path, index in self.places[rows]])

    def _row(self, path: Path, index: int) -> npt.NDArray[Any]:
        with safe_open(path, framework="np") as part:
            return np.asarray(part.get_slice(self.name)[index])


def joined(places: Sequence[tuple[Path, int]], recipe: Recipe, m: Modality) -> tuple[Joined, npt.NDArray[np.bool_]]:
    """Features, read later, and masks of many windows."""
    spec = recipe.specs[m]
    mask = Joined(places, f"{m.value}/mask", (spec.rows,))
    return Joined(places, f"{m.value}/features", (spec.rows, spec.dim)), np.asarray(mask[:], dtype=np.bool_)
