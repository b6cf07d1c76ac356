"""Sessions to annotate, and strategies for annotations."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from dmd_runtime.recording.annotations import Annotations, Item, Label, Tier, TierKind
from dmd_runtime.recording.manifest import FORMAT, write_manifest

CATEGORY = ("emotion", "anna")
SPANS = ("marker", "anna")
TRACE = ("valence", "anna")

times = st.floats(-1.0, 20.0, allow_nan=False).map(lambda t: round(t, 2))
names = st.sampled_from(["smile", "doubt", "Fräulein „x“", "\U0001f642"])


def empty() -> Annotations:
    """One tier of each kind that has a rule of its own."""
    labels = (Label(name="smile", color="#f0c44c", key="s", span=True),)
    return Annotations(
        tiers=(
            Tier(name=CATEGORY[0], by=CATEGORY[1], kind=TierKind.CATEGORY, labels=labels),
            Tier(name=SPANS[0], by=SPANS[1], kind=TierKind.SPAN),
            Tier(name=TRACE[0], by=TRACE[1], kind=TierKind.TRACE),
        )
    )


def make_session(
    folder: Path,
    *,
    markers: Iterable[dict[str, Any] | str] = (),
    traces: Iterable[dict[str, Any]] = (),
    end: float = 60.0,
) -> Path:
    """A session folder with what was marked in it, and nothing else."""
    folder.mkdir(parents=True, exist_ok=True)
    write_manifest(folder, {"format": FORMAT, "state": "complete", "counts": {"media_end_s": end}})
    lines = [line if isinstance(line, str) else json.dumps(line) for line in markers]
    (folder / "markers.jsonl").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    if traces := list(traces):
        (folder / "traces.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in traces), encoding="utf-8")
    return folder


@st.composite
def spans(draw: st.DrawFn) -> tuple[float, float]:
    """A start and a later end."""
    t0 = draw(times)
    return t0, round(t0 + draw(st.floats(0.01, 8.0)) + 0.01, 2)


@st.composite
def edits(draw: st.DrawFn, annotations: Annotations) -> Annotations:
    """Some edit of ``annotations`` that fits."""
    key = draw(st.sampled_from([tier.key for tier in annotations.tiers]))
    tier = annotations.tier(key)
    if tier.kind is TierKind.TRACE:
        samples = draw(st.dictionaries(times, st.floats(-1, 1, width=32), max_size=6))
        start = draw(st.none() | times)
        return annotations.set_trace(key, list(samples), list(samples.values()), start=start)
    t0, t1 = draw(spans())
    verb = draw(st.sampled_from(["add", "change", "remove"])) if tier.items else "add"
    if verb == "add":
        used = {item.id for item in tier.items}
        free = next(name for name in (f"i{n}" for n in range(99)) if name not in used)
        return annotations.add_item(key, Item(id=free, t0=t0, t1=t1, label=draw(names), note=draw(names)))
    chosen = draw(st.sampled_from(tier.items))
    if verb == "remove":
        return annotations.remove_item(key, chosen.id)
    return annotations.change_item(key, Item(id=chosen.id, t0=t0, t1=t1, label=draw(names)))
