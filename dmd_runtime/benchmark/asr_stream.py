"""Speech for the transcription benchmark, and the simulation that hears it against a clock.

The clock is virtual: it jumps to when sound has come, and is charged what the listener's work really took, as the
reference simulation of the field does (Machacek, Dabre and Bojar, 2023, https://arxiv.org/abs/2307.14743). Whoever is
slow finds more sound waiting the next time.
"""

from __future__ import annotations

import csv
import functools
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import Protocol

import numpy as np

from dmd_runtime.benchmark.asr_figures import CommittedWord, SpokenWord, align, words_of
from dmd_runtime.corpora.sound import read_sound
from dmd_runtime.errors import SourceError
from dmd_runtime.messages import Float32, freeze
from dmd_runtime.sources.base import ANALYSIS_RATE

PAUSE = 0.8
"""Seconds of silence between two clips."""
_SOUNDS = frozenset((".wav", ".flac", ".mp3", ".ogg", ".m4a", ".mp4", ".mkv", ".mov", ".webm", ".mpg"))
_FLOOR = 1e-4  # of the noise between clips: digital silence is nothing a microphone gives

Decode = Callable[[Float32], Sequence[tuple[str, float, float]]]
"""float32 (n,) at 16 kHz to words with start and end in seconds: the offline decoding that is compared with."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Clip:
    """One recording with what is said in it.

    ``words`` is the offline decoding with its times; ``truth`` the words of a human transcript, or None.
    """

    name: str
    samples: Float32
    words: tuple[SpokenWord, ...]
    truth: tuple[str, ...] | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Speech:
    """A stream of clips with pauses between them, over and over.

    Attributes
    ----------
    samples : float32 (n,)
    words : tuple of SpokenWord
        Offline decoding of each clip by itself, ends in seconds of the stream.
    truth : tuple of str
        Human transcripts where there are some, else the offline words.
    has_truth : bool
        Whether any human transcript is in it.
    """

    samples: Float32
    words: tuple[SpokenWord, ...]
    truth: tuple[str, ...]
    has_truth: bool

    @property
    def seconds(self) -> float:
        """Length."""
        return len(self.samples) / ANALYSIS_RATE


def read_clips(folder: Path, decode: Decode) -> list[Clip]:
    """Sounds below ``folder`` (or the one file) with what ``transcripts.tsv`` says of them, decoded offline.

    A row whose ``kind`` says that it is a recogniser's is no truth.

    Raises
    ------
    SourceError
        There is no sound.
    """
    paths = sorted(p for p in ([folder] if folder.is_file() else folder.rglob("*")) if p.suffix.lower() in _SOUNDS)
    if not paths:
        raise SourceError(f"{folder}: expected a folder with recordings of speech, got none")
    truths: dict[Path, tuple[str, ...]] = {}
    for table in {path.parent / "transcripts.tsv" for path in paths}:
        if table.is_file():
            with table.open(encoding="utf-8", newline="") as file:
                for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
                    if str(row.get("kind", "")).startswith("ground truth"):
                        truths[table.parent / row["file"]] = tuple(words_of(row["text"]))
    clips = []
    for path in paths:
        samples = read_sound(path)
        words = tuple(SpokenWord(*word) for word in decode(samples))
        clips.append(Clip(name=path.name, samples=samples, words=words, truth=truths.get(path)))
    return clips


def stream(clips: Sequence[Clip], seconds: float, *, pause: float = PAUSE, seed: int = 0) -> Speech:
    """Clips one after the other until ``seconds`` are full; the last one is whole."""
    rng = np.random.default_rng(seed)
    parts: list[Float32] = []
    words: list[SpokenWord] = []
    truth: list[str] = []
    n, turn = 0, 0

    def quiet(length: float) -> Float32:
        return rng.normal(0, _FLOOR, round(length * ANALYSIS_RATE)).astype(np.float32)

    while n < seconds * ANALYSIS_RATE:
        clip = clips[turn % len(clips)]
        parts += [quiet(pause), clip.samples]
        begin = (n + len(parts[-2])) / ANALYSIS_RATE
        words += [SpokenWord(word.text, begin + word.start, begin + word.end) for word in clip.words]
        truth += clip.truth if clip.truth is not None else words_of(" ".join(word.text for word in clip.words))
        n += len(parts[-2]) + len(parts[-1])
        turn += 1
    parts.append(quiet(pause))
    return Speech(
        samples=freeze(np.concatenate(parts)),
        words=tuple(words),
        truth=tuple(truth),
        has_truth=any(clip.truth is not None for clip in clips),
    )


class Heard(Protocol):
    """What a listener knows after it has heard more.

    ``committed`` are all words that are certain so far, ``tentative`` those that may change.
    """

    @property
    def committed(self) -> Sequence[str]:
        """From the beginning of the stream."""

    @property
    def tentative(self) -> Sequence[str]:
        """After the last committed word."""


class Listener(Protocol):
    """A transcription that is fed bit by bit."""

    def hear(self, samples: Float32, now: float) -> Heard:
        """Take more sound, float32 (n,) at 16 kHz, at ``now`` on the clock."""

    def finish(self, now: float) -> Heard:
        """Nothing more comes: everything that waits is said."""


@dataclass(kw_only=True)
class Run:
    """What became of one simulation.

    Attributes
    ----------
    committed : list of CommittedWord
    partials : list of float
        Seconds from the beginning of each stretch of speech to the first word of it that was shown, tentative or not.
    changed : int
        Committed words that were later taken back or altered: must be 0.
    work : float
        Seconds of computing.
    seconds : float
        Of sound.
    after : float
        Seconds on the clock from the end of the sound to the end of all.
    """

    committed: list[CommittedWord] = field(default_factory=list)
    partials: list[float] = field(default_factory=list)
    changed: int = 0
    work: float = 0.0
    seconds: float = 0.0
    after: float = 0.0

    @property
    def real_time_factor(self) -> float:
        """Computing over sound."""
        return self.work / self.seconds if self.seconds else float("nan")


class _Simulation:
    """One listener before the clock; ``run`` is what became of it."""

    def __init__(self, speech: Speech, timer: Callable[[], float]) -> None:
        self.run = Run(seconds=speech.seconds)
        self.now = 0.0
        self._timer = timer
        self._onsets = deque(onsets(speech.words))
        self._committed: list[str] = []
        self._before = 0  # words committed before the stretch of speech that is being waited for

    def charge(self, call: Callable[[], Heard], heard_until: float) -> None:
        """Let the listener work, and take what it says."""
        begun = self._timer()
        heard = call()
        cost = self._timer() - begun
        self.run.work += cost
        self.now += cost
        committed = list(heard.committed)
        same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(self._committed, committed, strict=False)))
        self.run.changed += len(self._committed) - same
        new = committed[len(self._committed) :]
        self.run.committed += [CommittedWord(text, self.now) for text in new]
        self._committed = committed
        while self._onsets and self._onsets[0] <= heard_until:
            if not heard.tentative and len(committed) <= self._before:
                break
            self.run.partials.append(self.now - self._onsets.popleft())
            self._before = len(committed)
        if not self._onsets or self._onsets[0] > heard_until:
            self._before = len(committed)


def simulate(
    listener: Listener,
    speech: Speech,
    *,
    tick: float = 0.1,
    timer: Callable[[], float] = time.perf_counter,
    progress: Callable[[float], None] | None = None,
) -> Run:
    """Let ``listener`` hear ``speech`` as it comes, at least ``tick`` seconds at a time."""
    simulation, given, total = _Simulation(speech, timer), 0, len(speech.samples)
    while given < total:
        simulation.now = max(simulation.now, min(given / ANALYSIS_RATE + tick, speech.seconds))
        arrived = min(total, round(simulation.now * ANALYSIS_RATE))
        piece, given = speech.samples[given:arrived], arrived
        simulation.charge(functools.partial(listener.hear, piece, simulation.now), given / ANALYSIS_RATE)
        if progress is not None:
            progress(given / total)
    simulation.charge(functools.partial(listener.finish, simulation.now), speech.seconds)
    simulation.run.after = simulation.now - speech.seconds
    return simulation.run


def onsets(words: Sequence[SpokenWord]) -> list[float]:
    """When speech begins: at the first word, and at each one after at least a pause without any."""
    ends = [float("-inf"), *(word.end for word in words)]
    return [word.start for word, before in zip(words, ends, strict=False) if word.start - before >= PAUSE]


def offline_errors(clips: Iterable[Clip]) -> tuple[int, int]:
    """Errors of the offline decoding against the human transcripts, and their words."""
    errors, n = 0, 0
    for clip in clips:
        if clip.truth is not None:
            errors += align(clip.truth, words_of(" ".join(word.text for word in clip.words))).errors
            n += len(clip.truth)
    return errors, n
