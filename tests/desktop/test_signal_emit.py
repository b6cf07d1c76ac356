"""The binding survives what a session of an hour emits."""

from __future__ import annotations

import subprocess
import sys

CODE = """
from PySide6.QtCore import QCoreApplication, QObject, Qt, Signal

class Source(QObject):
    said = Signal(int)
    nothing = Signal()

class Listener(QObject):
    heard = 0
    def hear(self, number=0):
        self.heard += 1

app = QCoreApplication([])
source, listener = Source(), Listener()
source.said.connect(listener.hear)
source.nothing.connect(listener.hear, Qt.ConnectionType.QueuedConnection)
for number in range(20_000):
    source.said.emit(number)
    source.nothing.emit()
app.processEvents()
print(listener.heard)
"""


def test_a_signal_can_be_emitted_20_000_times() -> None:
    """PySide6 6.12.0 on Python 3.11 drops a reference to True with each and aborts after about a thousand."""
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stdout.strip()) == (0, "40000"), done.stderr
