"""Sessions in the formats of other programs, below ``<session>/derived/``; each file is written whole or not at all.

Nothing is loaded before a format is asked for. What the files hold is specified in ``docs/formats.md``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from threading import Event
from types import MappingProxyType, ModuleType
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

from dmd_runtime.errors import RecordingError

if TYPE_CHECKING:
    from dmd_runtime.recording.annotations import Annotations
    from dmd_runtime.recording.reader import RecordedSession

FOLDER: Final = "derived"


class ExportCancelledError(RecordingError):
    """The user stopped an export; the file in the making is gone, those before it stay."""


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """What an export should do beside writing.

    Attributes
    ----------
    blur_faces, mask_voice : bool
        Of exported media.
    analysis : str, optional
        Export a re-analysis of this name instead of what was read while recording.
    """

    blur_faces: bool = False
    mask_voice: bool = False
    analysis: str | None = None


OnShare: TypeAlias = Callable[[float], None]
"""Told the share that is done, 0 … 1."""
OnFormat: TypeAlias = Callable[[str, float], None]
"""Told the name of the format in the making, and the share of the whole export that is done."""
OnRemark: TypeAlias = Callable[[str], None]
"""Told what people should know of a file before they pass it on."""


class Writer(Protocol):
    """Writes one format of a session into ``folder``, which is there; returns the files."""

    def __call__(
        self,
        session: RecordedSession,
        annotations: Annotations,
        folder: Path,
        options: ExportOptions,
        *,
        progress: OnShare | None = None,
        cancel: Event | None = None,
    ) -> tuple[Path, ...]:
        """Write it; see :func:`export` for what is raised."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Format:
    """One format: the function that writes it and its module below ``dmd_runtime.recording``, its files, what it is.

    ``media`` formats need the medium, and take long. ``remarks`` is the function that looks for what to remark.
    """

    module: str
    function: str
    files: tuple[str, ...]
    text: str
    media: bool = False
    remarks: str = ""

    def load(self) -> Writer:
        """Its writer."""
        found: Writer = getattr(self._home, self.function)
        return found

    def remark_on(self, session: RecordedSession, annotations: Annotations) -> tuple[str, ...]:
        """What is to be said of the file that is made of ``session``."""
        found: tuple[str, ...] = getattr(self._home, self.remarks)(session, annotations) if self.remarks else ()
        return found

    @property
    def _home(self) -> ModuleType:
        return import_module(f"dmd_runtime.recording.{self.module}")


FORMATS: Final[Mapping[str, Format]] = MappingProxyType(
    {
        "csv": Format(
            module="export.csv_files",
            function="write_csv",
            files=("readings.csv", "words.csv", "annotations.csv", "faces.csv", "tables.json"),
            text="tables for any program, with a description of every column",
        ),
        "parquet": Format(
            module="export.parquet",
            function="write_parquet",
            files=("readings.parquet", "words.parquet", "annotations.parquet", "faces.parquet"),
            text="the same tables with types and units, for pandas, R, DuckDB",
        ),
        "vtt": Format(
            module="export.subtitles",
            function="write_vtt",
            files=("transcript.vtt",),
            text="subtitles, with a time a word",
        ),
        "srt": Format(module="export.subtitles", function="write_srt", files=("transcript.srt",), text="subtitles"),
        "eaf": Format(
            module="export.elan",
            function="write_eaf",
            files=("annotations.eaf",),
            text="ELAN: words, utterances, emotion, markers, annotation tiers, linked to the medium",
        ),
        "textgrid": Format(
            module="export.praat",
            function="write_textgrid",
            files=("annotations.TextGrid",),
            text="Praat: the same tiers",
        ),
        "events": Format(
            module="export.bids",
            function="write_events",
            files=("events.tsv", "events.json"),
            text="BIDS: events with their description",
        ),
        "report": Format(
            module="report", function="write_page", files=("report.html",), text="a page to read, print and pass on"
        ),
        "mp4": Format(
            module="export.remux",
            function="write_mp4",
            files=("film.mp4",),
            text="the medium for any player",
            media=True,
        ),
        "annotated": Format(
            module="export.annotated",
            function="write_annotated",
            files=("annotated.mp4",),
            text="the medium with face, words, emotion and graphs burnt in",
            media=True,
            remarks="remarks",
        ),
    }
)
TEXT_FORMATS: Final = tuple(name for name, what in FORMATS.items() if not what.media)


def export(
    folder: Path,
    formats: Sequence[str] = TEXT_FORMATS,
    *,
    options: ExportOptions | None = None,
    progress: OnFormat | None = None,
    cancel: Event | None = None,
    remark: OnRemark | None = None,
) -> list[Path]:
    """Write a session in these formats; blocks, on the thread that calls it.

    Parameters
    ----------
    folder : Path
        Of the session.
    formats : sequence of str
        Keys of :data:`FORMATS`.
    options : ExportOptions, optional
    progress : callable, optional
    cancel : Event, optional
        Set from another thread to stop.
    remark : callable, optional

    Returns
    -------
    list of Path
        What was written, in order. A file that was there is replaced once the new one is whole.

    Raises
    ------
    RecordingError
        There is no such session, format or analysis; or a file, which is named, cannot be written. What was written
        before it stays.
    ExportCancelledError
    """
    from dmd_runtime.recording.annotations import read_annotations  # noqa: PLC0415

    unknown = [name for name in formats if name not in FORMATS]
    if unknown:
        raise RecordingError(f"export: expected formats of {', '.join(FORMATS)}, got {', '.join(unknown)}")
    options = options or ExportOptions()
    session, out = _opened(folder, options.analysis)
    annotations = read_annotations(folder)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RecordingError(f"{out}: cannot be made: {error.strerror or error}") from None
    names = list(dict.fromkeys(formats))
    written: list[Path] = []
    for done, name in enumerate(names):
        check(cancel, out / FORMATS[name].files[0])

        def at(share: float, name: str = name, done: int = done) -> None:
            if progress is not None:
                progress(name, (done + share) / len(names))

        at(0.0)
        written += FORMATS[name].load()(session, annotations, out, options, progress=at, cancel=cancel)
        if remark is not None:
            for text in FORMATS[name].remark_on(session, annotations):
                remark(text)
        at(1.0)
    return written


def check(cancel: Event | None, path: Path) -> None:
    """Raise, naming the file that will not be there, where the user stopped the export.

    Raises
    ------
    ExportCancelledError
    """
    if cancel is not None and cancel.is_set():
        raise ExportCancelledError(f"{path}: not written, the export was stopped")


def _opened(folder: Path, analysis: str | None) -> tuple[RecordedSession, Path]:
    """The session, or a re-analysis of it as one, and the folder its exports go to."""
    from dmd_runtime.recording.reader import open_session  # noqa: PLC0415

    if analysis is None:
        return open_session(folder), folder / FOLDER
    from dmd_runtime.recording.reanalysis import open_analysis  # noqa: PLC0415

    return open_analysis(folder, analysis), folder / FOLDER / "analyses" / analysis
