"""A recorded session read once more, with another checkpoint, recogniser or other settings; the old readings stay.

What comes out lies in ``derived/analyses/<name>/`` of the session folder: tables as in a session, and
``analysis.json``, which is written last. An analysis without it was never finished and is not listed.
"""

from __future__ import annotations

import json
import re
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TextIO

from dmd_runtime import __version__
from dmd_runtime.config import SessionConfig
from dmd_runtime.errors import ConfigError, RecordingError
from dmd_runtime.messages import AudioBlock, FaceObservation, Message, Reading, VideoFrame, Word
from dmd_runtime.recording import jsonl
from dmd_runtime.recording.reader import Line, RecordedSession, open_session
from dmd_runtime.streaming.session import Session
from dmd_runtime.whole_file import whole_file

if TYPE_CHECKING:  # these load PyAV and torch: only whoever makes one needs to wait for that
    from dmd_runtime.sources.file import FileSource
    from dmd_runtime.streaming.toolbox import Toolbox

FORMAT: Final = 1
FOLDER: Final = Path("derived", "analyses")
NAME: Final = "analysis.json"
TABLES: Final = ("readings", "words", "faces")
_NAME: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,63}")
_NOT_OF_THE_MODEL: Final = ("DEMO", "SYNTHETIC")
_HERE: Final = "runtime"
"""Settings of the machine that recorded; another one has its own."""
_TOLD: Final = 0.005


class AnalysisCancelledError(RecordingError):
    """The re-analysis was stopped as asked; nothing of it is left."""


@dataclass(frozen=True, kw_only=True)
class Analysis:
    """A finished re-analysis.

    Attributes
    ----------
    folder : Path
    document : mapping
        ``analysis.json``.
    """

    folder: Path
    document: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Of its folder."""
        return self.folder.name

    @property
    def made_at(self) -> str:
        """When it was finished, ISO 8601, UTC."""
        return str(self.document["made_at"]["finished"])

    @property
    def checkpoint(self) -> str:
        """Name of the checkpoint."""
        return str(self.document["provenance"].get("checkpoint", {}).get("name", ""))

    @property
    def marks(self) -> tuple[str, ...]:
        """What must not be mistaken for a person's reading."""
        return tuple(map(str, self.document["marks"]))

    @property
    def counts(self) -> Mapping[str, Any]:
        """As of a session."""
        counts: Mapping[str, Any] = self.document["counts"]
        return counts


@dataclass(frozen=True, kw_only=True, eq=False)
class AnalysedSession(RecordedSession):
    """A session whose readings, words and faces are those of a re-analysis; all else is the session's own."""

    analysis: Analysis

    def path(self, table: str) -> Path:
        """As of a session."""
        return (self.analysis.folder if table in TABLES else self.folder) / f"{table}.jsonl"


def analyses(folder: Path) -> list[Analysis]:
    """The finished re-analyses of a session, by name; one whose ``analysis.json`` cannot be read is none."""
    found = []
    for path in sorted((folder / FOLDER).glob(f"*/{NAME}")):
        try:
            found.append(_read(path))
        except RecordingError:
            continue
    return [analysis for analysis in found if _NAME.fullmatch(analysis.name)]


def open_analysis(folder: Path, name: str) -> AnalysedSession:
    """The session in ``folder`` as its re-analysis ``name`` reads it.

    Raises
    ------
    RecordingError
        There is no such session, or no finished re-analysis of that name; says which there are.
    """
    session = open_session(folder)
    known = {analysis.name: analysis for analysis in analyses(folder)}
    if name not in known:
        there = f"one of {', '.join(known)}" if known else "one, and there is none yet"
        raise RecordingError(f"{folder}: expected the name of a re-analysis ({there}), got {name!r}")
    own = ("marks", "absent", "config", "counts", "provenance", "mode", "error")
    manifest = {**session.manifest, **{key: known[name].document[key] for key in own if key in known[name].document}}
    manifest["analysis"] = name
    return AnalysedSession(folder=folder, manifest=manifest, analysis=known[name])


def settings_of(folder: Path, path: Path | None = None, **overrides: dict[str, Any]) -> SessionConfig:
    """Settings for a re-analysis: those of the recording, or of the TOML file ``path``, with ``overrides`` over them.

    Device and threads are this machine's in any case. Settings that a recording by another version has and this one
    does not know are the defaults.

    Raises
    ------
    RecordingError, ConfigError
        There is no such session; a setting is outside its rule.
    """
    if path is not None:
        return SessionConfig.load(path, **overrides)
    recorded = open_session(folder).manifest.get("config")
    kept = {k: v for k, v in recorded.items() if k != _HERE} if isinstance(recorded, dict) else {}
    try:
        SessionConfig.load(None, **kept)
    except (ConfigError, TypeError):
        kept = {}
    return SessionConfig.load(None, **{k: {**kept.get(k, {}), **overrides.get(k, {})} for k in {*kept, *overrides}})


def reanalyse(
    folder: Path,
    toolbox: Toolbox,
    *,
    config: SessionConfig,
    name: str | None = None,
    progress: Callable[[float], None] | None = None,
    cancel: threading.Event | None = None,
) -> Path:
    """Read the medium of a session once more, exactly; blocks until it is done.

    Parameters
    ----------
    folder : Path
        Of a session that is complete or recovered.
    toolbox : Toolbox
        Loaded with ``config``.
    name : str, optional
        Of the re-analysis: letters, digits, ``.``, ``_`` and ``-``; by default the checkpoint's, with ``_02``, ``_03``
        and so on where there is one already.
    progress : callable, optional
        Told the share that is done, on a thread of the pipeline.
    cancel : Event, optional
        Stops it.

    Returns
    -------
    Path
        The folder of the re-analysis.

    Raises
    ------
    RecordingError
        There is no medium any more, it is another than the one recorded, the name is taken or the disk full. Nothing
        is left.
    SourceError, StageError
        The medium cannot be read, or a stage died. Nothing is left.
    AnalysisCancelledError
    """
    recorded = open_session(folder)
    if recorded.state == "recording":
        raise RecordingError(f"{folder}: expected a session that has ended, got one that is recording (or to recover)")
    source = _source(recorded)
    try:
        target = _free(folder, name, toolbox.checkpoint.name)
        session = Session(source, toolbox, config, exact=True)
        with _draft(target) as draft:
            started = datetime.now(UTC)
            with _Tables(draft, session.marks) as tables:
                session.subscribe(tables)
                session.subscribe(_Watch(session, progress, cancel))
                session.run()
            if cancel is not None and cancel.is_set():
                raise AnalysisCancelledError(f"{target}: not written, the re-analysis was stopped")
            _write(draft / NAME, _document(session, toolbox, config, source, started))
    finally:
        source.close()
    return target


# ------------------------------------------------------------------ parts


def _source(recorded: RecordedSession) -> FileSource:
    from dmd_runtime.recording.playback_timeline import medium_of  # noqa: PLC0415
    from dmd_runtime.sources.file import FileSource  # noqa: PLC0415

    medium = medium_of(recorded)
    if medium is None:
        raise RecordingError(f"{recorded.folder}: expected a medium to read once more, got none")
    source = FileSource(medium.path, paced=False, origin=medium.origin)
    elsewhere = recorded.folder not in medium.path.parents
    said = (recorded.manifest.get("media") or {}).get("sha256")
    found = (source.info.media or {}).get("sha256")
    if elsewhere and said and said != found:
        source.close()
        raise RecordingError(f"{medium.path}: expected the medium of the session, SHA-256 {said}, got {found}")
    marks = [mark for mark in recorded.marks if mark in _NOT_OF_THE_MODEL]
    source.info = replace(source.info, marks=tuple(dict.fromkeys((*source.info.marks, *marks))))
    return source


def _free(folder: Path, name: str | None, checkpoint: str) -> Path:
    """A folder that is not there yet."""
    wished = name if name is not None else re.sub(r"[^0-9A-Za-z._-]+", "-", checkpoint).strip("-._") or "analysis"
    if not _NAME.fullmatch(wished):
        raise RecordingError(f"name of a re-analysis: expected letters, digits, '.', '_' and '-', got {wished!r}")
    root = folder / FOLDER
    for attempt in range(1, 1000):
        target = root / (wished if attempt == 1 else f"{wished}_{attempt:02d}")
        if not target.exists():
            return target
        if name is not None:
            break
    raise RecordingError(f"{root / wished}: expected a name that is free, got one that is there")


@contextmanager
def _draft(target: Path) -> Iterator[Path]:
    """A folder to write to; at the end of the block it takes its name, or is gone."""
    draft = target.with_name(f".{target.name}.part")
    try:
        shutil.rmtree(draft, ignore_errors=True)  # of one that was killed
        draft.mkdir(parents=True)
        yield draft
        draft.rename(target)
    except OSError as error:
        raise RecordingError(f"{target}: cannot be written: {error.strerror or error}") from None
    finally:
        shutil.rmtree(draft, ignore_errors=True)


class _Tables:
    """Subscriber that keeps readings, words and faces; on leaving the block it raises what could not be written."""

    def __init__(self, folder: Path, marks: tuple[str, ...]) -> None:
        self._folder, self._marks = folder, marks
        self._lock = threading.Lock()
        self._failure: OSError | None = None
        self._stack = ExitStack()
        self._files: dict[str, TextIO] = {}

    def __enter__(self) -> _Tables:
        for table in TABLES:
            file = (self._folder / f"{table}.jsonl").open("x", encoding="utf-8", newline="\n")
            self._files[table] = self._stack.enter_context(file)
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._stack.close()
        if self._failure is not None and error is None:
            raise self._failure

    def __call__(self, message: Message) -> None:
        if isinstance(message, Reading):
            self._keep("readings", jsonl.reading_line(message))
        elif isinstance(message, Word):
            self._keep("words", jsonl.word_line(message, self._marks))
        elif isinstance(message, FaceObservation):
            self._keep("faces", jsonl.face_line(message, self._marks))

    def _keep(self, table: str, line: Line) -> None:
        text = json.dumps(line, ensure_ascii=False, separators=(",", ":"), allow_nan=False) + "\n"
        with self._lock:
            try:
                self._files[table].write(text)
            except OSError as error:
                self._failure = self._failure or error


class _Watch:
    """Subscriber that tells progress and stops the session when asked to."""

    def __init__(
        self, session: Session, progress: Callable[[float], None] | None, cancel: threading.Event | None
    ) -> None:
        self._session, self._progress, self._cancel = session, progress, cancel
        self._length = session.source.info.duration or 0.0
        self._told = 0.0

    def __call__(self, message: Message) -> None:
        if not isinstance(message, VideoFrame | AudioBlock):
            return
        if self._cancel is not None and self._cancel.is_set():
            self._session.stop()
        share = min(1.0, message.t / self._length) if self._length > 0 else 0.0
        if self._progress is not None and share >= self._told + _TOLD:
            self._told = share
            self._progress(share)


def _document(
    session: Session, toolbox: Toolbox, config: SessionConfig, source: FileSource, started: datetime
) -> dict[str, Any]:
    counts = session.counts
    return {
        "format": FORMAT,
        "state": "complete",
        "marks": list(session.marks),
        "mode": "exact",
        "made_at": {"started": started.isoformat(), "finished": datetime.now(UTC).isoformat()},
        "medium": source.info.media,
        "config": config.model_dump(),
        "provenance": {**toolbox.provenance(), "app_version": __version__},
        "absent": {m.value: reason for m, reason in session.absent.items()},
        "counts": {
            **counts.as_dict(),
            "media_end_s": None if counts.media_end is None else round(counts.media_end, 6),
        },
        "error": None,
    }


def _write(path: Path, document: Mapping[str, Any]) -> None:
    with whole_file(path) as file:
        file.write(json.dumps(document, ensure_ascii=False, allow_nan=False, indent=2).encode() + b"\n")


def _read(path: Path) -> Analysis:
    """One re-analysis.

    Raises
    ------
    RecordingError
        It is not as specified.
    """
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise RecordingError(f"{path}: expected an analysis, got {error}") from None
    rules: dict[str, type] = {"provenance": dict, "counts": dict, "marks": list, "made_at": dict}
    if (
        not isinstance(document, dict)
        or document.get("format") != FORMAT
        or document.get("state") != "complete"
        or any(not isinstance(document.get(key), kind) for key, kind in rules.items())
        or not isinstance(document["made_at"].get("finished"), str)
    ):
        raise RecordingError(f"{path}: expected a complete analysis of format {FORMAT}")
    return Analysis(folder=path.parent, document=document)
