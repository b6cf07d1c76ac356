from __future__ import annotations

import pytest

from dmd_runtime.errors import ConfigError
from dmd_runtime.model.calibration import SUBSETS, check, temperature
from tests.messages_factory import A, L, V


def test_subsets_are_named_in_the_order_of_the_modalities():
    assert SUBSETS == ("L", "V", "A", "LV", "LA", "VA", "LVA")


def test_what_is_present_decides():
    figures = check({"A": 2, "LVA": 0.5})
    assert temperature(figures, [A]) == 2
    assert temperature(figures, {A, L, V}) == 0.5
    assert temperature(figures, (L, V)) == 1.0
    assert temperature(None, (L,)) == 1.0


@pytest.mark.parametrize("wrong", [[1.0], {"AV": 1.0}, {"L": 0.001}, {"L": 101}, {"L": float("nan")}, {"L": True}])
def test_anything_else_is_refused(wrong):
    with pytest.raises(ConfigError, match="calibration"):
        check(wrong)
