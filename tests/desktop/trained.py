"""A tiny checkpoint that says it has learned, with a card, a licence and temperatures, for tests of the window."""

from __future__ import annotations

from dataclasses import dataclass, field
from dataclasses import replace as changed

from dmd_runtime.model.checkpoint import Checkpoint
from tests.desktop.session_fixtures import LoadedToolbox
from tests.session_factory import tiny_checkpoint

LICENCE = "CC BY-NC-SA 4.0"
CARD = """# Small model

Reads *expressed* emotion; see the [paper](https://example.org/paper).

| set | licence |
|---|---|
| RAVDESS | CC BY-NC-SA 4.0 |
"""


def checkpoint() -> Checkpoint:
    """Random weights that claim to be trained."""
    return changed(
        tiny_checkpoint(),
        name="starter",
        training={"date": "2026-11-25", "licence": LICENCE, "metrics": {"test": {"accuracy": 0.5}}},
        calibration={"LVA": 1.5},
        card=CARD,
    )


@dataclass
class TrainedToolbox(LoadedToolbox):
    """A loaded toolbox whose model bears no mark."""

    checkpoint: Checkpoint = field(default_factory=checkpoint)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.marks = self.checkpoint.marks
