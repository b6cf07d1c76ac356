"""Where the numbers of an export come from, and text that is fit for its format."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final

from dmd_runtime import __version__
from dmd_runtime.errors import RecordingError
from dmd_runtime.recording.reader import RecordedSession
from dmd_runtime.whole_file import whole_file

_NO_XML: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_NONE: Final[Mapping[str, Any]] = {}


def marks(session: RecordedSession) -> tuple[str, ...]:
    """UNTRAINED, DEMO, SYNTHETIC, as far as the session or any of its readings has them."""
    return tuple(dict.fromkeys((*session.marks, *session.readings.marks)))


def provenance(session: RecordedSession, analysis: str | None = None) -> dict[str, Any]:
    """What made a session, or a re-analysis of it, as JSON values; without paths, which are nobody else's business."""
    manifest = session.manifest
    media = part(manifest, "media")
    said = {key: manifest.get(key) for key in ("participant", "session", "task", "mode", "made_at", "absent", "counts")}
    made = dict(part(manifest, "provenance"))
    return {
        "folder": f"{session.folder.parent.name}/{session.folder.name}",
        **({"analysis": analysis} if analysis else {}),
        "state": session.state,
        "marks": list(marks(session)),
        **{key: value for key, value in said.items() if value is not None},
        "source": {key: part(manifest, "source").get(key) for key in ("kind", "name")},
        "media": {
            "name": Path(str(media["path"])).name if media.get("path") else None,
            **{key: media.get(key) for key in ("sha256", "bytes")},
        },
        **made,
        "time": "seconds of session time; zero is the first picture or sample of the source",
        "emotion": "expressed, as a model reads it; not what a person feels",
        "exported_by": f"dmd-live {__version__}",
    }


def facts(session: RecordedSession, analysis: str | None = None) -> dict[str, str]:
    """The same in a few short lines, for formats that have room for text only."""
    manifest, made = session.manifest, part(session.manifest, "provenance")
    checkpoint, recipe = part(made, "checkpoint"), part(made, "recipe")
    found = {
        "session": f"{session.folder.parent.name}/{session.folder.name}",
        "analysis": analysis,
        "state": session.state,
        "marks": " ".join(marks(session)),
        "participant": manifest.get("participant"),
        "task": manifest.get("task"),
        "source": part(manifest, "source").get("name"),
        "recorded": part(manifest, "made_at").get("started"),
        "checkpoint": " ".join(str(checkpoint[key]) for key in ("name", "digest") if checkpoint.get(key)),
        "licence of the checkpoint": checkpoint.get("licence"),
        "feature recipe": recipe.get("id"),
        "speech model": made.get("speech_model"),
        "exported by": f"dmd-live {__version__}",
    }
    return {key: one_line(str(value)) for key, value in found.items() if value}


def part(of: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """An object of a manifest; empty where there is none."""
    found = of.get(key)
    return found if isinstance(found, Mapping) else _NONE


def plain_text(text: str) -> str:
    """``text`` without what XML or UTF-8 cannot hold; lines end with a line feed."""
    return _NO_XML.sub("\ufffd", text.replace("\r\n", "\n").replace("\r", "\n"))


def one_line(text: str) -> str:
    """The same on one line, without blanks around it."""
    return " ".join(plain_text(text).split())


def utf8(text: str) -> str:
    """``text`` as it is, but for halves of characters, which no file can hold."""
    return _SURROGATE.sub("\ufffd", text)


@contextmanager
def written(path: Path) -> Iterator[BinaryIO]:
    """A draft that becomes ``path`` at the end of the block, or is gone.

    Raises
    ------
    RecordingError
        It cannot be written; names the file.
    """
    try:
        with whole_file(path) as draft:
            yield draft
    except OSError as error:
        raise RecordingError(f"{path}: cannot be written: {error.strerror or error}") from None
