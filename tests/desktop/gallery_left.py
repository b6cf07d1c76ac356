"""Pictures of the left side in many states, to be looked at: ``python -m tests.desktop.gallery_left OUT_DIR``."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

if __name__ == "__main__":
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PySide6.QtCore import QPoint, QSize, Qt
from PySide6.QtGui import QPainter, QPixmap
from PySide6.QtWidgets import QApplication, QHBoxLayout, QVBoxLayout, QWidget

from desktop import theme
from desktop.widgets.health_panel import HealthPanel
from desktop.widgets.mark_banner import MarkBanner
from desktop.widgets.notice_bar import NoticeBar
from desktop.widgets.state_page import StatePage
from desktop.widgets.status_line import StatusLine
from desktop.widgets.transcript_view import TranscriptView
from desktop.widgets.video_view import VideoView
from tests.desktop import left_states as states

Make = Callable[[], QWidget]


def _over(view: Callable[..., QWidget], models: Mapping[str, Callable[[], object]]) -> dict[str, Make]:
    return {name: lambda make=make: view(make()) for name, make in models.items()}


MAKERS: Mapping[str, tuple[Mapping[str, Make], tuple[QSize, ...]]] = {
    "video": (_over(VideoView, states.LIVE), (QSize(652, 400), QSize(652, 366), QSize(340, 220), QSize(240, 150))),
    "words": (_over(TranscriptView, states.TALK), (QSize(652, 92), QSize(340, 140), QSize(900, 200))),
    "state": (_over(StatePage, states.STATE), (QSize(1240, 700), QSize(640, 520), QSize(400, 380))),
    "status": (_over(StatusLine, states.HEALTH), (QSize(1280, 38), QSize(700, 38), QSize(420, 38), QSize(260, 38))),
    "health": (_over(HealthPanel, states.HEALTH), (QSize(420, 360), QSize(700, 380))),
    "banner": (
        _over(
            MarkBanner,
            {
                "untrained": lambda: states.running("UNTRAINED"),
                "demo": lambda: states.running("DEMO"),
                "all": lambda: states.running("UNTRAINED", "DEMO", "SYNTHETIC"),
            },
        ),
        (QSize(1280, 0), QSize(640, 0), QSize(320, 0)),
    ),
    "notices": (_over(NoticeBar, {"two": states.noticed}), (QSize(1240, 0), QSize(420, 0))),
}


def shot(widget: QWidget, size: QSize, ratio: float) -> QPixmap:
    """A widget's picture at a pixel ratio; a height of 0 is what the widget needs."""
    if not size.height():
        widget.resize(size.width(), 10)
        layout = widget.layout()
        assert layout is not None
        layout.activate()
        tall = widget.heightForWidth(size.width()) if widget.hasHeightForWidth() else widget.sizeHint().height()
        size = QSize(size.width(), tall)
    widget.resize(size)
    widget.setAttribute(Qt.WidgetAttribute.WA_DontShowOnScreen)
    widget.show()
    QApplication.processEvents()
    picture = QPixmap(size * ratio)
    picture.setDevicePixelRatio(ratio)
    picture.fill(theme.theme().background)
    widget.render(picture, QPoint(), renderFlags=QWidget.RenderFlag.DrawChildren)
    widget.close()
    return picture


def sheet(pictures: Iterable[QPixmap], ratio: float, widest: int = 1400) -> QPixmap:
    """Pictures in rows on the background."""
    gap = theme.GAP
    places: list[tuple[QPoint, QPixmap]] = []
    x = y = gap
    row = wide = 0
    for picture in pictures:
        size = picture.deviceIndependentSize().toSize()
        if places and x + size.width() > widest:
            x, y, row = gap, y + row + gap, 0
        places.append((QPoint(x, y), picture))
        x += size.width() + gap
        row, wide = max(row, size.height()), max(wide, x)
    out = QPixmap(QSize(wide, y + row + gap) * ratio)
    out.setDevicePixelRatio(ratio)
    out.fill(theme.theme().background)
    painter = QPainter(out)
    for at, picture in places:
        painter.drawPixmap(at, picture)
    painter.end()
    return out


def column() -> QWidget:
    """The left side as in the drawing."""
    live = states.running("UNTRAINED", "DEMO")
    page = QWidget()
    whole = QVBoxLayout(page)
    whole.setContentsMargins(0, 0, 0, 0)
    whole.setSpacing(0)
    whole.addWidget(MarkBanner(live))
    left = QVBoxLayout()
    left.setContentsMargins(20, 16, 20, 12)
    left.setSpacing(theme.GAP)
    live.notice("camera", "Camera Integrated 720p was unplugged; trying again.")
    left.addWidget(NoticeBar(live))
    left.addWidget(VideoView(live), 1)
    left.addWidget(TranscriptView(states.talk()))
    row = QHBoxLayout()
    row.addLayout(left)
    whole.addLayout(row, 1)
    whole.addWidget(StatusLine(states.healthy()))
    return page


def main(out: Path) -> None:
    """Write all pictures to ``out``."""
    app = QApplication.instance() or QApplication(sys.argv[:1])
    assert isinstance(app, QApplication)
    theme.load_fonts()
    out.mkdir(parents=True, exist_ok=True)
    for look in ("dark", "light"):
        theme.apply_theme(app, look)
        for kind, (makers, sizes) in MAKERS.items():
            for i, size in enumerate(sizes):
                for ratio in (1.0, 2.0):
                    pictures = [shot(make(), size, ratio) for make in makers.values()]
                    sheet(pictures, ratio).save(str(out / f"{kind}-{i}-{look}@{ratio:.0f}.png"))
        for ratio in (1.0, 2.0):
            shot(column(), QSize(692, 680), ratio).save(str(out / f"column-{look}@{ratio:.0f}.png"))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
