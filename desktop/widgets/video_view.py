"""The picture of the person, with what the program sees and hears of them drawn on it."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QPointF, QRect, QRectF, QSize, QSizeF, Qt, Signal
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QImage, QPainter, QPainterPath, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from desktop import theme
from desktop.models.health import Severity
from desktop.models.live import LiveModel, Phase
from desktop.widgets import video_painting as painting
from desktop.widgets.labels import RESTYLING
from desktop.widgets.signs import paint_sign
from dmd_runtime import Modality, VideoFrame

_UNHEARD_DB = -100.0


class VideoView(QWidget):
    """Paints the model's picture, mirrored for cameras; touched by the window's thread only.

    Attributes
    ----------
    frame_number_drawn : int
        ``seq`` of the last picture that was really painted; -1 before the first.
    mirrored : bool or None
        None (the default) follows the model: cameras are mirrored, files are not.

    Signals
    -------
    frame_painted : ``seq`` and time of a picture, each at its first painting.
    """

    frame_painted = Signal(int, float)

    def __init__(self, model: LiveModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._model = model
        self._mirrored: bool | None = None
        self._shown: VideoFrame | None = None
        self._image = QImage()
        self._held: object = None  # the array under _image
        self.frame_number_drawn = -1
        self.setMinimumSize(240, 150)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setAccessibleName(self.tr("Video"))
        model.frame_changed.connect(self._refresh)
        model.source_changed.connect(self._refresh)
        model.phase_changed.connect(self._refresh)
        model.level_changed.connect(self._refresh_meter)
        self._refresh()

    @property
    def mirrored(self) -> bool | None:
        """See the class."""
        return self._mirrored

    @mirrored.setter
    def mirrored(self, mirrored: bool | None) -> None:
        self._mirrored = mirrored
        self.update()

    @property
    def is_mirrored(self) -> bool:
        """Whether the picture is mirrored now."""
        return self._model.mirrored if self._mirrored is None else self._mirrored

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """As drawn."""
        return QSize(652, 400)

    # ------------------------------------------------------------------ text

    def picture_text(self) -> str:
        """Rate and face, for the chip at the top."""
        model = self._model
        if model.phase is Phase.ENDED:
            rate = self.tr("ended")
        elif model.fps is None:
            rate = ""
        else:
            rate = self.tr("{0} fps").format(round(model.fps))
        if Modality.VISUAL in model.absent:
            face = model.absent[Modality.VISUAL]
        elif model.face is not None:
            face = self.tr("face {0:.2f}").format(model.face.confidence)
        else:
            face = self.tr("no face")
        return " · ".join(part for part in (rate, face) if part)

    def sound_text(self) -> str:
        """Loudness and speech, beside the meter."""
        loudness = self._model.loudness
        state = self.tr("speaking") if self._model.speaking else self.tr("silent")
        if self._model.clipping:
            state = self.tr("too loud")
        if loudness.text_db <= _UNHEARD_DB:
            return state
        return self.tr("{0} dB {1}").format(f"{round(loudness.text_db):d}".replace("-", "−"), state)

    def stage_text(self) -> str:
        """What stands on the stage where there is no picture."""
        model = self._model
        if Modality.VISUAL in model.absent:
            return model.absent[Modality.VISUAL]
        if model.phase is Phase.STARTING:
            return model.message or self.tr("Starting…")
        if model.phase is Phase.RUNNING:
            return self.tr("Waiting for the first picture…")
        return ""

    # -------------------------------------------------------------- painting

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: ARG002, N802 - Qt's name
        """Paint everything; a picture is handed to the painter as it is, never copied."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        stage = QRectF(self.rect())
        shape = QPainterPath()
        shape.addRoundedRect(stage, theme.RADIUS, theme.RADIUS)
        painter.setClipPath(shape)
        frame = self._model.frame
        area = QRectF() if frame is None else painting.placed(stage, QSizeF(self._image.size()))
        if not area.contains(stage):  # else its colour would shine through at the rounded corners
            painter.fillRect(stage, theme.theme().stage)
        if frame is None:
            self._paint_message(painter, stage)
        else:
            painting.paint_picture(painter, self._image, area, mirrored=self.is_mirrored)
            self._paint_face(painter, area)
        room = painting.room_for_chips(stage, area)
        badge = self._paint_badges(painter, stage, room)
        painter.setFont(theme.font(12))
        if frame is not None:
            self._paint_picture_chip(
                painter, room if badge is None else room.adjusted(0, 0, badge.left() - room.right() - 8, 0)
            )
        self._paint_sound(painter, room)
        painter.end()
        if frame is not None and frame is not self._shown:
            self._shown = frame
            self.frame_number_drawn = frame.seq
            self.frame_painted.emit(frame.seq, frame.t)

    def _paint_message(self, painter: QPainter, stage: QRectF) -> None:
        text = stage.adjusted(32.0, 40.0, -32.0, -40.0)
        if Modality.VISUAL in self._model.absent:
            centre = stage.center() - QPointF(0.0, 26.0)
            painting.paint_missing(painter, centre, Modality.VISUAL.value, theme.MODALITY[Modality.VISUAL])
            text.translate(0.0, 24.0)
        painter.setFont(theme.font(13))
        painter.setPen(painting.INK_DIM)
        painter.drawText(text, int(Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap), self.stage_text())

    def _paint_face(self, painter: QPainter, area: QRectF) -> None:
        face = self._model.face
        if face is not None:
            points = painting.outline_points(face.outline, area, mirrored=self.is_mirrored)
            painting.paint_outline(painter, points, theme.MODALITY[Modality.VISUAL])

    def _paint_picture_chip(self, painter: QPainter, room: QRectF) -> None:
        metrics = QFontMetricsF(painter.font())
        text = metrics.elidedText(self.picture_text(), Qt.TextElideMode.ElideRight, room.width() - painting.AROUND)
        width = painting.chip_width(painter.font(), text)
        painting.paint_chip(painter, QRectF(room.left(), room.top(), width, painting.chip_height()), text)

    def _paint_sound(self, painter: QPainter, room: QRectF) -> None:
        reason = self._model.absent.get(Modality.ACOUSTIC)
        foot = QRectF(room.left(), room.bottom() - painting.chip_height(), room.width(), painting.chip_height())
        if reason is not None:
            foot.setWidth(painting.chip_width(painter.font(), reason))
            painting.paint_chip(painter, foot, reason)
        elif self._model.has_sound:
            self._paint_meter(painter, foot)

    def _paint_meter(self, painter: QPainter, room: QRectF) -> None:
        metrics, text, clipping = QFontMetricsF(painter.font()), self.sound_text(), self._model.clipping
        widest = self.tr("{0} dB {1}").format("−88", self.tr("speaking"))
        text_width = max(metrics.horizontalAdvance(widest), metrics.horizontalAdvance(text))
        sign = 20.0 if clipping else 0.0
        track = max(16.0, min(298.0, room.width() - 78.0 - text_width))
        pill = QRectF(room.left(), room.top(), track + text_width + 58.0 + sign, room.height())
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(painting.SHADE)
        painter.drawRoundedRect(pill, pill.height() / 2, pill.height() / 2)
        letter = QPointF(pill.left() + 13.0, pill.center().y())
        painting.paint_letter(painter, letter, Modality.ACOUSTIC.value, theme.MODALITY[Modality.ACOUSTIC])
        bar = QRectF(pill.left() + 30.0, pill.center().y() - 4.0, track, 8.0)
        share = painting.level_share(self._model.loudness.bar_db)
        painting.paint_meter(painter, bar, share, colour=theme.MODALITY[Modality.ACOUSTIC], clipping=clipping)
        left = bar.right() + 12.0
        if clipping:
            paint_sign(painter, QPointF(left + 7.0, pill.center().y()), 13.0, Severity.AMBER, ground=theme.WARNING)
        painter.setPen(theme.WARNING if clipping else painting.INK_DIM)
        where = QRectF(left + sign, pill.top(), text_width + 4.0, pill.height())
        painter.drawText(where, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, text)

    def _paint_badges(self, painter: QPainter, stage: QRectF, room: QRectF) -> QRectF | None:
        """Say loudly that this is no person; returns where."""
        marks = [mark for mark in ("DEMO", "SYNTHETIC") if mark in self._model.marks]
        if not marks:
            return None
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(theme.WARNING, 4.0))  # half of it is cut away by the stage's own shape
        painter.drawRoundedRect(stage, theme.RADIUS, theme.RADIUS)
        font = theme.font(13, weight=QFont.Weight.Bold)
        font.setLetterSpacing(QFont.SpacingType.AbsoluteSpacing, 1.5)
        painter.setFont(font)
        text = " + ".join(marks)
        width = painting.chip_width(font, text)
        area = QRectF(room.right() - width, room.top(), width, painting.chip_height() + 4)
        painting.paint_chip(painter, area, text, ground=QColor(theme.WARNING), ink=theme.WARNING_INK)
        return area

    # --------------------------------------------------------------- changes

    def _refresh(self) -> None:
        frame = self._model.frame
        if frame is None:
            self._image, self._held, self._shown = QImage(), None, None
        elif frame is not self._shown:
            self._image, self._held = painting.image_over(frame.image)
        self._describe()
        self.update()

    def _refresh_meter(self) -> None:
        self._describe()
        foot = round(painting.chip_height() + 2 * painting.EDGE)
        self.update(QRect(0, self.height() - foot, self.width(), foot))

    def _describe(self) -> None:
        if self._model.frame is None:
            text = self.stage_text()
        else:
            text = self.tr("no face") if self._model.face is None else self.tr("a face is in view")
        text = ", ".join(part for part in (*self._model.marks, text) if part)
        if text != self.accessibleDescription():
            self.setAccessibleDescription(text)

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802 - Qt's name
        """Follow the theme and the font scale."""
        super().changeEvent(event)
        if event.type() in RESTYLING:
            self.update()
