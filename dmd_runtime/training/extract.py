"""A folder of labelled clips as a feature file: ``dmd extract``; resumable, in several processes."""

from __future__ import annotations

import logging
import multiprocessing
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np

from dmd_runtime.corpora.labels import one_hot
from dmd_runtime.errors import AssetError, ConfigError, DMDError, RecordingError, SourceError, StageError
from dmd_runtime.features.base import Recipe
from dmd_runtime.modality import MODALITIES
from dmd_runtime.streaming.extractors import LABELS
from dmd_runtime.training.clip_parts import ends_in, joined, part_of, write_part
from dmd_runtime.training.clip_windows import ClipWindows
from dmd_runtime.training.feature_file import write_dataset
from dmd_runtime.training.label_csv import MODES, Clip, read_clips
from dmd_runtime.training.samples import Dataset, Samples

logger = logging.getLogger(__name__)

PARTS = ".parts"
"""Behind the file's name: the folder of clips that are done."""
Measure = Callable[[Clip], ClipWindows]


class Setup(Protocol):
    """Makes what measures clips; pickled to the processes. :class:`~dmd_runtime.training.clip_windows.LiveSetup`."""

    @property
    def recipe(self) -> Recipe:
        """Of the features."""
        ...

    @property
    def identity(self) -> str:
        """Changes with whatever else the numbers depend on."""
        ...

    def __call__(self) -> Measure:
        """Load."""
        ...


@dataclass(frozen=True, kw_only=True)
class Extracted:
    """What became of the clips.

    Attributes
    ----------
    clips, resumed, windows : int
        Clips that are in the file, those of them done before, and their windows.
    broken : {clip: reason}
        Clips that are not in it.
    """

    clips: int
    resumed: int
    windows: int
    broken: Mapping[str, str]


@dataclass(frozen=True)
class _Task:
    clip: Clip
    part: Path


def extract(
    folder: Path,
    out: Path,
    setup: Setup,
    *,
    workers: int | None = None,
    limit: int | None = None,
    on_clip: Callable[[int, int, str], None] = lambda *_: None,
) -> Extracted:
    """Measure the clips of ``folder`` / ``label.csv`` and write the feature file ``out``.

    Clips that are done are kept in ``out.parts``; whenever it is stopped, the next run goes on from there. The folder
    goes once all clips are in the file.

    Parameters
    ----------
    workers : int, optional
        Processes; default: one for each processor. One works in this process.
    limit : int, optional
        Only the first clips.
    on_clip : callable
        Told, after each, how many clips are done, of how many, and what was wrong with it ('' nothing).

    Raises
    ------
    SourceError
        There is no such folder of clips, a line of the csv is wrong, or not one clip could be measured.
    RecordingError
        The file or the parts cannot be written.
    AssetError, ModelError
        A model is missing.
    StageError
        A process died.
    """
    clips, with_emotions = read_clips(folder)
    clips = tuple(islice(clips, limit))
    if not out.parent.is_dir():
        raise RecordingError(f"{out}: expected a file in a folder that exists, got no folder {out.parent}")
    recipe, identity = setup.recipe, setup.identity
    kept = out.with_name(out.name + PARTS)
    _make(kept)
    tasks = [_Task(clip, part_of(kept, clip, f"{recipe.id} {identity}")) for clip in clips]
    waiting = [task for task in tasks if ends_in(task.part, recipe) is None]
    done = resumed = len(tasks) - len(waiting)
    on_clip(done, len(tasks), "")
    broken: dict[str, str] = {}
    for task, wrong in _measured(waiting, setup, workers):
        done += 1
        if wrong:
            broken[task.clip.id] = wrong
        on_clip(done, len(tasks), f"{task.clip.id}: {wrong}" if wrong else "")
    whole = {task: ends for task in tasks if (ends := ends_in(task.part, recipe)) is not None}
    if not whole:
        first = next(iter(broken.values()), "nothing")
        raise SourceError(
            f"{folder}: expected at least one clip that can be measured, got {len(broken)} broken: {first}"
        )
    dataset = Dataset(
        splits=dict(_splits(whole, recipe, with_emotions)), recipe=recipe.to_json(), source=folder.name, repaired={}
    )
    write_dataset(dataset, out, notes={"clips": len(whole), "broken": broken, "identity": identity})
    if limit is None and not broken:
        shutil.rmtree(kept, ignore_errors=True)
    return Extracted(clips=len(whole), resumed=resumed, windows=sum(map(len, whole.values())), broken=broken)


def _splits(
    whole: Mapping[_Task, tuple[float, ...]], recipe: Recipe, with_emotions: bool
) -> Iterator[tuple[str, Samples]]:
    """The splits that have clips, their windows in the order of the csv."""
    labels = LABELS if with_emotions else ()
    unknown = np.full(len(labels), np.nan, dtype=np.float32)
    for split in dict.fromkeys(MODES.values()):
        found = [(task, k, ends) for task, ends in whole.items() if task.clip.split == split for k in range(len(ends))]
        if not found:
            continue
        clips = [task.clip for task, _, _ in found]
        laid = {m: joined([(task.part, k) for task, k, _ in found], recipe, m) for m in MODALITIES}
        shares = [unknown if not labels or clip.emotion is None else one_hot(clip.emotion) for clip in clips]
        samples = Samples(
            features=cast("Any", {m: features for m, (features, _) in laid.items()}),  # read while they are written
            mask={m: mask for m, (_, mask) in laid.items()},
            emotion=np.stack(shares),
            sentiment=np.array([clip.sentiment for clip in clips], dtype=np.float32),
            labels=labels,
            ids=tuple(t.clip.id if len(ends) == 1 else f"{t.clip.id}@{ends[k]:.2f}" for t, k, ends in found),
            groups=tuple(clip.group for clip in clips),
        )
        yield split, samples


def _measured(waiting: Sequence[_Task], setup: Setup, workers: int | None) -> Iterator[tuple[_Task, str]]:
    """Each task once it is done, and what was wrong with it."""
    processes = min(len(waiting), (os.cpu_count() or 2) if workers is None else workers)
    if processes <= 1:
        measure = setup() if waiting else None
        for task in waiting:
            yield task, _keep(task, cast("Measure", measure))
        return
    pool = ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), initializer=_start, initargs=(setup,))
    try:
        running = {pool.submit(_work, task): task for task in waiting}
        for future in as_completed(running):
            yield running[future], future.result()
    except BrokenProcessPool as error:
        raise StageError(
            "extracting: a process died (out of memory?); clips that are done are kept, and the next run goes on there"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


_worker: dict[str, Any] = {}
"""Of a worker: the setup, and what it loaded."""


def _start(setup: Setup) -> None:
    _worker["setup"] = setup


def _work(task: _Task) -> str:
    if "measure" not in _worker:  # here and not at the start, where an error would lose its message
        _worker["measure"] = _worker["setup"]()
    return _keep(task, _worker["measure"])


def _keep(task: _Task, measure: Measure) -> str:
    """Measure a clip and keep it; what was wrong with it."""
    try:
        windows = measure(task.clip)
    except (AssetError, ConfigError):  # nothing is wrong with the clip
        raise
    except DMDError as error:
        return str(error)
    except Exception as error:  # a decoder or a model over something that nobody has seen before
        logger.exception("%s", task.clip.id)
        return f"{task.clip.path}: {type(error).__name__}: {' '.join(str(error).split())[:120]}"
    write_part(task.part, windows)
    return ""


def _make(folder: Path) -> None:
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise RecordingError(f"{folder}: expected a folder to write to, got: {error.strerror or error}") from error
