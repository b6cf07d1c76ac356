"""Readings and faces of a session as arrays: made of lines, taken apart into plain arrays, put together again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self, TypeGuard

import numpy as np
import numpy.typing as npt

from dmd_runtime.messages import Float32, Float64, freeze
from dmd_runtime.modality import EDGES, MODALITIES, Graph

Line = dict[str, Any]
Arrays = dict[str, npt.NDArray[Any]]
Bools = npt.NDArray[np.bool_]
Int64 = npt.NDArray[np.int64]
MOST: Final = 1e18
"""That a number of ours can be; float32 and int64 hold it."""
EDGE_KEYS: Final = tuple(str(edge) for edge in EDGES)
_NONE: Mapping[str, Any] = {}


@dataclass(frozen=True, kw_only=True, eq=False)
class Readings:
    """All readings of a session, one row each, in the order of their ends.

    Attributes
    ----------
    t0, t1, made_at : float64 (n,)
    valid : bool (n,)
    reason : tuple of n str
    labels : tuple of C str
        Of the emotions, as the checkpoint orders them.
    emotion : float32 (n, C)
        NaN rows where there is none.
    sentiment : float32 (n,)
        NaN where there is none.
    unimodal : {Graph: float32 (n, 3, C)}
        Each vertex's own opinion, order L, V, A; NaN where that modality was missing.
    edges : {Graph: float32 (n, 6)}
        In the order of :data:`~dmd_runtime.modality.EDGES`; NaN rows where there is no graph.
    prior : {Graph: float32 (n, 6)}
        What the checkpoint pulls its edges to; NaN rows where there is none.
    coverage : float32 (n, 3)
        Order L, V, A.
    settled : bool (n, 3)
        Order L, V, A; False where rows could still have come when it was read.
    speech : float32 (n,)
    marks : tuple of str
        UNTRAINED, DEMO, SYNTHETIC, as far as any line has them.
    """

    t0: Float64
    t1: Float64
    made_at: Float64
    valid: Bools
    reason: tuple[str, ...]
    labels: tuple[str, ...]
    emotion: Float32
    sentiment: Float32
    unimodal: Mapping[Graph, Float32]
    edges: Mapping[Graph, Float32]
    prior: Mapping[Graph, Float32]
    coverage: Float32
    settled: Bools
    speech: Float32
    marks: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.t1)

    def at(self, t: float) -> int | None:
        """Row of the last reading whose window has ended at ``t``; None before the first."""
        row = int(np.searchsorted(self.t1, t + 1e-9, side="right")) - 1
        return row if row >= 0 else None

    @classmethod
    def of_lines(cls, lines: Sequence[Line]) -> Self:
        """Made of lines that have ``t0`` and ``t1``, in any order."""
        lines = sorted(lines, key=lambda line: float(line["t1"]))
        labels = next((tuple(e) for line in lines if isinstance(e := line.get("emotion"), dict) and e), ())

        def numbers(keys: Sequence[str], *path: str) -> Float64:
            parts = [_inner(line, path) for line in lines]
            return np.array([[number(part.get(k), np.nan) for k in keys] for part in parts], dtype=np.float64)

        letters = [m.value for m in MODALITIES]
        late = [[_inner(line, ("settled",)).get(letter) is not False for letter in letters] for line in lines]
        columns: Arrays = {
            **{key: numbers([key]) for key in ("t0", "t1", "made_at", "sentiment", "speech")},
            "valid": np.array([line.get("valid") is True for line in lines], dtype=np.bool_),
            "emotion": numbers(labels, "emotion"),
            "coverage": numbers(letters, "coverage"),
            "settled": np.array(late, dtype=np.bool_),
        }
        for g in Graph:
            alone = [numbers(labels, "unimodal", g.value, letter) for letter in letters]
            columns[f"unimodal.{g.value}"] = np.stack(alone, axis=1)
            columns |= {f"{key}.{g.value}": numbers(EDGE_KEYS, key, g.value) for key in ("edges", "prior")}
        return cls.of_columns(
            columns,
            reason=tuple(str(line.get("reason", "")) for line in lines),
            labels=labels,
            marks=tuple(dict.fromkeys(str(mark) for line in lines for mark in _list(line.get("marks")))),
        )

    @classmethod
    def of_columns(
        cls, columns: Arrays, *, reason: tuple[str, ...], labels: tuple[str, ...], marks: tuple[str, ...]
    ) -> Self:
        """Made of arrays of any kind of number, in the order of ``t1``; what has no number in them is NaN.

        Raises
        ------
        KeyError, ValueError
            One is missing, or of another shape.
        """
        n, c, m, e = len(reason), len(labels), len(MODALITIES), len(EDGES)

        def shaped(key: str, kind: type[np.generic], *shape: int) -> Any:
            return freeze(columns[key].astype(kind).reshape(n, *shape))

        def known(key: str, *shape: int) -> Float32:
            return freeze(np.nan_to_num(shaped(key, np.float32, *shape), nan=0.0))

        def each(key: str, *shape: int) -> dict[Graph, Float32]:
            return {g: shaped(f"{key}.{g.value}", np.float32, *shape) for g in Graph}

        return cls(
            **{key: shaped(key, np.float64) for key in ("t0", "t1", "made_at")},
            valid=shaped("valid", np.bool_),
            reason=reason,
            labels=labels,
            emotion=shaped("emotion", np.float32, c),
            sentiment=shaped("sentiment", np.float32),
            unimodal=each("unimodal", m, c),
            edges=each("edges", e),
            prior=each("prior", e),
            coverage=known("coverage", m),
            settled=shaped("settled", np.bool_, m),
            speech=known("speech"),
            marks=marks,
        )

    def arrays(self) -> Arrays:
        """All of it as arrays of numbers and of text, for :meth:`of_arrays`."""
        plain = ("t0", "t1", "made_at", "valid", "emotion", "sentiment", "coverage", "settled", "speech")
        reasons, which = np.unique(np.array(self.reason, dtype=np.str_), return_inverse=True)
        parts = {"unimodal": self.unimodal, "edges": self.edges, "prior": self.prior}
        return {
            **{key: getattr(self, key) for key in plain},
            **{f"{key}.{g.value}": part[g] for key, part in parts.items() for g in Graph},
            "reasons": reasons,
            "reason": which,
            "labels": np.array(self.labels, dtype=np.str_),
            "marks": np.array(self.marks, dtype=np.str_),
        }

    @classmethod
    def of_arrays(cls, arrays: Arrays) -> Self:
        """What :meth:`arrays` took apart.

        Raises
        ------
        KeyError, ValueError, IndexError
            It is something else.
        """
        texts = [tuple(map(str, arrays[key])) for key in ("labels", "marks")]
        reasons = [str(text) for text in arrays["reasons"]]
        reason = tuple([reasons[i] for i in arrays["reason"].tolist()])
        return cls.of_columns(arrays, reason=reason, labels=texts[0], marks=texts[1])


@dataclass(frozen=True, kw_only=True, eq=False)
class RecordedFaces:
    """``faces.jsonl``: ``t`` float64 (n,), ``box`` float32 (n, 4) x, y, width, height in shares, ``confidence`` float32
    (n,), ``identity`` int64 (n,).
    """  # noqa: D205

    t: Float64
    box: Float32
    confidence: Float32
    identity: Int64

    def at(self, t: float, within: float = 0.25) -> int | None:
        """Row of the last face at ``t`` that is no older than ``within`` seconds."""
        row = int(np.searchsorted(self.t, t + 1e-9, side="right")) - 1
        return row if row >= 0 and t - self.t[row] <= within else None

    @classmethod
    def of_lines(cls, lines: Sequence[Line]) -> Self:
        """Made of lines that have ``t`` and ``box``, in any order."""
        lines = sorted(lines, key=lambda line: float(line["t"]))
        return cls.of_arrays(
            {
                "t": np.array([line["t"] for line in lines], dtype=np.float64),
                "box": np.array([line["box"] for line in lines], dtype=np.float32),
                "confidence": np.array([number(line.get("confidence"), np.nan) for line in lines]),
                "identity": np.array([number(line.get("id"), 0.0) for line in lines], dtype=np.float64),
            }
        )

    def arrays(self) -> Arrays:
        """All of it as arrays of numbers."""
        return {key: getattr(self, key) for key in ("t", "box", "confidence", "identity")}

    @classmethod
    def of_arrays(cls, arrays: Arrays) -> Self:
        """Made of arrays of any kind of number, in the order of time.

        Raises
        ------
        KeyError, ValueError
            One is missing, or of another shape.
        """
        n = len(arrays["t"])
        return cls(
            t=freeze(arrays["t"].astype(np.float64).reshape(n)),
            box=freeze(arrays["box"].astype(np.float32).reshape(n, 4)),
            confidence=freeze(arrays["confidence"].astype(np.float32).reshape(n)),
            identity=freeze(arrays["identity"].astype(np.int64).reshape(n)),
        )


def is_number(value: object) -> TypeGuard[float]:
    """Whether a value of a line is a number that can be one of ours."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < MOST


def number(value: object, otherwise: float) -> float:
    """A value of a line, or ``otherwise`` where it is no number of ours."""
    return float(value) if is_number(value) else otherwise


def _inner(line: Line, path: tuple[str, ...]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = line
    for key in path:
        inner = found.get(key)
        if not isinstance(inner, dict):
            return _NONE
        found = inner
    return found


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
