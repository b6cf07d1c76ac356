"""What is being fetched and loaded before a session can start: plain data, changed by replacing it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

from dmd_runtime import Progress


class StepState(Enum):
    """Where one step of loading is."""

    WAITING = "waiting"
    FETCHING = "fetching"
    DONE = "done"
    CANCELLED = "cancelled"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class LoadingStep:
    """One asset on its way.

    Attributes
    ----------
    key : str
        The asset's name in the manifest.
    title : str
        For people.
    total_bytes : int
        Of all its files; 0 where that is not known.
    files : {name: bytes that are there}
    source : str
        Where it comes from at the moment: an address or a package.
    problem : str
        Why it failed, else empty.
    """

    key: str
    title: str
    total_bytes: int = 0
    files: Mapping[str, int] = field(default_factory=dict)
    source: str = ""
    state: StepState = StepState.WAITING
    problem: str = ""

    @property
    def done_bytes(self) -> int:
        """Bytes that are there; all of them once it is done."""
        if self.state is StepState.DONE:
            return self.total_bytes
        there = sum(self.files.values())
        return min(there, self.total_bytes) if self.total_bytes else there

    @property
    def share(self) -> float | None:
        """How much of it is there, 0 to 1; None where its size is not known."""
        if self.state is StepState.DONE:
            return 1.0
        return self.done_bytes / self.total_bytes if self.total_bytes else None


@dataclass(frozen=True, kw_only=True)
class Loading:
    """All steps in the order in which they are done; empty where nothing has to be fetched."""

    steps: tuple[LoadingStep, ...] = ()

    @classmethod
    def planned(cls, assets: Iterable[tuple[str, str, int]]) -> Loading:
        """Steps that wait, from (name, title, bytes)."""
        return cls(steps=tuple(LoadingStep(key=k, title=title, total_bytes=size) for k, title, size in assets))

    @property
    def done_bytes(self) -> int:
        """Bytes that are there."""
        return sum(step.done_bytes for step in self.steps)

    @property
    def total_bytes(self) -> int:
        """Bytes of all steps."""
        return sum(step.total_bytes for step in self.steps)

    @property
    def current(self) -> int:
        """Number of the step in work, counted from 0; ``len(steps)`` where nothing is left to fetch."""
        open_states = (StepState.WAITING, StepState.FETCHING)
        return next((i for i, s in enumerate(self.steps) if s.state in open_states), len(self.steps))

    @property
    def cancelled(self) -> bool:
        """Whether the user stopped it."""
        return any(step.state is StepState.CANCELLED for step in self.steps)

    @property
    def failed(self) -> bool:
        """Whether one of the steps could not be done."""
        return any(step.state is StepState.FAILED for step in self.steps)

    def progressed(self, progress: Progress) -> Loading:
        """Take one report of the fetcher; steps before it are done, one that was not planned is added."""
        at = self._index(progress.asset)
        if at is None:
            total = progress.whole_total or progress.total_bytes
            added = LoadingStep(key=progress.asset, title=progress.asset, total_bytes=total)
            return Loading(steps=(*self.steps, added)).progressed(progress)
        old = self.steps[at]
        step = replace(
            old,
            files={**old.files, progress.file: progress.done_bytes},
            source=progress.source,
            state=StepState.FETCHING,
        )
        before = (replace(s, state=StepState.DONE) if s.state is StepState.FETCHING else s for s in self.steps[:at])
        return Loading(steps=(*before, step, *self.steps[at + 1 :]))

    def with_state(self, key: str, state: StepState, problem: str = "") -> Loading:
        """Give one step another state; a key that is not there changes nothing."""
        return Loading(steps=tuple(replace(s, state=state, problem=problem) if s.key == key else s for s in self.steps))

    def stopped(self) -> Loading:
        """All that is not done is cancelled."""
        ended = (StepState.DONE, StepState.FAILED)
        return Loading(
            steps=tuple(s if s.state in ended else replace(s, state=StepState.CANCELLED) for s in self.steps)
        )

    def finished(self) -> Loading:
        """All that was fetched is done; the rest was there already."""
        return Loading(
            steps=tuple(s if s.state is StepState.FAILED else replace(s, state=StepState.DONE) for s in self.steps)
        )

    def _index(self, key: str) -> int | None:
        return next((i for i, step in enumerate(self.steps) if step.key == key), None)
