"""All view-models of the window in one place, fed by the bridge."""

from __future__ import annotations

from PySide6.QtCore import QObject

from desktop.bridge import SessionBridge
from desktop.models.annotating import AnnotatingModel
from desktop.models.card import CardModel, ModelCard
from desktop.models.emotion import EmotionModel
from desktop.models.graph import GraphModel
from desktop.models.health import HealthModel
from desktop.models.live import LiveModel
from desktop.models.recording import RecordingModel
from desktop.models.timeline import TimelineModel
from desktop.models.transcript import TranscriptModel
from dmd_runtime import Failure, Graph, Health, Modality, Reading, Session, SpeechActivity, Utterance


class ViewModels(QObject):
    """What the window shows; on its thread.

    Attributes
    ----------
    live, emotion, timeline, transcript, health, card, recording, annotating
    graphs : {Graph: GraphModel}
    """

    def __init__(self, bridge: SessionBridge, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.live = LiveModel(self)
        self.emotion = EmotionModel(parent=self)
        self.graphs = {graph: GraphModel(graph, parent=self) for graph in Graph}
        self.timeline = TimelineModel(parent=self)
        self.transcript = TranscriptModel(self)
        self.health = HealthModel(self)
        self.card = CardModel(self)
        self.recording = RecordingModel(self)
        self.annotating = AnnotatingModel((), parent=self)
        bridge.frame.connect(self.live.take_frame)
        bridge.face.connect(self.live.take_face)
        bridge.activity.connect(self._take_activity)
        bridge.reading.connect(self._take_reading)
        bridge.word.connect(self.transcript.take_word)
        bridge.utterance.connect(self._take_utterance)
        bridge.health.connect(self._take_health)
        bridge.failure.connect(self._take_failure)
        bridge.ticked.connect(self._note_time)

    def reset_for(self, session: Session) -> None:
        """Begin anew for a session that is about to start."""
        self.emotion.reset()
        for graph in self.graphs.values():
            graph.reset()
        self.timeline.reset()
        self.transcript.reset()
        self.health.reset()
        self.transcript.set_absent(session.absent.get(Modality.LANGUAGE, ""))

    def take_card(self, card: ModelCard) -> None:
        """Say which model runs, or would run next."""
        self.card.take(card)
        self.health.set_provenance(card.name, card.device)

    def _take_reading(self, reading: Reading) -> None:
        self.emotion.take(reading)
        for graph in self.graphs.values():
            graph.take(reading)
        self.timeline.take(reading)
        self.live.set_marks(reading.provenance.marks)
        self.health.set_provenance(reading.provenance.checkpoint_name, reading.provenance.device)

    def _take_activity(self, activity: SpeechActivity, clipping: bool) -> None:
        self.live.take_activity(activity, clipping=clipping)
        self.transcript.take_activity(activity)

    def _take_utterance(self, utterance: Utterance) -> None:
        self.transcript.take_utterance(utterance)

    def _take_health(self, health: Health) -> None:
        self.health.take(health)
        self.health.set_fps(self.live.fps)
        self.health.set_speech_lag(self.transcript.lag)

    def _take_failure(self, failure: Failure) -> None:
        if failure.stage in ("words", "sound"):
            self.transcript.set_absent(self.tr("speech recognition stopped"))
        text = self.tr("the stage “%1” stopped: %2").replace("%1", failure.stage).replace("%2", failure.text)
        self.live.notice("stage", text)

    def _note_time(self, now: float) -> None:
        self.live.note_time(now)
        self.timeline.advance(now)
        self.transcript.note_time(now)
