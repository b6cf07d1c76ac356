"""A row that breaks into several where it is too narrow."""

from __future__ import annotations

from PySide6.QtCore import QMargins, QPoint, QRect, QSize, Qt
from PySide6.QtWidgets import QLayout, QLayoutItem, QWidget


class FlowLayout(QLayout):
    """Items in their preferred size, row by row; one that is wider than the whole is narrowed.

    Parameters
    ----------
    spacing : int
        Pixels between items and between rows.
    centred : bool
        Each row in the middle instead of at the left.
    """

    def __init__(self, parent: QWidget | None = None, *, spacing: int = 12, centred: bool = True) -> None:
        super().__init__(parent)
        self._items: list[QLayoutItem] = []
        self._centred = centred
        self.setContentsMargins(QMargins(0, 0, 0, 0))
        self.setSpacing(spacing)

    def addItem(self, item: QLayoutItem) -> None:  # noqa: N802 - Qt's name
        """Add at the end."""
        self._items.append(item)

    def count(self) -> int:
        """Number of items."""
        return len(self._items)

    def itemAt(self, index: int) -> QLayoutItem | None:  # noqa: N802 - Qt's name
        """The item at ``index``, or None."""
        return self._items[index] if 0 <= index < len(self._items) else None

    def takeAt(self, index: int) -> QLayoutItem | None:  # noqa: N802 - Qt's name
        """Remove and return the item at ``index``, or None."""
        return self._items.pop(index) if 0 <= index < len(self._items) else None

    def expandingDirections(self) -> Qt.Orientation:  # noqa: N802 - Qt's name
        """None of them."""
        return Qt.Orientation(0)

    def hasHeightForWidth(self) -> bool:  # noqa: N802 - Qt's name
        """Narrow is high."""
        return True

    def heightForWidth(self, width: int) -> int:  # noqa: N802 - Qt's name
        """Height of all rows."""
        rows = self._rows(width)
        return sum(_tallest(row) for row in rows) + self.spacing() * max(0, len(rows) - 1)

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Everything in one row."""
        hints = [item.sizeHint() for item in self._shown()]
        width = sum(hint.width() for hint in hints) + self.spacing() * max(0, len(hints) - 1)
        return QSize(width, max((hint.height() for hint in hints), default=0))

    def minimumSize(self) -> QSize:  # noqa: N802 - Qt's name
        """One item in each row."""
        smallest = [item.minimumSize() for item in self._shown()]
        width, height = (max((f(size) for size in smallest), default=0) for f in (QSize.width, QSize.height))
        return QSize(width, height)

    def setGeometry(self, area: QRect) -> None:  # noqa: N802 - Qt's name
        """Place everything."""
        super().setGeometry(area)
        y = area.y()
        for row in self._rows(area.width()):
            used = sum(size.width() for _, size in row) + self.spacing() * (len(row) - 1)
            x = area.x() + ((area.width() - used) // 2 if self._centred else 0)
            for item, size in row:
                item.setGeometry(QRect(QPoint(x, y), QSize(size.width(), _tallest(row))))
                x += size.width() + self.spacing()
            y += _tallest(row) + self.spacing()

    def _rows(self, width: int) -> list[list[tuple[QLayoutItem, QSize]]]:
        rows: list[list[tuple[QLayoutItem, QSize]]] = []
        used = 0
        for item in self._shown():
            size = _size(item, width)
            if not rows or used + self.spacing() + size.width() > width:
                rows.append([(item, size)])
                used = size.width()
            else:
                rows[-1].append((item, size))
                used += self.spacing() + size.width()
        return rows

    def _shown(self) -> list[QLayoutItem]:
        return [item for item in self._items if not item.isEmpty()]


def _size(item: QLayoutItem, most: int) -> QSize:
    hint = item.sizeHint()
    width = min(hint.width(), max(most, item.minimumSize().width()))
    narrowed = width < hint.width() and item.hasHeightForWidth()
    return QSize(width, item.heightForWidth(width) if narrowed else hint.height())


def _tallest(row: list[tuple[QLayoutItem, QSize]]) -> int:
    return max(size.height() for _, size in row)
