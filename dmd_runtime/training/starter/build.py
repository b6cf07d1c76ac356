"""From the cached parts to the checkpoint: pools, training, temperatures, figures on unseen samples, and the card."""

from __future__ import annotations

import datetime
import logging
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from dmd_runtime import __version__
from dmd_runtime.assets import Assets
from dmd_runtime.config import SessionConfig
from dmd_runtime.corpora.windows import STILL_ROWS
from dmd_runtime.evaluation.calibration import fit_temperature
from dmd_runtime.evaluation.report import emotion_report
from dmd_runtime.features.standardize import Standardizer
from dmd_runtime.messages import Float32
from dmd_runtime.modality import MODALITIES, Modality
from dmd_runtime.model.calibration import SUBSETS
from dmd_runtime.model.checkpoint import Checkpoint
from dmd_runtime.model.config import DMDConfig, Dropout, StemConfig
from dmd_runtime.model.dmd import DMD
from dmd_runtime.streaming.extractors import LABELS, live_recipe
from dmd_runtime.training.starter.card import card
from dmd_runtime.training.starter.faces import FaceSchedule
from dmd_runtime.training.starter.learn import Lesson, Schedule, learn
from dmd_runtime.training.starter.mixture import Mixture
from dmd_runtime.training.starter.pools import Int64, Labelled, Pool, RaggedPool, StillPool, WindowPool
from dmd_runtime.training.starter.predictions import predict, without
from dmd_runtime.training.starter.stages import FACE_VERSIONS, VOICE_VERSIONS, Stages, valence
from dmd_runtime.training.starter.text import TextSchedule

logger = logging.getLogger(__name__)

L, V, A = MODALITIES
SENTIMENT_SCALE = 2.0
"""What a label's valence of 1 counts on the scale from -3 to 3."""
_PAIRED = 1400  # triples that temperatures are fitted on, and as many that are reported


@dataclass(frozen=True, kw_only=True)
class Material:
    """Pools of all samples, with the indices of each split."""

    pools: Mapping[Modality, Pool]
    splits: Mapping[str, Mapping[Modality, Int64]]
    standardizer: Standardizer

    def mixture(self, split: str, triples: bool = True) -> Mixture:
        """Batches whose triples are of one split."""
        return self.among(self.splits[split] if triples else None)

    def among(self, members: Mapping[Modality, Int64] | None) -> Mixture:
        """Batches whose triples are made of ``members``; of all samples where there are none."""
        figures = {m: (self.standardizer.mean[m], self.standardizer.scale[m]) for m in MODALITIES}
        return Mixture(self.pools, figures, members)

    def shapes(self) -> dict[Modality, tuple[int, int]]:
        """(T, D) of each modality's windows."""
        mixture = self.mixture("train", triples=False)
        return {m: mixture.shape(m) for m in MODALITIES}


def model_config(dims: Mapping[Modality, int], lengths: Mapping[Modality, int], **changes: Any) -> DMDConfig:
    """The starter's sizes; ``changes`` replace fields, for comparisons."""
    stem: dict[str, Any] = {"stride": 4, "kernel": 5, "instance_norm": True}
    settings: dict[str, Any] = {
        "dims": dims,
        "lengths": lengths,
        "kernels": dict.fromkeys(MODALITIES, 3),
        "width": 32,
        "heads": 4,
        "layers": 2,
        "labels": LABELS,
        "edge_form": "interaction",
        "temperature": 1.0,
        "stems": {
            V: StemConfig(channels=64, blocks=0, dropout=0.1, **stem),
            A: StemConfig(channels=96, blocks=1, dropout=0.3, **stem),
        },
        "dropout": Dropout(text=0.2, embedding=0.1, output=0.3, attention=dict.fromkeys(MODALITIES, 0.1)),
    }
    return DMDConfig(**(settings | changes))


def material(stages: Stages) -> Material:
    """Everything that can be drawn from, out of the cache."""
    corpora, splits = stages.corpora, stages.splits
    sentences = (*corpora.sentences, *corpora.utterances)
    emotion = np.stack([s.emotion for s in sentences])
    said = np.array([s.sentiment for s in sentences], dtype=np.float32)
    rows, lengths = stages.words(stages.text_encoder(TextSchedule()))
    words = Labelled(
        emotion=emotion,
        sentiment=np.where(np.isnan(said), valence(emotion), said) * np.float32(SENTIMENT_SCALE),
        label=np.array([s.label for s in corpora.sentences] + [-1] * len(corpora.utterances)),
        group=np.array([s.group for s in sentences], dtype=object),
    )
    found = stages.measured_faces()["found"]
    faces = _labelled(corpora.faces)
    faces_rows = stages.face_rows(stages.face_encoder(FaceSchedule()), FACE_VERSIONS)
    values, mask = stages.voice_windows(VOICE_VERSIONS)
    pools: dict[Modality, Pool] = {
        L: RaggedPool(rows, lengths, words, stages.extractors.recipe.specs[L].rows),
        V: StillPool(faces_rows, faces, stages.extractors.recipe.specs[V].rows, STILL_ROWS),
        A: WindowPool(values, mask, _labelled(corpora.voices)),
    }
    of = {
        L: (np.concatenate([splits["sentences"], splits["utterances"]]), np.array(lengths) > 0),
        V: (splits["faces"], found),
        A: (splits["voices"], mask[:, 0].any(axis=1)),
    }
    indices = {
        split: {m: np.flatnonzero((names == split) & usable) for m, (names, usable) in of.items()}
        for split in ("train", "valid", "test")
    }
    sentence_count = len(corpora.sentences)
    for split in ("valid", "test"):  # MELD is learned from, and measured apart
        indices[split][L] = indices[split][L][indices[split][L] < sentence_count]
    return Material(pools=pools, splits=indices, standardizer=_standardizer(pools, indices["train"]))


def _labelled(samples: Any) -> Labelled:
    emotion = np.stack([s.emotion for s in samples])
    return Labelled(
        emotion=emotion,
        sentiment=valence(emotion) * np.float32(SENTIMENT_SCALE),
        label=np.array([s.label for s in samples]),
        group=np.array([s.group for s in samples], dtype=object),
    )


def _standardizer(pools: Mapping[Modality, Pool], train: Mapping[Modality, Int64]) -> Standardizer:
    """Mean and deviation of real rows of training samples (at most 4000 of each modality)."""
    mean, scale = {}, {}
    for m, pool in pools.items():
        index = np.random.default_rng(0).permutation(train[m])[:4000]
        values, mask = pool.draw(np.sort(index), None)
        rows = values[mask].astype(np.float64)
        mean[m] = rows.mean(axis=0).astype(np.float32)
        scale[m] = np.maximum(rows.std(axis=0), 1e-3).astype(np.float32)
    return Standardizer(mean=mean, scale=scale)


def build(stages: Stages, out: Path, say: Callable[[str, float, str], None]) -> Checkpoint:
    """Train, calibrate, measure, and write the checkpoint."""
    begun = time.time()
    data, schedule = material(stages), Schedule()
    encoders = {"text": stages.text_encoder(TextSchedule()), "face": stages.face_encoder(FaceSchedule())}
    shapes = data.shapes()
    config = model_config({m: s[1] for m, s in shapes.items()}, {m: s[0] for m, s in shapes.items()})
    lesson = Lesson(mixture=data.mixture("train"), train=data.splits["train"], schedule=schedule, seed=stages.seed)
    model = learn(config, lesson, lambda step, figures: say("model", (step + 1) / schedule.steps, _told(figures)))
    torch.set_num_threads(1)
    calibration = calibrate(model, data)
    figures = {split: measure(model, data, split, calibration) for split in ("valid", "test")}
    draft = Checkpoint(name="starter", model=model, recipe={}, encoders=encoders)
    recipe = live_recipe(SessionConfig.load(), Assets(), draft)
    training: dict[str, Any] = {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "app_version": __version__,
        "commit": _commit(),
        "seed": stages.seed,
        "minutes": round((time.time() - begun) / 60, 1),
        "sources": dict(stages.corpora.sources),
        "samples": {split: {m.value: len(i) for m, i in of.items()} for split, of in data.splits.items()},
        "split": "RAVDESS by actor (17, 18 valid; 19, 20 test); FERPlus PublicTest and GoEmotions dev are test sets",
        "schedule": _plain(asdict(schedule)),
        "text": asdict(TextSchedule()),
        "face": asdict(FaceSchedule()),
        "metrics": figures,
        "licence": "CC BY-NC-SA 4.0 (trained on RAVDESS); see starter.LICENSE.md",
    }
    checkpoint = Checkpoint(
        name="starter",
        model=model,
        recipe=recipe.to_json(),
        normalisation=data.standardizer.to_json(),
        training=training,
        encoders=encoders,
        calibration=calibration,
        card=card(training),
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    checkpoint.save(out)
    out.with_suffix(".md").write_text(checkpoint.card, encoding="utf-8")
    return checkpoint


def calibrate(model: DMD, data: Material) -> dict[str, float]:
    """A temperature for each subset of modalities, fitted on the one label of validation samples.

    Not on shares of votes: a confidence is to say how often the label of most people is met. Voices count in all their
    versions, as other microphones hear them, for that is what they are live.
    """
    mixture = data.mixture("valid")
    triples = mixture.triples(_PAIRED, np.random.default_rng(1), augment=False)
    heats = {}
    for subset in SUBSETS:
        present = {m for m in MODALITIES if m.value in subset}
        if len(present) > 1:
            logits, label = predict(model, without(triples, set(MODALITIES) - present)).logits, triples.emotion.numpy()
        else:
            (m,) = present
            labelled = data.pools[m].labelled
            index = data.splits["valid"][m]
            index = index[labelled.label[index] >= 0]
            if m is A:
                index = np.repeat(index, VOICE_VERSIONS)
            rng = np.random.default_rng(3) if m is A else None
            logits = predict(model, mixture.alone(m, index, rng)).logits
            label = np.eye(mixture.classes, dtype=np.float32)[labelled.label[index]]
        heats[subset] = round(float(fit_temperature(logits, label)), 4)
    return heats


def measure(model: DMD, data: Material, split: str, calibration: Mapping[str, float]) -> dict[str, Any]:
    """Figures on one split: each modality alone on its own corpus, and label-paired triples."""
    rng = np.random.default_rng(2)
    mixture, found = data.mixture(split), {}
    for m in MODALITIES:
        index = data.splits[split][m]
        index = index[data.pools[m].labelled.label[index] >= 0]
        logits = predict(model, mixture.alone(m, index, None)).logits
        found[m.value] = _report(logits / calibration[m.value], data.pools[m].labelled.label[index])
    triples = mixture.triples(_PAIRED, rng, augment=False)
    label = triples.emotion.numpy().argmax(axis=1)
    logits = predict(model, triples).logits
    found["label-paired triples"] = _report(logits / calibration["LVA"], label)
    for m in MODALITIES:
        logits = predict(model, without(triples, set(MODALITIES) - {m})).logits
        found[f"label-paired triples, {m.word} alone"] = _report(logits / calibration[m.value], label)
    return found


def _report(logits: Float32, label: Int64) -> dict[str, Any]:
    p = np.exp(logits - logits.max(axis=1, keepdims=True)).astype(np.float64)
    return emotion_report(p / p.sum(axis=1, keepdims=True), label, LABELS)


def _told(figures: Mapping[str, float]) -> str:
    """The fused losses of one step, for the eye."""
    return "  ".join(f"{name} {figures[f'{name} task fused']:.2f}" for name in ("L", "V", "A", "triples"))


def _plain(value: Any) -> Any:
    """JSON values of nested settings."""
    if isinstance(value, Mapping):
        return {getattr(k, "value", k): _plain(v) for k, v in value.items()}
    return value


def _commit() -> str:
    try:
        run = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return run.stdout.strip()
