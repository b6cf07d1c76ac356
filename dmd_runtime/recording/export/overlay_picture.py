"""The picture of an annotated film, with the face's outline, and what happens at the moment as chips on it."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from dmd_runtime.messages import Bool, UInt8
from dmd_runtime.modality import Modality
from dmd_runtime.recording.annotations import Annotations, TierKind
from dmd_runtime.recording.export.canvas import (
    BACKGROUND,
    BLACK,
    DIM,
    EMOTIONS,
    MODALITY,
    STAGE,
    WHITE,
    Box,
    Canvas,
    Colour,
    Points,
    colour,
    emotion_colour,
    mixed,
)
from dmd_runtime.recording.export.typeface import Type
from dmd_runtime.recording.reader import RecordedFaces, RecordedSession

_CHIP, _LETTER, _PLAIN = Type(13), Type(26, "Bold"), Type(15)
_HIGH, _APART, _EDGE = 26, 6, 12
_SHADE: Final = 0.66
_STAYS: Final = 3.0  # s for which a moment is shown
_MOST: Final = 6  # chips at once
_SEEN: Final = 0.25  # s: the face last found is shown for so long
_DOTS_APART: Final = 7.0


class _Note(NamedTuple):
    """Something said of a stretch of time."""

    t0: float
    t1: float
    text: str
    ink: Colour


class Stage:
    """Draws the picture; see :class:`~dmd_runtime.recording.export.overlay.Sheet`.

    Attributes
    ----------
    picture : Box
        Where the film's picture lies.
    """

    def __init__(
        self,
        canvas: Canvas,
        box: Box,
        session: RecordedSession,
        annotations: Annotations,
        size: tuple[int, int] | None,
    ) -> None:
        self._canvas, self._box = canvas, box
        self._faces = session.faces
        self._notes = _notes(annotations)
        width, height = (box.width, box.height) if size is None else size
        scale = min(box.width / width, box.height / height)
        width, height = max(2, round(width * scale)), max(2, round(height * scale))
        self.picture = Box(box.x + (box.width - width) // 2, box.y + (box.height - height) // 2, width, height)
        canvas.card(box, STAGE, 0)
        if size is None:
            self._draw_missing()
        self._last: UInt8 = canvas.pixels[self.picture.slices].copy()
        self._corners = _corners(box, 12)

    def draw(self, t: float, image: UInt8 | None) -> None:
        """Draw ``image``, or the one before, as it is at ``t`` s."""
        if image is not None:
            self._last = image
        self._canvas.pixels[self.picture.slices] = self._last
        face = _face_at(self._faces, t)
        if face is not None:
            box, confidence = face
            self._draw_outline(box)
            self._draw_chip(self._box.y + _EDGE, f"face {confidence:.2f}" if not np.isnan(confidence) else "face", None)
        now = [note for note in self._notes if note.t0 <= t + 1e-9 and t < note.t1][-_MOST:]
        for number, note in enumerate(reversed(now)):
            self._draw_chip(self._box.bottom - _EDGE - _HIGH - number * (_HIGH + _APART), note.text, note.ink)
        for at, mask in self._corners:
            part = self._canvas.pixels[at]
            part[mask] = BACKGROUND

    def _draw_missing(self) -> None:
        x, y = self._box.middle
        self._canvas.broken_ring((x, y - 16), 26, 2.4, mixed(MODALITY[Modality.VISUAL], STAGE, 0.8), 16)
        self._canvas.text(x, y - 7, "V", _LETTER, DIM, align="middle")
        self._canvas.text(x, y + 38, "sound only", _PLAIN, DIM, align="middle")

    def _draw_outline(self, box: Points) -> None:
        area = self.picture
        x, y, width, height = box * (area.width, area.height, area.width, area.height)
        count = max(12, round(np.pi * (width + height) / 2 / _DOTS_APART))
        turn = 2 * np.pi * np.arange(count) / count
        points = np.stack([x + width / 2 * (1 + np.cos(turn)), y + height / 2 * (1 + np.sin(turn))], axis=1)
        Canvas(self._canvas.pixels[area.slices]).dots(points, 1.7, MODALITY[Modality.VISUAL], BLACK)

    def _draw_chip(self, top: int, text: str, ink: Colour | None) -> None:
        left, lead = self.picture.x + _EDGE, 18 if ink is not None else 0
        text = _CHIP.fitting(text, self.picture.width - 2 * _EDGE - 30 - lead)
        self._canvas.card(Box(left, top, _CHIP.width(text) + 24 + lead, _HIGH), BLACK, _HIGH // 2, _SHADE)
        if ink is not None:
            self._canvas.disc((left + 17, top + _HIGH / 2), 5, ink)
        self._canvas.text(left + 12 + lead, top + 18, text, _CHIP, WHITE)


def _face_at(faces: RecordedFaces, t: float) -> tuple[Points, float] | None:
    """Box in shares and confidence of the face at ``t`` s: between two that were found of one person, on a line."""
    row = faces.at(t, within=_SEEN)
    if row is None:
        return None
    box = faces.box[row].astype(np.float64)
    after = row + 1
    if (
        after < len(faces.t)
        and faces.identity[after] == faces.identity[row]
        and 0 < faces.t[after] - faces.t[row] <= _SEEN
    ):
        share = (t - faces.t[row]) / (faces.t[after] - faces.t[row])
        box = box + share * (faces.box[after] - box)
    return box, float(faces.confidence[row])


def _notes(annotations: Annotations) -> list[_Note]:
    """Markers, labels and notes in the order of time; traces are curves, and not among them."""
    found: list[_Note] = []
    for tier in annotations.tiers:
        if tier.kind is TierKind.TRACE:
            continue
        inks = {name: emotion_colour(name) for name in EMOTIONS if tier.kind is TierKind.CATEGORY}
        inks |= {label.name: colour(label.color) for label in tier.labels if len(label.color) == 7}
        for item in tier.items:
            text = " · ".join(part for part in (item.label or item.note, tier.by if tier.by != "user" else "") if part)
            until = max(item.end, item.t0 + _STAYS)
            found.append(_Note(item.t0, until, text, inks.get(item.label, DIM)))
    return sorted(note for note in found if note.text)


def _corners(box: Box, radius: int) -> list[tuple[tuple[slice, slice], Bool]]:
    """What lies outside of round corners: places, and which pixels of them, bool (radius, radius)."""
    steps = np.arange(radius) + 0.5
    outside = np.hypot(radius - steps[:, None], radius - steps[None]) > radius
    near, far = (box.y, box.x), (box.bottom - radius, box.right - radius)
    return [
        (
            (slice(y, y + radius), slice(x, x + radius)),
            outside[:: 1 if y == near[0] else -1, :: 1 if x == near[1] else -1],
        )
        for y in (near[0], far[0])
        for x in (near[1], far[1])
    ]
