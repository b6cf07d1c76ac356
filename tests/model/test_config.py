"""What a model may be made of: every rule names itself and the value, and JSON loses nothing."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmd_runtime.errors import ConfigError
from dmd_runtime.modality import EDGES, MODALITIES, Graph
from dmd_runtime.model.config import EDGE_FORMS, MOST_LAYERS, STRIDES, DMDConfig, Dropout, StemConfig
from tests.model.model_factory import make_config

L, V, A = MODALITIES
STEM = StemConfig(channels=8, stride=2, blocks=1, instance_norm=True, dropout=0.1)
sizes = st.integers(1, 500)
probabilities = st.floats(0, 1, exclude_max=True)


@st.composite
def configs(draw) -> DMDConfig:
    kernels = {m: draw(st.integers(1, 9)) for m in MODALITIES}
    heads = draw(st.integers(1, 12))
    labels = draw(st.lists(st.text(min_size=1), unique=True, max_size=5))
    stems = st.builds(
        StemConfig,
        channels=sizes,
        stride=st.sampled_from(STRIDES),
        blocks=st.integers(0, MOST_LAYERS),
        kernel=st.integers(1, 9).map(lambda n: 2 * n + 1),
        instance_norm=st.booleans(),
        dropout=probabilities,
    )
    weights = st.lists(st.floats(0, 1), min_size=len(EDGES), max_size=len(EDGES)).map(tuple)
    return DMDConfig(
        dims={m: draw(sizes) for m in MODALITIES},
        lengths={m: 4 * (kernels[m] + draw(st.integers(0, 500))) for m in MODALITIES},
        kernels=kernels,
        width=2 * heads * draw(st.integers(1, 9)),
        heads=heads,
        layers=draw(st.integers(1, MOST_LAYERS)),
        graph_width={g: draw(sizes) for g in Graph},
        edge_form=draw(st.sampled_from(EDGE_FORMS)),
        stems=draw(st.dictionaries(st.sampled_from(MODALITIES), stems)),
        temperature=draw(st.floats(1e-3, 1e3)),
        labels=tuple(labels),
        sentiment=draw(st.booleans()) or not labels,
        prior=draw(st.dictionaries(st.sampled_from(Graph), weights)),
        dropout=Dropout(
            text=draw(probabilities),
            embedding=draw(probabilities),
            output=draw(probabilities),
            attention={m: draw(probabilities) for m in MODALITIES},
        ),
    )


@given(configs())
def test_json_and_back(config):
    assert DMDConfig.from_json(json.loads(json.dumps(config.to_json()))) == config


def test_published_sizes():
    config = make_config(lengths=(50, 500, 375), kernels=(5, 5, 5), width=50, heads=10, layers=4)
    assert config.steps == {L: 46, V: 496, A: 371}
    assert (config.outputs, config.memory_layers) == (1, 4)
    assert make_config(layers=1).memory_layers == 3
    assert make_config(labels=("a", "b")).outputs == 3
    assert make_config(labels=("a", "b"), sentiment=False).outputs == 2


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"width": 0}, r"width .* from 1 to 100000, got 0"),
        ({"width": 100_002}, r"width .* got 100002"),
        ({"width": 12.0}, r"width .* got 12\.0"),
        ({"heads": True}, r"heads .* got True"),
        ({"layers": MOST_LAYERS + 1}, rf"layers .* to {MOST_LAYERS}, got {MOST_LAYERS + 1}"),
        ({"layers": "2"}, r"layers .* got '2'"),
        ({"dims": (7, 0, 3)}, r"dims\.V .* got 0"),
        ({"lengths": (9, 30, None)}, r"lengths\.A .* got None"),
        ({"kernels": (3, -1, 5)}, r"kernels\.V .* got -1"),
        ({"kernels": (10, 1, 5)}, r"language has 9 rows, fewer than its kernel of 10"),
        ({"width": 10, "heads": 3}, r"multiple of heads; got 10 and 3"),
        ({"width": 9, "heads": 3}, r"even .* got 9 and 3"),
        ({"graph_width": {Graph.HOMOGENEOUS: 4}}, r"graph_width\.hetero .* got None"),
        ({"temperature": 0.0}, r"temperature .* got 0\.0"),
        ({"temperature": math.nan}, r"temperature .* got nan"),
        ({"temperature": math.inf}, r"temperature .* got inf"),
        ({"temperature": "8"}, r"temperature .* got '8'"),
        ({"edge_form": "additive"}, r"edge_form must be one of \('published', 'interaction'\), got 'additive'"),
        ({"edge_form": None}, r"edge_form .* got None"),
        ({"stems": {V: STEM}, "lengths": (9, 31, 21)}, r"visual has 31 rows, no multiple of its stem's stride of 2"),
        ({"stems": {A: STEM}, "lengths": (9, 30, 8)}, r"acoustic has 4 rows, fewer than its kernel of 5 .* its stem"),
        ({"stems": {"V": STEM}}, r"a StemConfig per Modality, got 'V'"),
        ({"stems": {V: {"stride": 2}}}, r"a StemConfig per Modality, got .*VISUAL"),
        ({"sentiment": False}, r"different labels, or a sentiment score"),
        ({"labels": ("a", "a")}, r"different labels"),
        ({"labels": ("a", "")}, r"labels with names"),
        ({"labels": ("a", 3)}, r"labels with names"),
        ({"sentiment": 3}, r"a yes or no, got .* 3"),
        ({"prior": {Graph.HOMOGENEOUS: (1.0,)}}, r"prior of homo must be 6 numbers"),
        ({"prior": {Graph.HETEROGENEOUS: (math.nan,) * 6}}, r"prior of hetero must be 6 numbers"),
        ({"prior": {Graph.HETEROGENEOUS: (-1.0,) * 6}}, r"prior of hetero .* at least 0"),
    ],
    ids=str,
)
def test_rules(changes, says):
    with pytest.raises(ConfigError, match=says):
        make_config(**changes)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"text": 1.0}, r"dropout text: .* \[0, 1\), got 1\.0"),
        ({"embedding": -0.1}, r"dropout embedding: .* got -0\.1"),
        ({"output": "half"}, r"dropout output: .* got 'half'"),
        ({"attention": {L: 0.1, V: 0.1}}, r"dropout A: .* got -1"),
    ],
)
def test_rules_of_dropout(changes, says):
    with pytest.raises(ConfigError, match=says):
        Dropout(**changes)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"channels": 0}, r"stem channels .* from 1 to 100000, got 0"),
        ({"channels": 8.0}, r"stem channels .* got 8\.0"),
        ({"stride": 3}, r"stem stride must be one of \(1, 2, 4\), got 3"),
        ({"stride": True}, r"stem stride .* got True"),
        ({"stride": 2.0}, r"stem stride .* got 2\.0"),
        ({"blocks": -1}, r"stem blocks .* from 0 to 64, got -1"),
        ({"blocks": 65}, r"stem blocks .* got 65"),
        ({"kernel": 4}, r"stem kernel must be odd and at least 3, got 4"),
        ({"kernel": 1}, r"stem kernel .* got 1"),
        ({"kernel": "5"}, r"stem kernel .* got '5'"),
        ({"instance_norm": 1}, r"instance_norm must be a yes or no, got 1"),
        ({"dropout": 1.0}, r"stem dropout .* \[0, 1\), got 1\.0"),
    ],
    ids=str,
)
def test_rules_of_a_stem(changes, says):
    with pytest.raises(ConfigError, match=says):
        replace(STEM, **changes)


def test_what_an_older_checkpoint_says_is_the_published_form():
    body = make_config().to_json()
    assert {"edge_form", "stems"}.isdisjoint(body)
    read = DMDConfig.from_json(body)
    assert (read.edge_form, dict(read.stems)) == ("published", {})


def _without(key):
    return {k: v for k, v in make_config().to_json().items() if k != key}


@pytest.mark.parametrize(
    ("body", "says"),
    [
        *((_without(key), f"'{key}' is missing|argument: '{key}'") for key in make_config().to_json()),
        ({**make_config().to_json(), "colour": "red"}, "colour"),
        ({**make_config().to_json(), "dims": {"L": 1, "V": 2, "X": 3}}, "'X'"),
        ({**make_config().to_json(), "dims": [1, 2, 3]}, "'list'"),
        ({**make_config().to_json(), "labels": "abc"}, "where a list belongs"),
        ({**make_config().to_json(), "prior": {"homo": 3}}, "not iterable"),
        ({**make_config().to_json(), "dropout": {"text": 0.5}}, "'attention' is missing"),
        ({**make_config().to_json(), "dropout": {"attention": {"L": 0, "V": 0, "A": 0}}}, "'text' is missing"),
        ({**make_config().to_json(), "stems": {"V": {"stride": 2}}}, "channels"),
        ({**make_config().to_json(), "stems": {"V": 3}}, "mapping"),
        ({**make_config().to_json(), "stems": [3]}, "'list'"),
        ({**make_config().to_json(), "edge_form": ["published"]}, "edge_form"),
        ({**make_config().to_json(), "width": 10**9}, "width"),
        ("text", "expected the fields"),
        ([], "is missing"),
        (None, "expected the fields"),
    ],
    ids=lambda x: None if isinstance(x, dict) else str(x),
)
def test_refuses_other_json(body, says):
    with pytest.raises(ConfigError, match=says):
        DMDConfig.from_json(body)
