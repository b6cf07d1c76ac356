"""What is known of one session, and what can be done with it."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QAction, QFont, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QFrame, QGridLayout, QPushButton, QScrollArea, QSizePolicy, QVBoxLayout, QWidget

from desktop import theme
from desktop.models.library import LibraryModel
from desktop.models.recording import clock_text
from desktop.widgets.labels import ElidedLabel, Label
from desktop.widgets.painted import LEFT, RIGHT, SEMI_BOLD, draw_text, fitting
from desktop.widgets.session_list import paint_picture, paint_shares
from desktop.widgets.session_text import counts_text, size_text, state_of, title_text, when_text
from desktop.widgets.titled_card import TitledCard
from dmd_runtime import Hit, SessionSummary

_LISTED = 4  # emotions with a line of their own
_LINE = 20  # px
_TALL = 480  # px: with less, there is no picture


class Picture(QWidget):
    """The small picture, as wide as the card."""

    def __init__(self, model: LibraryModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._model = model
        self._session: SessionSummary | None = None
        policy = QSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)
        model.picture_changed.connect(lambda folder: self._session and folder == self._session.folder and self.update())

    def show_session(self, session: SessionSummary | None) -> None:
        """Show another."""
        self._session = session
        self.update()

    def hasHeightForWidth(self) -> bool:  # noqa: N802 - Qt's name
        """It keeps its format."""
        return True

    def heightForWidth(self, width: int) -> int:  # noqa: N802 - Qt's name
        """16 : 9."""
        return round(width * 9 / 16)

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """As wide as the card is at first."""
        return QSize(288, 162)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: ARG002, N802 - Qt's name
        """Paint it."""
        if self._session is None:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        image = self._model.picture(self._session.folder)
        paint_picture(painter, QRectF(self.rect()), image, sound=self._session.state != "unreadable")
        painter.end()


class Shares(QWidget):
    """The expressed emotions that were strongest, as a bar and with a line for each."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session: SessionSummary | None = None

    def show_session(self, session: SessionSummary | None) -> None:
        """Show another."""
        self._session = session
        self.setVisible(bool(session and session.emotions))
        lines = self._lines
        self.setAccessibleName(self.tr("Expressed emotion"))
        self.setAccessibleDescription(", ".join(f"{label} {share:.0%}" for label, share in lines))
        self.setFixedHeight(round(14 + _LINE * theme.scale() * len(lines)))
        self.update()

    @property
    def _lines(self) -> list[tuple[str, float]]:
        """The largest, and the rest together."""
        if self._session is None:
            return []
        shares = list(self._session.emotions.items())
        rest = sum(share for _, share in shares[_LISTED:])
        return [*shares[:_LISTED], *([(self.tr("others"), rest)] if rest else [])]

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: ARG002, N802 - Qt's name
        """Paint bar and lines."""
        if self._session is None:
            return
        painter, look = QPainter(self), theme.theme()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        paint_shares(painter, QRectF(0, 0, self.width(), 8), self._session.emotions)
        text, figure, high = theme.font(12), theme.font(12, weight=SEMI_BOLD), _LINE * theme.scale()
        for i, (label, share) in enumerate(self._lines):
            line = QRectF(0, 14 + i * high, self.width(), high)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(theme.emotion_colour(label) if i < _LISTED else look.line)
            painter.drawEllipse(QRectF(0, line.center().y() - 4, 8, 8))
            draw_text(
                painter, line.adjusted(16, 0, 0, 0), LEFT, fitting(text, line.width() - 70, label), text, look.dim
            )
            draw_text(painter, line, RIGHT, f"{share:.0%}", figure, look.ink)
        painter.end()


class SessionCard(TitledCard):
    """Picture, facts, expressed emotion and actions of the chosen session.

    Parameters
    ----------
    model : LibraryModel
    open_action : QAction
        The prominent button.
    actions : sequence of QAction
        One quiet button each.
    """

    def __init__(
        self, model: LibraryModel, open_action: QAction, actions: Sequence[QAction], parent: QWidget | None = None
    ) -> None:
        super().__init__("", parent)
        self._shown: SessionSummary | None = None
        self.setAccessibleName(self.tr("Chosen session"))
        self._picture, self._shares = Picture(model), Shares()
        self._name = Label(pixels=18, weight=QFont.Weight.Bold, wraps=True)
        self._problem = Label(pixels=12, wraps=True)
        self._express = Label(self.tr("EXPRESSED, BY TIME"), pixels=11, weight=QFont.Weight.DemiBold, dim=True)
        self._facts = QGridLayout()
        self._facts.setVerticalSpacing(4)
        self._facts.setHorizontalSpacing(theme.GAP)
        self._facts.setColumnStretch(1, 1)
        inside = QWidget()
        column = QVBoxLayout(inside)
        column.setContentsMargins(0, 0, 6, 0)
        column.setSpacing(8)
        for widget in (self._picture, self._name, self._problem):
            column.addWidget(widget)
        column.addWidget(self._express)
        column.addWidget(self._shares)
        column.addLayout(self._facts)
        column.addStretch(1)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.viewport().setAutoFillBackground(False)
        scroll.setWidget(inside)
        inside.setAutoFillBackground(False)  # which it has just been given
        for label in (self.title, self.remark):
            label.hide()
        self.body.setContentsMargins(theme.INSIDE, theme.INSIDE, theme.INSIDE - 6, theme.INSIDE)
        self.body.setSpacing(theme.GAP)
        self.body.addWidget(scroll, 1)
        self.buttons = {open_action: _button(open_action, "primary")}
        self.body.addWidget(self.buttons[open_action])
        pairs = QGridLayout()
        pairs.setSpacing(8)
        for place, action in enumerate(actions):
            self.buttons[action] = _button(action)
            pairs.addWidget(self.buttons[action], *divmod(place, 2))
        self.body.addLayout(pairs)
        self.body.setSpacing(8)
        self.show_item(None, None)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        """Without the picture where it would leave no room for the facts; the list has it too."""
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        self._picture.setVisible(self._shown is not None and self.height() >= _TALL)

    def show_item(self, session: SessionSummary | None, hit: Hit | None) -> None:
        """Show a session and, where a hit was chosen, its moment."""
        self._picture.show_session(session)
        self._shares.show_session(session)
        self._express.setVisible(bool(session and session.emotions))
        self._shown = session
        self._fit()
        for widget in (self._name, self._problem):
            widget.setVisible(False)
        while (item := self._facts.takeAt(0)) is not None:
            if (old := item.widget()) is not None:
                old.hide()
                old.deleteLater()
        if session is None:
            return
        self._name.setText(title_text(session))
        self._name.setVisible(True)
        self._problem.setText(session.problem)
        self._problem.setVisible(bool(session.problem))
        unread = session.state == "unreadable"
        facts = [
            (self.tr("Session"), session.session),
            (self.tr("Started"), when_text(session.started)),
            (self.tr("Length"), "" if unread else clock_text(session.length)),
            (self.tr("State"), state_of(session)[0]),
            (self.tr("Holds"), counts_text(session)),
            (self.tr("Size"), size_text(session)),
            (self.tr("Marked"), ", ".join(session.marks)),
            (self.tr("Opens at"), clock_text(hit.t) if hit is not None else ""),
        ]
        for row, (name, value) in enumerate((name, value) for name, value in facts if value):
            self._facts.addWidget(Label(name, pixels=12, dim=True), row, 0)
            self._facts.addWidget(ElidedLabel(value, pixels=12), row, 1)


def _button(action: QAction, kind: str = "") -> QPushButton:
    button = QPushButton(action.text())
    button.setProperty("kind", kind)
    key = action.shortcut().toString()
    button.setToolTip(f"{action.toolTip()} ({key})" if key else action.toolTip())
    button.setAccessibleName(action.toolTip())
    button.setEnabled(action.isEnabled())
    button.clicked.connect(action.trigger)
    action.enabledChanged.connect(button.setEnabled)
    return button
