"""How far a training run has come: its optimiser, its log, its best weights, and all of that on disk."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from dmd_runtime.errors import ConfigError
from dmd_runtime.training.learner import Learner
from dmd_runtime.training.run_config import RunConfig
from dmd_runtime.training.run_state import RunState

if TYPE_CHECKING:
    from accelerate import Accelerator

Row = Mapping[str, float]
"""One epoch's figures by name."""
LEAST_GAIN = 1e-6
"""By which a validation loss must be lower to count, as in the published code."""


class Progress:
    """One run; made anew, it goes on from the state in its folder if there is one.

    Parameters
    ----------
    engine : Accelerator
    config : RunConfig
    learner : Learner
        With its first weights, the same in every process.
    folder : Path or None
        Where the state is kept; None: nowhere.
    identity : str
        Of data, settings and seed: a state of another run is refused.

    Attributes
    ----------
    wrapped, stepper : Any
        ``learner`` and its optimiser as the engine wants them used.
    rows : list of Row
    best_epoch : int
        Counted from 1; 0 before the first.

    Raises
    ------
    ConfigError
        The state is of another run.
    """

    def __init__(
        self, engine: Accelerator, config: RunConfig, learner: Learner, folder: Path | None, identity: str
    ) -> None:
        settings = config.optimiser
        self._engine = engine
        self._settings = settings
        self._learner = learner
        self._identity = identity
        self._optimiser = adam(learner, config)
        self._plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(
            self._optimiser, mode="min", factor=settings.factor, patience=settings.patience
        )
        self.wrapped, self.stepper = engine.prepare(learner, self._optimiser)
        self.rows: list[Row] = []
        self.best_epoch, self._best_loss, self._best = 0, math.inf, _copy(learner)
        self._kept = None if folder is None else RunState(folder)
        if self._kept:
            self._restore(self._kept, f"{folder}")

    @property
    def rate(self) -> float:
        """The model's learning rate."""
        return float(self._optimiser.param_groups[0]["lr"])

    @property
    def over(self) -> bool:
        """Whether there is nothing more to do."""
        epochs = len(self.rows)
        return epochs >= self._settings.epochs or epochs - self.best_epoch >= self._settings.early_stop

    def close_epoch(self, row: Row, loss: float) -> None:
        """Take an epoch's figures and its validation loss, and keep the state."""
        self._plateau.step(loss)
        self.rows.append(row)
        better = loss <= self._best_loss - LEAST_GAIN
        if better:
            self.best_epoch, self._best_loss, self._best = len(self.rows), loss, _copy(self._learner)
        if self._kept is not None and self._engine.is_main_process:
            self._kept.write(self._state(), self._best if better else None)

    def close(self) -> Learner:
        """End the run: the model with the weights of its best epoch, in eval mode."""
        self._learner.load_state_dict(self._best)
        self._engine.free_memory()
        return self._learner.eval()

    def _state(self) -> dict[str, Any]:
        scaler = self._engine.scaler
        return {
            "identity": self._identity,
            "learner": self._learner.state_dict(),
            "optimiser": self.stepper.state_dict(),
            "plateau": self._plateau.state_dict(),
            "scaler": {} if scaler is None else scaler.state_dict(),
            "rows": [dict(row) for row in self.rows],
            "best_epoch": self.best_epoch,
            "best_loss": self._best_loss,
        }

    def _restore(self, kept: RunState, folder: str) -> None:
        state = kept.read()
        if state.get("identity") != self._identity:
            raise ConfigError(f"{folder}: expected a run of the same data, settings and seed, got the state of another")
        self._learner.load_state_dict(state["learner"])
        self.stepper.load_state_dict(state["optimiser"])
        self._plateau.load_state_dict(state["plateau"])
        if self._engine.scaler is not None:
            self._engine.scaler.load_state_dict(state["scaler"])
        self.rows, self.best_epoch, self._best_loss = state["rows"], state["best_epoch"], state["best_loss"]
        self._best = kept.best(self.best_epoch)


def adam(learner: Learner, config: RunConfig) -> torch.optim.Adam:
    """Adam, with weight decay as in AdamW; the encoder of text at its own rate."""
    settings = config.optimiser
    groups: list[dict[str, Any]] = [{"params": list(learner.model.parameters()), "lr": settings.lr}]
    if learner.text is not None:
        groups.append({"params": list(learner.text.parameters()), "lr": config.text.lr or settings.lr})
    return torch.optim.Adam(groups, lr=settings.lr, weight_decay=settings.weight_decay, decoupled_weight_decay=True)


def _copy(learner: Learner) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu().clone() for name, tensor in learner.state_dict().items()}
