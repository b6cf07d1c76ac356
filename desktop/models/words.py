"""The words in which modalities, edges, emotions and times are said, the same everywhere on screen and to a reader."""

from __future__ import annotations

from typing import Final

from PySide6.QtCore import QCoreApplication

from dmd_runtime import UNIFORM, Edge, Graph, Modality, Reading

translate = QCoreApplication.translate

EMOTIONS: Final = ("happiness", "neutral", "surprise", "sadness", "anger", "fear", "disgust")
"""The order in which emotions are listed; labels of a checkpoint that are not here follow in its own order."""


def in_order(labels: tuple[str, ...]) -> tuple[str, ...]:
    """``labels`` in the order of :data:`EMOTIONS`, unknown ones last."""
    return (*(e for e in EMOTIONS if e in labels), *(e for e in labels if e not in EMOTIONS))


def emotion_word(label: str) -> str:
    """An emotion in running text."""
    known = {
        "happiness": translate("words", "happiness"),
        "neutral": translate("words", "neutral"),
        "surprise": translate("words", "surprise"),
        "sadness": translate("words", "sadness"),
        "anger": translate("words", "anger"),
        "fear": translate("words", "fear"),
        "disgust": translate("words", "disgust"),
    }
    return known.get(label, label)


def modality_word(m: Modality) -> str:
    """A modality in running text; each begins with its letter, save that V is for vision."""
    return {
        Modality.LANGUAGE: translate("words", "language"),
        Modality.VISUAL: translate("words", "vision"),
        Modality.ACOUSTIC: translate("words", "audio"),
    }[m]


def graph_name(graph: Graph) -> str:
    """The graph's short title."""
    homogeneous = graph is Graph.HOMOGENEOUS
    return translate("words", "HomoGD") if homogeneous else translate("words", "HeteroGD")


def graph_words(graph: Graph) -> str:
    """The graph in running text."""
    if graph is Graph.HOMOGENEOUS:
        return translate("words", "homogeneous graph (shared space)")
    return translate("words", "heterogeneous graph (own space)")


def edge_words(edge: Edge) -> str:
    """E.g. ``language teaches vision``."""
    return translate("words", "{teacher} teaches {student}").format(
        teacher=modality_word(edge.teacher), student=modality_word(edge.student)
    )


def trust_words(edge: Edge) -> str:
    """What the weight of an edge means, in one sentence."""
    return translate("words", "How far {student} should trust {teacher} for this window.").format(
        student=modality_word(edge.student), teacher=modality_word(edge.teacher)
    )


def edge_arrow(edge: Edge) -> str:
    """E.g. ``L→V``."""
    return f"{edge.teacher.value}→{edge.student.value}"


def uniform_words() -> str:
    """``uniform 0.17``."""
    return translate("words", "uniform {value:.2f}").format(value=UNIFORM)


def span_text(span: tuple[float, float]) -> str:
    """The times of a window, e.g. ``12.0–16.0 s``."""
    return translate("words", "{start:.1f}–{end:.1f} s").format(start=span[0], end=span[1])


def signed(value: float, digits: int = 1) -> str:
    """A number with its sign, with a true minus."""
    text = f"{value:+.{digits}f}"
    if float(text) == 0:
        text = f"{0:.{digits}f}"
    return text.replace("-", "−")


def coverage_text(coverage: dict[Modality, float]) -> str:
    """E.g. ``L 0.81 V 0.97 A 1.00``."""
    return " ".join(f"{m.value} {share:.2f}" for m, share in coverage.items())


def coverage_words(m: Modality, share: float) -> str:
    """What a modality's coverage means, e.g. ``a face in 0.97 of the pictures``."""
    return {
        Modality.LANGUAGE: translate("words", "words cover {share:.2f} of the window"),
        Modality.VISUAL: translate("words", "a face in {share:.2f} of the pictures"),
        Modality.ACOUSTIC: translate("words", "{share:.2f} of the sound received"),
    }[m].format(share=share)


def mark_words(mark: str) -> str:
    """What a mark (UNTRAINED, DEMO, SYNTHETIC) warns of."""
    known = {
        "UNTRAINED": translate("words", "The model's weights are random; its emotions and edges mean nothing yet."),
        "DEMO": translate("words", "A warped portrait and a synthetic voice, not a person."),
        "SYNTHETIC": translate("words", "Test signals, not a person."),
    }
    return known.get(mark, mark)


def present(reading: Reading, graph: Graph = Graph.HOMOGENEOUS) -> frozenset[Modality]:
    """The modalities that took part in ``reading``.

    A vertex with an opinion took part. A checkpoint without emotion labels has no opinions to go by; there the
    vertices that teach with any weight took part, and with no graph those that were covered at all.
    """
    opinions = reading.unimodal.get(graph, {})
    heard = frozenset(m for m in Modality if opinions.get(m) is not None)
    if heard or reading.emotion is not None or not reading.valid:
        return heard
    edges = reading.edges.get(graph)
    if edges is not None:
        return frozenset(e.teacher for e, weight in edges.items() if weight > 0)
    return frozenset(m for m, share in reading.coverage.items() if share > 0)
