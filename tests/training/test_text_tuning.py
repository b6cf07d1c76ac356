"""An encoder of text that is trained along."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from dmd_runtime.errors import CheckpointError, ConfigError
from dmd_runtime.modality import Modality
from dmd_runtime.training.text_tuning import FOLDER, WEIGHTS, load_text, save_text, saved_text
from tests.features.speech_assets import model_folder
from tests.training.training_factory import error, make_encoder, make_run, make_samples, make_trainer

TRAIN, VALID = make_samples(32, seed=1, tokens=True), make_samples(8, seed=2, tokens=True)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_encoder(tmp_path_factory.mktemp("encoder"))


def test_it_is_trained_along_at_its_own_rate(encoder: Path) -> None:
    first = load_text(str(encoder))
    for rate, moved in ((None, True), (1e-12, False)):
        config = make_run(text={"encoder": str(encoder), "lr": rate})
        fitted = make_trainer(config).fit(TRAIN, VALID, seed=1, scores=error)
        assert fitted.learner.model.config.dims[Modality.LANGUAGE] == 32
        found = [
            not torch.allclose(a, b, atol=1e-7)
            for (name, a), b in zip(
                fitted.learner.text.encoder.named_parameters(), first.encoder.parameters(), strict=True
            )
            if "attention.self.query.weight" in name
        ]
        assert found == [moved] * 2


def test_language_comes_from_the_word_pieces_and_what_is_masked_is_not_read(encoder: Path) -> None:
    config = make_run(text={"encoder": str(encoder)}, optimiser={"epochs": 1})
    a = make_trainer(config).fit(TRAIN, VALID, seed=1, scores=error)
    other = make_samples(32, seed=1, tokens=True)
    other.features[Modality.LANGUAGE][:] = 0  # the file's own features
    hidden = ~other.mask[Modality.LANGUAGE]
    hidden[:, 0] = False  # the first piece is always read
    other.text_tokens[:, 0][hidden] = 1
    b = make_trainer(config).fit(other, VALID, seed=1, scores=error)
    assert a.rows == b.rows
    other.text_tokens[:, 0][~hidden] = 1
    assert make_trainer(config).fit(other, VALID, seed=1, scores=error).rows != a.rows


def test_it_is_kept_beside_the_checkpoint_and_only_that_one_is_taken(encoder: Path, tmp_path: Path) -> None:
    text = load_text(str(encoder))
    with torch.no_grad():
        next(text.parameters()).add_(1)
    for _ in range(2):  # the second replaces the first
        record = save_text(text, tmp_path)
    assert record["file"] == f"{FOLDER}/{WEIGHTS}"
    assert [path.name for path in tmp_path.iterdir()] == [FOLDER]
    checkpoint = tmp_path / "checkpoint.safetensors"
    again = saved_text(checkpoint, record)
    tokens = torch.from_numpy(TRAIN.text_tokens.astype(np.int64))
    mask = tokens[:, 1].bool()
    assert torch.equal(again.eval()(tokens, mask), text.eval()(tokens, mask))
    with pytest.raises(CheckpointError, match="expected the text encoder with sha256"):
        saved_text(checkpoint, {"sha256": "0" * 64})
    with pytest.raises(CheckpointError, match="expected its tuned text encoder"):
        saved_text(tmp_path / "elsewhere" / "checkpoint.safetensors", record)


def test_a_real_encoder_is_tuned_too() -> None:
    config = make_run(text={"encoder": str(model_folder("minilm-l6-v2"))}, optimiser={"epochs": 1, "lr": 1e-4})
    fitted = make_trainer(config).fit(TRAIN.take(slice(8)), VALID, seed=1, scores=error)
    assert fitted.learner.model.config.dims[Modality.LANGUAGE] == 384
    assert fitted.rows[0]["valid MAE"] < 3


def test_a_text_without_any_piece_gives_numbers(encoder: Path) -> None:
    text = load_text(str(encoder)).eval()
    assert text(torch.zeros(2, 3, 8, dtype=torch.long), torch.zeros(2, 8, dtype=torch.bool)).isfinite().all()


def test_wrong_encoders_and_samples_are_named(encoder: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ConfigError, match=r"text encoder .*nothing: expected a folder, or a name on the hub"):
        load_text(str(tmp_path / "nothing"))
    trainer = make_trainer(make_run(text={"encoder": str(encoder)}))
    with pytest.raises(ConfigError, match="train: expected text_bert for a tuned text encoder, got none"):
        trainer.fit(make_samples(8), VALID, seed=1, scores=error)
    with pytest.raises(ConfigError, match="valid: expected text_bert"):
        trainer.fit(TRAIN, make_samples(8), seed=1, scores=error)
    other = make_samples(32, seed=1, tokens=True)
    other.text_tokens[0, 0, 3] = 30_000
    with pytest.raises(ConfigError, match="train: expected word pieces from 0 to 39, got 30000"):
        trainer.fit(other, VALID, seed=1, scores=error)
