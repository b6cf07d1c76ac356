"""Windows over three streams of features: pure, touched by one thread, independent of the order of arrival.

A window is a function of the rows inside its span alone. Rows of a fixed rate keep their place in time (a missing face
leaves a masked slot); tokens are packed to the right. Nothing that looked past ``span.end`` is used. Rows that know a
whole window are in that window only; without them the modality is missing in it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from dmd_runtime.config import WindowConfig
from dmd_runtime.features.base import FeatureSpec, Recipe
from dmd_runtime.features.layout import EPSILON as _EPSILON
from dmd_runtime.features.layout import lay_out, with_window_rows
from dmd_runtime.messages import (
    EMPTY_TIMES,
    FOREVER,
    Bool,
    FeatureBlock,
    Float32,
    Float64,
    Span,
    SpeechActivity,
    Window,
    WindowRows,
    freeze,
)
from dmd_runtime.modality import MODALITIES, Modality

_HOLE = 0.5  # s without anything due: the device is silent, and its rows count as missing
_ABSENT = {Modality.LANGUAGE: "no words", Modality.VISUAL: "no face", Modality.ACOUSTIC: "silence"}
_LATE = "voice not encoded in time"
_ALONE = {Modality.LANGUAGE: "words only", Modality.VISUAL: "face only", Modality.ACOUSTIC: "voice only"}


class _Track:
    """The rows of one modality that a coming window may still need."""

    def __init__(self, spec: FeatureSpec) -> None:
        self.spec = spec
        self.settled_until = 0.0
        self.times: Float64 = EMPTY_TIMES
        self.ends: Float64 = EMPTY_TIMES
        self.due: Float64 = EMPTY_TIMES
        self.values: Float32 = np.empty((0, spec.block_columns), dtype=np.float32)
        self.window_rows: dict[float, Float32] = {}  # by the window's end
        self.last_row = -math.inf
        self._pending: list[FeatureBlock] = []

    def add(self, block: FeatureBlock) -> None:
        if block.replaces_from is not None:
            self._absorb()
            kept = self.times < block.replaces_from - _EPSILON
            self.times, self.ends, self.values = self.times[kept], self.ends[kept], self.values[kept]
        self._pending.append(block)
        self.settled_until = max(self.settled_until, block.settled_until)

    def _absorb(self) -> None:
        if not self._pending:
            return
        blocks, self._pending = self._pending, []
        self.times = np.concatenate([self.times, *(b.times for b in blocks)])
        self.ends = np.concatenate([self.ends, *(b.ends for b in blocks)])
        self.due = np.concatenate([self.due, *(b.due for b in blocks)])
        self.values = np.concatenate([self.values, *(b.values for b in blocks if len(b.times))])
        order = np.argsort(self.times, kind="stable")
        self.times, self.ends, self.values = self.times[order], self.ends[order], self.values[order]
        self.due.sort()

    def forget(self, before: float) -> None:
        """Drop rows that no later window can contain."""
        self._absorb()
        first = int(np.searchsorted(self.times, before - _EPSILON))
        self.times, self.ends, self.values = self.times[first:], self.ends[first:], self.values[first:]
        self.due = self.due[int(np.searchsorted(self.due, before - _EPSILON)) :]

    def inside(self, span: Span) -> slice:
        """Rows that begin inside the span."""
        self._absorb()
        first, last = np.searchsorted(self.times, (span.start - _EPSILON, span.end - _EPSILON))
        if last:
            self.last_row = max(self.last_row, float(self.times[last - 1]))
        return slice(int(first), int(last))

    def lay_out(self, rows: slice, span: Span, duration: float) -> tuple[Float32, Bool]:
        """The window's (T, D) values and (T,) mask."""
        values, mask = lay_out(
            self.spec, self.times[rows], self.ends[rows], self.values[rows], span=span, duration=duration
        )
        if self.spec.window_columns:
            own = self.window_rows.get(span.end, np.empty((0, self.spec.window_columns), dtype=np.float32))
            values, mask = with_window_rows(values, mask, own)
        return freeze(values), freeze(mask)

    def encoded(self, end: float) -> bool:
        """Whether the rows that belong to the window ending at ``end`` alone have come, if there are such."""
        return not self.spec.window_columns or end in self.window_rows

    def share_of_due(self, rows: slice, span: Span) -> float:
        """Rows that came over rows that were due; a hole in what was due counts at the full rate."""
        assert self.spec.rate_hz is not None
        first, last = np.searchsorted(self.due, (span.start - _EPSILON, span.end - _EPSILON))
        marks = np.concatenate([[span.start], self.due[first:last], [span.end]])
        gaps = np.diff(marks)
        expected = (last - first) + float(gaps[gaps > _HOLE].sum()) * self.spec.rate_hz
        return min(1.0, (rows.stop - rows.start) / expected) if expected else 0.0

    def share_of_span(self, rows: slice, span: Span) -> float:
        """Share of the span that the rows' own stretches cover (words)."""
        usable = self.ends[rows] <= span.end + _EPSILON
        return covered(self.times[rows][usable], self.ends[rows][usable], span)


def covered(starts: Float64, ends: Float64, span: Span) -> float:
    """Share of ``span`` inside the union of ``[starts, ends)``; ``starts`` ascending."""
    if not len(starts) or span.duration <= 0:
        return 0.0
    ends = np.maximum.accumulate(np.clip(ends, span.start, span.end))
    before = np.concatenate([[span.start], ends[:-1]])
    return (
        float(np.maximum(0.0, ends - np.maximum(np.clip(starts, span.start, span.end), before)).sum()) / span.duration
    )


class WindowBuilder:
    """Gathers features and cuts windows.

    Parameters
    ----------
    config : WindowConfig
    recipe : Recipe
        Widths and rows of the three modalities.
    absent : mapping modality -> reason
        Modalities that this session cannot have ("no microphone"); they never hold a window up.
    sound : bool
        Whether there is sound, so that voice activity is to be waited for.
    """

    def __init__(
        self,
        config: WindowConfig,
        recipe: Recipe,
        absent: Mapping[Modality, str] | None = None,
        *,
        sound: bool = True,
    ) -> None:
        self._config = config
        self._absent = dict(absent or {})
        self._tracks = {m: _Track(recipe.specs[m]) for m in MODALITIES}
        self._speech: list[Span] = []
        self._speech_settled = 0.0 if sound else FOREVER
        self._index = 0
        for m in self._absent:
            self._tracks[m].settled_until = FOREVER

    @property
    def next_end(self) -> float:
        """Where the next window ends."""
        return self._config.first + self._index * self._config.step

    @property
    def settled(self) -> dict[Modality, bool]:
        """For the next window, whether each modality can change no more."""
        end = self.next_end - _EPSILON
        settled = {
            m: t.settled_until >= end and (t.encoded(self.next_end) or t.settled_until == FOREVER)
            for m, t in self._tracks.items()
        }
        settled[Modality.ACOUSTIC] = settled[Modality.ACOUSTIC] and self._speech_settled >= end
        return settled

    @property
    def all_said(self) -> bool:
        """Whether nothing more can come of any modality, so that being settled says nothing about the time."""
        return self._speech_settled == FOREVER and all(t.settled_until == FOREVER for t in self._tracks.values())

    def skip(self, count: int) -> None:
        """Leave out the next ``count`` windows."""
        self._index += count
        self._forget(self.next_end - self._config.duration)

    def set_absent(self, m: Modality, reason: str, at: float) -> None:
        """From ``at`` on the session cannot have a modality, for ``reason``; or, where that is empty, it can again."""
        if reason:
            self._absent[m] = reason
            self._tracks[m].settled_until = FOREVER
        elif self._absent.pop(m, None) is not None:
            self._tracks[m].settled_until = at

    def add(self, message: FeatureBlock | WindowRows | SpeechActivity) -> None:
        """Take one message, in any order between modalities."""
        if isinstance(message, FeatureBlock):
            self._tracks[message.modality].add(message)
        elif isinstance(message, WindowRows):
            if message.end >= self.next_end:
                self._tracks[message.modality].window_rows[message.end] = message.values
        else:
            self._speech.extend(message.spans)
            self._speech_settled = max(self._speech_settled, message.settled_until)

    def build(self) -> Window:
        """Cut the next window from what is known now and move on by one step."""
        end = self.next_end
        span = Span(max(0.0, end - self._config.duration), end)
        settled = self.settled
        rows = {m: self._tracks[m].inside(span) for m in MODALITIES}
        laid = {m: self._tracks[m].lay_out(rows[m], span, self._config.duration) for m in MODALITIES}
        coverage = {m: self._coverage(m, rows[m], span) for m in MODALITIES}
        speech = sum(s.overlap(span) for s in self._speech) / span.duration
        enough = self._enough(coverage, speech)
        present = {m: enough[m] and bool(laid[m][1].any()) for m in MODALITIES}
        window = Window(
            index=self._index,
            span=span,
            features={m: values for m, (values, _) in laid.items()},
            mask={m: mask for m, (_, mask) in laid.items()},
            coverage=coverage,
            speech=min(1.0, speech),
            settled=settled,
            present=present,
            reason=self._reason(span, coverage, enough, present),
        )
        self._index += 1
        self._forget(self.next_end - self._config.duration)
        return window

    def _coverage(self, m: Modality, rows: slice, span: Span) -> float:
        track = self._tracks[m]
        return track.share_of_span(rows, span) if track.spec.rate_hz is None else track.share_of_due(rows, span)

    def _enough(self, coverage: Mapping[Modality, float], speech: float) -> dict[Modality, bool]:
        """Whether what came would do for a modality to count."""
        return {
            Modality.LANGUAGE: coverage[Modality.LANGUAGE] > 0,
            Modality.VISUAL: coverage[Modality.VISUAL] >= self._config.min_coverage_visual,
            Modality.ACOUSTIC: coverage[Modality.ACOUSTIC] >= self._config.min_coverage_acoustic
            and speech >= self._config.min_speech,
        }

    def _reason(
        self,
        span: Span,
        coverage: Mapping[Modality, float],
        enough: Mapping[Modality, bool],
        present: Mapping[Modality, bool],
    ) -> str:
        missing = {m: self._why(m, span, coverage, enough) for m in MODALITIES if not present[m]}
        if missing.get(Modality.ACOUSTIC) == _ABSENT[Modality.ACOUSTIC] and Modality.LANGUAGE not in self._absent:
            missing.pop(Modality.LANGUAGE, None)  # "silence" says it
        parts = list(missing.values())
        here = [m for m in MODALITIES if present[m]]
        return ", ".join([*parts, *(_ALONE[m] for m in here if len(here) == 1)])

    def _why(self, m: Modality, span: Span, coverage: Mapping[Modality, float], enough: Mapping[Modality, bool]) -> str:
        if m in self._absent:
            return self._absent[m]
        if m is Modality.ACOUSTIC and coverage[m] < self._config.min_coverage_acoustic:
            return "no sound"
        if enough[m] and not self._tracks[m].encoded(span.end):
            return _LATE
        since = span.end - max(0.0, self._tracks[m].last_row)
        if m is Modality.VISUAL and since >= 1.0:
            return f"no face for {since:.0f} s"
        return _ABSENT[m]

    def _forget(self, before: float) -> None:
        for track in self._tracks.values():
            track.forget(before)
            track.window_rows = {end: rows for end, rows in track.window_rows.items() if end >= self.next_end}
        self._speech = [s for s in self._speech if s.end > before]
