"""Writes a session folder while the session runs: one line per event, flushed line by line."""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TextIO

from dmd_runtime.errors import RecordingError
from dmd_runtime.messages import FaceObservation, Failure, Health, Message, Reading, SpeechChange, Word
from dmd_runtime.recording import jsonl
from dmd_runtime.recording.manifest import FORMAT, write_manifest

_TABLES = ("readings", "words", "markers", "faces", "health")
_RARE = ("traces",)  # begun with their first line


class SessionWriter:
    """A subscriber that keeps what a session says.

    May be called from several threads: a lock per call keeps lines whole. The manifest says ``recording`` until
    :meth:`finish`. The first write that fails stops the writer, and :meth:`finish` raises it: a session never goes
    on in the belief that it is being kept.

    Parameters
    ----------
    folder : Path
        New and empty (``new_session_folder``).
    manifest : mapping
        Everything known at the start: source, devices, consent, config, provenance, media.
    marks : tuple of str
        UNTRAINED, DEMO, SYNTHETIC: written into every line.
    speech : mapping or None
        ``model`` and ``language`` of the recogniser at the start, where they are known.
    on_failure : callable
        Called once, on the thread that wrote, when a table cannot be written any more.
    """

    def __init__(
        self,
        folder: Path,
        manifest: Mapping[str, Any],
        *,
        marks: tuple[str, ...] = (),
        speech: Mapping[str, str] | None = None,
        on_failure: Callable[[RecordingError], None] | None = None,
    ) -> None:
        self._on_failure = on_failure
        self.folder = folder
        self._manifest = {"format": FORMAT, "state": "recording", **manifest, "marks": list(marks)}
        self._marks = marks
        self._speech: list[dict[str, Any]] = [] if speech is None else [{"t": 0.0, **speech}]
        self._lock = threading.Lock()
        self._failure: RecordingError | None = None
        self._closed = False
        self._stack = ExitStack()
        try:
            self._files: dict[str, TextIO] = {
                table: self._stack.enter_context((folder / f"{table}.jsonl").open("x", encoding="utf-8", newline="\n"))
                for table in _TABLES
            }
        except OSError as error:
            self._stack.close()
            raise RecordingError(f"{folder}: cannot be written: {error.strerror or error}") from None
        try:
            write_manifest(folder, self._manifest)
        except RecordingError:
            self._stack.close()
            raise

    def __call__(self, message: Message) -> None:
        """Take one message of the session; what is not kept is ignored."""
        if isinstance(message, Reading):
            self._write("readings", jsonl.reading_line(message))
        elif isinstance(message, Word):
            self._write("words", jsonl.word_line(message, self._marks))
        elif isinstance(message, FaceObservation):
            self._write("faces", jsonl.face_line(message, self._marks))
        elif isinstance(message, Health):
            self._write("health", jsonl.health_line(message))
        elif isinstance(message, Failure):
            self._write("health", jsonl.failure_line(message))
        elif isinstance(message, SpeechChange):
            self._note_speech(message)

    def mark(self, line: Mapping[str, Any]) -> None:
        """Write one line of ``markers.jsonl`` now.

        Raises
        ------
        RecordingError
            It is not kept, and why.
        """
        self._write_or_say("markers", line)

    def trace(self, line: Mapping[str, Any]) -> None:
        """Write one line of ``traces.jsonl`` now; there is no such file before the first.

        Raises
        ------
        RecordingError
            It is not kept, and why.
        """
        self._write_or_say("traces", line)

    @property
    def failure(self) -> RecordingError | None:
        """What stopped it, if something did."""
        return self._failure

    @property
    def bytes(self) -> int:
        """Written so far."""
        try:
            return sum(path.stat().st_size for path in self.folder.glob("*.jsonl"))
        except OSError:  # gone: the keeper sees to it
            return 0

    def sync(self) -> None:
        """Have the disk keep what was written; any thread but the session's, which must not wait for a disk."""
        with self._lock:
            files = [os.dup(file.fileno()) for file in self._files.values() if not file.closed]
        for file in files:
            try:
                os.fsync(file)
            except OSError as error:
                self.fail(RecordingError(f"{self.folder}: cannot be written: {error.strerror or error}"))
            finally:
                os.close(file)

    def add_media(self, source: Path) -> None:
        """Copy the medium into the folder.

        Raises
        ------
        RecordingError
            No room, or not readable; the part that was copied is removed.
        """
        target = self.folder / f"media{source.suffix.lower()}"
        try:
            shutil.copyfile(source, target)
        except OSError as error:
            target.unlink(missing_ok=True)
            raise RecordingError(f"{target}: cannot be written: {error.strerror or error}") from None

    def fail(self, error: RecordingError) -> None:
        """Stop writing, because of ``error``, which :meth:`finish` raises; the first one counts."""
        if self._failure is None:
            self._failure = error
            if self._on_failure is not None:
                self._on_failure(error)

    def close(self) -> None:
        """Close the tables and leave the manifest as it is. Idempotent; :meth:`finish` tells what went wrong."""
        with self._lock:
            self._closed = True
            try:
                self._stack.close()
            except OSError as error:
                self._failure = self._failure or RecordingError(
                    f"{self.folder}: cannot be written: {error.strerror or error}"
                )

    def finish(self, *, state: str = "complete", **facts: Any) -> Path:
        """Close the tables, write the final manifest with ``facts`` over what it held, return the folder.

        Raises
        ------
        RecordingError
            Something could not be written, now or earlier.
        """
        self.close()
        if self._failure is None:
            write_manifest(self.folder, {**self._manifest, "state": state, "speech": self._speech, **facts})
            return self.folder
        raise self._failure

    def _note_speech(self, change: SpeechChange) -> None:
        with self._lock:
            if self._failure is None and not self._closed:
                self._speech.append({"t": round(change.t, 6), "model": change.model, "language": change.language})

    def _write_or_say(self, table: str, line: Mapping[str, Any]) -> None:
        if not self._write(table, line):
            raise self._failure or RecordingError(f"{self.folder}: not kept: the recording has ended")

    def _write(self, table: str, line: Mapping[str, Any]) -> bool:
        """Whether the line is with the system now."""
        path = self.folder / f"{table}.jsonl"
        with self._lock:
            if self._failure is not None or self._closed:
                return False
            try:
                if table not in self._files and table in _RARE:
                    self._files[table] = self._stack.enter_context(path.open("x", encoding="utf-8", newline="\n"))
                text = json.dumps(line, ensure_ascii=False, separators=(",", ":"), allow_nan=False) + "\n"
                self._files[table].write(text)
                self._files[table].flush()
            except (ValueError, TypeError) as error:
                failure = RecordingError(f"{path}: expected finite numbers and text, got: {error}")
            except OSError as error:
                failure = RecordingError(f"{path}: cannot be written: {error.strerror or error}")
            else:
                return True
        self.fail(failure)
        return False
