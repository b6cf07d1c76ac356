"""Exports and re-analyses off the window's thread, one after the other, and the slim line that shows how they do."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from PySide6.QtCore import QCoreApplication, QObject, QRectF, Qt, Signal, Slot
from PySide6.QtGui import QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QHBoxLayout, QProgressBar, QPushButton, QSizePolicy, QWidget

import dmd_runtime
from desktop import theme
from desktop.loaded_models import ModelChoice
from desktop.models.worker import Worker
from desktop.widgets.labels import ElidedLabel
from dmd_runtime import FORMATS, Assets, DMDError, ExportOptions, Progress

if TYPE_CHECKING:
    from dmd_runtime import SessionConfig, Toolbox

logger = logging.getLogger(__name__)

REPORT: Final = "report"
_STEP: Final = 0.005
"""Share after which progress is told again: at most 200 signals a job, however long it is."""
_FINE: Final = 1000  # steps of a bar
_EDGE: Final = 20  # pixels left and right, as of the pages

OnProgress = Callable[[str, float], None]
"""Told what is being made, and the share that is done, 0 … 1."""
Load = Callable[[Path, ModelChoice, Callable[[Progress], None], threading.Event], tuple["Toolbox", "SessionConfig"]]


def _tr(text: str) -> str:
    return QCoreApplication.translate("Exporting", text)


def session_name(folder: Path) -> str:
    """How a session folder is called for people: ``sub-P07/ses-one``."""
    return f"{folder.parent.name}/{folder.name}"


class LongWork(QObject):
    """Jobs on a thread of their own, one after the other; everything else on the window's thread.

    Attributes
    ----------
    title : str
        What kind of work it is; empty for the usual one.
    text : str
        What is being done.
    share : float
        How far it is, 0 … 1.

    Signals
    -------
    progress(str, float)
        ``text`` and ``share``.
    failed(str)
        One job could not be done; what was expected and what came. Those after it are done all the same.
    busy_changed
        The first job begins, or the last has ended.
    stopped
        A job ended, or never began, because it was cancelled.
    """

    progress = Signal(str, float)
    failed = Signal(str)
    busy_changed = Signal()
    stopped = Signal()
    _answer = Signal(object)

    def __init__(self, thread: str, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.title, self.text, self.share = "", "", 0.0
        self._worker = Worker(thread)
        self._name = thread
        self._cancel = threading.Event()
        self._jobs = 0
        self._closed = False
        self._answer.connect(self._take, Qt.ConnectionType.QueuedConnection)

    @property
    def is_busy(self) -> bool:
        """Whether a job runs or waits."""
        return self._jobs > 0

    def cancel(self) -> None:
        """Stop the job that runs as soon as it can, and do none of those that wait; returns at once."""
        self._cancel.set()
        self._cancel = threading.Event()  # what is asked for from now on is wanted

    def shut_down(self, timeout: float = 5.0) -> bool:
        """Stop everything and wait; returns whether it ended in time. Idempotent."""
        self._closed = True
        self._cancel.set()
        ended = self._worker.close(timeout)
        if not ended:
            logger.warning("%s: work did not end within %.0f s and is left behind", self._name, timeout)
        return ended

    def _submit(self, job: Callable[[threading.Event], None], title: str = "") -> None:
        """Do ``job`` on the worker, with the event that cancels it; what it raises is told."""
        if self._closed:
            return
        self._jobs += 1
        if self._jobs == 1:
            self.busy_changed.emit()
        self._worker.submit(partial(self._work, job, title, self._cancel))

    def _work(self, job: Callable[[threading.Event], None], title: str, cancel: threading.Event) -> None:
        problem = ""
        self._tell(lambda: setattr(self, "title", title))
        try:
            if not cancel.is_set():
                job(cancel)
        except DMDError as error:
            problem = str(error)
        except Exception as error:
            logger.exception("a job failed")
            problem = _tr("Something unexpected went wrong ({0}); the log has more.").format(error)
        self._tell(lambda: self._end(problem, cancel))

    def _end(self, problem: str, cancel: threading.Event) -> None:
        if cancel.is_set():
            logger.info("a job was stopped: %s", problem or "before its end")
            self.stopped.emit()
        elif problem:
            self.failed.emit(problem)
        self._jobs -= 1
        if not self._jobs:
            self.title, self.text, self.share = "", "", 0.0
            self.busy_changed.emit()

    def _teller(self, cancel: threading.Event) -> OnProgress:
        """What a job tells its progress to, on its thread; only what can be seen goes on."""
        last: tuple[str, float] = ("", -1.0)

        def tell(text: str, share: float) -> None:
            nonlocal last
            if text != last[0] or abs(share - last[1]) >= _STEP:
                last = text, share
                self._tell(lambda: None if cancel.is_set() else self._show(text, share))

        return tell

    def _show(self, text: str, share: float) -> None:
        self.text, self.share = text, min(1.0, max(0.0, share))
        self.progress.emit(self.text, self.share)

    def _tell(self, call: Callable[[], object]) -> None:
        """Do ``call`` on the window's thread."""
        with contextlib.suppress(RuntimeError):  # the window went meanwhile
            self._answer.emit(call)

    @Slot(object)
    def _take(self, call: Callable[[], object]) -> None:
        call()


def load_for(
    folder: Path, models: ModelChoice, progress: Callable[[Progress], None], cancel: threading.Event
) -> tuple[Toolbox, SessionConfig]:
    """Models and settings to read a session once more: those of the recording, with what ``models`` says over them.

    Raises
    ------
    DMDError
        The session or a model cannot be read, or the loading was stopped.
    """
    speech = {"model": models.speech_model, "language": models.language} if models.speech_model else {}
    config = dmd_runtime.settings_of(folder, speech=speech, runtime={"device": models.device})
    assets = Assets(offline=models.offline)
    toolbox = dmd_runtime.Toolbox.load(
        config, assets, checkpoint=models.checkpoint, progress=progress, cancel=cancel
    )  # one of its own: what runs live keeps its own
    return toolbox, config


class Exporting(LongWork):
    """Exports and re-analyses of sessions.

    Parameters
    ----------
    load : callable
        Loads models and settings of a re-analysis, on the worker.

    Signals
    -------
    done(list of Path, Path)
        One session was exported: the files, and its folder.
    reported(Path)
        A report that was asked for by :meth:`report` is there.
    reanalysed(Path, Path)
        The folder of a re-analysis, and that of its session.
    remarked(str)
        What people should know of a file before they pass it on.
    """

    done = Signal(object, object)
    reported = Signal(object)
    reanalysed = Signal(object, object)
    remarked = Signal(str)

    def __init__(self, parent: QObject | None = None, *, load: Load = load_for) -> None:
        super().__init__("dmd-export", parent)
        self._load = load

    def start(self, folders: Sequence[Path], formats: Sequence[str], options: ExportOptions | None = None) -> None:
        """Export sessions one after the other, after what already waits; ``done`` or ``failed`` follows for each."""
        for number, folder in enumerate(folders):
            self._submit(partial(self._export, folder, tuple(formats), options, (number, len(folders))))

    def after_recording(self, folder: Path, formats: Sequence[str]) -> None:
        """Export a session that has just been recorded; formats that this version does not know are left out."""
        known = [name for name in formats if name in FORMATS]
        if len(known) < len(formats):
            logger.warning("not exported, unknown formats: %s", ", ".join(set(formats) - set(known)))
        if known:
            self.start([folder], known)

    def report(self, folder: Path) -> None:
        """Make the report of a session anew; ``reported`` or ``failed`` follows."""
        self._submit(partial(self._export, folder, (REPORT,), None, (0, 1), tell=self.reported))

    def reanalyse(self, folder: Path, models: ModelChoice, name: str | None = None) -> None:
        """Read a session once more with ``models``; ``reanalysed`` or ``failed`` follows.

        Settings, those of the speech among them, are the recording's; a speech model that is named goes before.
        """
        self._submit(partial(self._reanalyse, folder, models, name), _tr("Analysing anew"))

    def _export(
        self,
        folder: Path,
        formats: Sequence[str],
        options: ExportOptions | None,
        place: tuple[int, int],
        cancel: threading.Event,
        *,
        tell: Any = None,
    ) -> None:
        number, of = place
        told = self._teller(cancel)
        which = "" if of == 1 else _tr("Session {0} of {1} · ").format(number + 1, of)

        def at(name: str, share: float) -> None:
            told(which + FORMATS[name].files[0], (number + share) / of)

        def remark(text: str) -> None:
            self._tell(partial(self.remarked.emit, text))

        paths = dmd_runtime.export(folder, formats, options=options, progress=at, cancel=cancel, remark=remark)
        self._tell(lambda: self.done.emit(paths, folder) if tell is None else tell.emit(paths[0]))

    def _reanalyse(self, folder: Path, models: ModelChoice, name: str | None, cancel: threading.Event) -> None:
        told = self._teller(cancel)
        loading, reading = _tr("loading models"), session_name(folder)
        told(loading, 0.0)
        toolbox, config = self._load(folder, models, lambda p: told(_tr("fetching {0}").format(p.asset), 0.0), cancel)
        made = dmd_runtime.reanalyse(
            folder, toolbox, config=config, name=name, progress=lambda share: told(reading, share), cancel=cancel
        )
        self._tell(lambda: self.reanalysed.emit(made, folder))


def done_text(paths: Sequence[Path], folder: Path) -> str:
    """What became of an export, for a notice."""
    names = ", ".join(path.name for path in paths[:3])
    more = _tr(" and {0} more").format(len(paths) - 3) if len(paths) > 3 else ""
    return _tr("{0} was exported: {1}{2}.").format(session_name(folder), names, more)


class ExportProgress(QWidget):
    """A slim line: what is being made, how far it is, a way to stop; hidden while nothing is done.

    Parameters
    ----------
    work : LongWork
    title : str
        What is done, before the name of what is made.
    """

    def __init__(self, work: LongWork, title: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._work = work
        self._title = title or _tr("Exporting")
        self._stopping = False
        row = QHBoxLayout(self)
        row.setContentsMargins(theme.INSIDE, 5, 8, 5)
        row.setSpacing(theme.GAP)
        self.text = ElidedLabel()
        self.text.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setRange(0, _FINE)
        self.bar.setMinimumWidth(96)
        self.bar.setAccessibleName(self._title)
        self.cancel = QPushButton(_tr("Cancel"))
        self.cancel.setAccessibleName(_tr("Cancel: {0}").format(self._title))
        self.cancel.clicked.connect(self._stop)
        row.addWidget(self.text, 3)
        row.addWidget(self.bar, 2)
        row.addWidget(self.cancel)
        self.setContentsMargins(_EDGE, theme.GAP, _EDGE, 0)
        self.setMinimumHeight(40 + theme.GAP)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        work.progress.connect(self._show)
        work.busy_changed.connect(self._follow)
        self._follow()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: ARG002, N802 - Qt's name
        """Paint a card."""
        look, painter = theme.theme(), QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(look.line, 1.0))
        painter.setBrush(look.card)
        area = QRectF(self.contentsRect()).adjusted(0.5, 0.5, -0.5, -0.5)
        painter.drawRoundedRect(area, theme.RADIUS_SMALL, theme.RADIUS_SMALL)
        painter.end()

    def _follow(self) -> None:
        self._stopping = False
        self.cancel.setEnabled(True)
        self._show(self._work.text, self._work.share)
        self.setVisible(self._work.is_busy)

    def _show(self, text: str, share: float) -> None:
        if not self._stopping:
            title = self._work.title or self._title
            self.text.set_whole(f"{title} · {text}" if text else title)
            self.bar.setValue(round(share * _FINE))

    def _stop(self) -> None:
        self._stopping = True
        self.cancel.setEnabled(False)
        self.text.set_whole(_tr("Stopping…"))
        self._work.cancel()
