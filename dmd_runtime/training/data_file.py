"""A data set by its path: MMSA's format, or a feature file of ``dmd extract``."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from platformdirs import user_cache_path

from dmd_runtime.errors import SourceError
from dmd_runtime.training.feature_file import open_dataset
from dmd_runtime.training.mmsa import load_mmsa
from dmd_runtime.training.samples import Dataset

IN_MEMORY: Final = 2**28
"""Bytes of a pickle from which its features go into a file of their own, that is mapped."""
_PICKLES: Final = (".pkl", ".pickle")


@dataclass(frozen=True, kw_only=True)
class DataFile:
    """A data set and which file it is.

    Attributes
    ----------
    dataset : Dataset
    name : str
        The file's, without its folder.
    sha256 : str
    """

    dataset: Dataset
    name: str
    sha256: str

    def to_json(self) -> dict[str, Any]:
        """For a training record."""
        repaired: Mapping[str, int] = self.dataset.repaired
        return {
            "file": self.name,
            "sha256": self.sha256,
            "splits": {name: len(samples) for name, samples in self.dataset.splits.items()},
            "repaired": dict(repaired),
        }


def read_data(path: Path, cache: Path | None = None) -> DataFile:
    """Read ``path``; a ``.pkl`` is in MMSA's format, anything else a feature file.

    Parameters
    ----------
    cache : Path, optional
        Where features of a large pickle are put; default: the user's cache.

    Raises
    ------
    SourceError
        It is neither, or damaged; the message names what and where.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise SourceError(f"{path}: expected a data file, got: {error.strerror or error}") from error
    if path.suffix.lower() not in _PICKLES:
        dataset = open_dataset(path)
    elif size < IN_MEMORY:
        dataset = load_mmsa(path)
    else:
        dataset = load_mmsa(path, cache or user_cache_path("dmd", appauthor=False) / "data")
    return DataFile(dataset=dataset, name=path.name, sha256=sha256)
