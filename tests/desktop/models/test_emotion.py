from __future__ import annotations

from dataclasses import replace

import pytest
from pytestqt.qtbot import QtBot

from desktop import theme
from desktop.models.emotion import EmotionModel, EmotionState
from desktop.models.words import EMOTIONS
from dmd_runtime import MODALITIES, Graph
from tests.desktop.readings import A, L, V, alone, nothing, probabilities, story, trained, without


def shares(first: float, second: float) -> dict[str, float]:
    rest = (1 - first - second) / 5
    return probabilities((first, second, rest, rest, rest, rest, rest))


def test_raw_is_the_readings_own_whatever_is_shown() -> None:
    model = EmotionModel(smoothing=5.0)
    for reading in story():
        model.take(reading)
        assert model.raw == (reading.emotion or {})
        assert model.raw_sentiment == reading.sentiment


def test_what_is_shown_follows_smoothly_and_still_sums_to_one() -> None:
    model = EmotionModel(smoothing=1.0)
    model.take(trained(0, emotion=shares(0.8, 0.1)))
    model.take(trained(1, emotion=shares(0.1, 0.8)))
    assert 0.1 < model.shown["happiness"] < 0.8
    assert sum(model.shown.values()) == pytest.approx(1)


def test_without_smoothing_the_raw_values_are_shown() -> None:
    model = EmotionModel(smoothing=0.0)
    for i in range(5):
        model.take(trained(i, emotion=shares(0.1 * i + 0.1, 0.2)))
        assert model.shown == pytest.approx(dict(model.raw))


def test_the_label_holds_between_near_equals() -> None:
    model = EmotionModel(smoothing=0.0)
    seen = set()
    for i in range(30):
        model.take(trained(i, emotion=shares(0.40 + 0.01 * (-1) ** i, 0.40)))
        seen.add(model.label)
    assert seen == {"happiness"}


def test_labels_stand_in_one_order() -> None:
    model = EmotionModel()
    model.take(trained(emotion=dict(reversed(probabilities((0.1, 0.2, 0.3, 0.1, 0.1, 0.1, 0.1)).items()))))
    assert model.labels == EMOTIONS == tuple(theme.EMOTION)
    model.take(trained(1, emotion={"boredom": 0.5, "anger": 0.2, "happiness": 0.3}))
    assert model.labels == ("happiness", "anger", "boredom")
    assert model.title == "Boredom"


def test_not_valid_shows_no_guess_and_says_why() -> None:
    model = EmotionModel()
    model.take(trained(0))
    model.take(nothing(1, reason="silence, no face for 12 s"))
    assert model.state is EmotionState.NOT_VALID
    assert (model.label, model.probability, model.sentiment) == (None, None, None)
    assert not model.raw
    assert not model.shown
    assert not model.opinions
    assert model.title == "Not valid"
    assert model.reason == "silence, no face for 12 s"
    assert model.validity.startswith("silence, no face for 12 s")


def test_an_emotion_in_a_reading_that_is_not_valid_is_not_shown_either() -> None:
    model = EmotionModel()
    model.take(trained(0, valid=False, reason="too dark"))
    assert model.label is None
    assert not model.shown


def test_nothing_is_held_over_a_gap() -> None:
    model = EmotionModel(smoothing=30.0)
    model.take(trained(0, emotion=shares(0.8, 0.1)))
    model.take(nothing(1))
    model.take(trained(2, emotion=shares(0.1, 0.8)))
    assert model.shown == pytest.approx(dict(model.raw))
    assert model.label == "neutral"


def test_opinions_are_those_of_the_homogeneous_vertices() -> None:
    own = {m: shares(0.1 * (i + 1), 0.2) for i, m in enumerate(MODALITIES)}
    other = dict.fromkeys(MODALITIES, shares(0.9, 0.05))
    model = EmotionModel()
    model.take(trained(unimodal={Graph.HOMOGENEOUS: own, Graph.HETEROGENEOUS: other}))
    assert model.opinions["happiness"] == {m: own[m]["happiness"] for m in MODALITIES}


def test_a_missing_modality_has_no_opinion() -> None:
    model = EmotionModel()
    model.take(without(V))
    assert set(model.opinions["happiness"]) == {L, A}


def test_validity_in_words() -> None:
    model = EmotionModel()
    assert model.validity == "waiting"
    model.take(trained(0))
    assert model.validity == "valid · L 0.81 V 0.97 A 1.00"
    model.take(without(V, 1))
    assert model.valid
    assert model.validity == "no face for 3 s · L 0.81 V 0.08 A 1.00"


def test_sentiment_only() -> None:
    model = EmotionModel()
    model.take(trained(emotion=None, unimodal={g: dict.fromkeys(MODALITIES) for g in Graph}))
    assert model.state is EmotionState.SENTIMENT_ONLY
    assert model.labels == ()
    assert model.sentiment == 1.2
    assert model.reason == "this checkpoint has no emotion labels"


def test_changed_comes_with_every_change(qtbot: QtBot) -> None:
    model = EmotionModel()
    for change in (lambda: model.take(trained()), model.reset, lambda: setattr(model, "smoothing", 2.0)):
        with qtbot.waitSignal(model.changed, timeout=0):
            change()
    assert model.reading is None
    assert model.state is EmotionState.WAITING


def test_a_negative_time_constant_is_refused() -> None:
    with pytest.raises(ValueError, match="0 or more seconds, got -1"):
        EmotionModel().smoothing = -1


def test_the_explanation_says_who_spoke_and_what_made_it() -> None:
    model = EmotionModel(smoothing=1.0)
    assert "no reading yet" in model.explanation()
    full = trained(20)
    late = replace(full, settled={L: False, V: True, A: True})
    model.take(replace(late, provenance=replace(full.provenance, marks=("UNTRAINED",))))
    text = model.explanation()
    for part in (
        "8.0–12.0 s",
        "never what the person feels",
        "Together they say happiness, 0.46 shown and 0.46 in this window alone",
        "smoothed over 1.0 s",
        "Language (L): words cover 0.81 of the window, took part",
        "Vision (V): a face in 0.97 of the pictures, took part",
        "Each alone: language happiness 0.44, vision happiness 0.42, audio happiness 0.46.",
        "Strongest edge of the homogeneous graph (shared space): language teaches vision, 0.270 (uniform 0.17)",
        "Strongest edge of the heterogeneous graph (own space): vision teaches audio, 0.240",
        "Still arriving when it was read: language",
        "Checkpoint starter 1.0 (sha256:00)",
        "UNTRAINED: The model's weights are random",
    ):
        assert part in text, part


def test_the_explanation_of_less() -> None:
    model = EmotionModel(smoothing=0.0)
    model.take(alone(9))
    text = model.explanation()
    assert "Vision (V): a face in 0.00 of the pictures, left out" in text
    assert "There is no distillation graph in this window." in text
    assert "Nothing is smoothed." in text
    assert "Missing: no face for 3 s, no sound, words only." in text
    model.take(nothing(10))
    text = model.explanation()
    assert "Not valid: silence, no face for 12 s. No emotion is shown rather than a guess." in text
    assert "happiness" not in text
