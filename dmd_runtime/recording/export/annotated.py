"""A film with what was read burnt in: face, words, emotion, both graphs, coverage, marks, markers and time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from threading import Event
from typing import Final

import cv2

from dmd_runtime.messages import UInt8
from dmd_runtime.recording.annotations import Annotations
from dmd_runtime.recording.export import ExportOptions, OnShare
from dmd_runtime.recording.export.film import LOOKING, Pictures, Steps, film_name, new_film, timeline_of
from dmd_runtime.recording.export.masking import Blur, face_blur
from dmd_runtime.recording.export.overlay import HEIGHT, WIDTH, Sheet
from dmd_runtime.recording.export.typeface import undrawable
from dmd_runtime.recording.reader import RecordedSession

_STEP: Final = 0.1
"""Seconds after which the sheet is shown anew where no picture comes."""
_NAMED: Final = 20  # letters
_FASTER: Final = "subme=0:weightp=0"
"""Most of a sheet stands still: searching finer takes a fifth longer and makes the file no smaller."""


def write_annotated(  # noqa: PLR0917
    session: RecordedSession,
    annotations: Annotations,
    folder: Path,
    options: ExportOptions,
    progress: OnShare | None = None,
    cancel: Event | None = None,
) -> tuple[Path, ...]:
    """Write ``annotated.mp4``, 1280 x 720, into ``folder``; every picture at its recorded time.

    A reading is shown from the end of its window on, as it was live; a word from when it is said. Where pictures are
    far apart, or there are none, the sheet goes on ten times a second. Masks do not change what was read: words
    are burnt in as they were recognised.

    Parameters
    ----------
    progress : callable, optional
        Told the share that is done.
    cancel : Event, optional
        Stops it; nothing is left.

    Raises
    ------
    RecordingError
        There is no medium (any more), or the film cannot be written.
    SourceError
        The medium cannot be played.
    ExportCancelledError
        It was stopped.
    """
    timeline = timeline_of(session)
    medium = timeline.medium
    path = folder / film_name("annotated", options)
    looking = LOOKING if options.blur_faces and len(timeline) else 0.0
    before = Steps(path, timeline.end, progress, cancel, part=(0.0, looking))
    steps = Steps(path, timeline.end, progress, cancel, part=(looking, 1.0))
    with ExitStack() as stack:
        pictures, blur = None, None
        if len(timeline):
            blur = stack.enter_context(face_blur(session, timeline, before, wanted=options.blur_faces))
            pictures = stack.enter_context(closing(Pictures(medium, WIDTH)))
        sheet = Sheet(session, annotations, size=None if pictures is None else pictures.size, end=timeline.end)
        if pictures is not None and not options.blur_faces:  # decoded at the size that is shown
            pictures = stack.enter_context(closing(Pictures(medium, max(sheet.stage.width, sheet.stage.height))))
        film = stack.enter_context(new_film(path, session))
        film.add_pictures(WIDTH, HEIGHT, preset="superfast", crf=23, params=_FASTER)
        if timeline.has_sound:
            film.add_sound(medium, timeline.end, masked=options.mask_voice)
        for t, image in _moments(pictures, blur, (sheet.stage.width, sheet.stage.height), timeline.end):
            film.show(sheet.at(t, image), t)
            steps.at(t)
        film.finish(encoded=True)
        steps.at(timeline.end)
    return (path,)


def remarks(session: RecordedSession, annotations: Annotations) -> tuple[str, ...]:
    """What somebody who passes the film on should know: letters that no typeface of this machine has."""
    texts = [str(session.manifest.get(key) or "") for key in ("participant", "session", "task")]
    texts += [word.text for word in session.words]
    texts += [text for tier in annotations.tiers for item in tier.items for text in (tier.name, item.label, item.note)]
    missing = undrawable(texts)
    if not missing:
        return ()
    some = " ".join(missing[:_NAMED]) + (" …" if len(missing) > _NAMED else "")
    return (
        f"annotated.mp4: {len(missing)} letters show as boxes, because no typeface of this machine has them: {some}; "
        "a font like Noto Sans for their script, installed, mends that",
    )


def _moments(
    pictures: Pictures | None, blur: Blur | None, size: tuple[int, int], end: float
) -> Iterator[tuple[float, UInt8 | None]]:
    """Times of the film's pictures, each with the picture scaled to ``size``, or None where there is no new one."""
    last = -_STEP
    for frame in pictures or ():
        yield from _between(last, frame.t)
        image = frame.image if blur is None else blur(frame.image, frame.t)
        if image.shape[1::-1] != size:
            how = cv2.INTER_AREA if image.shape[1] > size[0] else cv2.INTER_LINEAR
            image = cv2.resize(image, size, interpolation=how)
        yield frame.t, image
        last = frame.t
    yield from _between(last, end)


def _between(last: float, until: float) -> Iterator[tuple[float, None]]:
    """Moments from ``last`` to ``until``, both left out, where that is long."""
    count = int((until - last) / _STEP - 0.5)
    for number in range(1, count + 1):
        yield last + number * _STEP, None
