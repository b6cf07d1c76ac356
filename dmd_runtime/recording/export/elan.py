"""ELAN's annotation format (EAF 2.8, https://www.mpi.nl/tools/elan/EAF_Annotation_Format_3.0_and_ELAN.pdf)."""

from __future__ import annotations

import mimetypes
import os
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from dmd_runtime.recording.annotations import Annotations
from dmd_runtime.recording.export import check
from dmd_runtime.recording.export.provenance import facts, one_line, written
from dmd_runtime.recording.export.strips import lanes, strips
from dmd_runtime.recording.reader import RecordedSession

if TYPE_CHECKING:
    from dmd_runtime.recording.export import ExportOptions, OnShare

_KINDS: Final = {".mkv": "video/x-matroska", ".mp4": "video/mp4", ".mov": "video/quicktime", ".wav": "audio/x-wav"}


def write_eaf(
    session: RecordedSession,
    annotations: Annotations,
    folder: Path,
    options: ExportOptions,
    *,
    progress: OnShare | None = None,
    cancel: Event | None = None,
) -> tuple[Path, ...]:
    """Write ``annotations.eaf``: every strip as a tier, linked to the medium by a relative path.

    Stretches of a tier that overlap, which ELAN does not allow, go to tiers of the same name with a number; a moment
    lasts 1 ms. Provenance is in the header's properties, marks in the name of the model's tier as well.
    """
    from pympi import Elan  # noqa: PLC0415

    path = folder / "annotations.eaf"
    eaf = Elan.Eaf(author="dmd-live")
    eaf.remove_tier("default")
    for key, value in facts(session, options.analysis).items():
        eaf.add_property(key, value)
    _link(eaf, session, folder)
    made = strips(session, annotations)
    participant = one_line(str(session.manifest.get("participant") or "anon"))
    for number, strip in enumerate(made, 1):
        for copy, lane in enumerate(lanes(strip.stretches) or [[]], 1):
            check(cancel, path)
            tier = strip.name if copy == 1 else f"{strip.name} / {copy}"
            eaf.add_tier(tier, part=participant, ann=strip.by or None)
            for stretch in lane:
                eaf.add_annotation(tier, stretch.start, stretch.end, stretch.text)
        if progress is not None:
            progress(number / (len(made) + 1))
    with written(path) as draft:
        draft.write(Elan.to_string(eaf, encoding="UTF-8"))
    return (path,)


def _link(eaf: Any, session: RecordedSession, folder: Path) -> None:
    """The exported film, which ELAN plays everywhere, if it is there; else the medium."""
    film = folder / "film.mp4"
    medium = film if film.is_file() else session.media
    if medium is None:
        return
    try:
        relative = Path(os.path.relpath(medium, folder)).as_posix()
    except ValueError:  # another drive
        relative = medium.name
    kind = _KINDS.get(medium.suffix.lower()) or mimetypes.guess_type(medium.name)[0] or "unknown"
    address = quote(relative if relative.startswith(".") else f"./{relative}")
    eaf.add_linked_file(address, relpath=address, mimetype=kind)
