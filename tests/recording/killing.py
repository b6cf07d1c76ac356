"""Recordings that are killed at random moments, and what can be had of them: ``python -m tests.recording.killing``."""

from __future__ import annotations

import json
import math
import random
import statistics
import subprocess
import sys
import tempfile
import threading
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import av

from dmd_runtime.recording.reader import RecordedSession, open_session
from dmd_runtime.recording.recovery import Recovery, find_unfinished, recover

EARLIEST, LATEST = 1.5, 4.5  # s of session time at which it is killed
PATIENCE = 120.0  # s for a process that does not come so far


@dataclass(frozen=True, kw_only=True)
class Killed:
    """A recording that was killed and recovered.

    ``told`` is what had been handed to it: times of ``frame`` and ``reading``, ends of ``sound``, starts of ``word``,
    names of ``marker``, times of ``trace``. ``frames`` and ``sound_end`` are what can be decoded of the medium.
    """

    told: dict[str, list[float | str]]
    session: RecordedSession
    recovery: Recovery
    frames: list[float]
    sound_end: float

    @property
    def lost_s(self) -> float:
        """Seconds of pictures or sound, whichever is more, from the last that can be played to the last handed over."""
        first = float(next(iter(self.told["frame"]), 0.0))  # of a late camera: long after the session's start
        pictures = self._last("frame") - max(self.frames, default=first)
        return max(pictures, self._last("sound") - self.sound_end, 0.0)

    def _last(self, what: str) -> float:
        return max((float(t) for t in self.told[what]), default=0.0)

    def missing(self) -> dict[str, set[float | str]]:
        """Per kind of record, what was handed over and is not there."""
        kept: dict[str, set[float | str]] = {
            "reading": {round(float(t), 6) for t in self.session.readings.t1},
            "word": {round(word.span.start, 6) for word in self.session.words},
            "marker": {marker.label for marker in self.session.markers},
            "trace": {line["t"] for line in self.session.lines("traces")},
        }
        told = {what: {t if isinstance(t, str) else round(t, 6) for t in self.told[what]} for what in kept}
        return {what: told[what] - kept[what] for what in kept if told[what] - kept[what]}


def kill(kind: str, root: Path, at: float) -> Killed:
    """Record ``kind`` below ``root``, kill it when a picture of session time ``at`` was handed over, and recover."""
    command = [sys.executable, "-m", "tests.recording.recording_process", str(root), kind]
    told: dict[str, list[float | str]] = defaultdict(list)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=Path(__file__).parents[2])
    assert process.stdout is not None
    assert process.stderr is not None
    watch = threading.Timer(PATIENCE, process.kill)
    watch.start()
    with process:
        for raw in process.stdout:  # to the end: what was told before the kill is still in the pipe
            what, value = json.loads(raw)
            told[what].append(value)
            if what == "frame" and value >= at:
                process.kill()
        errors = process.stderr.read().decode()
    watch.cancel()
    assert told["frame"], errors
    (folder,) = find_unfinished(root)
    recovery = recover(folder)
    frames, sound_end = _playable(folder / "media.mkv")
    return Killed(told=told, session=open_session(folder), recovery=recovery, frames=frames, sound_end=sound_end)


def _playable(path: Path) -> tuple[list[float], float]:
    """Times of all pictures that decode, and where the sound that decodes ends, in seconds."""
    if not path.exists():
        return [], 0.0
    frames: list[float] = []
    end = 0.0
    with av.open(str(path)) as container:
        for frame in container.decode():
            assert frame.time is not None
            if isinstance(frame, av.VideoFrame):
                frames.append(frame.time)
            elif isinstance(frame, av.AudioFrame):
                end = max(end, frame.time + frame.samples / frame.sample_rate)
    return frames, end


def figures(kind: str, runs: int, seed: int) -> tuple[list[Killed], str]:
    """Kill ``runs`` recordings of ``kind``; the second is a line about them."""
    moments = random.Random(seed)
    with tempfile.TemporaryDirectory() as root:
        killed = [kill(kind, Path(root, str(n)), moments.uniform(EARLIEST, LATEST)) for n in range(runs)]
        lost = [one.lost_s for one in killed]
        missing = sum(len(gone) for one in killed for gone in one.missing().values())
    name = Path(kind).stem
    times = f"median {statistics.median(lost):.2f} s, worst {max(lost):.2f} s"
    return (
        killed,
        f"{name}: {runs} runs, unplayable {times}; {missing} readings, words, markers or trace points missing",
    )


def main(runs: str = "10", *kinds: str) -> None:
    """Write one line per kind."""
    for kind in kinds or ("still", "noise"):
        sys.stdout.write(figures(kind, int(runs), seed=math.floor(random.random() * 1e6))[1] + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
