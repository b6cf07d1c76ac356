"""The vertices and edges of both distillation graphs: the one place that knows their order.

Order everywhere is (L, V, A). An :class:`Edge` points from the *teacher* to the *student*; ``EDGES`` lists the six
directed edges grouped by student, the order in which the published graph-distillation unit emits them
(Li, Wang and Cui, CVPR 2023, https://arxiv.org/abs/2303.13802, section 3.3).
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class Modality(Enum):
    """One vertex of a distillation graph; the value is its letter."""

    LANGUAGE = "L"
    VISUAL = "V"
    ACOUSTIC = "A"

    @property
    def word(self) -> str:
        """The modality's name in running text, e.g. ``"language"``."""
        return self.name.lower()


class Graph(Enum):
    """A distillation graph; the value is its short name in files."""

    HOMOGENEOUS = "homo"
    HETEROGENEOUS = "hetero"


class Edge(NamedTuple):
    """A directed edge of a distillation graph."""

    teacher: Modality
    student: Modality

    def __str__(self) -> str:
        return f"{self.teacher.value}>{self.student.value}"

    @property
    def words(self) -> str:
        """The edge in words, e.g. ``"language teaches visual"``."""
        return f"{self.teacher.word} teaches {self.student.word}"


MODALITIES: tuple[Modality, ...] = tuple(Modality)
EDGES: tuple[Edge, ...] = tuple(
    Edge(teacher=teacher, student=student) for student in MODALITIES for teacher in MODALITIES if teacher is not student
)
UNIFORM: float = 1.0 / len(EDGES)
"""The weight of every edge where the graph prefers none."""
