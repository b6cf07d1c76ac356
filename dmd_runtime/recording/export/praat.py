"""Praat's TextGrid (https://www.fon.hum.uva.nl/praat/manual/TextGrid_file_formats.html)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

from dmd_runtime.recording.annotations import Annotations
from dmd_runtime.recording.export import check
from dmd_runtime.recording.export.provenance import facts, one_line, written
from dmd_runtime.recording.export.strips import Stretch, Strip, StripKind, lanes, ms, strips
from dmd_runtime.recording.reader import RecordedSession

if TYPE_CHECKING:
    from dmd_runtime.recording.export import ExportOptions, OnShare


def write_textgrid(
    session: RecordedSession,
    annotations: Annotations,
    folder: Path,
    options: ExportOptions,
    *,
    progress: OnShare | None = None,
    cancel: Event | None = None,
) -> tuple[Path, ...]:
    """Write ``annotations.TextGrid``: an interval tier without gaps or overlaps for the stretches of each strip.

    Moments and traces are point tiers. Stretches that overlap go to further tiers with a number. Praat has no place for
    provenance: it is the one interval of the tier ``about``.
    """
    from praatio import textgrid  # noqa: PLC0415

    path = folder / "annotations.TextGrid"
    made = strips(session, annotations)
    end = max([ms(session.end), 1, *(max(s.end, s.start + 1) for strip in made for s in strip.stretches)]) / 1000
    grid = textgrid.Textgrid(0, end)
    for number, strip in enumerate(made, 1):
        check(cancel, path)
        for name, points, stretches in _tiers(strip):
            grid.addTier(_tier(textgrid, name, points, stretches, end))
        if progress is not None:
            progress(number / (len(made) + 1))
    about = "; ".join(f"{key}: {value}" for key, value in facts(session, options.analysis).items())
    grid.addTier(textgrid.IntervalTier("about", [(0, end, about)], 0, end))
    with written(path) as draft:
        grid.save(draft.name, format="long_textgrid", includeBlankSpaces=True, reportingMode="error")
    return (path,)


def _tiers(strip: Strip) -> Iterator[tuple[str, bool, list[Stretch]]]:
    """Name, whether of points, and stretches of the tiers that a strip becomes."""
    of_points = strip.kind is StripKind.TRACE
    points = [s for s in strip.stretches if s.start == s.end or of_points] if strip.kind not in _SPOKEN else []
    spans = [s for s in strip.stretches if not (points and (s.start == s.end or of_points))]
    numbered = [(False, lane) for lane in lanes(spans)] + [(True, lane) for lane in _apart(points)]
    for copy, (is_points, stretches) in enumerate(numbered or [(False, [])], 1):
        yield strip.name if copy == 1 else f"{strip.name} / {copy}", is_points, stretches


_SPOKEN = (StripKind.WORDS, StripKind.UTTERANCES)


def _apart(points: list[Stretch]) -> list[list[Stretch]]:
    """Points of one time, of which a tier can have one, spread over tiers."""
    return lanes(point._replace(end=point.start) for point in points)


def _tier(textgrid: Any, name: str, points: bool, stretches: list[Stretch], end: float) -> Any:
    label = name.replace("\n", " ")
    if points:
        return textgrid.PointTier(label, [(s.start / 1000, one_line(s.text)) for s in stretches], 0, end)
    entries = [(s.start / 1000, s.end / 1000, one_line(s.text) or "-") for s in stretches]
    return textgrid.IntervalTier(label, entries, 0, end)
