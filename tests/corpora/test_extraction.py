"""Samples through the live extractors: in order, the same in one process and in several, errors with their words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dmd_runtime.config import SessionConfig
from dmd_runtime.corpora import extraction
from dmd_runtime.corpora.corpus import Face, Labelled, Sentence, VoiceClip
from dmd_runtime.corpora.extraction import Setup, extract
from dmd_runtime.corpora.labels import one_hot
from dmd_runtime.corpora.sound import read_sound
from dmd_runtime.corpora.windows import STILL_ROWS, Windows
from dmd_runtime.errors import SourceError
from tests.factories import make_clip
from tests.features.face_assets import face_model, portrait
from tests.features.speech_assets import model_folder

SETUP = Setup(config=SessionConfig.load())


def sentences(*texts: str) -> list[Labelled]:
    return [Sentence(id=text, emotion=one_hot(0), label=0, text=text) for text in texts]


def clip(path: Path) -> VoiceClip:
    return VoiceClip(id=path.stem, emotion=one_hot(0), label=0, path=path)


def equal(one: Windows, other: Windows) -> bool:
    return len(one) == len(other) and all(
        np.allclose(a.rows, b.rows, atol=1e-5) and (a.slots == b.slots).all() for a, b in zip(one, other, strict=True)
    )


def test_sentences_become_windows_of_their_word_pieces() -> None:
    model_folder("minilm-l6-v2")
    short, long, none = extract(sentences("so happy", "word " * 50, "   "), SETUP)
    assert short[0].slots.tolist() == [30, 31]
    assert long[0].rows.shape == (32, 384)
    assert none == ()


def test_a_clip_becomes_windows_of_its_sound(tmp_path: Path) -> None:
    model_folder("whisper-tiny.en")
    sound = make_clip(tmp_path / "sound.wav", seconds=5.2, video_codec=None)
    (windows,) = extract([clip(sound)], SETUP)
    assert len(windows) == 3
    assert all(window.rows.dtype == np.float32 and len(window.rows) > 150 for window in windows)


def test_sound_is_read_at_16_khz_whatever_it_was(tmp_path: Path) -> None:
    sound = make_clip(tmp_path / "sound.wav", seconds=1.5, video_codec=None, audio_rate=48_000, layout="stereo")
    samples = read_sound(sound)
    assert samples.dtype == np.float32
    assert len(samples) == pytest.approx(24_000, abs=40)


def test_a_face_is_held_and_no_face_has_no_window() -> None:
    face_model()
    grey = portrait()[40:200, 140:300].mean(axis=2).astype(np.uint8)
    faces = [
        Face(id="", emotion=one_hot(0), label=0, image=image, usage="")
        for image in (grey, np.zeros((48, 48), dtype=np.uint8))
    ]
    seen, nothing = extract(faces, SETUP)
    assert len(seen[0].rows) == STILL_ROWS
    assert nothing == ()


def test_a_broken_sound_file_is_named(tmp_path: Path) -> None:
    model_folder("whisper-tiny.en")
    (tmp_path / "broken.flac").write_text("no sound")
    with pytest.raises(SourceError, match=r"broken.flac: expected a media file"):
        list(extract([clip(tmp_path / "broken.flac")], SETUP))


def test_nothing_gives_nothing() -> None:
    assert list(extract([], SETUP)) == []


@pytest.mark.slow
def test_several_processes_give_the_same_in_the_same_order(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    model_folder("minilm-l6-v2"), model_folder("whisper-tiny.en")
    monkeypatch.setattr(extraction, "_WORTH_A_PROCESS", 10)
    some = sentences(*(f"sentence number {k}" for k in range(30)))
    alone = list(extract(some, SETUP, workers=1))
    together = list(extract(some, SETUP, workers=2))
    assert all(equal(a, b) for a, b in zip(alone, together, strict=True))
    (tmp_path / "broken.flac").write_text("no sound")
    with pytest.raises(SourceError, match=r"broken.flac: expected a media file"):
        list(extract([clip(tmp_path / "broken.flac")] * 30, SETUP, workers=2))
