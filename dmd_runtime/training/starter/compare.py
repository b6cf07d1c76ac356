"""The ablation of ``docs/science.md``, run by ``make ablation``.

Every variant is trained with the same batches, steps and seeds as DMD itself, and measured on the test split. Some more
ask what distillation is worth where labels are few: of the voices only those of two people are labelled, and those of
all others come in triples whose labels no loss sees, so that a voice can learn of them only from its teachers. Lines in
FILE are not made again.
"""

from __future__ import annotations

import argparse
import functools
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from dmd_runtime.evaluation.report import brief
from dmd_runtime.modality import MODALITIES, Graph, Modality
from dmd_runtime.model.config import DMDConfig
from dmd_runtime.model.dmd import DMD
from dmd_runtime.model.losses import PUBLISHED_PRIOR, LossWeights
from dmd_runtime.training.starter import rivals
from dmd_runtime.training.starter.build import Material, material, model_config
from dmd_runtime.training.starter.command import stages_of
from dmd_runtime.training.starter.edge_figures import edge_figures
from dmd_runtime.training.starter.learn import Lesson, Schedule, dmd_loss, fit
from dmd_runtime.training.starter.predictions import Said, predict, without

_TRIPLES = 700
_MOST = 1500  # samples of a corpus that a variant is measured on, the same for all
HOMO, HETERO = Graph
A = Modality.ACOUSTIC

Change = Callable[[DMDConfig, Schedule], tuple[DMDConfig, Schedule]]


def _as_it_is(model: DMD) -> DMD:
    return model


def _weights(**changes: Any) -> Change:
    return lambda config, schedule: (config, replace(schedule, weights=replace(schedule.weights, **changes)))


def _published(config: DMDConfig, schedule: Schedule) -> tuple[DMDConfig, Schedule]:
    changed = replace(config, edge_form="published", temperature=8.0, prior=PUBLISHED_PRIOR)
    weights = replace(LossWeights.reference(), sentiment=schedule.weights.sentiment)
    return changed, replace(schedule, weights=weights)


def _same(config: DMDConfig, schedule: Schedule) -> tuple[DMDConfig, Schedule]:
    return config, schedule


def _taught(homo: float, hetero: float) -> Change:
    return _weights(distillation={HOMO: homo, HETERO: hetero})


SHORT = replace(Schedule(), alone=24, triples=24, lr=3e-3, average=0.98)
"""A schedule short enough for thirty runs on two cores."""
STRENGTH = Schedule().weights.distillation[HOMO]
VARIANTS: Mapping[str, tuple[Change, Callable[[DMD], DMD]]] = {
    "DMD": (_same, _as_it_is),
    "no decoupling": (_weights(decoupling=0.0), rivals.without_decoupling),
    "no HomoGD": (_taught(0.0, STRENGTH), _as_it_is),
    "no crossmodal attention": (_same, rivals.without_crossmodal),
    "no HeteroGD": (_taught(STRENGTH, 0.0), _as_it_is),
    "no distillation": (_taught(0.0, 0.0), _as_it_is),
    "edges not supervised": (_weights(edges=0.0), _as_it_is),
    "published edges and prior": (_published, _as_it_is),
}
RIVALS: Mapping[str, Callable[[DMDConfig], nn.Module]] = {
    "late fusion": rivals.LateFusion,
    "MulT": rivals.CrossmodalFusion,
}
FEW: Mapping[str, float] = {f"few voices labelled; distillation {strength:g}": strength for strength in (0.0, 1.0, 3.0)}
"""Strengths of distillation in both graphs."""
_PEOPLE = 2  # whose voices are labelled there, drawn anew by each seed


def main(arguments: list[str] | None = None) -> int:
    """Run what is asked for and is not yet in the file."""
    parser = argparse.ArgumentParser(prog="compare", description=__doc__)
    parser.add_argument("data", type=Path, metavar="DATA")
    parser.add_argument("--cache", type=Path, required=True, metavar="DIR")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="one JSON object a line")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--variants", default=",".join((*VARIANTS, *RIVALS, *FEW)), help="names with commas between")
    parser.add_argument("--seed", type=int, default=0, help="of the cached parts")
    options = parser.parse_args(arguments)
    data = material(stages_of(options))
    torch.set_num_threads(1)
    for seed in map(int, options.seeds.split(",")):
        for variant in options.variants.split(","):
            if (variant, seed, options.steps) not in _done(options.out):
                row = run(variant, data, seed, replace(SHORT, steps=options.steps))
                with options.out.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(row) + "\n")
                sys.stderr.write(f"{variant}, seed {seed}: {row['triples']}\n")
    return 0


def run(variant: str, data: Material, seed: int, schedule: Schedule) -> dict[str, Any]:
    """Train one variant and measure it."""
    begun = time.monotonic()
    shapes = data.shapes()
    config = model_config({m: s[1] for m, s in shapes.items()}, {m: s[0] for m, s in shapes.items()})
    torch.manual_seed(seed)
    if variant in RIVALS:
        model: nn.Module = RIVALS[variant](config)
        loss: Any = functools.partial(rivals.rival_loss, schedule=schedule)
    else:
        change, alter = (_taught(FEW[variant], FEW[variant]), _as_it_is) if variant in FEW else VARIANTS[variant]
        config, schedule = change(config, schedule)
        model = alter(DMD(config))
        loss = functools.partial(dmd_loss, config=config, schedule=schedule)
    lesson = Lesson(mixture=data.mixture("train"), train=data.splits["train"], schedule=schedule, seed=seed)
    if variant in FEW:
        lesson = few_voices(lesson, data)
    trained = fit(model, loss, lesson, lambda *_: None)
    row: dict[str, Any] = {"variant": variant, "seed": seed, "steps": schedule.steps}
    row |= measure(trained, data, ("valid", "test") if variant in FEW else ("test",))
    return row | {"seconds": round(time.monotonic() - begun, 1)}


def few_voices(lesson: Lesson, data: Material) -> Lesson:
    """The same where the voices of all but two people are without labels."""
    train, voices = lesson.train, data.pools[A].labelled.group[lesson.train[A]]
    people = np.unique(voices.astype(str))
    known = np.isin(voices.astype(str), np.random.default_rng(lesson.seed).permutation(people)[:_PEOPLE])
    labelled, others = ({**train, A: train[A][which]} for which in (known, ~known))
    return replace(lesson, mixture=data.among(labelled), train=labelled, unlabelled=data.among(others))


def measure(model: nn.Module, data: Material, voices: Sequence[str]) -> dict[str, Any]:
    """Accuracy and UAR on the test split: alone on each corpus, alone and together on triples, vertices, edges.

    Voices alone are those of the splits ``voices``: nothing is chosen by what is found on the validation split.
    """
    mixture = data.mixture("test")
    label = np.arange(_TRIPLES) % mixture.classes
    triples = mixture.triples(_TRIPLES, np.random.default_rng(11), augment=False, labels=label)
    row: dict[str, Any] = {"alone": {}, "vertices alone": {}, "triples alone": {}}
    for m in MODALITIES:
        index = np.concatenate([data.splits[split][m] for split in (voices if m is A else ("test",))])
        index = index[data.pools[m].labelled.label[index] >= 0]
        index = np.sort(np.random.default_rng(13).permutation(index)[:_MOST])
        said, y = predict(model, mixture.alone(m, index, None)), data.pools[m].labelled.label[index]
        row["alone"][m.value] = _brief(said.logits, y)
        row["vertices alone"][m.value] = _of_vertices(said, m, y)
        of_triples = predict(model, without(triples, [other for other in MODALITIES if other is not m]))
        row["triples alone"][m.value] = _brief(of_triples.logits, label)
    row["triples"] = _brief(predict(model, triples).logits, label)
    row["gain_points"] = 100 * (row["triples"]["accuracy"] - max(x["accuracy"] for x in row["triples alone"].values()))
    return row | {"edges": edge_figures(model, mixture, _TRIPLES, 12) if isinstance(model, DMD) else None}


def _of_vertices(said: Said, m: Modality, label: Any) -> dict[str, Any]:
    return {g.value: _brief(said.vertices[g][m], label) for g in said.vertices}


def _brief(logits: Any, label: Any) -> dict[str, float]:
    p = np.exp(logits - logits.max(axis=1, keepdims=True)).astype(np.float64)
    return dict(brief(p / p.sum(axis=1, keepdims=True), label))


def _done(path: Path) -> set[tuple[str, int, int]]:
    if not path.exists():
        return set()
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return {(row["variant"], row["seed"], row["steps"]) for row in rows}


if __name__ == "__main__":
    sys.exit(main())
