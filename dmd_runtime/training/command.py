"""``dmd train`` and ``dmd evaluate --data``: from a data file to checkpoints, and from a checkpoint to figures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from dmd_runtime.errors import ConfigError, DMDError, RecordingError
from dmd_runtime.evaluation.report import plain
from dmd_runtime.modality import MODALITIES, Modality
from dmd_runtime.model import strict_json
from dmd_runtime.model.checkpoint import Checkpoint, load
from dmd_runtime.model.losses import LossWeights
from dmd_runtime.streaming.toolbox import find_checkpoint
from dmd_runtime.training.batches import Batches
from dmd_runtime.training.data_file import DataFile, read_data
from dmd_runtime.training.engine import make_engine
from dmd_runtime.training.learner import Learner, check_samples
from dmd_runtime.training.logbook import Logbook
from dmd_runtime.training.outcome import (
    RESULT,
    SUMMARY,
    figures_of,
    save_checkpoint,
    settings_record,
    summary,
    to_text,
)
from dmd_runtime.training.pictures import draw
from dmd_runtime.training.progress import Row
from dmd_runtime.training.run_config import NO_ENCODER, RunConfig, labelled, load_run_config
from dmd_runtime.training.run_state import STATE, RunState, write_whole
from dmd_runtime.training.samples import Dataset
from dmd_runtime.training.scoring import log_figures, report
from dmd_runtime.training.text_tuning import saved_text
from dmd_runtime.training.trainer import Trainer, predict

Say = Callable[[str], None]
_BATCH = 64
_SHOWN = ("mae", "corr", "acc2", "acc7", "accuracy", "uar")
TRAIN, VALID, TEST = "train", "valid", "test"


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """What ``dmd train`` was told; ``None`` leaves it to the recipe.

    Attributes
    ----------
    config : str
        A recipe's name, or a TOML file.
    data, out : Path
    seeds : sequence of int
    epochs : int or None
    text_encoder : str or None
        A name, a folder, or "none".
    device : str
    resume : bool
    reference : bool
    modalities : sequence of Modality
    """

    config: str
    data: Path
    out: Path
    seeds: Sequence[int] = (1,)
    epochs: int | None = None
    text_encoder: str | None = None
    device: str = "auto"
    resume: bool = False
    reference: bool = False
    modalities: Sequence[Modality] = MODALITIES


def train(options: TrainOptions, say: Say) -> None:
    """Train one model for each seed, and write what ``docs/training.md`` lists into ``options.out``.

    Raises
    ------
    DMDError
        Settings, data or a place to write to are not what they must be; nothing was written then.
    """
    config = _config(options)
    engine = make_engine(options.device, mixed_precision=config.optimiser.mixed_precision)
    with engine.main_process_first():  # one process fills the cache
        data = read_data(options.data)
    _check(data.dataset)
    trainer = Trainer(config, engine, options.modalities)
    loud: Say = say if engine.is_main_process else lambda _: None
    runs = [_Run(trainer, data, options.out / f"seed-{seed}", seed) for seed in options.seeds]
    if not options.resume and (taken := [run.folder for run in runs if _holds_something(run.folder)]):
        raise ConfigError(f"{taken[0]}: expected a new folder, or --resume to go on with what is there")
    engine.wait_for_everyone()  # nobody makes a folder before all have looked
    results = [run.result(loud) for run in runs]
    if engine.is_main_process:
        found = summary(results)
        write_whole(options.out / SUMMARY, to_text(found | {"settings": settings_record(config)}).encode())
        for name, figure in found["test"].items():
            spread = "" if figure["sd"] is None else f" ± {figure['sd']:.4f}"
            loud(f"test {name}: {figure['mean']:.4f}{spread}")
    engine.end_training()


class _Run:
    """One seed's run in its folder."""

    def __init__(self, trainer: Trainer, data: DataFile, folder: Path, seed: int) -> None:
        self._trainer = trainer
        self._data = data
        self.folder = folder
        self._seed = seed
        settings = [data.sha256, seed, [m.value for m in trainer.modalities], trainer.config.fingerprint()]
        self._identity = sha256(strict_json.write(settings).encode()).hexdigest()

    def result(self, say: Say) -> dict[str, Any]:
        """What the run found out: from its ``result.json`` if it is over, else by training."""
        file = self.folder / RESULT
        if not file.is_file():
            return self._train(say)
        try:
            found = strict_json.parse(file.read_text(encoding="utf-8"))
            identity = found["identity"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ConfigError(f"{file}: expected the result of a run, got: {error}") from error
        if identity != self._identity:
            raise ConfigError(f"{file}: expected a run of the same data, settings and seed, got the result of another")
        say(f"seed {self._seed}: finished before, left as it is")
        return dict(found)

    def _train(self, say: Say) -> dict[str, Any]:
        main = self._trainer.engine.is_main_process
        if main:
            _make(self.folder)
        try:
            return self._trained(say, main=main)
        except (DMDError, KeyboardInterrupt):
            if main and not (self.folder / STATE).exists():
                _unmake(self.folder)
            raise

    def _trained(self, say: Say, *, main: bool) -> dict[str, Any]:
        logbook = Logbook(self.folder)

        def keep(row: Row) -> None:
            if main:
                logbook.add(row)
            say(_line(self._seed, row))

        trainer, dataset = self._trainer, self._data.dataset
        fitted = trainer.fit(
            dataset[TRAIN],
            dataset[VALID],
            seed=self._seed,
            scores=log_figures,
            folder=self.folder,
            data=self._data.sha256,
            on_epoch=keep,
        )
        found: dict[str, Any] = {}
        predicted = {}
        for split in (VALID, TEST):  # the test split is looked at here, once, and nowhere else
            check_samples(fitted.learner, dataset[split], split)
            predicted[split] = trainer.predict(fitted.learner, fitted.standardizer, dataset[split])
            found[split] = report(predicted[split], dataset[split], seed=self._seed)
        body = {
            "seed": self._seed,
            "identity": self._identity,
            "epochs": len(fitted.rows),
            "best_epoch": fitted.best_epoch,
            **found,
        }
        if main:
            draw(self.folder / "plots", fitted, predicted[TEST], dataset[TEST])
            body["checkpoint"] = save_checkpoint(
                self.folder,
                fitted,
                self._data,
                trainer.config,
                seed=self._seed,
                modalities=trainer.modalities,
                metrics={split: found[split]["metrics"] for split in found},
            )
            write_whole(self.folder / RESULT, to_text(body).encode())
            RunState(self.folder).clear()
        trainer.engine.wait_for_everyone()
        return plain(body)


def evaluate_data(
    checkpoint: str | Path,
    path: Path,
    *,
    split: str = TEST,
    device: str = "auto",
    modalities: Sequence[Modality] = MODALITIES,
    seed: int = 0,
) -> dict[str, Any]:
    """A checkpoint on one split of a data file, as one JSON object.

    Parameters
    ----------
    checkpoint : str or Path
        By name or file; a text encoder that was tuned with it is taken from beside it.
    path : Path
        The data file.
    seed : int
        Of the bootstrap.

    Raises
    ------
    DMDError
        The checkpoint or the data cannot be read, or the one is not made for the other.
    """
    file = find_checkpoint(checkpoint)
    loaded = load(file)
    data = read_data(path)
    samples = data.dataset[split]
    record = loaded.training or {}
    if data.dataset.recipe is not None and "text_encoder" not in record:
        loaded.require(data.dataset.recipe)
    text = saved_text(file, record["text_encoder"]) if "text_encoder" in record else None
    engine = make_engine(device, mixed_precision=False)
    masked = _knows_masks(loaded)
    if not masked and set(modalities) != set(MODALITIES):
        raise ConfigError(
            f"{loaded.name}: expected all modalities (it was trained as published, without masks), got fewer"
        )
    learner = Learner(loaded.model, text, LossWeights(), masked=masked).to(engine.device)
    check_samples(learner, samples, f"{path}: {split}")
    batches = Batches(
        samples, figures_of(loaded), modalities, engine.device, tuned_text=text is not None, masked=masked
    )
    predicted = predict(learner, batches, _BATCH, engine)
    found = report(predicted, samples, seed=seed)
    if not loaded.graphs:
        found.pop("mean_edges", None)
    return dict(
        plain(
            {
                "checkpoint": {
                    "name": loaded.name,
                    "digest": loaded.digest,
                    "trained": loaded.training is not None,
                    "graphs": loaded.graphs,
                },
                "data": data.to_json(),
                "split": split,
                "modalities": [m.value for m in modalities],
                "masked": masked,
                **found,
            }
        )
    )


def _knows_masks(checkpoint: Checkpoint) -> bool:
    """Whether a model was trained with masks; those of the published code, and as published, were not."""
    record = checkpoint.training or {}
    settings = record.get("settings")
    as_published = isinstance(settings, dict) and settings.get("reference") is True
    return record.get("source") != "converted from the published code" and not as_published


def _check(dataset: Dataset) -> None:
    """Find out before training whether the splits belong together.

    Raises
    ------
    ConfigError
        One is not there, is empty, or has other rows, widths or labels than the training split.
    """
    train, others = dataset[TRAIN], {name: dataset[name] for name in (VALID, TEST)}
    for name, samples in {TRAIN: train, **others}.items():
        if not len(samples):
            raise ConfigError(f"{dataset.source}: {name}: expected at least one sample, got none")
        for m in MODALITIES:
            expected, found = train.features[m].shape[1:], samples.features[m].shape[1:]
            if found != expected:
                raise ConfigError(f"{dataset.source}: {name}: expected {m.word} {expected} as in {TRAIN}, got {found}")
        if samples.labels != train.labels:
            raise ConfigError(f"{dataset.source}: {name}: expected labels {train.labels}, got {samples.labels}")
        if not any(labelled(samples)):
            raise ConfigError(f"{dataset.source}: {name}: expected labels of emotion or sentiment, got none")


def _config(options: TrainOptions) -> RunConfig:
    more: dict[str, Any] = {}
    if options.reference:
        more["reference"] = True
    if options.epochs is not None:
        more["optimiser"] = {"epochs": options.epochs}
    if options.text_encoder is not None:
        more["text"] = {"encoder": options.text_encoder or NO_ENCODER}
    return load_run_config(options.config, **more)


def _line(seed: int, row: Row) -> str:
    """An epoch for people."""
    figures = "".join(f", {name} {row[f'valid {name}']:.4f}" for name in _SHOWN if f"valid {name}" in row)
    losses = f"loss {row['train total']:.4f}, valid {row['valid loss']:.4f}"
    return f"seed {seed} epoch {row['epoch']:.0f}: {losses}{figures}, rate {row['lr']:.2g}"


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RecordingError(
            f"{folder}: expected a folder that can be written to, got: {error.strerror or error}"
        ) from error


def _holds_something(folder: Path) -> bool:
    return folder.exists() and not (folder.is_dir() and not any(folder.iterdir()))


def _unmake(folder: Path) -> None:
    """Take an empty folder away again, and the one around it if that is empty then."""
    for place in (folder, folder.parent):
        try:
            place.rmdir()
        except OSError:
            return
