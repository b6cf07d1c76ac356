"""What a training run is told: one frozen, validated model, read from a recipe (TOML) by name or path.

Recipes that ship are in ``resources/recipes``; a file of one's own may start from one with ``base = "NAME"``.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from dmd_runtime.errors import ConfigError
from dmd_runtime.modality import MODALITIES, Graph, Modality
from dmd_runtime.model.config import DMDConfig, Dropout, StemConfig
from dmd_runtime.model.losses import PUBLISHED_PRIOR, LossWeights
from dmd_runtime.resources import resource
from dmd_runtime.training.samples import Samples

Count = Annotated[int, Field(ge=1, le=1_000_000)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Probability = Annotated[float, Field(ge=0, lt=1)]
NO_ENCODER = "none"


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DropoutSettings(_Section):
    """As :class:`dmd_runtime.model.config.Dropout`."""

    text: Probability
    embedding: Probability
    output: Probability
    attention: dict[Modality, Probability]


class ModelSettings(_Section):
    """Sizes of the model; widths and lengths of the features come from the data.

    Attributes
    ----------
    lengths, dims : {m: int}
        What the data must have; left out: whatever they have.
    prior : "none" or "published"
        What the mean edges are pulled to.
    """

    width: Count
    heads: Count
    layers: Count
    kernels: dict[Modality, Count]
    dropout: DropoutSettings
    edge_form: Literal["published", "interaction"] = "interaction"
    temperature: Positive = 1.0
    prior: Literal["none", "published"] = "none"
    lengths: dict[Modality, Count] = {}
    dims: dict[Modality, Count] = {}
    stems: dict[Modality, dict[str, Any]] = {}


class TextSettings(_Section):
    """``encoder``: a name on the hub or a folder, tuned along on MMSA's ``text_bert``; "none": the file's features.

    ``lr``: its learning rate; left out, that of the rest.
    """

    encoder: str = NO_ENCODER
    lr: Positive | None = None


class OptimiserSettings(_Section):
    """Adam, and when it slows down and stops.

    Attributes
    ----------
    accumulate : int
        Batches whose gradients make one step: averaged, what is left at the end of an epoch included.
    clip : float
        Gradients are cut to [-clip, clip], value by value, once per step.
    weight_decay : float
        Decoupled (AdamW); the published code states one and never uses it.
    patience, factor
        After more than ``patience`` epochs without a lower validation loss, rates are multiplied by ``factor``.
    early_stop : int
        Epochs without a lower validation loss after which training ends.
    epochs : int
        The most.
    mixed_precision : bool
        Half precision where there is a GPU for it.
    """

    lr: Positive = 1e-4
    batch_size: Count = 16
    accumulate: Count = 10
    clip: Positive = 0.6
    weight_decay: Weight = 0.0
    patience: Annotated[int, Field(ge=0)] = 5
    factor: Annotated[float, Field(gt=0, lt=1)] = 0.5
    early_stop: Count = 10
    epochs: Count = 100
    mixed_precision: bool = True


class LossSettings(_Section):
    """As :class:`dmd_runtime.model.losses.LossWeights`; ``orthogonality`` names its reading."""

    emotion: Weight = 1.0
    sentiment: Weight = 1.0
    distillation: Weight = 0.05
    decoupling: Weight = 0.1
    separation: Weight = 0.1
    representation: Weight = 0.0
    prior: Weight = 10.0
    edges: Weight = 1.0
    margin: Weight = 0.15
    class_margin: Weight = 0.3
    detach_edges: bool = True
    orthogonality: Literal["per_step", "over_batch"] = "per_step"

    def weights(self) -> LossWeights:
        """For :func:`dmd_losses`."""
        return LossWeights(
            distillation=dict.fromkeys(Graph, self.distillation),
            representation=dict.fromkeys(Graph, self.representation),
            over_batch=self.orthogonality == "over_batch",
            **self.model_dump(exclude={"distillation", "representation", "orthogonality"}),
        )


class RobustnessSettings(_Section):
    """What training samples lose, drawn anew each time.

    Attributes
    ----------
    modality_dropout : float
        Share of the samples that keep only one or two of their modalities.
    segment_dropout : float
        Share of the modalities of a sample that lose one stretch.
    longest_segment : float
        Most of a window that such a stretch may be.
    """

    modality_dropout: Probability = 0.0
    segment_dropout: Probability = 0.0
    longest_segment: Annotated[float, Field(gt=0, le=1)] = 0.5


class RunConfig(_Section):
    """All settings of a training run.

    Attributes
    ----------
    standardise : bool
        Features to mean 0 and deviation 1 by figures of the training split, clipped at 10.
    reference : bool
        Train as the published code does, its faults included: no masks and no standardisation, its prior, its graph
        units and losses, gradients summed instead of averaged and cut after every batch, an epoch's last partial sum
        thrown away, no weight decay and nothing dropped from samples. The sizes, rates and lengths stay as they are.
    """

    model: ModelSettings
    text: TextSettings = TextSettings()
    optimiser: OptimiserSettings = OptimiserSettings()
    losses: LossSettings = LossSettings()
    robustness: RobustnessSettings = RobustnessSettings()
    standardise: bool = True
    reference: bool = False

    @model_validator(mode="after")
    def _as_published(self) -> RunConfig:
        """With ``reference``, every setting says what is done."""
        if not self.reference:
            return self
        published = {"edge_form": "published", "temperature": 8.0, "prior": "published", "stems": {}}
        for name, changed in {
            "model": self.model.model_copy(update=published),
            "optimiser": self.optimiser.model_copy(update={"weight_decay": 0.0, "mixed_precision": False}),
            "losses": LossSettings(edges=0.0, detach_edges=False, orthogonality="over_batch"),
            "robustness": RobustnessSettings(),
            "standardise": False,
        }.items():
            object.__setattr__(self, name, changed)
        return self

    @property
    def loss_weights(self) -> LossWeights:
        """For :func:`dmd_losses`."""
        return LossWeights.reference() if self.reference else self.losses.weights()

    @property
    def tuned_text(self) -> bool:
        """Whether an encoder of text is trained along."""
        return self.text.encoder != NO_ENCODER

    def fingerprint(self) -> str:
        """All that decides what is learned, as JSON: how long it may take is left out."""
        body = self.model_dump(mode="json")
        body["optimiser"].pop("epochs")
        return json.dumps(body, sort_keys=True)

    def model_config_for(self, samples: Samples, *, text_width: int | None = None) -> DMDConfig:
        """The configuration of a model for such samples: their lengths, widths and labels.

        ``text_width``: width of a tuned encoder's rows, one for each of the samples' tokens.

        Raises
        ------
        ConfigError
            The samples are not what the recipe is for, hold no labels at all, or sizes do not fit.
        """
        lengths = {m: samples.features[m].shape[1] for m in MODALITIES}
        dims = {m: samples.features[m].shape[2] for m in MODALITIES}
        if text_width is not None:
            lengths[Modality.LANGUAGE], dims[Modality.LANGUAGE] = samples.text_tokens.shape[2], text_width
        for what, found, expected in (("rows", lengths, self.model.lengths), ("width", dims, self.model.dims)):
            for m, size in expected.items():
                tuned = m is Modality.LANGUAGE and what == "width" and text_width is not None
                if found[m] != size and not tuned:
                    raise ConfigError(f"data: expected {m.word} of {what} {size}, as the recipe says, got {found[m]}")
        emotion, sentiment = labelled(samples)
        if not emotion and not sentiment:
            raise ConfigError("data: expected labels of emotion or sentiment in the training split, got none")
        try:
            stems = {m: StemConfig(**stem) for m, stem in self.model.stems.items()}
        except TypeError as error:
            raise ConfigError(f"model.stems: expected the fields of a stem, got {error}") from error
        return DMDConfig(
            dims=dims,
            lengths=lengths,
            kernels=self.model.kernels,
            width=self.model.width,
            heads=self.model.heads,
            layers=self.model.layers,
            edge_form=self.model.edge_form,
            temperature=self.model.temperature,
            stems=stems,
            labels=samples.labels if emotion else (),
            sentiment=sentiment,
            prior=PUBLISHED_PRIOR if self.model.prior == "published" else {},
            dropout=Dropout(**self.model.dropout.model_dump()),
        )


def labelled(samples: Samples) -> tuple[bool, bool]:
    """Whether anybody said anything about emotion, and about sentiment."""
    import numpy as np  # noqa: PLC0415

    emotion = bool(samples.labels) and bool(np.isfinite(samples.emotion).all(axis=1).any())
    return emotion, bool(np.isfinite(samples.sentiment).any())


def recipe_names() -> list[str]:
    """Recipes that ship."""
    return sorted(path.stem for path in resource("recipes").glob("*.toml"))


def load_run_config(name: str, **overrides: Mapping[str, Any] | bool) -> RunConfig:
    """A recipe by its name or the path of a TOML file, then ``overrides``: sections and ``reference``.

    Raises
    ------
    ConfigError
        There is no such recipe, or it names the setting, its rule and the value that broke it.
    """
    merged = _over(_layers(name), overrides)
    try:
        return RunConfig.model_validate(merged)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"{name}: setting {where or 'file'}: {first['msg']}, got {first['input']!r}") from None


def _layers(name: str, *, below: tuple[str, ...] = ()) -> dict[str, Any]:
    """A recipe over those it is based on."""
    shipped = recipe_names()
    path = resource("recipes", f"{name}.toml") if name in shipped else Path(name)
    if not path.is_file():
        raise ConfigError(f"recipe {name}: expected a TOML file or one of {', '.join(shipped)}, got nothing there")
    try:
        body = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: expected a readable TOML file, got {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: expected TOML, got {error}") from None
    base = body.pop("base", None)
    if base is None:
        return body
    if not isinstance(base, str) or base not in shipped or base in below:
        raise ConfigError(f"{path}: base: expected one of {', '.join(shipped)}, got {base!r}")
    return _over(_layers(base, below=(*below, name)), body)


def _over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """``above`` over ``below``, table by table."""
    merged = dict(below)
    for key, value in above.items():
        under = merged.get(key)
        both = isinstance(value, Mapping) and isinstance(under, Mapping)
        merged[key] = _over(under, value) if both else value  # type: ignore[arg-type]
    return merged
