"""Small motion: numbers that a picture follows smoothly, or at once where no motion is wanted."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QEasingCurve, QVariantAnimation
from PySide6.QtWidgets import QWidget

from desktop import theme

Floats = npt.NDArray[np.float64]
GLIDE_MS: Final = 180


class Glide:
    """Values of a widget's picture on their way to where they should be, within :data:`GLIDE_MS`.

    The widget is repainted with every step. Where it is not visible, or the theme moves nothing, values jump.

    Attributes
    ----------
    at : what to draw now, float64 (n,).
    is_still : values jump: whoever drags a play head wants the next picture, not motion between two.
    """

    def __init__(self, widget: QWidget, start: Floats) -> None:
        self.at = start
        self.is_still = False
        self._widget = widget
        self._from = self._to = start
        self.motion = QVariantAnimation(widget)
        self.motion.setDuration(GLIDE_MS)
        self.motion.setStartValue(0.0)
        self.motion.setEndValue(1.0)
        self.motion.setEasingCurve(QEasingCurve.Type.OutCubic)
        self.motion.valueChanged.connect(self._step)

    def to(self, target: Floats, *, jump: bool = False) -> None:
        """Go to ``target``; ``jump`` goes there at once, and so does a target of another length."""
        self.motion.stop()
        self._from, self._to = self.at, target
        if jump or self.is_still or target.shape != self.at.shape or not theme.moves() or not self._widget.isVisible():
            self.at = target
        elif not np.array_equal(self.at, target):
            self.motion.start()
        self._widget.update()

    def _step(self, share: float) -> None:
        self.at = self._from + share * (self._to - self._from)
        self._widget.update()
