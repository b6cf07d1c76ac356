"""Sessions in words: when, how long, in what state, what was expressed."""

from __future__ import annotations

from datetime import datetime

from PySide6.QtCore import QCoreApplication, QDate, QLocale

from desktop.models.health import Severity
from desktop.models.recording import clock_text
from desktop.widgets.loading_page import megabytes
from dmd_runtime import SessionSummary

_MOST_SHARES = 3


def _tr(text: str) -> str:
    return QCoreApplication.translate("Sessions", text)


def title_text(session: SessionSummary) -> str:
    """Participant and task."""
    return f"{session.participant} · {session.task}" if session.task else session.participant


def when_text(started: datetime) -> str:
    """Local date and time."""
    local = started.astimezone()
    day = QLocale().toString(QDate(local.year, local.month, local.day), "d MMM yyyy")
    return f"{day}, {local:%H:%M}"


def facts_text(session: SessionSummary) -> str:
    """When, how long, how much was said and marked."""
    parts = [when_text(session.started)]
    if session.state != "unreadable":
        parts.append(clock_text(session.length))
        parts += _counts(session, readings=False)
    return " · ".join(parts)


def counts_text(session: SessionSummary) -> str:
    """How many words, markers and readings there are."""
    return " · ".join(_counts(session))


def _counts(session: SessionSummary, *, readings: bool = True) -> list[str]:
    counts = (
        (session.words, _tr("1 word"), _tr("{0} words")),
        (session.markers, _tr("1 marker"), _tr("{0} markers")),
        (session.readings * readings, _tr("1 reading"), _tr("{0} readings")),
    )
    return [one if n == 1 else many.format(f"{n:,}") for n, one, many in counts if n]


def state_of(session: SessionSummary) -> tuple[str, Severity]:
    """The state in words with its sign, and how serious it is; amber and red have a painted sign besides."""
    if session.state == "recording":
        if session.held:
            return _tr("recording now"), Severity.GOOD
        return _tr("not finished, can be recovered"), Severity.AMBER
    if session.state == "unreadable":
        return _tr("cannot be read"), Severity.RED
    if session.problem:
        return _tr("parts cannot be read"), Severity.AMBER
    return {"recovered": _tr("✓ recovered")}.get(session.state, _tr("✓ complete")), Severity.GOOD


def emotions_text(session: SessionSummary, most: int = _MOST_SHARES) -> str:
    """The emotions that were the strongest one most often, with their shares of the valid readings."""
    shares = [(label, share) for label, share in session.emotions.items() if share >= 0.005]
    if not shares:
        return _tr("no valid reading") if session.readings else _tr("no readings")
    return " · ".join(f"{label} {share:.0%}" for label, share in shares[:most])


def size_text(session: SessionSummary) -> str:
    """How large the folder is."""
    return megabytes(session.size_bytes)


def whole_text(session: SessionSummary) -> str:
    """Everything in one line, for those who listen."""
    marks = ", ".join(session.marks)
    said = [title_text(session), facts_text(session), state_of(session)[0], emotions_text(session), marks]
    return "; ".join(filter(None, said))
