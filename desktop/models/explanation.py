"""Why the screen says what it says, in plain words: who was there, what each says, who teaches whom, made by what."""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtCore import QCoreApplication

from desktop.models.words import (
    coverage_words,
    edge_words,
    emotion_word,
    graph_words,
    mark_words,
    modality_word,
    present,
    signed,
    span_text,
    uniform_words,
)
from dmd_runtime import MODALITIES, Graph, Reading

translate = QCoreApplication.translate


def explain(reading: Reading | None, label: str | None, shown: Mapping[str, float], smoothing: float) -> str:
    """Plain text of a few short paragraphs about ``reading``; ``label`` and ``shown`` are what is on screen.

    ``smoothing`` is the time constant of ``shown`` in seconds.
    """
    if reading is None:
        return translate(
            "explanation", "There is no reading yet: the first window needs a few seconds of picture, sound and words."
        )
    parts = [
        translate(
            "explanation", "Window {span}. This is what the person expresses, never what the person feels."
        ).format(span=span_text(reading.span)),
        _together(reading, label, shown, smoothing),
        _who(reading),
        _alone(reading),
        _edges(reading),
        _settled(reading),
        _made_by(reading),
    ]
    return "\n\n".join(part for part in parts if part)


def _together(reading: Reading, label: str | None, shown: Mapping[str, float], smoothing: float) -> str:
    if not reading.valid:
        reason = reading.reason or translate("explanation", "no reason given")
        return translate("explanation", "Not valid: {reason}. No emotion is shown rather than a guess.").format(
            reason=reason
        )
    lines = []
    if label is not None and reading.emotion is not None:
        text = translate(
            "explanation", "Together they say {emotion}, {shown:.2f} shown and {raw:.2f} in this window alone."
        )
        lines.append(text.format(emotion=emotion_word(label), shown=shown[label], raw=reading.emotion[label]))
        lines.append(
            translate("explanation", "What is shown is smoothed over {seconds:.1f} s; what is saved is raw.").format(
                seconds=smoothing
            )
            if smoothing > 0
            else translate("explanation", "Nothing is smoothed.")
        )
    else:
        lines.append(translate("explanation", "This checkpoint has no emotion labels."))
    if reading.sentiment is not None:
        lines.append(translate("explanation", "Sentiment {value} of −3 to +3.").format(value=signed(reading.sentiment)))
    return " ".join(lines)


def _who(reading: Reading) -> str:
    here = present(reading)
    lines = [
        translate("explanation", "{modality} ({letter}): {coverage}, {role}.").format(
            modality=_capital(modality_word(m)),
            letter=m.value,
            coverage=coverage_words(m, reading.coverage[m]),
            role=translate("explanation", "took part") if m in here else translate("explanation", "left out"),
        )
        for m in MODALITIES
    ]
    if reading.reason and reading.valid:
        lines.append(translate("explanation", "Missing: {reason}.").format(reason=reading.reason))
    return "\n".join(lines)


def _alone(reading: Reading) -> str:
    said = []
    for m in MODALITIES:
        opinion = reading.unimodal[Graph.HOMOGENEOUS][m]
        if opinion:
            first = max(opinion, key=lambda name: opinion[name])
            said.append(f"{modality_word(m)} {emotion_word(first)} {opinion[first]:.2f}")
    return translate("explanation", "Each alone: {opinions}.").format(opinions=", ".join(said)) if said else ""


def _edges(reading: Reading) -> str:
    lines = []
    for graph in Graph:
        edges = reading.edges[graph]
        if edges is None:
            continue
        strongest = max(edges, key=lambda edge: edges[edge])
        lines.append(
            translate("explanation", "Strongest edge of the {graph}: {edge}, {weight:.3f} ({uniform}).").format(
                graph=graph_words(graph),
                edge=edge_words(strongest),
                weight=edges[strongest],
                uniform=uniform_words(),
            )
        )
    return "\n".join(lines) or translate("explanation", "There is no distillation graph in this window.")


def _settled(reading: Reading) -> str:
    late = [modality_word(m) for m in MODALITIES if not reading.settled[m]]
    if not late:
        return translate("explanation", "All of the window had arrived when it was read.")
    return translate(
        "explanation", "Still arriving when it was read: {modalities}. What comes late reaches the next windows."
    ).format(modalities=", ".join(late))


def _made_by(reading: Reading) -> str:
    made = reading.provenance
    lines = [
        translate(
            "explanation", "Checkpoint {name} ({checkpoint}), features {recipe}, on {device}, version {version}."
        ).format(
            name=made.checkpoint_name,
            checkpoint=made.checkpoint[:19],
            recipe=made.recipe[:19],
            device=made.device,
            version=made.app_version,
        )
    ]
    return "\n".join([*lines, *(f"{mark}: {mark_words(mark)}" for mark in made.marks)])


def _capital(word: str) -> str:
    return word[:1].upper() + word[1:]
