"""What a session's manifest says of it, in words: whose it is, when it was made, and what went wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from PySide6.QtCore import QCoreApplication, QDate, QLocale

from dmd_runtime import RecordedSession

_MOST = 3  # remarks that a line has room for


def _tr(text: str) -> str:
    return QCoreApplication.translate("SessionFacts", text)


@dataclass(frozen=True, kw_only=True)
class SessionFacts:
    """A session in words.

    Attributes
    ----------
    title : str
        Participant, session and task.
    when : str
        Local date and time of its start and end; empty where the manifest does not say.
    notes : str
        As they were typed.
    remarks : tuple of str
        What whoever looks at it should know: it was recovered, or stopped early, or something broke.
    speech_model : str
        That it was recorded with; empty where the manifest does not say.
    """

    title: str = ""
    when: str = ""
    notes: str = ""
    remarks: tuple[str, ...] = ()
    speech_model: str = ""

    @property
    def notice(self) -> str:
        """The remarks as one line; empty without any."""
        more = len(self.remarks) - _MOST
        return "  ".join([*self.remarks[:_MOST], *([_tr("And {0} more.").format(more)] if more > 0 else [])])

    @property
    def whole(self) -> str:
        """All of it, a line each."""
        return "\n".join(filter(None, (self.title, self.when, self.notes, *self.remarks)))


def facts_of(session: RecordedSession) -> SessionFacts:
    """Of a session that was opened; whatever in its manifest is of another kind is as if it were not there."""
    manifest = session.manifest
    speech = _part(_part(manifest, "config"), "speech").get("model")
    notes = manifest.get("notes")
    return SessionFacts(
        title=_title(session),
        when=_when(_part(manifest, "made_at")),
        notes=notes if isinstance(notes, str) else "",
        remarks=tuple(_remarks(manifest)),
        speech_model=speech if isinstance(speech, str) else "",
    )


def _title(session: RecordedSession) -> str:
    """Participant, session and task; the folder's name where the manifest says nothing."""
    manifest = session.manifest
    participant = str(manifest.get("participant") or "anon")
    parts = [participant, str(manifest.get("session") or session.folder.name.removeprefix("ses-"))]
    return " · ".join([*parts, *([str(manifest["task"])] if manifest.get("task") else [])])


def _when(made_at: Mapping[str, Any]) -> str:
    start, end = (_moment(made_at.get(key)) for key in ("started", "finished"))
    if start is None:
        return ""
    text = f"{_day(start)}, {start:%H:%M}"
    if end is None:
        return text
    return f"{text} – {end:%H:%M}" if end.date() == start.date() else f"{text} – {_day(end)}, {end:%H:%M}"


def _moment(text: object) -> datetime | None:
    try:
        return datetime.fromisoformat(text).astimezone() if isinstance(text, str) else None
    except (ValueError, OverflowError, OSError):
        return None


def _day(at: datetime) -> str:
    return QLocale().toString(QDate(at.year, at.month, at.day), "d MMM yyyy")


def _remarks(manifest: Mapping[str, Any]) -> list[str]:
    remarks = []
    if manifest.get("state") == "recovered":
        recovery = _part(manifest, "recovery")
        at = _moment(recovery.get("at"))
        when = f" ({_day(at)}, {at:%H:%M})" if at is not None else ""
        remarks.append(_tr("This recording was cut off and recovered{0}.").format(when))
        found = recovery.get("problems")
        remarks += [f"{problem}." for problem in found if isinstance(problem, str)] if isinstance(found, list) else []
    if isinstance(stopped := _part(manifest, "recorded").get("stopped"), str):
        remarks.append(_tr("It was stopped early: {0}.").format(stopped))
    if isinstance(error := manifest.get("error"), str):
        remarks.append(_tr("It ended with an error: {0}.").format(error))
    return remarks


def _part(found: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = found.get(key)
    return value if isinstance(value, dict) else {}
