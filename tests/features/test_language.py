"""Language features: rows and promises over a fake encoder, the numbers of the real one where it is found."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmd_runtime.config import SessionConfig
from dmd_runtime.errors import ModelError
from dmd_runtime.features.base import FeatureSpec, Recipe
from dmd_runtime.features.language import ROWS, LanguageExtractor, SpokenLanguage
from dmd_runtime.features.text_encoder import EncodedText, TextEncoder
from dmd_runtime.features.transcription import Transcriber
from dmd_runtime.features.voice_activity import SpeechSegment, SpeechSettled
from dmd_runtime.features.word_guards import Hypothesis
from dmd_runtime.messages import FOREVER, Float32, Span, Utterance, Word
from dmd_runtime.modality import Modality
from dmd_runtime.streaming.window import WindowBuilder
from tests.features.speech_assets import encoder, model_folder
from tests.messages_factory import recipe

TEXT = "I would like to go home, please!"


class Letters:
    """An encoder whose pieces are pairs of letters and whose rows are the word's number and the piece's."""

    dim = 2
    delta = "0123456789abcdef" * 4

    def encode(self, words: list[str]) -> EncodedText:
        pieces = [(i, w[j : j + 2]) for i, w in enumerate(words) for j in range(0, len(w), 2)]
        rows = [(i, n) for n, (i, _) in enumerate(pieces)]
        return EncodedText(
            pieces=tuple(text for _, text in pieces),
            word=np.array([i for i, _ in pieces], dtype=np.int64),
            values=np.array(rows, dtype=np.float32).reshape(-1, 2),
        )


def letters() -> LanguageExtractor:
    return LanguageExtractor(Letters())  # type: ignore[arg-type]


def utterance(text: str, start: float = 1.0, *, seq: int = 0, final: bool = True, each: float = 0.5) -> Utterance:
    words = tuple(
        Word(span=Span(start + i * each, start + (i + 0.8) * each), text=w, p=0.5 + 0.01 * i, committed=final)
        for i, w in enumerate(text.split())
    )
    return Utterance(seq=seq, span=Span(start, start + max(1, len(words)) * each), words=words, final=final)


# ----------------------------------------------------------------- rows and promises


def test_pieces_share_their_words_time_and_probability_in_order() -> None:
    (block,) = letters().push(utterance("abcdef gh", start=1.0))
    np.testing.assert_allclose(block.times, [1.0, 1.0, 1.0, 1.5], atol=1e-8)
    assert (np.diff(block.times) > 0).all()
    np.testing.assert_allclose(block.ends, [1.4, 1.4, 1.4, 1.9])
    np.testing.assert_allclose(block.confidence, [0.5, 0.5, 0.5, 0.51])
    np.testing.assert_array_equal(block.values, [(0, 0), (0, 1), (0, 2), (1, 3)])
    assert len(block.due) == 0
    assert not any(a.flags.writeable for a in (block.times, block.ends, block.confidence))


@given(lengths=st.lists(st.integers(1, 40), min_size=1, max_size=30), start=st.floats(0, 1e5))
def test_times_ascend_strictly_and_rows_end_after_they_begin(lengths: list[int], start: float) -> None:
    (block,) = letters().push(utterance(" ".join("x" * n for n in lengths), start=start))
    assert (np.diff(block.times) > 0).all()
    assert (block.ends >= block.times).all()


def test_settled_follows_final_utterances_and_marks_and_never_goes_back() -> None:
    extractor = letters()
    blocks = [
        *extractor.push(SpeechSettled(0.9)),
        *extractor.push(utterance("ab", start=1.0, final=False)),
        *extractor.push(utterance("ab", start=1.0)),
        *extractor.push(SpeechSettled(1.2)),
        *extractor.push(SpeechSettled(4.0)),
        *extractor.finish(),
    ]
    assert [b.settled_until for b in blocks] == [0.9, 0.9, 1.5, 1.5, 4.0, FOREVER]
    assert all(b.modality is Modality.LANGUAGE for b in blocks)


def test_what_was_tentative_is_replaced_even_by_nothing() -> None:
    extractor = letters()
    (first,) = extractor.push(utterance("ab cd", start=2.0, final=False))
    (second,) = extractor.push(utterance("ab ce", start=2.0, final=False))
    (third,) = extractor.push(Utterance(seq=0, span=Span(2.0, 3.0), words=(), final=True))
    (fourth,) = extractor.push(utterance("ef", start=5.0, seq=1))
    assert [b.replaces_from for b in (first, second, third, fourth)] == [None, 2.0, 2.0, None]
    assert third.values.shape == (0, 2)
    assert third.settled_until == 3.0


def test_a_window_sees_the_final_words_once_and_how_much_they_cover() -> None:
    plain = recipe()
    extractor = letters()
    specs = {**plain.specs, Modality.LANGUAGE: extractor.spec}
    builder = WindowBuilder(SessionConfig.load().window, Recipe(duration=4.0, specs=specs))
    for item in (utterance("ab cd", 0.5, final=False), utterance("ab cd ef", 0.5), SpeechSettled(2.5)):
        for block in extractor.push(item):
            builder.add(block)
    window = builder.build()
    assert window.features[Modality.LANGUAGE].shape == (ROWS, 2)
    assert window.mask[Modality.LANGUAGE].sum() == 3
    assert window.coverage[Modality.LANGUAGE] == pytest.approx(3 * 0.4 / 2.0)
    assert builder.settled[Modality.LANGUAGE]


def test_recogniser_and_encoder_in_one_block() -> None:
    def recognise(samples: Float32) -> Hypothesis:
        return Hypothesis(words=((" hello", 0.1, 0.9, 0.7),), log_probability=-0.2, no_speech=0.0)

    both = SpokenLanguage(Transcriber(recognise), letters())
    sound = np.full(16_000, 0.1, dtype=np.float32)
    said, block = both.push(SpeechSegment(seq=0, span=Span(3.0, 4.0), samples=sound, final=True))
    assert isinstance(said, Utterance)
    assert [w.text for w in said.words] == ["hello"]
    assert not isinstance(block, Utterance)
    assert block.settled_until == 4.0
    assert len(block.times) == 3
    assert [b.settled_until for b in both.push(SpeechSettled(9.0)) if not isinstance(b, Utterance)] == [9.0]
    assert [b.settled_until for b in both.finish() if not isinstance(b, Utterance)] == [FOREVER]


# ----------------------------------------------------------------------- the encoder


@pytest.mark.parametrize("missing", ["model.safetensors", "config.json", "tokenizer.json"])
def test_a_missing_file_is_named(tmp_path: Path, missing: str) -> None:
    for name in {"model.safetensors", "config.json", "tokenizer.json"} - {missing}:
        (tmp_path / name).touch()
    with pytest.raises(ModelError, match=f"{missing} is missing"):
        TextEncoder(tmp_path)


def test_files_that_are_something_else_are_refused(tmp_path: Path) -> None:
    folder = model_folder("minilm-l6-v2")
    for name in ("config.json", "tokenizer.json"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    (tmp_path / "model.safetensors").write_bytes(b"nonsense of some length, no header at all")
    with pytest.raises(ModelError, match=r"model\.safetensors: expected"):
        TextEncoder(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    (tmp_path / "model.safetensors").symlink_to(folder / "model.safetensors")
    config = json.loads((folder / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "hidden_size": 192}))
    with pytest.raises(ModelError, match="expected the weights of a BERT"):
        TextEncoder(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(ModelError, match=r"tokenizer\.json: expected a tokenizer"):
        TextEncoder(tmp_path)


def test_rows_are_the_last_hidden_states_of_the_pieces() -> None:
    import torch
    from transformers import BertModel
    from transformers.utils import logging as chatter

    chatter.set_verbosity_error()
    chatter.disable_progress_bar()
    pieces, values = LanguageExtractor(encoder()).encode_text(TEXT)
    assert pieces == ("i", "would", "like", "to", "go", "home", ",", "please", "!")
    assert values.dtype == np.float32
    assert not values.flags.writeable
    reference = BertModel.from_pretrained(model_folder("minilm-l6-v2"), local_files_only=True).eval()
    ids = [101, *(encoder()._tokenizer.token_to_id(p) for p in pieces), 102]
    with torch.inference_mode():
        expected = reference(input_ids=torch.tensor([ids])).last_hidden_state[0, 1:-1]
    np.testing.assert_allclose(values, expected.numpy(), atol=1e-5)


def test_the_same_text_is_encoded_once_and_gives_the_same() -> None:
    extractor = LanguageExtractor(encoder())
    _, first = extractor.encode_text("this text is new to the encoder")
    before = encoder().encoded
    (block,) = extractor.push(utterance("this text is new to the encoder"))
    assert encoder().encoded == before
    np.testing.assert_array_equal(block.values, first)
    again = encoder()._encode(("this", "text", "is", "new", "to", "the", "encoder"))
    np.testing.assert_array_equal(again.values, first)


def test_memory_of_texts_is_bounded() -> None:
    extractor = LanguageExtractor(encoder())
    for number in range(80):
        extractor.encode_text(f"number {number}")
    assert len(encoder()._memory) <= 64


def test_a_text_longer_than_the_model_can_take_is_encoded_in_parts() -> None:
    pieces, values = LanguageExtractor(encoder()).encode_text("home " * 700)
    assert len(pieces) == 700
    assert values.shape == (700, 384)


def test_no_words_and_unknown_signs_are_no_error() -> None:
    extractor = LanguageExtractor(encoder())
    assert extractor.encode_text("")[1].shape == (0, 384)
    (block,) = extractor.push(utterance("\u200b 語 ok"))
    assert block.times[-1] == pytest.approx(2.0)
    assert extractor.spec == FeatureSpec(
        modality=Modality.LANGUAGE,
        name="minilm-l6-v2",
        version=1,
        dim=384,
        rate_hz=None,
        rows=ROWS,
        settings={"layer": "last", "unit": "word-piece", "context": "utterance"},
    )
