"""JSON from files that nobody vouches for."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmd_runtime.model import strict_json

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(), inside, max_size=3),
    max_leaves=8,
)


@given(values)
def test_what_is_written_is_read(value):
    assert strict_json.parse(strict_json.write(value)) == value
    assert strict_json.parse(strict_json.write(value).encode()) == value


def test_one_text_per_value():
    assert strict_json.write({"b": 1, "a": [1.5, None]}) == strict_json.write({"a": [1.5, None], "b": 1})


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "[1e999]", '{"a": -1e400}'])
def test_numbers_must_be_finite(text):
    with pytest.raises(ValueError, match="no finite number"):
        strict_json.parse(text)


@pytest.mark.parametrize("value", [math.nan, [math.inf]])
def test_nor_are_others_written(value):
    with pytest.raises(ValueError, match="not JSON compliant"):
        strict_json.write(value)


@pytest.mark.parametrize("text", ['{"a": 1, "a": 1}', '[{"x": {"a": 1, "b": 2, "a": 3}}]'])
def test_no_name_twice(text):
    with pytest.raises(ValueError, match="a name twice"):
        strict_json.parse(text)


@pytest.mark.parametrize("pair", ["[]", ('{"a":', "}")], ids=["lists", "objects"])
def test_depth(pair):
    start, end = pair

    def nested(levels):
        return start * levels + "1" + end * levels

    strict_json.parse(nested(strict_json.MAX_DEPTH))
    for levels in (strict_json.MAX_DEPTH + 1, 500, 50_000):
        with pytest.raises(ValueError, match="more than 16 levels"):
            strict_json.parse(nested(levels))


@pytest.mark.parametrize("text", ["", "{", "'a'", b"\xff\xfe", b'{"a": "\xe4"}', "9" * 5000])
def test_no_json(text):
    with pytest.raises(ValueError, match=r"."):
        strict_json.parse(text)
