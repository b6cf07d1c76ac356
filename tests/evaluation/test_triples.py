"""Drawing label-paired triples: balanced, seeded, without replacement while it lasts, faces not found replaced."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from dmd_runtime.corpora.corpus import Corpus, Labelled
from dmd_runtime.corpora.labels import one_hot
from dmd_runtime.corpora.windows import Placed, Windows
from dmd_runtime.errors import SourceError
from dmd_runtime.evaluation.triples import Triples, draw, noise_like, strangers
from dmd_runtime.modality import MODALITIES, Modality

SIZES = {Modality.LANGUAGE: 40, Modality.VISUAL: 12, Modality.ACOUSTIC: 5}


def corpora(sizes=SIZES, labels: Sequence[int] = range(7)) -> dict[Modality, Corpus[Labelled]]:
    return {
        m: Corpus(
            name=m.word,
            source=Path(m.word),
            samples=tuple(
                Labelled(id=f"{m.value}{label}.{k}", emotion=one_hot(label), label=label)
                for k in range(size)
                for label in labels
            ),
            n_excluded=0,
        )
        for m, size in sizes.items()
    }


class Extract:
    """Gives one window whose row is the sample's label; counts what it is asked for; does not find some."""

    def __init__(self, lost: str = "") -> None:
        self.asked: Counter[str] = Counter()
        self._lost = lost

    def __call__(self, samples: Sequence[Labelled]) -> Iterator[Windows]:
        for sample in samples:
            self.asked[sample.id] += 1
            lost = bool(self._lost) and sample.id.startswith("V") and sample.id.endswith(self._lost)
            row = np.array([[sample.label, len(self.asked)]], dtype=np.float32)
            yield () if lost else (Placed(row, np.array([3])),)


def drawn(n: int = 350, seed: int = 0, extract: Extract | None = None, **how) -> Triples:
    return draw(corpora(**how), n, np.random.default_rng(seed), extract or Extract())


def test_all_three_have_the_triple_s_label_and_labels_are_balanced() -> None:
    triples = drawn(352)
    assert set(np.bincount(triples.label)) <= {50, 51}
    for m in MODALITIES:
        assert [windows[0].rows[0, 0] for windows in triples.pick(m)] == triples.label.tolist()


def test_nothing_comes_again_before_all_have_come() -> None:
    triples = drawn(350)
    for m in MODALITIES:
        for label in range(7):
            uses = Counter(triples.index[m][triples.label == label].tolist())
            assert len(uses) == min(50, SIZES[m])
            assert max(uses.values()) - min(uses.values()) <= 1


def test_every_sample_is_extracted_once_and_only_if_it_is_needed() -> None:
    extract = Extract()
    drawn(70, extract=extract)
    assert set(extract.asked.values()) == {1}
    assert Counter(key[0] for key in extract.asked) == {"L": 70, "V": 70, "A": 35}


def test_faces_that_are_not_found_are_counted_and_replaced() -> None:
    extract = Extract(lost=".3")
    triples = drawn(350, extract=extract)
    assert triples.not_found == {Modality.LANGUAGE: 0, Modality.VISUAL: 7, Modality.ACOUSTIC: 0}
    assert len(triples) == len(triples.pick(Modality.VISUAL)) == 350
    assert all(triples.pick(Modality.VISUAL))
    assert max(extract.asked.values()) == 1


def test_the_seed_decides() -> None:
    one, again, other = drawn(seed=1), drawn(seed=1), drawn(seed=2)
    np.testing.assert_array_equal(one.label, again.label)
    np.testing.assert_array_equal(one.index[Modality.VISUAL], again.index[Modality.VISUAL])
    assert (one.label != other.label).any()


def test_labels_that_a_set_lacks_are_not_drawn() -> None:
    sets = corpora() | {Modality.ACOUSTIC: corpora(labels=(0, 4))[Modality.ACOUSTIC]}
    triples = draw(sets, 21, np.random.default_rng(0), Extract())
    assert sorted(np.bincount(triples.label)[[0, 4]]) == [10, 11]


def test_two_labels_are_the_least() -> None:
    with pytest.raises(SourceError, match="at least two labels that all three sets have, got 1"):
        drawn(labels=(3,))


def test_a_label_without_any_face_is_an_error() -> None:
    with pytest.raises(SourceError, match="visual: expected a usable sample of happiness, found none"):
        drawn(7, sizes=SIZES | {Modality.VISUAL: 1}, extract=Extract(lost=".0"))


def test_strangers_have_another_label_and_all_others_are_met() -> None:
    label = np.repeat(np.arange(3), [5, 1, 4])
    met = np.stack([strangers(label, np.random.default_rng(seed)) for seed in range(300)])
    assert (label[met] != label).all()
    assert set(met[:, 0]) == {5, 6, 7, 8, 9}
    assert set(met[:, 5]) == {*range(10)} - {5}


def test_noise_is_standard_normal_once_standardised_and_stays_in_its_slots() -> None:
    mean, scale = np.array([3.0, -1.0], dtype=np.float32), np.array([2.0, 0.1], dtype=np.float32)
    samples = [(Placed(np.zeros((n, 2), dtype=np.float32), np.arange(60 - n, 60)),) for n in (50, 7) * 40]
    noise = noise_like(samples, mean, scale, np.random.default_rng(0))
    rows = np.concatenate([window.rows for (window,) in noise])
    np.testing.assert_allclose(rows.mean(axis=0), mean, atol=0.2)
    np.testing.assert_allclose(rows.std(axis=0), scale, rtol=0.1)
    for (before,), (after,) in zip(samples, noise, strict=True):
        np.testing.assert_array_equal(before.slots, after.slots)
        assert after.rows.shape == before.rows.shape
