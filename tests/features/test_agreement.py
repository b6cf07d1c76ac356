"""The commitment core: what two hypotheses agree on stays, whatever comes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmd_runtime.errors import ConfigError
from dmd_runtime.features.agreement import Agreement, AgreementConfig
from dmd_runtime.features.word_guards import TimedWord, plain_text

EACH = 0.4
VOCABULARY = ["go", "home", "now", "no", "Go,", "please."]
texts = st.lists(st.sampled_from(VOCABULARY), max_size=12)


def timed(words: list[str], shift: float = 0.0, p: float = 0.9) -> list[TimedWord]:
    return [(w, shift + i * EACH, shift + (i + 1) * EACH, p) for i, w in enumerate(words)]


def said(words: object) -> list[str]:
    return [plain_text(w[0]) for w in words]  # type: ignore[attr-defined]


def test_a_word_is_committed_when_two_hypotheses_in_a_row_say_it() -> None:
    agreement = Agreement()
    assert agreement.push(timed(["I", "would", "lie"]), heard_until=1.3) == ()
    assert said(agreement.push(timed(["i,", "would", "like", "to"]), heard_until=2.1)) == ["i", "would"]
    assert said(agreement.tentative) == ["like", "to"]
    assert said(agreement.flush(timed(["I", "would", "like", "to", "go."]))) == ["like", "to", "go"]
    assert said(agreement.committed) == ["i", "would", "like", "to", "go"]
    assert agreement.tentative == ()


def test_what_ends_close_to_the_end_of_the_sound_is_not_committed_yet() -> None:
    agreement = Agreement(AgreementConfig(hold=0.3))
    agreement.push(timed(["one", "two"]), heard_until=0.9)
    assert said(agreement.push(timed(["one", "two"]), heard_until=0.9)) == ["one"]


def test_the_same_word_in_another_place_does_not_agree() -> None:
    agreement = Agreement(AgreementConfig(tolerance=0.5))
    agreement.push(timed(["yes"]), heard_until=9.0)
    assert agreement.push(timed(["yes"], shift=2.0), heard_until=9.0) == ()


def test_a_sure_word_needs_no_second_hypothesis_where_that_is_wished() -> None:
    agreement = Agreement(AgreementConfig(sure_after=0.5, sure_probability=0.8))
    assert said(agreement.push(timed(["one", "two", "three"]), heard_until=1.4)) == ["one", "two"]
    assert agreement.push(timed(["one", "two", "tree"], p=0.5), heard_until=9.0) == ()


def test_a_hypothesis_that_tells_committed_words_otherwise_goes_on_behind_them_by_time() -> None:
    agreement = Agreement()
    for _ in range(2):
        agreement.push(timed(["we", "will", "go", "home"]), heard_until=5.0)
    assert said(agreement.unsaid(timed(["he", "would", "go", "home"]))) == ["home"]
    seam = [("will", 1.15, 1.4, 0.9), ("go", 1.4, 1.6, 0.9), ("home", 1.6, 1.9, 0.9)]
    assert said(agreement.unsaid(seam)) == ["home"]  # the phrase stands on both sides of the seam


def test_a_word_is_committed_when_another_one_follows_it_or_the_sound_has_ended() -> None:
    agreement = Agreement()
    for _ in range(3):
        agreement.push(timed(["the", "Euro"]), heard_until=9.0)
    assert said(agreement.committed) == ["the"]
    for _ in range(2):
        agreement.push(timed(["the", "Euro-Banknotes", "are"]), heard_until=9.0)
    assert [w[0] for w in agreement.committed] == ["the", "Euro-Banknotes"]
    assert said(agreement.flush()) == ["are"]


def test_what_grows_out_of_a_committed_word_is_said_behind_it() -> None:
    agreement = Agreement()
    for _ in range(2):
        agreement.push(timed(["Euro", "Bank"]), heard_until=9.0)
    (rest, start, end, _), _ = agreement.unsaid(timed(["Euro-Banknotes", "are"]))
    assert (rest, start, end) == ("banknotes", pytest.approx(0.4), pytest.approx(0.4))
    assert [w[0] for w in agreement.committed] == ["Euro"]


@given(
    truth=st.lists(st.lists(st.sampled_from(["a", "bb", "go"]), min_size=1, max_size=4), min_size=1, max_size=12),
    steps=st.lists(st.integers(0, 5), max_size=30),
)
def test_a_word_of_several_parts_is_committed_whole_however_much_of_it_was_heard(
    truth: list[list[str]], steps: list[int]
) -> None:
    """Parts are heard one after the other, again and again; a hypothesis knows the parts so far, joined to words."""
    whole = ["-".join(parts) for parts in truth]
    begins = [(i, j) for i, parts in enumerate(truth) for j in range(len(parts))]
    agreement, known = Agreement(AgreementConfig(tolerance=0.3)), 0

    def heard(count: int) -> list[TimedWord]:
        words: list[TimedWord] = []
        for at, (i, j) in enumerate(begins[:count]):
            start = words[-1][1] if j else at * EACH
            words = [*words[:i], ("-".join(truth[i][: j + 1]), start, (at + 1) * EACH, 0.9)]
        return words

    for more in steps:
        known = min(len(begins), known + more)
        agreement.push(heard(known), heard_until=known * EACH + 0.5)
        assert [w[0] for w in agreement.committed] == whole[: len(agreement.committed)]
    agreement.flush(heard(len(begins)))
    assert [w[0] for w in agreement.committed] == whole


def test_what_is_withdrawn_is_not_committed() -> None:
    agreement = Agreement()
    agreement.push(timed(["beep"]), heard_until=5.0)
    agreement.withdraw()
    assert agreement.flush() == ()


@given(hypotheses=st.lists(texts, max_size=8), last=st.none() | texts)
def test_committed_text_is_append_only_whatever_the_hypotheses_say(
    hypotheses: list[list[str]], last: list[str] | None
) -> None:
    agreement = Agreement()
    before: list[TimedWord] = []
    for number, words in enumerate(hypotheses):
        fresh = agreement.push(timed(words), heard_until=1.0 + number)
        assert agreement.committed[: len(before)] == before
        assert agreement.committed[len(before) :] == list(fresh)
        before = list(agreement.committed)
    tail = agreement.flush(None if last is None else timed(last))
    assert agreement.committed == [*before, *tail]
    assert agreement.tentative == ()


@given(
    truth=st.lists(st.sampled_from(VOCABULARY), min_size=1, max_size=25),
    steps=st.lists(st.tuples(st.integers(1, 4), texts, st.floats(-0.1, 0.1)), max_size=20),
)
def test_agreeing_hypotheses_end_in_the_final_text(truth: list[str], steps: list[tuple[int, list[str], float]]) -> None:
    """Each knows more of the truth and guesses what comes, never beyond the sound; at the end all is committed once."""
    agreement = Agreement(AgreementConfig(tolerance=0.3))
    known = 0
    for more, guess, shift in steps:
        known = min(len(truth), known + more)
        end = known * EACH + 0.3
        guessed = [(f"?{w}", end, end + 0.1, 0.5) for w in guess]  # never the same place twice with the same word
        agreement.push([*timed(truth[:known], shift), *guessed], heard_until=end)
        assert said(agreement.committed) == said(timed(truth))[: len(agreement.committed)]
    agreement.flush(timed(truth))
    assert said(agreement.committed) == said(timed(truth))


@given(truth=st.lists(st.sampled_from(VOCABULARY), min_size=2, max_size=25), data=st.data())
def test_trimming_the_sound_neither_repeats_nor_loses_words(truth: list[str], data: st.DataObject) -> None:
    words = timed(truth)
    agreement, told, first = Agreement(AgreementConfig(tolerance=0.3)), [], 0
    for known in range(1, len(truth) + 1):
        told += said(agreement.push(words[first:known], heard_until=known * EACH + 0.3))
        cut = data.draw(st.integers(0, len(agreement.committed)), label="trim behind")
        agreement, first = agreement.behind(cut), first + cut
    told += said(agreement.flush(words[first:]))
    assert told == said(words)


@pytest.mark.parametrize("wrong", [{"tolerance": 0.0}, {"hold": 2.0}, {"hold": -1.0}])
def test_a_config_outside_its_rules_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="got "):
        AgreementConfig(**wrong)
