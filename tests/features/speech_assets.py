"""Speech models and speech for tests, where they are found; else the test is skipped with the reason.

Models: ``DMD_ASSETS``, a folder with ``whisper-tiny.en`` and ``minilm-l6-v2`` in it, or what ``dmd models fetch`` got.
Speech: espeak-ng, and recordings (:mod:`tests.shared_data`), each folder with a ``transcripts.tsv`` (file, text, kind).
"""

from __future__ import annotations

import csv
import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import av
import numpy as np
import pytest

from dmd_runtime.features.text_encoder import TextEncoder
from dmd_runtime.features.transcription import WhisperRecogniser
from dmd_runtime.features.voice_activity import SpeechSegment, VoiceActivityConfig, VoiceActivityDetector
from dmd_runtime.messages import AudioBlock, Float32
from tests.shared_data import shared

RATE = 16_000
SENTENCE = "I would like to go home now. Please open the door and wait for me."


@cache
def _folder(name: str) -> Path | None:
    if (root := os.environ.get("DMD_ASSETS")) and (Path(root) / name).is_dir():
        return Path(root) / name
    try:
        from dmd_runtime.assets import Assets
    except ImportError:
        return None
    return Assets(offline=True).find(name)


def model_folder(name: str) -> Path:
    folder = _folder(name)
    if folder is None:
        pytest.skip(f"model {name} is not here: dmd models fetch {name}, or name its folder's parent in DMD_ASSETS")
    return folder


@cache
def _recogniser(folder: Path) -> WhisperRecogniser:
    return WhisperRecogniser(folder, device="cpu")


def recogniser() -> WhisperRecogniser:
    return _recogniser(model_folder("whisper-tiny.en"))


@cache
def _encoder(folder: Path) -> TextEncoder:
    import torch

    torch.set_num_threads(1)
    return TextEncoder(folder)


def encoder() -> TextEncoder:
    return _encoder(model_folder("minilm-l6-v2"))


def load(path: Path) -> Float32:
    """Decode the sound of a media file to mono float32 at 16 kHz."""
    resampler = av.AudioResampler("flt", "mono", RATE)
    with av.open(str(path)) as container:
        frames = [piece for frame in container.decode(audio=0) for piece in resampler.resample(frame)]
        frames += resampler.resample(None)
    return np.concatenate([frame.to_ndarray()[0] for frame in frames]).astype(np.float32)


def clips(folder: str) -> list[tuple[Path, str]]:
    """(media file, what is said) of the recordings in a folder of clips."""
    table = shared("clips", folder, "transcripts.tsv")
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    return [(table.parent / row["file"], row["text"]) for row in rows if "left:" not in row["text"]]


@cache
def _spoken(text: str, folder: Path) -> Float32:
    path = folder / "speech.wav"
    subprocess.run(["espeak-ng", "-v", "en-us", "-s", "140", "-w", str(path), text], check=True)
    return load(path)


def spoken(text: str, folder: Path) -> Float32:
    """``text`` in a synthetic voice."""
    if shutil.which("espeak-ng") is None:
        pytest.skip("no synthetic voice: espeak-ng is not installed")
    return _spoken(text, folder)


def listen(
    samples: Float32, *sizes: int, detector: VoiceActivityDetector | None = None, **config: object
) -> list[object]:
    """Everything a detector says to ``samples`` in blocks of the given sizes, over and over."""
    detector = detector or VoiceActivityDetector(VoiceActivityConfig(**config))  # type: ignore[arg-type]
    out: list[object] = []
    at = seq = 0
    while at < len(samples):
        piece = samples[at : at + (sizes or (512,))[seq % (len(sizes) or 1)]]
        out += detector.push(AudioBlock(seq=seq, t=at / RATE, samples=piece, rate=RATE))
        at, seq = at + len(piece), seq + 1
    return [*out, *detector.finish()]


def segments_of(said: Iterable[object]) -> list[SpeechSegment]:
    return [message for message in said if isinstance(message, SpeechSegment)]


def plain(text: str) -> list[str]:
    """Words without case and marks."""
    return re.sub(r"[^\w' ]", " ", text.lower().replace("-", " ")).split()


def errors(reference: list[str], words: list[str]) -> int:
    """Words to insert, delete or replace to get from one to the other (Levenshtein)."""
    row = list(range(len(words) + 1))
    for i, expected in enumerate(reference, 1):
        previous, row[0] = row[0], i
        for j, got in enumerate(words, 1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (expected != got))
    return row[-1]
