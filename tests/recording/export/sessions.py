"""Session folders made line by line, as ordinary or as odd as a test wants them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dmd_runtime.modality import EDGES, MODALITIES, Graph

LABELS = ("happiness", "neutral", "surprise", "sadness", "anger", "fear", "disgust")
WORDS = ((0.5, 0.9, "Well,"), (0.9, 1.3005, "that"), (1.3005, 1.5, "is"), (1.52, 2.0, "all."), (5.25, 5.9, "Right?"))
HOSTILE = "</script><script>alert(1)</script>&\"'<b>"

Line = dict[str, Any]


def write_session(
    root: Path,
    *,
    words: Sequence[tuple[float, float, str]] = WORDS,
    readings: Sequence[Line] | None = None,
    markers: Sequence[Line] = (),
    traces: Sequence[Line] = (),
    manifest: Mapping[str, Any] | None = None,
    faces: int = 30,
    end: float = 10.0,
    name: str = "sub-p1/ses-one",
) -> Path:
    """A session folder below ``root``."""
    folder = root / name
    folder.mkdir(parents=True)
    said = [{"t0": a, "t1": b, "text": text, "p": 0.875, "speaker_visible": True, "marks": []} for a, b, text in words]
    seen = [{"t": i / 15, "box": [0.25, 0.1, 0.5, 0.6], "confidence": 0.9, "id": 1, "marks": []} for i in range(faces)]
    lines = [reading(t / 2, end=end) for t in range(4, int(2 * end) + 1)] if readings is None else readings
    tables = {"words": said, "faces": seen, "readings": lines, "markers": markers, "health": ()}
    for table, rows in tables.items():
        _write(folder / f"{table}.jsonl", rows)
    if traces:
        _write(folder / "traces.jsonl", traces)
    about = {
        "format": 1,
        "state": "complete",
        "mode": "exact",
        "marks": [],
        "participant": "p1",
        "task": "talk",
        "source": {"kind": "file", "name": "film.mp4", "details": {}},
        "media": None,
        "made_at": {"started": "2026-11-25T07:08:36.575913+00:00", "finished": "2026-11-25T07:08:39+00:00"},
        "provenance": {
            "checkpoint": {"name": "starter", "digest": "sha256:abc", "trained": True},
            "recipe": {"id": "00c97ac1b4f2"},
        },
        "counts": {"frames": 135, "media_end_s": end},
        **(manifest or {}),
    }
    (folder / "session.json").write_text(json.dumps(about))
    return folder


def reading(t1: float, *, end: float = 10.0, valid: bool = True, marks: Sequence[str] = ()) -> Line:
    """The line of a window that ends at ``t1``; what it says moves from the first label to the third."""
    share = t1 / end
    p = np.full(len(LABELS), 0.02)
    p[0], p[2] = 0.9 * (1 - share), 0.9 * share
    emotion = dict(zip(LABELS, (p / p.sum()).tolist(), strict=True))
    weights = np.linspace(0.1, 0.1 + share, len(EDGES))
    edges = dict(zip(map(str, EDGES), (weights / weights.sum()).tolist(), strict=True))
    own = {m.value: emotion if valid else None for m in MODALITIES}
    return {
        "t0": max(0.0, t1 - 4),
        "t1": t1,
        "made_at": t1 + 0.123456,
        "valid": valid,
        "reason": "" if valid else "no face for 3 s, words only",
        "coverage": {"L": 0.5, "V": 1.0 if valid else 0.0, "A": 1.0},
        "speech": 0.75,
        "emotion": emotion if valid else None,
        "sentiment": 2 * share - 1 if valid else None,
        "unimodal": {g.value: own for g in Graph},
        "edges": {g.value: edges if valid else None for g in Graph},
        "prior": None,
        "marks": list(marks),
    }


def marker(
    t0: float, label: str, *, t1: float | None = None, tier: str = "marker", note: str = "", **more: Any
) -> Line:
    """A line of ``markers.jsonl``."""
    return {"t0": t0, "t1": t1, "tier": tier, "label": label, "note": note, "by": "ada", **more}


ANNOTATED: dict[str, Any] = {
    "markers": (
        marker(1.0005, "question", note="asked\ntwice", id="a"),
        marker(7.25, "question", id="b"),
        marker(2.0, "pause", t1=3.5, tier="talk", id="c"),
        marker(3.0, "laugh", t1=4.0, tier="talk", id="d"),  # overlaps
        marker(1.0, "happiness", t1=2.0, tier="emotion", id="e"),
        marker(2.0, "sadness", t1=6.5, tier="emotion", id="f"),
    ),
    "traces": tuple(
        {"t": t / 4, "tier": "valence", "value": round(np.sin(t / 4).item(), 3), "by": "ada"} for t in range(40)
    ),
}
_NAN = {"emotion": dict.fromkeys(LABELS, "nothing"), "sentiment": "much", "made_at": None}
ODD: Mapping[str, Mapping[str, Any]] = {
    "no words": {"words": ()},
    "no readings": {"readings": ()},
    "nothing at all": {"words": (), "readings": (), "faces": 0, "end": 0.0},
    "no valid reading": {"readings": [reading(t / 2, valid=False) for t in range(4, 20)]},
    "emotion is no number": {"readings": [reading(t / 2) | _NAN for t in range(4, 20)]},
    "one reading": {"readings": [reading(2.0)]},
    "gaps": {"readings": [reading(t / 2, valid=t % 5 > 1) for t in range(4, 20)]},
    "scripts": {
        "words": ((0.1, 0.5, "你好"), (0.5, 0.9, "世界"), (1.0, 1.5, "שלום"), (1.5, 2.0, "مرحبا"), (2.0, 2.5, "🙂"))
    },
    "hostile words": {
        "words": (
            (0.1, 0.5, HOSTILE),
            (0.5, 0.9, "a\x00b\x0b\ud800\uffff"),
            (1.0, 1.5, "--> ]]> <!--"),
            (1.5, 2.0, 'x"y""z'),
            (2.0, 2.5, "new\r\n\r\nline\u2028"),
            (3.0, 3.5, " "),
            (3.5, 4.0, ""),
        )
    },
    "hostile names": {
        "manifest": {
            "participant": HOSTILE,
            "task": "a\n\nb\t-->",
            "notes": f"one\n\n{HOSTILE}\x00",
            "session": "\ud800",
        },
        "markers": (marker(1.0, HOSTILE, note=f"{HOSTILE}\n\n--> 2", tier=HOSTILE), marker(1.5, "", tier="\n")),
    },
    "words that overlap": {
        "words": ((0.0, 2.0, "long"), (0.5, 1.0, "inside"), (1.0, 1.0, "short"), (1.0, 1.0, "twice"))
    },
    "the same moment twice": {
        "markers": (marker(1.0, "a", id="1"), marker(1.0, "b", id="2"), marker(1.0002, "c", id="3"))
    },
    "beyond the end": {"words": ((20.0, 30.0, "late"),), "markers": (marker(50.0, "later"),), "end": 5.0},
    "a span left open": {"markers": (marker(2.0, "pause", tier="talk", id="x", open=True),)},
    "two tiers of one name": {
        "markers": (
            marker(1.0, "a", tier="words"),
            marker(1.0, "b", tier="words (ada)") | {"by": ""},
            marker(2.0, "c", tier="x"),
        )
    },
    "recovered": {
        "manifest": {
            "state": "recovered",
            "recovery": {"at": "2026-11-25T09:00:00+00:00", "problems": ["words.jsonl: torn"], "media_end_s": 9.5},
            "counts": {},
        }
    },
    "recording": {"manifest": {"state": "recording", "counts": {}}},
    "marked": {"manifest": {"marks": ["UNTRAINED"]}, "readings": [reading(2.0, marks=["UNTRAINED", "SYNTHETIC"])]},
    "bare manifest": {
        "manifest": {"source": None, "provenance": {}, "participant": None, "task": None, "made_at": None, "counts": {}}
    },
    "annotated": ANNOTATED,
}
"""Whatever a session may hold that a format might choke on; keywords of :func:`write_session`."""


def _write(path: Path, rows: Sequence[Line]) -> None:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
