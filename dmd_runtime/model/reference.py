"""Parameter names of the published code (https://github.com/mdswyz/DMD), and what they are called here.

The published model keeps its two graph-distillation units outside and never saves them: its files hold 702 names of the
model (and those of a BERT), no graph.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from torch import Tensor

from dmd_runtime.errors import CheckpointError
from dmd_runtime.modality import MODALITIES, Graph, Modality
from dmd_runtime.model.config import GRAPH_WIDTH, DMDConfig

_M = "([lva])"
_NAMES: Final = tuple(
    (re.compile(pattern), ours)
    for pattern, ours in (
        (rf"proj_{_M}", "decoupling.project.{0}"),
        (rf"encoder_s_{_M}", "decoupling.exclusive.{0}"),
        ("encoder_c", "decoupling.common"),
        (rf"decoder_{_M}", "decoupling.decode.{0}"),
        (rf"proj_cosine_{_M}", "align_exclusive.{0}"),
        (rf"align_c_{_M}", "align_common.{0}"),
        (rf"proj1_{_M}_low", "homogeneous.{0}.narrow"),
        (rf"proj2_{_M}_low", "homogeneous.{0}.widen"),
        (rf"out_layer_{_M}_low", "homogeneous.{0}.read_out"),
        (rf"self_attentions_c_{_M}", "common_attention.{0}"),
        ("proj1_c", "common_head.narrow"),
        ("proj2_c", "common_head.widen"),
        ("out_layer_c", "common_head.read_out"),
        (rf"trans_{_M}_with_{_M}", "crossmodal.{0}.{1}"),
        (rf"trans_{_M}_mem", "memory.{0}"),
        (rf"proj1_{_M}_high", "heterogeneous.{0}.narrow"),
        (rf"proj2_{_M}_high", "heterogeneous.{0}.widen"),
        (rf"out_layer_{_M}_high", "heterogeneous.{0}.read_out"),
        (rf"weight_{_M}", "gate.{0}"),
        ("weight_c", "common_gate"),
        ("proj1", "fusion.narrow"),
        ("proj2", "fusion.widen"),
        ("out_layer", "fusion.read_out"),
    )
)
_INSIDE: Final = {
    "self_attn.in_proj_": "attention.in_proj.",
    "self_attn.out_proj.": "attention.out_proj.",
    "fc1.": "expand.",
    "fc2.": "contract.",
    "layer_norms.0.": "attention_norm.",
    "layer_norms.1.": "feed_forward_norm.",
    "layer_norm.": "norm.",
}
_UNIT: Final = {"W_logit": "logit", "W_repr": "representation", "W_edge": "edge"}
_BUFFERS: Final = re.compile(r"\.(version|embed_positions\._float_tensor)$")  # state of fairseq's positions, no weights
_TEXT_MODEL: Final = re.compile(r"^(text_model|bertmodel)\.", re.IGNORECASE)


def model_name(name: str) -> str | None:
    """Our name of a parameter of the published model; None for one of its buffers.

    Raises
    ------
    CheckpointError
        The published model has no such name.
    """
    if _BUFFERS.search(name):
        return None
    head, _, rest = name.partition(".")
    for pattern, ours in _NAMES:
        if found := pattern.fullmatch(head):
            for theirs, inside in _INSIDE.items():
                rest = re.sub(rf"(^|(?<=\.)){re.escape(theirs)}", inside, rest)
            return ours.format(*(letter.upper() for letter in found.groups())) + "." + rest
    raise CheckpointError(f"{name}: expected a parameter of the published DMD model, and it has none of this name")


def unit_name(graph: Graph, name: str) -> str:
    """Our name of a parameter of one published graph-distillation unit."""
    head, _, rest = name.partition(".")
    if head not in _UNIT:
        raise CheckpointError(f"{name}: expected W_logit, W_repr or W_edge of a graph-distillation unit")
    return f"graphs.{graph.value}.{_UNIT[head]}.{rest}"


def convert(model: Mapping[str, Tensor], units: Mapping[Graph, Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Rename the parameters of a published model and of its graph-distillation units.

    A text model inside the file (published files carry a BERT) is left out.
    """
    state = {
        ours: tensor
        for name, tensor in model.items()
        if not _TEXT_MODEL.match(name) and (ours := model_name(name)) is not None
    }
    for graph, unit in units.items():
        state |= {unit_name(graph, name): tensor for name, tensor in unit.items()}
    return state


def config_of(
    model: Mapping[str, Tensor],
    units: Mapping[Graph, Mapping[str, Tensor]],
    *,
    lengths: Mapping[Modality, int],
    heads: int,
) -> DMDConfig:
    """The configuration that published parameters were made with; lengths and heads leave no trace in them.

    Raises
    ------
    CheckpointError
        Names are missing, or shapes do not fit the lengths.
    """
    try:
        project = {m: tuple(model[f"proj_{m.value.lower()}.weight"].shape) for m in MODALITIES}
        read = {m: model[f"align_c_{m.value.lower()}.weight"].shape[1] for m in MODALITIES}
        widths: dict[Graph, int] = {graph: len(unit["W_logit.weight"]) for graph, unit in units.items()}
        outputs = len(model["out_layer.weight"])
        depths = [int(found[1]) for name in model if (found := re.match(r"trans_l_with_a\.layers\.(\d+)\.", name))]
        (width, _, _), layers = project[Modality.LANGUAGE], 1 + max(depths)
        config = DMDConfig(
            dims={m: shape[1] for m, shape in project.items()},
            kernels={m: shape[2] for m, shape in project.items()},
            lengths=lengths,
            width=width,
            heads=heads,
            layers=layers,
            graph_width={**GRAPH_WIDTH, **widths},
        )
    except KeyError as error:
        raise CheckpointError(f"expected the published model's parameter {error.args[0]}, and it is missing") from None
    except (IndexError, TypeError, ValueError) as error:
        raise CheckpointError(f"expected parameters shaped as in the published model: {error}") from error
    if outputs != 1:
        raise CheckpointError(f"expected a published model with one output (sentiment), got {outputs}")
    for m, found_width in read.items():
        if found_width != (expected := config.width * config.steps[m]):
            raise CheckpointError(
                f"{m.word}: {lengths[m]} rows need layers of {expected} inputs, these have {found_width}"
            )
    return config
