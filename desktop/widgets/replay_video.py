"""The picture of a replay: as live, but it says which picture it is."""

from __future__ import annotations

from PySide6.QtWidgets import QWidget

from desktop.models.live import Phase
from desktop.models.replay import ReplayModel
from desktop.widgets.track_painting import clock_text
from desktop.widgets.video_view import VideoView
from dmd_runtime import Modality


class ReplayVideo(VideoView):
    """Number and time of the picture stand where the live view has its rate."""

    def __init__(self, model: ReplayModel, parent: QWidget | None = None) -> None:
        self._replay = model
        super().__init__(model.live, parent)
        self.mirrored = False

    def picture_text(self) -> str:
        """E.g. ``picture 123 · 0:04.92 · face 0.97``."""
        live = self._replay.live
        if live.frame is None:
            return ""
        face = self.tr("no face") if live.face is None else self.tr("face {0:.2f}").format(live.face.confidence)
        seq = self._replay.frame_number  # not known while the timeline is searched for
        number = (self.tr("picture {0}").format(seq),) if seq >= 0 else ()
        return " · ".join((*number, clock_text(live.frame.t, 3), face))

    def stage_text(self) -> str:
        """What stands there without a picture; a medium that is gone is named."""
        live = self._replay.live
        if live.phase is Phase.RUNNING and Modality.VISUAL in live.absent:
            return live.absent[Modality.VISUAL]
        return super().stage_text()
