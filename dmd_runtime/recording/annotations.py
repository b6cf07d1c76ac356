"""The annotations of a session folder: read, edited with undo and redo, kept in ``annotations.json``.

The format is specified in ``docs/formats.md``. ``markers.jsonl`` and ``traces.jsonl`` are what was recorded: they are
read as long as nothing was edited, and never changed.
"""

from __future__ import annotations

import json
import logging
import math
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np

from dmd_runtime.errors import RecordingError
from dmd_runtime.recording.reader import RecordedMarker, open_session, read_lines
from dmd_runtime.recording.tiers import Annotations, Item, KnownTier, Label, Tier, TierKey, TierKind, new_id
from dmd_runtime.whole_file import whole_file

__all__ = [
    "AnnotationStore",
    "Annotations",
    "Item",
    "KnownTier",
    "Label",
    "Tier",
    "TierKey",
    "TierKind",
    "new_id",
    "read_annotations",
    "write_annotations",
]

logger = logging.getLogger(__name__)

FORMAT: Final = 1
NAME: Final = "annotations.json"
TRACES: Final = "traces.jsonl"
UNDO_BYTES: Final = 256 << 20
"""What may be held for undoing; beyond it the oldest steps are forgotten."""

Change = Callable[[Annotations], Annotations]


def read_annotations(folder: Path) -> Annotations:
    """The annotations of a session: ``annotations.json``, else made of what was recorded.

    Raises
    ------
    RecordingError
        The folder is no session, or ``annotations.json`` is not as specified; names the place.
    """
    path = folder / NAME
    return _of_file(path) if path.exists() else _of_recording(folder)


def write_annotations(
    folder: Path, annotations: Annotations, encoded: dict[int, tuple[Tier, bytes]] | None = None
) -> None:
    """Replace ``annotations.json`` in one step.

    Parameters
    ----------
    folder : Path
    annotations : Annotations
    encoded : dict, optional
        Tiers as they were written last time, so that a long trace is not spelt out again because a label changed.

    Raises
    ------
    RecordingError
        It cannot be written there.
    """
    known = {} if encoded is None else encoded
    tiers = [known.get(id(tier)) or (tier, _dump(_tier_object(tier))) for tier in annotations.tiers]
    known.clear()
    known.update({id(tier): (tier, text) for tier, text in tiers})
    at = datetime.now(UTC).isoformat(timespec="seconds")
    path = folder / NAME
    try:
        with whole_file(path) as file:
            file.write(b'{"format":%d,"edited_at":%s,"tiers":[\n' % (FORMAT, _dump(at)))
            file.write(b",\n".join(text for _, text in tiers))
            file.write(b"\n]}\n")
    except OSError as error:
        raise RecordingError(f"{path}: cannot be written: {error.strerror or error}") from None


@dataclass(frozen=True, kw_only=True)
class _Step:
    """A state to go back (or forward) to, the name of the edit between, and what it costs to hold (bytes)."""

    state: Annotations
    text: str
    cost: int


class AnnotationStore:
    """The annotations of one session folder, with undo and redo. For one thread; :meth:`save` may run on another.

    Parameters
    ----------
    folder : Path
    autosave : bool
        Write after each edit. A window that would rather wait a moment says False and calls :meth:`save` itself.
    undo_bytes : int
        What may be held for undoing; an edit costs 8 bytes for each item of the tiers that it touches.

    Raises
    ------
    RecordingError
        As :func:`read_annotations`; nothing that cannot be read is ever overwritten.
    """

    def __init__(self, folder: Path, *, autosave: bool = True, undo_bytes: int = UNDO_BYTES) -> None:
        self.folder = folder
        self._now = self._saved = read_annotations(folder)
        self._autosave = autosave
        self._most = undo_bytes
        self._past: deque[_Step] = deque()
        self._future: list[_Step] = []
        self._merge = ""
        self._writing = threading.Lock()
        self._encoded: dict[int, tuple[Tier, bytes]] = {}

    @property
    def annotations(self) -> Annotations:
        """As they are now."""
        return self._now

    @property
    def is_saved(self) -> bool:
        """Whether the file has what is here."""
        return self._now is self._saved

    def apply(self, change: Change, text: str, *, merge: str = "") -> Annotations:
        """Do an edit, e.g. ``store.apply(lambda a: a.add_item(key, item), "add a marker")``.

        Parameters
        ----------
        change : callable
            From annotations to annotations; one that returns what it got is no edit.
        text : str
            What it does, for the menu: "Undo: add a marker".
        merge : str
            Edits in a row with the same word are undone at once, as the samples of one stroke.

        Raises
        ------
        RecordingError
            The edit does not fit, and nothing is changed; or it cannot be saved, and is undone by nothing but undo.
        """
        before, after = self._now, change(self._now)
        if after is before:
            return after
        if not (merge and merge == self._merge and self._past):
            self._past.append(_Step(state=before, text=text, cost=_cost(before, after)))
            spent = sum(step.cost for step in self._past)
            while spent > self._most and len(self._past) > 1:
                spent -= self._past.popleft().cost
        self._future.clear()
        self._merge = merge
        return self._become(after)

    def undo(self) -> str:
        """Take the last edit back; returns its text, empty where there is none."""
        if not self._past:
            return ""
        step = self._past.pop()
        self._future.append(_Step(state=self._now, text=step.text, cost=step.cost))
        self._merge = ""
        self._become(step.state)
        return step.text

    def redo(self) -> str:
        """Do again what was undone last; returns its text, empty where there is none."""
        if not self._future:
            return ""
        step = self._future.pop()
        self._past.append(_Step(state=self._now, text=step.text, cost=step.cost))
        self._merge = ""
        self._become(step.state)
        return step.text

    @property
    def can_undo(self) -> bool:
        """Whether there is an edit to take back."""
        return bool(self._past)

    @property
    def can_redo(self) -> bool:
        """Whether there is an edit to do again."""
        return bool(self._future)

    @property
    def undo_text(self) -> str:
        """What :meth:`undo` would take back."""
        return self._past[-1].text if self._past else ""

    @property
    def redo_text(self) -> str:
        """What :meth:`redo` would do again."""
        return self._future[-1].text if self._future else ""

    def save(self) -> None:
        """Write what is here, if the file does not have it yet.

        Raises
        ------
        RecordingError
            It cannot be written; it stays unsaved.
        """
        with self._writing:
            now = self._now
            if now is not self._saved:
                write_annotations(self.folder, now, self._encoded)
                self._saved = now

    def _become(self, state: Annotations) -> Annotations:
        self._now = state
        if self._autosave:
            self.save()
        return state


def _cost(before: Annotations, after: Annotations) -> int:
    kept = {id(tier) for tier in after.tiers}
    return 64 + 8 * sum(len(tier.items) for tier in before.tiers if id(tier) not in kept)


# ------------------------------------------------------------ what was recorded


def _of_recording(folder: Path) -> Annotations:
    session = open_session(folder)
    grouped: dict[TierKey, list[RecordedMarker]] = {}
    for marker in session.markers:
        grouped.setdefault((marker.tier or KnownTier.MARKER.value, marker.by), []).append(marker)
    end = session.end if any(marker.open for marker in session.markers) else 0.0
    tiers = [tier for key, markers in grouped.items() if (tier := _of_markers(key, markers, end)).items]
    return Annotations(tiers=tuple(tiers + _of_traces(folder / TRACES, {tier.key for tier in tiers}, session.problems)))


def _of_markers(key: TierKey, markers: list[RecordedMarker], end: float) -> Tier:
    """One tier's; a span that was left open, as a crash does, ends at ``end``, the session's."""
    used = {marker.id for marker in markers}
    items = [
        Item(
            id=marker.id or _free(f"#{number}", used),
            t0=marker.t0,
            t1=max(end, marker.t0) if marker.open else marker.t1,
            label=marker.label,
            note=marker.note,
        )
        for number, marker in enumerate(markers, 1)
        if math.isfinite(marker.t0) and marker.t0 <= (marker.t0 if marker.t1 is None else marker.t1) < math.inf
    ]
    labels = {item.label: Label(name=item.label, span=item.t1 is not None) for item in items if item.label}
    kind = _kind(key[0], items)
    if kind is TierKind.CATEGORY:  # each label holds until the next begins
        starts = [item.t0 for item in items[1:]] + [math.inf] * bool(items)
        items = [replace(item, t1=min(item.end, start)) for item, start in zip(items, starts, strict=True)]
        items = [item for item in items if item.end > item.t0]
    return Tier(name=key[0], by=key[1], kind=kind, labels=tuple(labels.values()), items=tuple(items))


def _free(name: str, used: Collection[str]) -> str:
    while name in used:
        name += "+"
    return name


def _kind(name: str, items: Iterable[Item]) -> TierKind:
    if name == KnownTier.EMOTION:
        return TierKind.CATEGORY
    if name == KnownTier.NOTE:
        return TierKind.TEXT
    return TierKind.SPAN if any(item.t1 is not None for item in items) else TierKind.POINT


def _of_traces(path: Path, taken: set[TierKey], problems: list[str]) -> list[Tier]:
    found: dict[TierKey, dict[float, float]] = {}
    outside = 0
    for line in read_lines(path, problems, need=("t", "tier", "value")) if path.exists() else ():
        t, value = line["t"], line["value"]
        if isinstance(t, int | float) and isinstance(value, int | float) and abs(t) < math.inf and -1 <= value <= 1:
            found.setdefault((str(line["tier"]), str(line.get("by", ""))), {})[float(t)] = float(value)
        else:
            outside += 1
    if outside:
        logger.warning("%s: expected times and values in [-1, 1], left out %d lines", path, outside)
    tiers = []
    for (name, by), samples in found.items():
        used = {tier for tier, who in taken if who == by}
        free = _free(name or "trace", used)
        taken.add((free, by))
        tiers.append(_trace(Tier(name=free, by=by, kind=TierKind.TRACE), samples.items()))
    return tiers


def _trace(empty: Tier, samples: Collection[tuple[float, float]]) -> Tier:
    times, values = zip(*samples, strict=True) if samples else ((), ())
    return Annotations(tiers=(empty,)).set_trace(empty.key, times, values).tiers[0]


# ------------------------------------------------------------ the file


def _dump(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def _tier_object(tier: Tier) -> dict[str, Any]:
    head: dict[str, Any] = {"name": tier.name, "kind": tier.kind.value, "by": tier.by}
    head["labels"] = [asdict(label) for label in tier.labels]
    if tier.kind is TierKind.TRACE:
        return {**head, "samples": np.column_stack(tier.samples).tolist()}
    keys = ("id", "t0", "t1", "label", "note")
    return {**head, "items": [{key: getattr(item, key) for key in keys} for item in tier.items]}


def _of_file(path: Path) -> Annotations:
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise RecordingError(f"{path}: expected annotations, got {error}") from None
    found = document.get("format") if isinstance(document, dict) else type(document).__name__
    if found != FORMAT:
        raise RecordingError(f"{path}: expected format {FORMAT}, got {found}")
    try:
        return Annotations(tiers=tuple(_tier_of(line) for line in document["tiers"]))
    except KeyError as error:
        raise RecordingError(f"{path}: expected a key {error}, got none") from None
    except (TypeError, ValueError, OverflowError, AttributeError, RecordingError) as error:
        raise RecordingError(f"{path}: {error}") from None


def _tier_of(line: Mapping[str, Any]) -> Tier:
    kind = TierKind(line["kind"])
    labels = tuple(
        Label(name=str(a["name"]), color=str(a.get("color", "")), key=str(a.get("key", "")), span=bool(a.get("span")))
        for a in line.get("labels", ())
    )
    empty = Tier(name=str(line["name"]), by=str(line.get("by", "")), kind=kind, labels=labels)
    if kind is TierKind.TRACE:
        return _trace(empty, [(float(t), float(value)) for t, value in line["samples"]])
    items = (
        Item(
            id=str(item["id"]),
            t0=float(item["t0"]),
            t1=None if item.get("t1") is None else float(item["t1"]),
            label=str(item.get("label", "")),
            note=str(item.get("note", "")),
        )
        for item in line["items"]
    )
    return replace(empty, items=tuple(items))
