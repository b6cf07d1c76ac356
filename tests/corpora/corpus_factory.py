"""Tiny sets laid out as the real ones are: labels, empty sound files, sheets of faces made of numbers, sentences."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from dmd_runtime.streaming.extractors import LABELS

RAVDESS = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")
VOTES = (*("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear"), "contempt", "unknown", "NF")


def make_ravdess(folder: Path, emotions: Sequence[str] = RAVDESS, suffix: str = ".flac") -> Path:
    """``labels.csv`` with actor 01, 02, ... and empty sound files."""
    (folder / "audio16k").mkdir(parents=True)
    lines = ["name,emotion,intensity,actor"]
    for k, emotion in enumerate(emotions):
        lines.append(f"clip-{k},{emotion},normal,{k + 1}")
        (folder / "audio16k" / f"clip-{k}{suffix}").touch()
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    return folder


def make_emodb(folder: Path) -> Path:
    """Three clips of two speakers, one of them bored."""
    (folder / "audio16k").mkdir(parents=True)
    rows = {"03a01Fa": "happiness", "08b02Wc": "anger", "03a02La": "boredom"}
    for name in rows:
        (folder / "audio16k" / f"{name}.flac").touch()
    (folder / "labels.csv").write_text("name,emotion\n" + "".join(f"{n},{e}\n" for n, e in rows.items()))
    return folder


def make_ferplus(folder: Path, majorities: Sequence[str] = LABELS, usage: str = "PrivateTest") -> Path:
    """One sheet with a face of grey 10, 20, ... for each majority, which all ten annotators voted for."""
    folder.mkdir(parents=True)
    sheet = np.zeros((96, 48 * 50), dtype=np.uint8)
    lines = [f"fer2013_row,name,usage,atlas,row,col,{','.join(VOTES)},majority"]
    for k, majority in enumerate(majorities):
        row, col = divmod(k, 50)
        sheet[row * 48 : row * 48 + 48, col * 48 : col * 48 + 48] = 10 * k + 10
        votes = [10 if name == majority else 0 for name in VOTES]
        if not majority:
            votes[0] = votes[1] = 5
        lines.append(f"{k},fer{k:07d}.png,{usage},sheet_00.webp,{row},{col},{','.join(map(str, votes))},{majority}")
    done, body = cv2.imencode(".webp", sheet, [cv2.IMWRITE_WEBP_QUALITY, 101])
    assert done
    (folder / "sheet_00.webp").write_bytes(body.tobytes())
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    return folder


def make_goemotions(folder: Path, split: str = "test", names: bool = True) -> Path:
    """One sentence for each label, one with two labels."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [f'{split} "sentence {k}\t{k}\tid{k}' for k in range(7)] + ["both\t0,3\tid7"]
    (folder / f"ekman_{split}.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    if names:
        (folder / "ekman_labels.txt").write_text("anger\ndisgust\nfear\njoy\nneutral\nsadness\nsurprise")
    return folder


def make_meld(folder: Path, split: str = "test", encoding: str = "utf-8") -> Path:
    """Four utterances of two dialogues."""
    folder.mkdir(parents=True, exist_ok=True)
    text = (
        "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID\r\n"
        '1,"It’s great, really",Joey,joy,positive,0,0\r\n'
        "2,No.,Ross,anger,negative,0,1\r\n"
        "3,Well,Ross,neutral,neutral,1,0\r\n"
        "4,Hm,Ross,confusion,neutral,1,1\r\n"
    )
    (folder / f"{split}_sent_emo.csv").write_bytes(text.encode(encoding))
    return folder


def make_all(root: Path) -> Path:
    """Everything that triples are drawn from, and EmoDB, below one folder."""
    make_emodb(root / "emodb")
    make_ravdess(root / "ravdess", RAVDESS * 2)
    make_ferplus(root / "ferplus", LABELS * 3)
    make_goemotions(root / "goemotions")
    return root
