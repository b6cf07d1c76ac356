from __future__ import annotations

import math

import krippendorff
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from dmd_runtime.errors import ConfigError
from dmd_runtime.evaluation import agreement as module
from dmd_runtime.evaluation.agreement import (
    LEAST,
    LabelTrack,
    ValueTrack,
    compare_labels,
    compare_values,
)

NAMES = ("happiness", "neutral", "anger")


def labelled(codes: list[int], step: float = 0.5) -> LabelTrack:
    """One span for each cell that has a label; -1 has none."""
    cells = [k for k, code in enumerate(codes) if code >= 0]
    start = np.array([k * step for k in cells], dtype=np.float64)
    return LabelTrack(start=start, end=start + step, labels=tuple(NAMES[codes[k]] for k in cells))


def curve(values: np.ndarray, step: float = 0.5) -> ValueTrack:
    return ValueTrack(t=(np.arange(len(values)) + 0.5) * step, values=np.asarray(values, dtype=np.float64))


codes = st.lists(st.tuples(st.integers(-1, 2), st.integers(-1, 2)), min_size=2 * LEAST, max_size=60)


@settings(deadline=None)
@given(codes)
def test_figures_of_labels_are_those_of_the_libraries(pairs: list[tuple[int, int]]) -> None:
    a, b = (list(side) for side in zip(*pairs, strict=True))
    found = compare_labels(labelled(a), labelled(b), names=NAMES)
    both = [(x, y) for x, y in pairs if x >= 0 and y >= 0]
    assert (found.n, found.n_first, found.n_second) == (len(both), sum(x >= 0 for x in a), sum(y >= 0 for y in b))
    if len(both) < LEAST:
        assert found.figures == {}
        assert "expected at least 5 s" in found.reason
        return
    first, second = np.array(both).T
    assert found.figures["agreement"].value == pytest.approx((first == second).mean())
    if len({*first, *second}) > 1:
        assert found.figures["kappa"].value == pytest.approx(cohen_kappa_score(first, second), nan_ok=True)
        alpha = krippendorff.alpha(reliability_data=[first, second], level_of_measurement="nominal")
        assert found.figures["alpha"].value == pytest.approx(alpha)
        own = module._label_figures(found.confusion.reshape(-1).astype(np.float64))["alpha"]
        assert float(own) == pytest.approx(alpha)  # the one that intervals are made of
    else:
        assert math.isnan(found.figures["alpha"].value)
    occurring = [NAMES.index(label) for label in found.labels]
    for i, k in enumerate(occurring):
        for j, m in enumerate(occurring):
            assert found.confusion[i, j] == sum((x, y) == (k, m) for x, y in both)


@settings(deadline=None)
@given(st.integers(0, 1000), st.integers(LEAST, 80))
def test_figures_of_curves_are_those_of_their_definitions(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    x = np.clip(rng.normal(0.2, 0.3, n), -1, 1)
    y = np.clip(0.6 * x + rng.normal(0.1, 0.2, n), -1, 1)
    figures = compare_values(curve(x), curve(y)).figures
    lin = 2 * np.cov(x, y, ddof=0)[0, 1] / (x.var() + y.var() + (x.mean() - y.mean()) ** 2)
    assert figures["ccc"].value == pytest.approx(lin)
    assert figures["pearson"].value == pytest.approx(np.corrcoef(x, y)[0, 1])
    assert figures["rmse"].value == pytest.approx(np.sqrt(np.mean((x - y) ** 2)))
    alpha = krippendorff.alpha(reliability_data=[x, y], level_of_measurement="interval")
    assert figures["alpha"].value == pytest.approx(alpha)


def test_one_with_oneself_agrees() -> None:
    track = labelled([0, 0, 1, 1, 2, 2] * 20)
    figures = compare_labels(track, track).figures
    assert {name: tuple(figure) for name, figure in figures.items()} == dict.fromkeys(
        ("agreement", "kappa", "alpha"), (1, 1, 1)
    )
    wave = curve(np.sin(np.arange(100) / 9))
    figures = compare_values(wave, wave).figures
    for name in ("ccc", "pearson", "alpha"):
        assert figures[name] == pytest.approx((1, 1, 1))
    assert figures["rmse"].value == 0


def test_two_who_guess_agree_by_chance_and_the_intervals_say_so() -> None:
    covered = dict.fromkeys(("kappa", "alpha", "agreement"), 0)
    for seed in range(40):
        rng = np.random.default_rng(seed)
        a, b = (labelled(list(np.repeat(rng.integers(0, 3, 100), 4))) for _ in range(2))
        found = compare_labels(a, b)
        assert found.chance == pytest.approx(1 / 3, abs=0.05)
        for name, expected in {"kappa": 0.0, "alpha": 0.0, "agreement": 1 / 3}.items():
            covered[name] += found.figures[name].low < expected < found.figures[name].high
    assert min(covered.values()) >= 34  # 38 expected of 40


def test_blocks_make_intervals_wider_than_cells_that_repeat() -> None:
    rng = np.random.default_rng(1)
    truth = np.repeat(rng.integers(0, 3, 60), 20)
    other = np.where(np.repeat(rng.random(60), 20) < 0.7, truth, (truth + 1) % 3)
    tracks = labelled(list(truth)), labelled(list(other))
    blocks, cells = (compare_labels(*tracks, block=block).figures["kappa"] for block in (10.0, 0.5))
    assert blocks.high - blocks.low > 2 * (cells.high - cells.low)
    assert blocks.low < blocks.value < blocks.high


def test_one_block_has_no_interval() -> None:
    track = labelled([0, 1] * 10)
    kappa = compare_labels(track, track, block=60.0).figures["kappa"]
    assert kappa.value == 1
    assert math.isnan(kappa.low)


@pytest.mark.parametrize(
    "pair", [([], []), ([0] * 30, []), ([0] * 15 + [-1] * 15, [-1] * 15 + [0] * 15), ([0] * 9, [0] * 9)]
)
def test_too_little_in_common_is_said(pair: tuple[list[int], list[int]]) -> None:
    found = compare_labels(labelled(pair[0]), labelled(pair[1]))
    assert found.figures == {}
    assert "that both have labelled" in found.reason


def test_one_label_only_has_no_kappa() -> None:
    figures = compare_labels(labelled([0] * 40), labelled([0] * 40)).figures
    assert figures["agreement"].value == 1
    assert math.isnan(figures["kappa"].value)
    assert math.isnan(figures["alpha"].value)


def test_curves_that_do_not_move_have_no_correlation() -> None:
    figures = compare_values(curve(np.full(40, 0.3)), curve(np.full(40, 0.3))).figures
    assert figures["rmse"].value == 0
    for name in ("ccc", "pearson", "alpha"):
        assert math.isnan(figures[name].value)


def test_nothing_is_read_into_a_hole() -> None:
    whole = ValueTrack(t=np.arange(0, 20, 0.05), values=np.zeros(400))
    t = np.concatenate([np.arange(0, 5, 0.05), np.arange(12, 20, 0.05)])
    holed = ValueTrack(t=t, values=np.where(t < 8, 0.5, -0.5))
    found = compare_values(whole, holed)
    assert (found.n_first, found.n_second) == (40, 26)
    at = holed.at(np.array([-1.0, 0.0, 4.95, 8.0, 12.0, 19.95, 20.1]))
    np.testing.assert_array_equal(at, [np.nan, 0.5, 0.5, np.nan, -0.5, -0.5, np.nan])
    assert holed.at(np.array([8.5]), gap=8.0)[0] == pytest.approx(0.0, abs=0.02)


def test_a_label_holds_from_its_start_until_before_its_end() -> None:
    track = LabelTrack(start=np.array([1.0, 2.0]), end=np.array([2.0, 3.0]), labels=("a", "b"))
    np.testing.assert_array_equal(track.at(np.array([0.9, 1.0, 2.0, 2.9, 3.0]), ("b", "a")), [-1, 1, 0, 0, -1])
    np.testing.assert_array_equal(track.at(np.array([1.5, 2.5]), ("b",)), [-1, 0])


@pytest.mark.parametrize(("step", "block"), [(0.0, 1.0), (1.0, 0.0), (1e-9, 1.0)])
def test_a_grid_that_is_none_is_refused(step: float, block: float) -> None:
    with pytest.raises(ConfigError, match="agreement: expected"):
        compare_labels(labelled([0] * 40), labelled([0] * 40), step=step, block=block)


def test_tracks_out_of_order_are_refused() -> None:
    with pytest.raises(ConfigError, match="do not overlap"):
        LabelTrack(start=np.array([1.0, 1.5]), end=np.array([2.0, 3.0]), labels=("a", "b"))
    with pytest.raises(ConfigError, match="growing times"):
        ValueTrack(t=np.array([1.0, 1.0]), values=np.zeros(2))
