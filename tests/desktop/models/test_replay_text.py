"""The text of a recorded session: where words stand, what is said now, what is found."""

from __future__ import annotations

from desktop.models.replay_text import RecordedText, ReplayTextModel

WORDS = (
    (0.0, 0.4, "Good", 0.9, True),
    (0.5, 0.9, "morning.", 0.8, True),
    (3.0, 3.3, "How", 0.9, False),
    (3.4, 3.6, "good", 0.9, True),
    (3.7, 4.0, "it", 0.9, None),
    (4.0, 4.2, "is!", 0.9, True),
)


def test_a_pause_begins_a_paragraph() -> None:
    text = RecordedText.of(WORDS)
    assert text.text == "Good morning.\nHow good it is!"
    assert [text.text[p : p + n] for p, n in zip(text.places, text.lengths, strict=True)] == [w[2] for w in WORDS]
    assert text.unseen == {2}


def test_scripts_without_spaces_have_none() -> None:
    assert RecordedText.of(((0.0, 0.1, "今", 1.0, True), (0.1, 0.2, "日", 1.0, True))).text == "今日"


def test_the_word_of_a_time_and_of_a_place() -> None:
    text = RecordedText.of(WORDS)
    assert [text.word_at(t) for t in (-0.1, 0.0, 0.45, 2.9, 3.0, 99.0)] == [None, 0, 0, 1, 2, 5]
    assert [text.word_at_place(p) for p in (0, 4, 5, 14)] == [0, 0, 1, 2]
    assert RecordedText().word_at(1.0) is None


def test_search_finds_whatever_the_case_and_across_paragraphs() -> None:
    text = RecordedText.of(WORDS)
    assert [text.text[p : p + n] for p, n in text.find("GOOD")] == ["Good", "good"]
    assert text.find("morning. how") == [(5, 12)]
    assert text.find("  ") == text.find("absent") == []


def test_hits_go_round_from_the_play_head() -> None:
    model = ReplayTextModel()
    model.set_text(RecordedText.of(WORDS))
    model.move(2.0)
    model.search("good")
    assert (len(model.hits), model.hit) == (2, -1)
    assert [model.next_hit(), model.next_hit(), model.next_hit()] == [3.4, 0.0, 3.4]
    assert model.next_hit(-1) == 0.0
    model.search("absent")
    assert model.next_hit() is None


def test_the_word_is_told_when_it_changes_only() -> None:
    model = ReplayTextModel()
    model.set_text(RecordedText.of(WORDS))
    told: list[int | None] = []
    model.word_changed.connect(lambda: told.append(model.word))
    for t in (0.1, 0.2, 0.6, 0.7, 3.1):
        model.move(t)
    assert told == [0, 1, 2]
