"""What a finished run leaves: a checkpoint with its training record, and ``result.json``."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dmd_runtime import __version__
from dmd_runtime.errors import ConfigError
from dmd_runtime.evaluation.report import plain
from dmd_runtime.features.standardize import Standardizer
from dmd_runtime.modality import MODALITIES, Modality
from dmd_runtime.model import strict_json
from dmd_runtime.model.checkpoint import Checkpoint
from dmd_runtime.model.config import DMDConfig
from dmd_runtime.training.data_file import DataFile
from dmd_runtime.training.run_config import RunConfig
from dmd_runtime.training.text_tuning import TunedText, save_text
from dmd_runtime.training.trainer import Fitted

CHECKPOINT, RESULT, SUMMARY = "checkpoint.safetensors", "result.json", "summary.json"
BY_TRAINING = "dmd train"


def save_checkpoint(
    folder: Path,
    fitted: Fitted,
    data: DataFile,
    config: RunConfig,
    *,
    seed: int,
    modalities: Sequence[Modality],
    metrics: Mapping[str, Any],
) -> str:
    """Write the checkpoint, and beside it the text encoder that was tuned along; returns its digest."""
    record: dict[str, Any] = {
        "source": BY_TRAINING,
        "data": data.to_json(),
        "seed": seed,
        "epochs": len(fitted.rows),
        "best_epoch": fitted.best_epoch,
        "modalities": [m.value for m in modalities],
        "settings": settings_record(config),
        "commit": commit(),
        "version": __version__,
        "metrics": plain(metrics),
    }
    text = fitted.learner.text
    if text is not None:
        record["text_encoder"] = save_text(text.cpu(), folder)
    checkpoint = Checkpoint(
        name="checkpoint",
        model=fitted.learner.model.cpu(),
        recipe=recipe_of(data, fitted.learner.model.config, text),
        normalisation=None if fitted.standardizer is None else _figures(fitted.standardizer, text),
        training=record,
    )
    return checkpoint.save(folder / CHECKPOINT)


def recipe_of(data: DataFile, config: DMDConfig, text: TunedText | None) -> dict[str, Any]:
    """The extractors' recipe where the features came out of them, else what the file's features are.

    A session compares recipes, so that a model of a file's features never runs on live ones.
    """
    if data.dataset.recipe is not None and text is None:
        return dict(data.dataset.recipe)
    body = {
        m.value: {"name": f"features of {data.name}", "dim": config.dims[m], "rows": config.lengths[m]}
        for m in MODALITIES
    }
    if text is not None:
        body[Modality.LANGUAGE.value]["name"] = f"word pieces of {data.name} through {text.encoder.config.model_type}"
    digest = hashlib.sha256(strict_json.write(body).encode()).hexdigest()[:12]
    return {"id": f"file-{digest}", "extractors": body}


def figures_of(checkpoint: Checkpoint) -> Standardizer | None:
    """The standardisation a checkpoint was trained with.

    Raises
    ------
    ConfigError
        It is not of the model's widths.
    """
    if checkpoint.normalisation is None:
        return None
    found: dict[str, dict[Modality, Any]] = {"mean": {}, "scale": {}}
    for m in MODALITIES:
        for name, into in found.items():
            into[m] = np.asarray(checkpoint.normalisation.get(m.value, {}).get(name, []), dtype=np.float32)
            if into[m].shape != (checkpoint.config.dims[m],):
                raise ConfigError(
                    f"{checkpoint.name}: normalisation {m.value}.{name}: expected {checkpoint.config.dims[m]} numbers, "
                    f"got shape {into[m].shape}"
                )
    return Standardizer(mean=found["mean"], scale=found["scale"])


def summary(results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Mean and standard deviation (n - 1) of every figure of the test split over seeds; one seed has no deviation."""
    figures = [result["test"]["metrics"] for result in results]
    found = {}
    for name in figures[0]:
        values = [figure[name] for figure in figures if isinstance(figure.get(name), int | float)]
        if len(values) == len(figures):
            spread = float(np.std(values, ddof=1)) if len(values) > 1 else None
            found[name] = {"mean": float(np.mean(values)), "sd": spread, "values": values}
    return {"seeds": [result["seed"] for result in results], "test": found}


def settings_record(config: RunConfig) -> dict[str, Any]:
    """All settings; of a folder's name only its last part, which says nothing about the machine."""
    body = config.model_dump(mode="json")
    encoder = Path(config.text.encoder)
    return body | {"text": body["text"] | {"encoder": encoder.name if encoder.is_dir() else config.text.encoder}}


def commit() -> str | None:
    """The commit of the program's own checkout; None where it is none."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None
    try:
        said = subprocess.run(
            ["git", "-C", str(root), "rev-parse", "HEAD"], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return said.stdout.strip() or None


def to_text(body: Mapping[str, Any]) -> str:
    """A JSON file's text."""
    return json.dumps(plain(body), indent=2, ensure_ascii=False) + "\n"


def _figures(standardizer: Standardizer, text: TunedText | None) -> dict[str, Any]:
    """The standardisation as JSON; rows of a tuned encoder are left as they are."""
    body = standardizer.to_json()
    if text is not None:
        body[Modality.LANGUAGE.value] = {"mean": [0.0] * text.width, "scale": [1.0] * text.width}
    return body
