"""Sizes and rates of a DMD model; everything a checkpoint must state for its weights to mean something."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from dmd_runtime.errors import ConfigError
from dmd_runtime.modality import EDGES, MODALITIES, Graph, Modality

MEMORY_LAYERS = 3
"""A memory transformer has at least this many layers, as in the reference."""
GRAPH_WIDTH: Mapping[Graph, int] = {Graph.HOMOGENEOUS: 64, Graph.HETEROGENEOUS: 32}
"""Hidden widths of the published graph-distillation units."""
MOST_LAYERS = 64
"""More would let a few bytes of configuration ask for millions of modules."""
MOST_SIZE = 100_000
"""Of anything else that is counted."""
EDGE_FORMS = ("published", "interaction")
"""How the distillation units score an edge; ``distillation.UNITS`` has them."""
STRIDES = (1, 2, 4)
"""By how much a stem may shorten time."""


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
class StemConfig:
    """A small learned front end of one modality; :mod:`dmd_runtime.model.stems` has it.

    Attributes
    ----------
    channels : int
        Width of a step that leaves it.
    stride : int
        Rows of the window per such step: 1, 2 or 4.
    blocks : int
        Residual blocks behind the reduction of time; may be 0.
    kernel : int
        Steps that a convolution spans; odd, at least 3.
    instance_norm : bool
        Whether each channel is also given relative to its mean and deviation within the window.
    dropout : float
        Of what a block adds.
    """

    channels: int
    stride: int
    blocks: int
    kernel: int = 5
    instance_norm: bool
    dropout: float

    def __post_init__(self) -> None:
        _require_size("stem channels", self.channels)
        _require_size("stem kernel", self.kernel)
        _require_size("stem blocks", self.blocks, least=0, most=MOST_LAYERS)
        if self.kernel < 3 or self.kernel % 2 == 0:
            raise ConfigError(f"model: stem kernel must be odd and at least 3, got {self.kernel}")
        if isinstance(self.stride, bool) or not isinstance(self.stride, int) or self.stride not in STRIDES:
            raise ConfigError(f"model: stem stride must be one of {STRIDES}, got {self.stride!r}")
        if not isinstance(self.instance_norm, bool):
            raise ConfigError(f"model: stem instance_norm must be a yes or no, got {self.instance_norm!r}")
        if not (_is_number(self.dropout) and 0 <= self.dropout < 1):
            raise ConfigError(f"model: stem dropout must be a probability in [0, 1), got {self.dropout!r}")

    @property
    def halvings(self) -> int:
        """How often time is halved."""
        return self.stride.bit_length() - 1


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
    edge_form : str
        ``"published"`` or ``"interaction"``: how the distillation units score edges.
    temperature : float
        Of the softmax over the six edges, or over a student's two in the form ``"interaction"``.
    stems : {Modality: StemConfig}
        Front ends of some modalities; empty in the published model.
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
    edge_form: str = "published"
    temperature: float = 8.0
    stems: Mapping[Modality, StemConfig] = field(default_factory=dict)
    labels: tuple[str, ...] = ()
    sentiment: bool = True
    prior: Mapping[Graph, tuple[float, ...]] = field(default_factory=dict)
    dropout: Dropout = field(default_factory=Dropout)

    def __post_init__(self) -> None:
        self._check_sizes()
        self._check_stems()
        for m in MODALITIES:
            rows = self.inner_lengths[m]
            if rows < self.kernels[m]:
                raise ConfigError(
                    f"model: {m.word} has {rows} rows, fewer than its kernel of {self.kernels[m]} covers"
                    + (" behind its stem" if m in self.stems else "")
                )
        if self.width % self.heads or self.width % 2:
            raise ConfigError(f"model: width must be even and a multiple of heads; got {self.width} and {self.heads}")
        if self.edge_form not in EDGE_FORMS:
            raise ConfigError(f"model: edge_form must be one of {EDGE_FORMS}, got {self.edge_form!r}")
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
            _require_size(name, size, most=MOST_LAYERS if name == "layers" else MOST_SIZE)

    def _check_stems(self) -> None:
        for m, stem in self.stems.items():
            if not isinstance(m, Modality) or not isinstance(stem, StemConfig):
                raise ConfigError(f"model: stems must be a StemConfig per Modality, got {m!r}: {stem!r}")
            if self.lengths[m] % stem.stride:
                raise ConfigError(
                    f"model: {m.word} has {self.lengths[m]} rows, no multiple of its stem's stride of {stem.stride}"
                )

    @property
    def outputs(self) -> int:
        """Numbers per prediction: the labels, then sentiment."""
        return len(self.labels) + int(self.sentiment)

    @property
    def memory_layers(self) -> int:
        """Layers of a memory transformer."""
        return max(self.layers, MEMORY_LAYERS)

    @property
    def inner_dims(self) -> dict[Modality, int]:
        """Width of a row that the first convolution reads: behind the stem, where there is one."""
        return {m: self.stems[m].channels if m in self.stems else self.dims[m] for m in MODALITIES}

    @property
    def inner_lengths(self) -> dict[Modality, int]:
        """How many rows it reads."""
        return {m: self.lengths[m] // (self.stems[m].stride if m in self.stems else 1) for m in MODALITIES}

    @property
    def steps(self) -> dict[Modality, int]:
        """Steps left after the first convolution, T_m - k_m + 1 with T_m behind the stem."""
        return {m: rows - self.kernels[m] + 1 for m, rows in self.inner_lengths.items()}

    def to_json(self) -> dict[str, Any]:
        """A JSON object from which :meth:`from_json` makes an equal configuration.

        ``edge_form`` and ``stems`` are left out where they are those of the published model, so that its checkpoints
        stay byte for byte what they were before there were others.
        """
        added: dict[str, Any] = {} if self.edge_form == EDGE_FORMS[0] else {"edge_form": self.edge_form}
        if self.stems:
            added["stems"] = {m.value: asdict(self.stems[m]) for m in MODALITIES if m in self.stems}
        return added | {
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
                stems={Modality(k): StemConfig(**v) for k, v in rest.pop("stems", {}).items()},
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


def _require_size(name: str, size: Any, *, least: int = 1, most: int = MOST_SIZE) -> None:
    if isinstance(size, bool) or not isinstance(size, int) or not least <= size <= most:
        raise ConfigError(f"model: {name} must be a whole number from {least} to {most}, got {size!r}")


def _is_number(x: Any) -> bool:
    return isinstance(x, int | float) and not isinstance(x, bool)


def _texts(labels: Any) -> tuple[str, ...]:
    if not isinstance(labels, list):
        raise TypeError(f"labels {labels!r} where a list belongs")
    return tuple(labels)
