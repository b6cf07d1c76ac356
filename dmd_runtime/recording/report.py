"""What a session was and what was read of it: one HTML file without network or script, for the screen and for paper."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from dmd_runtime import __version__
from dmd_runtime.modality import EDGES, MODALITIES, UNIFORM, Graph, Modality
from dmd_runtime.recording import report_figures as draw
from dmd_runtime.recording.annotations import Annotations, Item, Tier, TierKind
from dmd_runtime.recording.export import check
from dmd_runtime.recording.export.provenance import marks, part, plain_text, written
from dmd_runtime.recording.export.utterances import text_of, utterances
from dmd_runtime.recording.reader import Readings, RecordedSession
from dmd_runtime.resources import resource

if TYPE_CHECKING:
    from dmd_runtime.recording.export import ExportOptions, OnShare

Row = dict[str, Any]
MOST_ITEMS: Final = 200
"""Of a tier in the report."""
_MARKS: Final = {
    "UNTRAINED": "The model has learned nothing: its emotions and edges mean nothing.",
    "SYNTHETIC": "Pictures and sound are a test signal, not a person.",
    "DEMO": "A demonstration that ships with the program, not a recording.",
}
_EMOTIONS: Final = {"happiness", "neutral", "surprise", "sadness", "anger", "fear", "disgust"}
_SPACES: Final = {Graph.HOMOGENEOUS: "shared space", Graph.HETEROGENEOUS: "own spaces"}
_STATES: Final = {"complete": "complete", "recovered": "recovered after a crash", "recording": "not finished"}


def write_page(
    session: RecordedSession,
    annotations: Annotations,
    folder: Path,
    options: ExportOptions,
    *,
    progress: OnShare | None = None,  # noqa: ARG001 - done in a second or two
    cancel: Event | None = None,
) -> tuple[Path, ...]:
    """Write ``report.html``: the report as an export format."""
    path = folder / "report.html"
    check(cancel, path)
    write_report(session, annotations, path, analysis=options.analysis)
    return (path,)


def write_report(
    session: RecordedSession, annotations: Annotations, path: Path, *, analysis: str | None = None
) -> None:
    """Write the report of a session, or of its re-analysis of this name, to ``path``, whole or not at all.

    Raises
    ------
    RecordingError
        It cannot be written, or a table cannot be read; names the file.
    """
    page = plain_text(report(session, annotations, analysis=analysis)).encode()
    with written(path) as draft:
        draft.write(page)


def report(session: RecordedSession, annotations: Annotations, *, analysis: str | None = None) -> str:
    """The report as HTML; whatever people wrote in it is escaped by the template."""
    import jinja2  # noqa: PLC0415

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(resource()),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html").render(_content(session, annotations, analysis))


def _content(session: RecordedSession, annotations: Annotations, analysis: str | None) -> dict[str, Any]:
    manifest, r = session.manifest, session.readings
    end = max([session.end, 1e-3, *r.t1[-1:].tolist()])
    middles = (np.maximum(r.t0, 0.0) + r.t1) / 2
    at = draw.scale(middles, end)
    names = ("participant", "session", "task")
    told = [str(manifest[key]) for key in names if manifest.get(key)] or [session.folder.name]
    started = str(part(manifest, "made_at").get("started") or "")
    return {
        "title": " · ".join(told),
        "subtitle": " · ".join(
            filter(None, (_moment(started), f"{draw.clock(end, tenths=end < 3600)} long", session.folder.name))
        ),
        "state": _STATES.get(session.state, session.state),
        "marks": [{"name": mark, "text": _MARKS.get(mark, "")} for mark in marks(session)],
        "recorded": list(_pairs(_recorded(session, end))),
        "people": list(_pairs(_people(manifest))),
        "figures": _figures(r),
        "emotions": _distribution(r),
        "why": _reasons(r),
        "averaged": round(len(r) / draw.POINTS) if len(r) > draw.POINTS * 1.5 else 0,
        "timeline": _timeline(r, at),
        "lanes": [_lane(tier, end) for tier in annotations.tiers if tier.kind is not TierKind.TRACE and tier.items],
        "coverage": _coverage(r, at),
        "graphs": _graphs(r, at) if len(r) else [],
        "most": f"{_most(r):g}",
        "ticks": draw.ticks(end),
        "tiers": [_tier(tier, end) for tier in annotations.tiers if tier.items],
        "transcript": [
            {"time": draw.clock(group[0].span.start, hours=end >= 3600), "text": text_of(group)}
            for group in utterances(session.words, longest=30, most=400)
        ],
        "no_words": str(part(manifest, "absent").get(Modality.LANGUAGE.value) or ""),
        "provenance": list(_pairs({"Re-analysis": analysis, **_provenance(manifest)})),
        "problems": list(session.problems),
        "made_by": f"dmd-live {__version__}",
    }


# ------------------------------------------------------------ facts


def _pairs(found: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    yield from ((name, str(value)) for name, value in found.items() if value not in (None, "", "None"))


def _recorded(session: RecordedSession, end: float) -> dict[str, object]:
    manifest = session.manifest
    source, counts = part(manifest, "source"), {**part(manifest, "counts"), **part(manifest, "recorded")}
    recovery = part(manifest, "recovery")
    lost = [
        f"{counts[k]:,} {t}" for k, t in (("frames_dropped", "dropped"), ("frames_skipped", "skipped")) if counts.get(k)
    ]
    frames = counts.get("frames")
    absent = part(manifest, "absent")
    return {
        "Participant": manifest.get("participant"),
        "Session": manifest.get("session") or session.folder.name,
        "Task": manifest.get("task"),
        "Source": f"{source.get('name', '')} ({source.get('kind', '')})" if source else None,
        "Devices": "\n".join(
            _device(device)
            for device in manifest.get("devices") or ()
            if isinstance(device, Mapping) and device.get("name")
        ),
        "Length": draw.clock(end, tenths=end < 3600),
        "Begun": _moment(str(part(manifest, "made_at").get("started") or "")),
        "Frames": f"{frames:,}" + (f" ({', '.join(lost)})" if lost else "") if isinstance(frames, int) else None,
        "Sound lost": f"{counts['audio_lost'] / 16:,.0f} ms" if counts.get("audio_lost") else None,
        "Windows, words": f"{len(session.readings):,}, {len(session.words):,}",
        "Missing": "\n".join(f"{key}: {why}" for key, why in absent.items()),
        "State": _STATES.get(session.state, session.state),
        "Recovered": "\n".join(
            filter(None, (_moment(str(recovery.get("at") or "")), *map(str, recovery.get("problems") or ())))
        ),
        "Ended by": manifest.get("error"),
    }


def _people(manifest: Mapping[str, Any]) -> dict[str, object]:
    consent = part(manifest, "consent")
    kind = part(manifest, "source").get("kind")
    none = "none was recorded" if kind == "device" else "none was asked for: the source is not a live device"
    return {
        "Consent": consent.get("text") or none,
        "Given by": consent.get("given_by"),
        "Recorded by": consent.get("recorded_by"),
        "Given at": _moment(str(consent.get("given_at") or "")),
        "Notes": manifest.get("notes") or "none",
    }


def _provenance(manifest: Mapping[str, Any]) -> dict[str, object]:
    made, media = part(manifest, "provenance"), part(manifest, "media")
    checkpoint, recipe = part(made, "checkpoint"), part(made, "recipe")
    trained = {"True": "yes", "False": "no: it has learned nothing"}.get(str(checkpoint.get("trained")))
    packages = part(made, "packages")
    extractors = part(recipe, "extractors")
    return {
        "Checkpoint": checkpoint.get("name"),
        "Digest": checkpoint.get("digest"),
        "Trained": trained,
        "Licence": checkpoint.get("licence"),
        "Feature recipe": recipe.get("id"),
        "Extractors": ", ".join(
            f"{m} {one.get('name')} {one.get('version')}" for m, one in extractors.items() if isinstance(one, Mapping)
        ),
        "Speech model": made.get("speech_model"),
        "Run": " on ".join(str(x) for x in (manifest.get("mode"), made.get("device")) if x),
        "Program": f"dmd-live {made.get('app_version', '')}, Python {made.get('python', '')}",
        "Packages": ", ".join(f"{name} {version}" for name, version in packages.items()),
        "Machine": made.get("machine"),
        "Medium": Path(str(media["path"])).name if media.get("path") else None,
        "SHA-256": media.get("sha256"),
    }


def _device(device: Mapping[str, Any]) -> str:
    return f"{device.get('kind', 'device')}: {device.get('name', '')}"


def _moment(iso: str) -> str:
    """``2026-11-25 07:08 UTC``, as far as ``iso`` is a time."""
    return f"{iso[:10]} {iso[11:16]} UTC" if iso[10:11] == "T" and iso.endswith("+00:00") else iso


# ------------------------------------------------------------ readings


def _color(label: str) -> str:
    return f"--E-{label}" if label in _EMOTIONS else "--E-other"


def _shown(r: Readings) -> np.ndarray[Any, np.dtype[np.bool_]]:
    return np.asarray(r.valid & np.isfinite(r.emotion).all(axis=1) & bool(r.labels))


def _figures(r: Readings) -> list[tuple[str, str]]:
    there = _shown(r)
    n = int(there.sum())
    figures = [(f"{n:,} of {len(r):,}", "windows valid")]
    if not n:
        return figures
    share = f"{100 * n / len(r):.0f} %"
    top = np.bincount(r.emotion[there].argmax(axis=1), minlength=len(r.labels))
    figures.append((share, "of all windows"))
    figures.append((r.labels[int(top.argmax())], f"likeliest most often ({100 * top.max() / n:.0f} %)"))
    felt = r.sentiment[there & np.isfinite(r.sentiment)]
    return [*figures, (_mean(felt, "+.2f"), "mean sentiment, −3 … 3")] if len(felt) else figures


def _distribution(r: Readings) -> list[Row]:
    there = _shown(r)
    if not there.any():
        return []
    mean = r.emotion[there].mean(axis=0, dtype=np.float64)
    top = np.bincount(r.emotion[there].argmax(axis=1), minlength=len(r.labels)) / there.sum()
    order = np.argsort(-mean, kind="stable")
    return [
        _row(
            r.labels[k],
            _svg(draw.bar(mean[k], _color(r.labels[k]))),
            f"{100 * top[k]:.0f} %",
            small=f"mean {mean[k]:.2f}",
        )
        for k in order
    ]


def _reasons(r: Readings) -> str:
    """The most frequent reason, where nothing was valid."""
    said = [reason for reason in r.reason if reason]
    return f"Most often: {max(set(said), key=said.count)}." if said else ""


def _timeline(r: Readings, at: draw.Scale) -> list[Row]:
    there = _shown(r)
    if not len(r):
        return []
    rows = []
    for k, label in enumerate(r.labels):
        p = np.where(there, r.emotion[:, k], np.nan)
        rows.append(_row(label, _svg(draw.area(at, p, color=_color(label), title=f"{label} over time")), _mean(p)))
    felt = np.where(r.valid, r.sentiment, np.nan)
    title = "sentiment over time"
    plot = draw.area(at, felt, color="", low=-3, high=3, base=0, title=title)
    return [*rows, _row("sentiment", _svg(plot), _mean(felt, "+.2f"), small="−3 … 3")]


def _coverage(r: Readings, at: draw.Scale) -> list[Row]:
    found = [(f"{m.value} {m.word}", r.coverage[:, i], f"--{m.value}") for i, m in enumerate(MODALITIES)]
    found += [("speech", r.speech, ""), ("valid windows", r.valid.astype(np.float64), "")]
    return [
        _row(name, _svg(draw.area(at, v, color=color, title=f"{name} over time")), _mean(v * 100, ".0f") + " %")
        for name, v, color in found
    ]


def _most(r: Readings) -> float:
    """Top of the edges' rows, as a multiple of the uniform weight: nearly all lies below."""
    found = np.concatenate([r.edges[g].ravel() for g in Graph]) / UNIFORM
    found = found[np.isfinite(found)]
    return float(np.clip(np.ceil(np.quantile(found, 0.995)), 2, 6)) if len(found) else 2.0


def _graphs(r: Readings, at: draw.Scale) -> list[dict[str, Any]]:
    most, graphs = _most(r), []
    for graph in Graph:
        ratio = r.edges[graph].astype(np.float64) / UNIFORM
        there = np.isfinite(ratio).all(axis=1)
        name = f"{graph.name.capitalize()} graph"
        rows: list[Row] = []
        picture = ""
        if there.any():
            weights = dict(zip(EDGES, ratio[there].mean(axis=0) * UNIFORM, strict=True))
            picture = draw.triangle(weights, f"{name}, mean weights")
            rows = [
                _row(
                    str(edge).replace(">", " → "),
                    _svg(
                        draw.area(
                            at,
                            ratio[:, k],
                            color=f"--{edge.teacher.value}",
                            high=most,
                            base=1,
                            title=f"{edge.words}, over time",
                        )
                    ),
                    f"{weights[edge] / UNIFORM:.2f}×",
                    small=edge.words,
                )
                for k, edge in enumerate(EDGES)
            ]
        small = f"{_SPACES[graph]}, {int(there.sum()):,} windows"
        graphs.append({"name": name, "small": small, "picture": _svg(picture), "rows": rows})
    return graphs


def _mean(values: np.ndarray[Any, np.dtype[Any]], form: str = ".2f") -> str:
    there = values[np.isfinite(values)]
    return format(there.mean(dtype=np.float64), form).replace("-", "−") if len(there) else "–"


# ------------------------------------------------------------ what people said


def _named(tier: Tier) -> str:
    return f"{tier.name} (by {tier.by})" if tier.by else tier.name


def _lane(tier: Tier, end: float) -> Row:
    colors = {label.name: label.color for label in tier.labels}
    items = (
        (item.t0, item.end, _own_color(colors.get(item.label, ""), item.label), item.label or item.note)
        for item in tier.items
    )
    return _row(
        tier.name, _svg(draw.spans(items, end, title=f"{tier.name} over time")), f"{len(tier.items)}", small=tier.by
    )


def _own_color(color: str, label: str) -> str:
    """A label's own colour, if it is one, else the emotion's."""
    digits = color.removeprefix("#")
    is_color = color.startswith("#") and len(digits) == 6 and all(c in "0123456789abcdefABCDEF" for c in digits)
    return color if is_color else _color(label) if label in _EMOTIONS else "--dim"


def _tier(tier: Tier, end: float) -> dict[str, Any]:
    if tier.kind is TierKind.TRACE:
        t, values = tier.samples
        at = draw.scale(t, end)
        plot = _svg(draw.curve(at, values, low=-1, high=1, title=f"{tier.name} over time"))
        row = _row(tier.name, plot, _mean(values, "+.2f"), small="−1 … 1; right: mean")
        return {"name": _named(tier), "plot": row, "said": [], "more": 0}
    items = [_item(item, end) for item in tier.items[:MOST_ITEMS]]
    return {"name": _named(tier), "plot": None, "said": items, "more": len(tier.items) - len(items)}


def _item(item: Item, end: float) -> dict[str, str]:
    hours = end >= 3600
    stop = "" if item.t1 is None else draw.clock(item.t1, hours=hours, tenths=True)
    start = draw.clock(item.t0, hours=hours, tenths=True)
    return {"start": start, "end": stop, "label": item.label, "note": item.note}


def _row(name: str, plot: Any, figure: str, *, small: str = "") -> Row:
    return {"name": name, "small": small, "plot": plot, "figure": figure, "color": ""}


def _svg(text: str) -> Any:
    """Marked as safe: made of numbers and escaped text."""
    from markupsafe import Markup  # noqa: PLC0415

    return Markup(text)
