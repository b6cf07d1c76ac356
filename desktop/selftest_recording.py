"""The second half of the self-test: what was recorded is whole, can be exported, found, and read again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any, Final, NamedTuple

import dmd_runtime
from dmd_runtime import Clock, FileSource, FrameReader, MediaSink, RecordedSession, SessionIndex, SourceInfo

FORMATS: Final = ("csv", "parquet", "eaf", "textgrid", "vtt", "events", "report", "mp4", "annotated")
_LATE: Final = 0.1  # s that a film may end before the sound


class Check(NamedTuple):
    """One thing that was looked at."""

    name: str
    good: bool
    seen: str


class AsDevice:
    """A film that is recorded as a camera and a microphone are: its pictures and sound are written anew."""

    def __init__(self, path: Path) -> None:
        self._film = FileSource(path, paced=True, with_hash=False)

    @property
    def info(self) -> SourceInfo:
        """That of the film, which is not referred to."""
        return replace(self._film.info, kind="device", media=None)

    def run(self, sink: MediaSink, clock: Clock, stop: Event) -> float:
        """Deliver the film."""
        return self._film.run(sink, clock, stop)

    def close(self) -> None:
        """Let go of the film."""
        self._film.close()


def checks_of(root: Path, cache: Path) -> Iterator[Check]:
    """Judge the one session below ``root``; what is looked up is kept in ``cache``."""
    folders = sorted(root.glob("sub-*/ses-*"))
    yield Check("recorded", len(folders) == 1, f"{len(folders)} session")
    if len(folders) != 1:
        return
    folder = folders[0]
    session = dmd_runtime.open_session(folder)
    yield _whole(session)
    yield _marked(session)
    made = dmd_runtime.export(folder, FORMATS)
    small = [path.name for path in made if path.stat().st_size < 100]
    yield Check("exports", not small, ", ".join(path.name for path in made))
    yield _tables(folder / "derived", session)
    for name in ("film.mp4", "annotated.mp4"):
        yield _film(folder / "derived" / name, session)
    yield _found(root, cache, session)


def _whole(session: RecordedSession) -> Check:
    recorded: dict[str, Any] = session.manifest.get("recorded") or {}
    frames, medium = int(recorded.get("frames", 0)), dmd_runtime.medium_of(session)
    played = 0
    if medium is not None:
        reader = FrameReader(medium)
        played = len(reader.timeline)
        reader.frame(played - 1)
        reader.close()
    good = session.state == "complete" and not session.problems and 0 < frames == played
    seen = f"{frames} pictures, {recorded.get('frames_dropped')} left out, {recorded.get('audio_samples')} samples"
    return Check("the recording is whole", good, f"{session.state}, {seen}")


def _marked(session: RecordedSession) -> Check:
    return Check("markers", len(session.markers) == 1, str(len(session.markers)))


def _tables(derived: Path, session: RecordedSession) -> Check:
    from pyarrow import csv, parquet  # noqa: PLC0415 - heavy

    rows = [
        table.num_rows
        for table in (csv.read_csv(derived / "readings.csv"), parquet.read_table(derived / "readings.parquet"))
    ]
    return Check("tables hold every reading", set(rows) == {len(session.readings)}, f"{rows} rows")


def _film(path: Path, session: RecordedSession) -> Check:
    import av  # noqa: PLC0415 - heavy

    with av.open(str(path)) as film:
        times = [frame.time for frame in film.decode(video=0) if frame.time is not None]
    good = bool(times) and times[-1] > session.end - 1.0 - _LATE
    return Check(f"{path.name} plays to its end", good, f"{len(times)} pictures in {times[-1] if times else 0.0:.1f} s")


def _found(root: Path, cache: Path, session: RecordedSession) -> Check:
    words: Sequence[str] = [word.text.strip(".,!?") for word in session.words]
    with SessionIndex(root, cache) as index:
        index.refresh()
        hits = index.search(words[-1]) if words else []
    return Check(
        "a word is found in the library", bool(hits), f"{words[-1] if words else 'no words'}: {len(hits)} hits"
    )
