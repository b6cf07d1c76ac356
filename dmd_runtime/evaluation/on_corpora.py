"""What a model says of a corpus, or of label-paired triples, in figures; ``docs/evaluation.md`` defines every field."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from dmd_runtime.corpora.corpus import Corpus, Labelled, Sentence
from dmd_runtime.corpora.extraction import MODALITY_OF
from dmd_runtime.corpora.windows import Windows
from dmd_runtime.errors import SourceError
from dmd_runtime.evaluation.paired import judge
from dmd_runtime.evaluation.predictor import Predict, Predictions
from dmd_runtime.evaluation.report import emotion_report
from dmd_runtime.evaluation.triples import draw
from dmd_runtime.features.standardize import Standardizer
from dmd_runtime.modality import Modality
from dmd_runtime.streaming.extractors import LABELS

NEUTRAL_BAND: Final = 0.5
"""Sentiment in [-3, 3] that lies no further from 0 counts as neutral."""


@dataclass(frozen=True, kw_only=True)
class Tools:
    """What evaluates: the model, the extractors, and their standardisation.

    Attributes
    ----------
    predict : Predict
    extract : callable
        Samples of one kind to the windows of each, in order.
    standardizer : Standardizer
        Noise gets its scale from it.
    graphs : bool
        Whether the checkpoint has distillation graphs.
    about : mapping
        Of checkpoint, recipe and device, for the result.
    """

    predict: Predict
    extract: Callable[[Sequence[Labelled]], Iterable[Windows]]
    standardizer: Standardizer
    graphs: bool = True
    about: Mapping[str, Any] = field(default_factory=dict)


def on_corpus(corpus: Corpus[Labelled], tools: Tools, n: int | None, seed: int) -> dict[str, Any]:
    """Figures on all samples of a corpus, or on ``n`` drawn ones; the other modalities are missing.

    Raises
    ------
    SourceError
        In none of its samples anything was found.
    """
    rng = np.random.default_rng(seed)
    samples = corpus.samples
    if n is not None and n < len(samples):
        samples = tuple(samples[i] for i in np.sort(rng.choice(len(samples), n, replace=False)))
    pairs = [(sample, windows) for sample, windows in zip(samples, tools.extract(samples), strict=True) if windows]
    if not pairs:
        raise SourceError(f"{corpus.source}: expected a face or a voice in a sample, found none in {len(samples)}")
    here = [sample for sample, _ in pairs]
    modality = MODALITY_OF[type(samples[0])]
    said = tools.predict({modality: [windows for _, windows in pairs]})
    label = np.array([sample.label for sample in here])
    groups = [sample.group for sample in here]
    found = emotion_report(
        said.emotion,
        label,
        LABELS,
        n_excluded=corpus.n_excluded,
        n_not_found=len(samples) - len(pairs),
        groups=groups if any(groups) else None,
        seed=seed,
    )
    found["n_missing"] = corpus.n_missing
    return found | _sentiment(here, said) | {"modality": modality.value, "source": str(corpus.source)}


def on_triples(corpora: Mapping[Modality, Corpus[Labelled]], tools: Tools, n: int, seed: int) -> dict[str, Any]:
    """Figures on ``n`` label-paired triples drawn from three corpora."""
    rng = np.random.default_rng(seed)
    triples = draw(corpora, n, rng, tools.extract)
    clean, figures = judge(triples, tools.predict, tools.standardizer, rng, graphs=tools.graphs)
    sets: dict[str, dict[str, Any]] = {
        corpus.name: {
            "source": str(corpus.source),
            "n": len(corpus),
            "n_used": len(triples.windows[m]),
            "n_excluded": corpus.n_excluded,
            "n_missing": corpus.n_missing,
            "n_not_found": triples.not_found[m],
        }
        for m, corpus in corpora.items()
    }
    counts = {key: sum(of[key] for of in sets.values()) for key in ("n_excluded", "n_missing", "n_not_found")}
    return emotion_report(clean.emotion, triples.label, LABELS, seed=seed) | counts | figures | {"sets": sets}


def _sentiment(samples: Sequence[Labelled], said: Predictions) -> dict[str, Any]:
    """Of sentences with a polarity: how often the sentiment score falls on its side."""
    polarity = np.array([s.sentiment if isinstance(s, Sentence) else np.nan for s in samples])
    known = np.isfinite(polarity)
    if said.sentiment is None or not known.any():
        return {}
    side = np.sign(said.sentiment) * (np.abs(said.sentiment) > NEUTRAL_BAND)
    right = side[known] == polarity[known]
    recalls = [right[polarity[known] == p].mean() for p in np.unique(polarity[known])]
    return {"sentiment": {"n": int(known.sum()), "accuracy": float(right.mean()), "uar": float(np.mean(recalls))}}
