"""Which model runs and what is known of it: its card, and where it comes from. No widgets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication, QObject, Signal

if TYPE_CHECKING:
    from dmd_runtime import Toolbox

translate = QCoreApplication.translate


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """What a checkpoint says of itself.

    Attributes
    ----------
    name, digest, recipe, device : str
        The checkpoint, ``sha256:…`` of its file, the id of its feature recipe, and where it runs.
    text : str
        The card in Markdown; empty where the checkpoint brings none.
    is_trained : bool
    has_graphs : bool
        Whether both distillation units are part of it.
    is_calibrated : bool
        Whether its probabilities are divided by temperatures of its own.
    date, licence : str
        From the training record; empty where that says nothing.
    """

    name: str
    digest: str
    recipe: str
    device: str
    text: str = ""
    is_trained: bool = True
    has_graphs: bool = True
    is_calibrated: bool = False
    date: str = ""
    licence: str = ""

    @property
    def summary(self) -> str:
        """What must be known before any of it is read, in one or two sentences; empty where the card says it."""
        parts = []
        if not self.is_trained:
            text = translate("card", "UNTRAINED: the weights are random, so emotions and edges mean nothing.")
            parts.append(text)
        elif not self.text:
            text = translate(
                "card",
                "This checkpoint brings no model card: what it may be used for and how well it does is not said. "
                "It reads expressed emotion, never what anybody feels.",
            )
            parts.append(text)
        if not self.has_graphs:
            text = translate("card", "There is no distillation graph in this checkpoint, and none is drawn.")
            parts.append(text)
        return " ".join(parts)

    @property
    def facts(self) -> tuple[tuple[str, str], ...]:
        """(what, value) of its provenance; what nobody has said is called that."""
        unsaid = translate("card", "not stated in the checkpoint")
        trained = self.date or unsaid if self.is_trained else translate("card", "never")
        calibrated = (
            translate("card", "temperatures fitted on validation data")
            if self.is_calibrated
            else translate("card", "not calibrated")
        )
        return (
            (translate("card", "checkpoint"), self.name),
            (translate("card", "file"), self.digest),
            (translate("card", "features"), self.recipe),
            (translate("card", "device"), self.device),
            (translate("card", "trained on"), trained),
            (translate("card", "probabilities"), calibrated),
            (translate("card", "licence"), self.licence or unsaid),
        )


class CardModel(QObject):
    """The card of the model that runs, or that would run next; touched by the window's thread only.

    Attributes
    ----------
    card : ModelCard or None
        None until a model has been loaded.

    Signals
    -------
    changed : :attr:`card` is another.
    """

    changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.card: ModelCard | None = None

    def take(self, card: ModelCard) -> None:
        """Show another model's card."""
        if card != self.card:
            self.card = card
            self.changed.emit()


def card_of(toolbox: Toolbox) -> ModelCard:
    """What the checkpoint of loaded models says of itself; any thread."""
    checkpoint = toolbox.checkpoint
    record = checkpoint.training or {}
    return ModelCard(
        name=checkpoint.name,
        digest=checkpoint.digest,
        recipe=toolbox.recipe.id,
        device=str(toolbox.device),
        text=checkpoint.card,
        is_trained=checkpoint.training is not None,
        has_graphs=checkpoint.graphs,
        is_calibrated=bool(checkpoint.calibration),
        date=_one_line(record.get("date", "")),
        licence=_one_line(record.get("licence", "")),
    )


def _one_line(value: object) -> str:
    """A file's word, on one line and not too long to be shown."""
    return " ".join(str(value).split())[:200]
