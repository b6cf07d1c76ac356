"""Python's garbage, looked for on the window's thread only.

The interpreter looks for cyclic garbage on whatever thread happens to make one object too many. Where that is a worker,
and the garbage holds a widget, a timer or a picture of Qt's, these are destroyed on a thread that is not theirs, which
may end the process.
"""

from __future__ import annotations

import gc
from typing import Final

from PySide6.QtCore import QObject, QTimer, SignalInstance

_LOOK_MS: Final = 250


class GarbageCollector(QObject):
    """Takes over from the interpreter until :meth:`close`; made and touched by the window's thread.

    It looks four times a second, and collects a generation where the interpreter would have.

    Parameters
    ----------
    loaded : signal
        Models have been loaded. What lives then is left alone from then on: models and libraries are half a million
        objects, and looking through them takes longer than a window may stand still.
    """

    def __init__(self, loaded: SignalInstance, parent: QObject | None = None) -> None:
        super().__init__(parent)
        gc.disable()
        self._timer = QTimer(self)
        self._timer.setInterval(_LOOK_MS)
        self._timer.timeout.connect(self.look)
        self._timer.start()
        loaded.connect(self.settle)

    def look(self) -> None:
        """Collect the oldest generation that is due, and the younger ones with it."""
        counts = zip(gc.get_count(), gc.get_threshold(), strict=True)
        if due := [generation for generation, (count, most) in enumerate(counts) if count > most]:
            gc.collect(due[-1])

    def settle(self) -> None:
        """Leave alone what lives now, but for what has become garbage since the last time."""
        gc.unfreeze()
        gc.collect()
        gc.freeze()

    def close(self) -> None:
        """Give it back to the interpreter."""
        self._timer.stop()
        gc.unfreeze()
        gc.enable()
