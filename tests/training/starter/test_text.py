"""The text encoder, tuned: what is learned is what the live encoder gets, and learning pays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from dmd_runtime.features.text_encoder import TextEncoder
from dmd_runtime.model.encoders import TextDeltaConfig, check
from dmd_runtime.training.starter import text as tuning
from dmd_runtime.training.starter.text import Texts, TextSchedule, TunableText, tune
from tests.training.starter.starter_factory import make_text_encoder

SENTENCES = ("so good", "the days", "it was so bad the day", "good")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_text_encoder(tmp_path_factory.mktemp("encoder"))


def exact(tunable: TunableText, text: str) -> np.ndarray:
    """Hidden states in float32 without dropout, (n, D)."""
    (ids,) = tunable.tokens([text])
    tokens = torch.tensor([[tunable._first, *ids, tunable._last]])
    with torch.inference_mode():
        return tunable.model.eval()(input_ids=tokens).last_hidden_state[0, 1:-1].numpy()


def changed(folder: Path) -> TunableText:
    tunable = TunableText(folder, rank=3, scale=0.7)
    torch.manual_seed(1)
    for parameter in tunable.parameters():
        torch.nn.init.normal_(parameter, 0, 0.3)
    return tunable


def toy() -> Texts:
    """Forty sentences whose label is the word ``good`` or ``bad``."""
    text = [f"{'so ' * (k % 3)}{('good', 'bad')[k % 2]} the day{'s' * (k % 2)}" for k in range(40)]
    return Texts(
        text=text,
        emotion=np.eye(2, dtype=np.float32)[np.arange(40) % 2],
        sentiment=np.where(np.arange(40) % 3, 1.0 - 2 * (np.arange(40) % 2), np.nan).astype(np.float32),
        weight=np.ones(40, dtype=np.float32),
    )


def losses(folder: Path, texts: Texts, schedule: TextSchedule) -> tuple[list, object]:
    """The running loss after each fifty batches, and the encoder."""
    told: list[tuple[float, str]] = []
    encoder = tune(folder, texts, schedule, 7, lambda share, line: told.append((share, line)))
    assert all(0 < share <= 1 for share, _ in told)
    return [float(line.split()[1]) for _, line in told], encoder


def test_the_live_encoder_with_the_delta_is_the_tuned_model(folder: Path) -> None:
    tunable = changed(folder)
    delta = tunable.encoder()
    check("text", delta)
    assert TextDeltaConfig.from_json(delta.config) == tunable.config
    live, plain = TextEncoder(folder, delta=delta), TextEncoder(folder)
    for text in SENTENCES:
        expected = exact(tunable, text)
        np.testing.assert_allclose(live.encode(text.split()).values, expected, atol=2e-5)
        assert np.abs(plain.encode(text.split()).values - expected).max() > 0.1


def test_before_it_has_learned_it_changes_nothing(folder: Path) -> None:
    live = TextEncoder(folder, delta=TunableText(folder, 4, 0.7).encoder())
    np.testing.assert_array_equal(live.encode(["so", "good"]).values, TextEncoder(folder).encode(["so", "good"]).values)


def test_states_of_a_batch_stand_under_their_own_pieces(folder: Path) -> None:
    tunable = changed(folder)
    tunable.model.eval()
    ids = tunable.tokens([*SENTENCES, ""])
    with torch.inference_mode():
        hidden, pieces = tunable.states(ids)
    assert pieces.sum(dim=1).tolist() == [len(i) for i in ids] == [2, 3, 6, 1, 0]
    assert hidden.dtype == torch.float32
    for k, text in enumerate(SENTENCES):  # bfloat16 has eight bits
        np.testing.assert_allclose(hidden[k][pieces[k]], exact(tunable, text), atol=0.15)
    assert tunable._tokenizer.token_to_id("##s") in ids[1]


def test_long_texts_are_cut_and_split_as_the_extractor_splits_them(folder: Path) -> None:
    tunable = TunableText(folder, 2, 0.7)
    (ids,) = tunable.tokens(["good " * 300])
    assert len(ids) == 126
    (ids,) = tunable.tokens(["so\tgood  days"])
    assert [tunable._tokenizer.id_to_token(i) for i in ids] == list(
        TextEncoder(folder).encode(("so", "good", "days")).pieces
    )


def test_only_the_delta_is_learned(folder: Path) -> None:
    tunable = TunableText(folder, 2, 0.7)
    learned = {id(p) for p in tunable.parameters()}
    assert {id(p) for p in tunable.model.parameters() if p.requires_grad} == learned
    assert len(learned) == 2 * 6 * 2


def test_learning_lowers_the_loss_and_the_seed_decides(folder: Path) -> None:
    schedule = TextSchedule(epochs=40, batch=8, rank=4, lr=1e-2, head_lr=2e-2)
    before = torch.random.get_rng_state()
    told, encoder = losses(folder, toy(), schedule)
    assert len(told) == 4
    assert told[-1] < 0.6 * told[0]
    short = TextSchedule(epochs=2, batch=8, rank=4, lr=1e-2, head_lr=2e-2)
    (_, a), (_, b) = (losses(folder, toy(), short) for _ in range(2))
    assert a.identity == b.identity != encoder.identity
    torch.random.set_rng_state(before)


def test_sentences_without_weight_teach_nothing(folder: Path) -> None:
    texts, short = toy(), TextSchedule(epochs=1, batch=40, rank=2, sentiment=0.0, as_recognised=0.0)
    seen = []
    for flip in (False, True):
        emotion = texts.emotion.copy()
        emotion[20:] = emotion[20:, ::-1] if flip else emotion[20:]
        weight = np.repeat(np.float32([1, 0]), 20)
        other = Texts(text=texts.text, emotion=emotion, sentiment=texts.sentiment, weight=weight)
        seen.append(tune(folder, other, short, 0, lambda *_: None).identity)
    assert seen[0] == seen[1]


def test_a_recogniser_writes_without_marks_and_capitals_and_loses_words_now_and_then() -> None:
    rng = np.random.default_rng(0)
    heard = [tuning._recognised("It's GREAT, really - isn't it?", rng).split() for _ in range(300)]
    whole = ["it's", "great", "really", "isn't", "it"]
    assert whole in heard
    assert all({*words} <= {*whole} and words for words in heard)
    assert 0.04 < 1 - np.mean([len(words) for words in heard]) / 5 < 0.1


def test_batches_hold_every_sentence_once_and_lengths_alike() -> None:
    lengths = np.random.default_rng(0).integers(1, 60, 1000).tolist()
    batches = tuning._batches(lengths, 16, np.random.default_rng(0))
    assert sorted(i for batch in batches for i in batch) == list(range(1000))
    assert max(map(len, batches)) == 16
    assert np.mean([np.ptp([lengths[i] for i in batch]) for batch in batches]) < 3
