from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from desktop.models.steady import Smoother, StableLabel


def test_no_time_constant_gives_the_values_as_they_are() -> None:
    smoother = Smoother(0.0)
    for t, value in enumerate([0.1, 0.9, 0.4]):
        assert smoother.step(float(t), np.array([value])).tolist() == [value]


def test_after_one_time_constant_two_thirds_of_a_step_are_shown() -> None:
    smoother = Smoother(2.0)
    smoother.step(0.0, np.array([0.0]))
    assert smoother.step(2.0, np.array([1.0]))[0] == pytest.approx(1 - math.exp(-1))


@settings(deadline=None)
@given(st.integers(1, 40))
def test_it_is_the_same_however_often_values_come(parts: int) -> None:
    smoother = Smoother(1.0)
    smoother.step(0.0, np.array([0.0]))
    for i in range(parts):
        shown = smoother.step((i + 1) / parts, np.array([1.0]))
    assert shown[0] == pytest.approx(1 - math.exp(-1))


def test_a_rewind_starts_anew() -> None:
    smoother = Smoother(1.0)
    smoother.step(5.0, np.array([0.0]))
    assert smoother.step(1.0, np.array([1.0]))[0] == 1.0


def test_a_label_does_not_flicker_between_equals() -> None:
    stable = StableLabel(margin=0.05, patience=2.0)
    labels = [stable.step(0.5 * i, {"a": 0.40 + 0.02 * (-1) ** i, "b": 0.40}) for i in range(40)]
    assert labels == ["a"] * 40


def test_a_clear_lead_takes_over_at_once() -> None:
    stable = StableLabel(margin=0.05)
    assert stable.step(0.0, {"a": 0.6, "b": 0.4}) == "a"
    assert stable.step(0.5, {"a": 0.4, "b": 0.6}) == "b"


def test_a_small_lead_takes_over_after_a_while_if_unbroken() -> None:
    stable = StableLabel(margin=0.05, patience=2.0)
    stable.step(0.0, {"a": 0.5, "b": 0.4})
    ahead = {"a": 0.40, "b": 0.43}
    assert [stable.step(t, ahead) for t in (1.0, 2.0, 2.5, 3.0)] == ["a", "a", "a", "b"]


def test_a_broken_lead_waits_again() -> None:
    stable = StableLabel(margin=0.05, patience=2.0)
    stable.step(0.0, {"a": 0.5, "b": 0.4})
    stable.step(1.0, {"a": 0.40, "b": 0.43})
    stable.step(2.0, {"a": 0.43, "b": 0.40})
    assert stable.step(3.5, {"a": 0.40, "b": 0.43}) == "a"


def test_a_label_that_is_gone_is_not_held() -> None:
    stable = StableLabel()
    stable.step(0.0, {"a": 0.9, "b": 0.1})
    assert stable.step(0.1, {"b": 0.4, "c": 0.6}) == "c"
