"""Events as BIDS has them: ``events.tsv`` with ``events.json`` beside it.

https://bids-specification.readthedocs.io/en/stable/modality-specific-files/task-events.html
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any, Final

from dmd_runtime import __version__
from dmd_runtime.recording.annotations import Annotations
from dmd_runtime.recording.export import check
from dmd_runtime.recording.export.provenance import one_line, provenance, utf8, written
from dmd_runtime.recording.export.strips import Strip, StripKind, strips
from dmd_runtime.recording.reader import RecordedSession

if TYPE_CHECKING:
    from dmd_runtime.recording.export import ExportOptions, OnShare

_NOTHING: Final = "n/a"
_COLUMNS: Final[Mapping[str, Mapping[str, Any]]] = {
    "onset": {"Description": "When it begins, from the first picture or sample of the source.", "Units": "s"},
    "duration": {"Description": "How long it lasts; 0 for a moment.", "Units": "s"},
    "trial_type": {
        "Description": "What it is.",
        "Levels": {
            "word": "A word as the speech recogniser heard it.",
            "utterance": "Words without a long pause between them.",
            "expressed emotion": "The likeliest emotion as a model reads it off face, voice and words; not what is "
            "felt. Windows overlap; each stands for its middle. No event where there was no valid reading.",
            "annotation": "What a person said of the session: a marker, a label, a note.",
        },
    },
    "value": {"Description": "The word, the text, the emotion, the label."},
    "tier": {"Description": "Name of the tier it belongs to."},
    "rater": {"Description": "Who or what said so."},
    "note": {"Description": "The label with the free text that was added to it."},
}


def write_events(
    session: RecordedSession,
    annotations: Annotations,
    folder: Path,
    options: ExportOptions,
    *,
    progress: OnShare | None = None,  # noqa: ARG001 - done at once
    cancel: Event | None = None,
) -> tuple[Path, ...]:
    """Write ``events.tsv``, by onset, and ``events.json``, which says what its columns are and what made them.

    Traces are no events; they are in ``annotations.csv``.
    """
    path, sidecar = folder / "events.tsv", folder / "events.json"
    rows = sorted(row for strip in strips(session, annotations) for row in _rows(strip))
    with written(path) as draft:
        draft.write(("\t".join(_COLUMNS) + "\n").encode())
        for start, length, *texts in rows:
            check(cancel, path)
            cells = (f"{start / 1000:.3f}", f"{length / 1000:.3f}", *(one_line(text) or _NOTHING for text in texts))
            draft.write(("\t".join(cells) + "\n").encode())
    about = {
        **_COLUMNS,
        "GeneratedBy": [{"Name": "dmd-live", "Version": __version__}],
        "Provenance": provenance(session, options.analysis),
    }
    with written(sidecar) as draft:
        draft.write(utf8(json.dumps(about, indent=2, ensure_ascii=False)).encode() + b"\n")
    return path, sidecar


def _rows(strip: Strip) -> Iterator[tuple[int, int, str, str, str, str, str]]:
    if strip.kind is StripKind.TRACE:
        return
    for s in strip.stretches:
        note = s.text if s.text != s.label else ""
        yield s.start, s.end - s.start, strip.kind.value, s.label, strip.tier, strip.by, note
