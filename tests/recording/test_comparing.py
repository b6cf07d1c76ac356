from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dmd_runtime.errors import ConfigError
from dmd_runtime.recording.comparing import compare_tiers, model_tier, model_valence_tier
from dmd_runtime.recording.reader import Readings, open_session
from dmd_runtime.recording.tiers import Item, Tier, TierKind
from tests.recording.annotating import make_session


def reading(t1: float, emotion: dict[str, float] | None, sentiment: float | None = 1.5) -> dict[str, Any]:
    return {
        "t0": t1 - 4.0,
        "t1": t1,
        "made_at": t1,
        "valid": emotion is not None,
        "emotion": emotion,
        "sentiment": sentiment if emotion is not None else None,
    }


def read(folder: Path, lines: list[dict[str, Any]]) -> Readings:
    make_session(folder)
    (folder / "readings.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    return open_session(folder).readings


def happy(share: float) -> dict[str, float]:
    return {"happiness": share, "neutral": 1 - share}


def test_a_reading_stands_for_the_middle_of_its_window(tmp_path: Path) -> None:
    ends = np.arange(2.0, 30.25, 0.5)
    lines = [reading(t, None if 16 <= t < 22 else happy(0.9 if t < 10 else 0.2)) for t in ends]
    items = model_tier(read(tmp_path, lines)).items
    assert [item.label for item in items] == ["happiness", "neutral", "neutral"]
    assert [(item.t0, item.t1) for item in items] == [(0.0, 7.75), (7.75, 15.5), (18.0, 30.0)]


def test_rater_and_model_are_compared(tmp_path: Path) -> None:
    readings = read(tmp_path, [reading(t, happy(0.9 if t <= 32 else 0.2)) for t in np.arange(2.0, 60.25, 0.5)])
    rater = Tier(
        name="emotion",
        by="anna",
        kind=TierKind.CATEGORY,
        items=(Item(id="a", t0=0, t1=30, label="happiness"), Item(id="b", t0=30, t1=60, label="surprise")),
    )
    found = compare_tiers(rater, model_tier(readings))
    assert found.labels == ("happiness", "neutral", "surprise")
    assert found.n == 120
    np.testing.assert_array_equal(found.confusion, [[60, 0, 0], [0, 0, 0], [0, 60, 0]])
    assert found.figures["agreement"].value == pytest.approx(0.5)
    assert found.chance == pytest.approx(0.25)
    assert found.figures["kappa"].value == pytest.approx(1 / 3)


def test_traces_are_compared_with_the_models_sentiment(tmp_path: Path) -> None:
    ends = np.arange(2.0, 60.25, 0.5)
    readings = read(tmp_path, [reading(t, happy(0.5), 3 * np.sin(t / 5)) for t in ends])
    model = model_valence_tier(readings)
    t, v = model.samples
    np.testing.assert_allclose(t, (np.maximum(ends - 4, 0) + ends) / 2)
    np.testing.assert_allclose(v, np.sin(ends / 5), atol=1e-6)
    found = compare_tiers(model, Tier(name="valence", by="anna", kind=TierKind.TRACE, items=model.items))
    assert found.figures["ccc"].value == pytest.approx(1)


def test_no_readings_make_no_items(tmp_path: Path) -> None:
    for number, lines in enumerate(([], [reading(2.0, None)])):
        readings = read(tmp_path / str(number), lines)
        assert model_tier(readings).items == ()
        assert model_valence_tier(readings).items == ()


def test_unlike_tiers_are_refused() -> None:
    tiers = [Tier(name="x", kind=kind) for kind in (TierKind.CATEGORY, TierKind.TRACE, TierKind.SPAN)]
    for a, b in ((0, 1), (1, 2), (2, 2)):
        with pytest.raises(ConfigError, match="two categories or two traces"):
            compare_tiers(tiers[a], tiers[b])
