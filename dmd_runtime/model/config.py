"""Sizes and rates of a DMD model; everything a checkpoint must state for its weights to mean something."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dmd_runtime.errors import ConfigError
from dmd_runtime.modality import EDGES, MODALITIES, Graph, Modality

MEMORY_LAYERS = 3
"""A memory transformer has at least this many layers, as in the reference."""
GRAPH_WIDTH: Mapping[Graph, int] = {Graph.HOMOGENEOUS: 64, Graph.HETEROGENEOUS: 32}
"""Hidden widths of the published graph-distillation units."""
MOST_LAYERS = 64
"""More would let a few bytes of configuration ask for millions of modules."""


@dataclass(frozen=True, kw_only=True)
class Dropout:
    """Probabilities with which activations are zeroed in training; the defaults are those published for CMU-MOSI."""

    text: float = 0.5
    """Of the language input."""
    embedding: float = 0.2
    """Of a transformer's input, after the positions were added."""
    output: float = 0.5
    """Inside the residual heads."""
    attention: Mapping[Modality, float] = field(
        default_factory=lambda: {Modality.LANGUAGE: 0.3, Modality.VISUAL: 0.0, Modality.ACOUSTIC: 0.2}
    )
    """Of attention weights, by the modality that keys and values come from."""

    def __post_init__(self) -> None:
        for name, p in {
            "text": self.text,
            "embedding": self.embedding,
            "output": self.output,
            **{m.value: self.attention.get(m, -1.0) for m in MODALITIES},
        }.items():
            if not (_is_number(p) and 0 <= p < 1):
                raise ConfigError(f"dropout {name}: expected a probability in [0, 1), got {p!r}")


@dataclass(frozen=True, kw_only=True)
class DMDConfig:
    """What a DMD model is made of.

    Attributes
    ----------
    dims : {Modality: D_m}
        Width of an input row.
    lengths : {Modality: T_m}
        Rows of an input; 15 linear layers depend on them.
    kernels : {Modality: k_m}
        Of the first convolution; T_m - k_m + 1 steps are left.
    width : int
        Model width d; even, and a multiple of ``heads``.
    heads, layers : int
        Of every transformer; a memory transformer has at least three layers.
    graph_width : {Graph: int}
        Hidden width of a graph-distillation unit.
    temperature : float
        Of the softmax over the six edges.
    labels : tuple of str
        Emotion classes; empty for a model that only scores sentiment.
    sentiment : bool
        Whether the last output is a sentiment score.
    prior : {Graph: six weights in the order of EDGES}
        What training pulls the mean edges to; empty where there was none.
    """

    dims: Mapping[Modality, int]
    lengths: Mapping[Modality, int]
    kernels: Mapping[Modality, int]
    width: int
    heads: int
    layers: int
    graph_width: Mapping[Graph, int] = field(default_factory=lambda: dict(GRAPH_WIDTH))
    temperature: float = 8.0
    labels: tuple[str, ...] = ()
    sentiment: bool = True
    prior: Mapping[Graph, tuple[float, ...]] = field(default_factory=dict)
    dropout: Dropout = field(default_factory=Dropout)

    def __post_init__(self) -> None:
        self._check_sizes()
        for m in MODALITIES:
            if self.lengths[m] < self.kernels[m]:
                raise ConfigError(
                    f"model: {m.word} has {self.lengths[m]} rows, fewer than its kernel of {self.kernels[m]} covers"
                )
        if self.width % self.heads or self.width % 2:
            raise ConfigError(f"model: width must be even and a multiple of heads; got {self.width} and {self.heads}")
        if not (_is_number(self.temperature) and 0 < self.temperature < math.inf):
            raise ConfigError(f"model: temperature must be a finite number above 0, got {self.temperature!r}")
        if not isinstance(self.sentiment, bool) or not all(isinstance(label, str) and label for label in self.labels):
            raise ConfigError(
                f"model: expected labels with names and a yes or no, got {self.labels}, {self.sentiment!r}"
            )
        if self.outputs < 1 or len(set(self.labels)) != len(self.labels):
            raise ConfigError(
                f"model: expected different labels, or a sentiment score; got {self.labels}, {self.sentiment}"
            )
        for graph, weights in self.prior.items():
            if len(weights) != len(EDGES) or not all(_is_number(w) and 0 <= w < math.inf for w in weights):
                raise ConfigError(
                    f"model: the prior of {graph.value} must be {len(EDGES)} numbers of at least 0, got {weights}"
                )

    def _check_sizes(self) -> None:
        sizes: dict[str, Any] = {"width": self.width, "heads": self.heads, "layers": self.layers}
        for name in ("dims", "lengths", "kernels"):
            sizes |= {f"{name}.{m.value}": getattr(self, name).get(m) for m in MODALITIES}
        sizes |= {f"graph_width.{g.value}": self.graph_width.get(g) for g in Graph}
        for name, size in sizes.items():
            most = MOST_LAYERS if name == "layers" else 100_000
            if isinstance(size, bool) or not isinstance(size, int) or not 0 < size <= most:
                raise ConfigError(f"model: {name} must be a whole number from 1 to {most}, got {size!r}")

    @property
    def outputs(self) -> int:
        """Numbers per prediction: the labels, then sentiment."""
        return len(self.labels) + int(self.sentiment)

    @property
    def memory_layers(self) -> int:
        """Layers of a memory transformer."""
        return max(self.layers, MEMORY_LAYERS)

    @property
    def steps(self) -> dict[Modality, int]:
        """Steps left after the first convolution, T_m - k_m + 1."""
        return {m: self.lengths[m] - self.kernels[m] + 1 for m in MODALITIES}

    def to_json(self) -> dict[str, Any]:
        """A JSON object from which :meth:`from_json` makes an equal configuration."""
        return {
            "dims": {m.value: self.dims[m] for m in MODALITIES},
            "lengths": {m.value: self.lengths[m] for m in MODALITIES},
            "kernels": {m.value: self.kernels[m] for m in MODALITIES},
            "width": self.width,
            "heads": self.heads,
            "layers": self.layers,
            "graph_width": {g.value: self.graph_width[g] for g in Graph},
            "temperature": self.temperature,
            "labels": list(self.labels),
            "sentiment": self.sentiment,
            "prior": {g.value: list(w) for g, w in self.prior.items()},
            "dropout": {
                "text": self.dropout.text,
                "embedding": self.dropout.embedding,
                "output": self.dropout.output,
                "attention": {m.value: self.dropout.attention[m] for m in MODALITIES},
            },
        }

    @classmethod
    def from_json(cls, body: Any) -> DMDConfig:
        """Read what :meth:`to_json` wrote.

        Raises
        ------
        ConfigError
            Something is missing, unknown or outside its rule.
        """
        try:
            rest = dict(body)
            dropout = dict(rest.pop("dropout"))
            attention = {Modality(k): p for k, p in dropout.pop("attention").items()}
            dims, lengths, kernels = (
                {Modality(k): v for k, v in rest.pop(name).items()} for name in ("dims", "lengths", "kernels")
            )
            return cls(
                dims=dims,
                lengths=lengths,
                kernels=kernels,
                graph_width={Graph(k): v for k, v in rest.pop("graph_width").items()},
                prior={Graph(k): tuple(v) for k, v in rest.pop("prior").items()},
                labels=_texts(rest.pop("labels")),
                temperature=rest.pop("temperature"),
                sentiment=rest.pop("sentiment"),
                dropout=Dropout(
                    attention=attention,
                    text=dropout.pop("text"),
                    embedding=dropout.pop("embedding"),
                    output=dropout.pop("output"),
                    **dropout,
                ),
                **rest,
            )
        except KeyError as error:
            raise ConfigError(f"model configuration: expected the fields of DMDConfig, {error} is missing") from error
        except (AttributeError, TypeError, ValueError) as error:
            raise ConfigError(f"model configuration: expected the fields of DMDConfig, got {error}") from error


def _is_number(x: Any) -> bool:
    return isinstance(x, int | float) and not isinstance(x, bool)


def _texts(labels: Any) -> tuple[str, ...]:
    if not isinstance(labels, list):
        raise TypeError(f"labels {labels!r} where a list belongs")
    return tuple(labels)
