"""What the readers give: labelled clips, faces and sentences, and how many rows were left out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from dmd_runtime.messages import Float32, UInt8

UNCERTAIN = -1
"""In place of a label: soft labels of which none leads."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Labelled:
    """What every sample has.

    Attributes
    ----------
    id : str
    emotion : float32 (7,)
        Shares of ``LABELS``; they sum to 1.
    label : int
        Place in ``LABELS``, or ``UNCERTAIN``.
    group : str
        Who speaks or is shown ('' unknown): what a split must not cut through.
    """

    id: str
    emotion: Float32
    label: int
    group: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class VoiceClip(Labelled):
    """A spoken sentence in a sound file."""

    path: Path


@dataclass(frozen=True, kw_only=True, eq=False)
class Face(Labelled):
    """A face in a still picture, grey uint8 (48, 48); ``emotion`` are its votes. ``usage``: the split it is in."""

    image: UInt8
    usage: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Sentence(Labelled):
    """A written sentence; ``sentiment`` is -1, 0 or 1, NaN where nobody said."""

    text: str
    sentiment: float = float("nan")


Sample_co = TypeVar("Sample_co", bound=Labelled, covariant=True)


@dataclass(frozen=True, kw_only=True, eq=False)
class Corpus(Generic[Sample_co]):
    """One set as read.

    Attributes
    ----------
    name : str
        ``ravdess``, ``emodb``, ``ferplus``, ``goemotions`` or ``meld``.
    source : Path
        The file with the labels.
    samples : tuple of Sample
        In the order of that file.
    n_excluded : int
        Rows left out: a label outside the seven, a tie, more than one label.
    n_missing : int
        Rows whose file is not there.
    """

    name: str
    source: Path
    samples: tuple[Sample_co, ...]
    n_excluded: int
    n_missing: int = 0

    def __len__(self) -> int:
        return len(self.samples)
