"""What a speech recogniser hears in a voice: the last hidden states of Whisper's encoder, fifty times a second.

Trained to write down speech under any microphone, in any room, the encoder keeps how something was said along with what
was said, and has learned to hear past the channel. Radford et al., *Robust Speech Recognition via Large-Scale Weak
Supervision*, 2022, https://arxiv.org/abs/2212.04356. Only its encoder runs here, on the sound of one window.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np

from dmd_runtime.errors import ModelError
from dmd_runtime.messages import Float32

HOP: Final = 320
"""Samples from row to row: 20 ms at 16 kHz."""
WIDTH: Final = 384
"""Columns of the encoder of ``tiny``."""


class SpeechRepresentation:
    """The encoder, loaded; touched by one thread at a time.

    It has weights of its own rather than the recogniser's: a call must not wait for a sentence to be decoded.

    Parameters
    ----------
    folder : Path
        Whisper tiny.en in CTranslate2's format.
    threads : int

    Raises
    ------
    ModelError
        The folder holds no such model.
    """

    def __init__(self, folder: Path, *, threads: int = 1) -> None:
        from ctranslate2.models import Whisper  # noqa: PLC0415 - a second that only sound needs to spend
        from faster_whisper.feature_extractor import FeatureExtractor  # noqa: PLC0415

        if not (folder / "model.bin").is_file():
            raise ModelError(f"{folder}: expected Whisper tiny.en (model.bin), found no such file")
        try:
            self._model: Any = Whisper(str(folder), device="cpu", compute_type="int8", intra_threads=threads)
        except (RuntimeError, ValueError) as error:
            raise ModelError(f"{folder}: expected Whisper tiny.en, got: {error}") from error
        self._mel: Any = FeatureExtractor()
        self(np.zeros(HOP * 8, dtype=np.float32))

    def __call__(self, samples: Float32) -> Float32:
        """Encode one stretch of sound at 16 kHz, float32 (n,): (ceil(n / HOP), WIDTH); row k begins at sample k * HOP.

        Every row knows the whole stretch. About 35 ms for 4 s on one core.

        Raises
        ------
        ModelError
            The encoder failed.
        """
        from ctranslate2 import StorageView  # noqa: PLC0415

        rows = -(-len(samples) // HOP)
        if rows == 0:
            return np.empty((0, WIDTH), dtype=np.float32)
        whole = np.zeros(rows * HOP, dtype=np.float32)
        whole[: len(samples)] = samples
        spectrum = np.ascontiguousarray(self._mel(whole, padding=0)[None, :, : 2 * rows], dtype=np.float32)
        try:
            states = np.array(self._model.encode(StorageView.from_array(spectrum), to_cpu=True))[0]
        except (RuntimeError, ValueError) as error:
            raise ModelError(f"the speech encoder failed on {len(samples)} samples: {error}") from error
        if states.shape != (rows, WIDTH):
            raise ModelError(f"the speech encoder gave {states.shape}, expected {(rows, WIDTH)}: not Whisper tiny.en")
        return np.asarray(states, dtype=np.float32)
