"""Words as subtitles: WebVTT, with the time of every word, and SubRip."""

from __future__ import annotations

import html
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any, Final

from dmd_runtime.recording.annotations import Annotations
from dmd_runtime.recording.export import check
from dmd_runtime.recording.export.provenance import facts, marks, one_line, written
from dmd_runtime.recording.export.utterances import end_of, line_break, spaced, utterances
from dmd_runtime.recording.reader import RecordedSession, RecordedWord

if TYPE_CHECKING:
    from dmd_runtime.recording.export import ExportOptions, OnShare

Group = tuple[RecordedWord, ...]
_LONGEST: Final = 6.0
"""Seconds a cue may last."""
_LINE: Final = 42
"""Characters of a line; a cue has two at most, as subtitles usually do."""


def write_vtt(
    session: RecordedSession,
    annotations: Annotations,  # noqa: ARG001 - every format is given them
    folder: Path,
    options: ExportOptions,
    *,
    progress: OnShare | None = None,  # noqa: ARG001 - done at once
    cancel: Event | None = None,
) -> tuple[Path, ...]:
    """Write ``transcript.vtt``: cues with a time before each word but the first; provenance and marks as a comment."""
    import webvtt  # noqa: PLC0415

    path = folder / "transcript.vtt"
    captions = []
    for group in _cues(session):
        check(cancel, path)
        start, end = _times(group)
        captions.append(webvtt.Caption(str(start), str(end), _timed(group, start, end)))
    note = "\n".join(f"{key}: {value}".replace("-->", "→") for key, value in facts(session, options.analysis).items())
    text = io.StringIO()
    webvtt.WebVTT(captions=captions, header_comments=[note]).write(text)
    with written(path) as draft:
        draft.write(text.getvalue().encode())
    return (path,)


def write_srt(
    session: RecordedSession,
    annotations: Annotations,  # noqa: ARG001
    folder: Path,
    options: ExportOptions,  # noqa: ARG001
    *,
    progress: OnShare | None = None,  # noqa: ARG001
    cancel: Event | None = None,
) -> tuple[Path, ...]:
    """Write ``transcript.srt``: the same cues; marks, which have no place in the format, before the first text."""
    path = folder / "transcript.srt"
    label = f"[{' '.join(map(one_line, marks(session)))}]\n" if marks(session) else ""
    with written(path) as draft:
        for number, group in enumerate(_cues(session), 1):
            check(cancel, path)
            pieces = spaced(group)
            text = "".join(_broken(pieces, pieces)).replace("-->", "→")
            times = " --> ".join(str(time).replace(".", ",") for time in _times(group))
            draft.write(f"{number}\n{times}\n{label}{text}\n\n".encode())
            label = ""
    return (path,)


def _cues(session: RecordedSession) -> Iterator[Group]:
    words = (word for word in session.words if word.span.start >= 0)
    yield from utterances(words, longest=_LONGEST, most=2 * _LINE)


def _times(group: Group) -> tuple[Any, Any]:
    """``webvtt``'s timestamps of a cue, which lasts 1 ms at least."""
    from webvtt.models import Timestamp  # noqa: PLC0415

    start, end = group[0].span.start, end_of(group)
    return Timestamp.from_seconds(start), Timestamp.from_seconds(max(end, start + 0.001))


def _timed(group: Group, start: Any, end: Any) -> str:
    """The text of a cue; WebVTT wants times in it to rise between those of the cue."""
    from webvtt.models import Timestamp  # noqa: PLC0415

    last, timed = start, []
    pieces = spaced(group)
    for word, piece in zip(group, pieces, strict=True):
        text = html.escape(piece, quote=False)
        now = Timestamp.from_seconds(word.span.start)
        if last < now < end:
            blank = text[: len(text) - len(text.lstrip())]
            text, last = f"{blank}<{now}>{text.lstrip()}", now
        timed.append(text)
    return "".join(_broken(timed, pieces))


def _broken(texts: Sequence[str], pieces: Sequence[str]) -> Iterator[str]:
    """``texts`` with a line break where the ``pieces`` that they show are too long for one line."""
    second = line_break(pieces, _LINE)
    for i, text in enumerate(texts):
        yield f"\n{text.lstrip()}" if i == second else text
