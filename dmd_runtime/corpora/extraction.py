"""Many samples through the live extractors, in several processes where that pays, in their order."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from dmd_runtime.assets import Assets
from dmd_runtime.config import SessionConfig
from dmd_runtime.corpora.corpus import Face, Labelled, Sentence, VoiceClip
from dmd_runtime.corpora.sound import read_sound
from dmd_runtime.corpora.windows import Windows, face_window, sentence_window, voice_windows
from dmd_runtime.errors import StageError
from dmd_runtime.messages import UInt8
from dmd_runtime.modality import Modality
from dmd_runtime.model import checkpoint
from dmd_runtime.streaming.extractors import Extractors

MODALITY_OF = {VoiceClip: Modality.ACOUSTIC, Face: Modality.VISUAL, Sentence: Modality.LANGUAGE}
_WORTH_A_PROCESS = 64  # samples: loading an extractor costs as much as measuring about so many
_CHUNK = 8

Content = Path | UInt8 | str
"""What an extractor reads of a sample: a sound file, a grey picture (H, W), a text."""


@dataclass(frozen=True, kw_only=True)
class Setup:
    """What a process needs to load an extractor; the model files are on this machine.

    Attributes
    ----------
    config : SessionConfig
    checkpoint : Path or None
        Brings encoders.
    """

    config: SessionConfig
    checkpoint: Path | None = None

    def extractors(self) -> Extractors:
        """What makes the live extractors.

        Raises
        ------
        CheckpointError
            The checkpoint cannot be read.
        """
        brings = None if self.checkpoint is None else checkpoint.load(self.checkpoint)
        return Extractors(self.config, Assets(offline=True), brings)


def extract(samples: Sequence[Labelled], setup: Setup, *, workers: int | None = None) -> Iterator[Windows]:
    """The windows of every sample of one kind, in order; none for a face that is not found or a voice too short.

    Parameters
    ----------
    workers : int, optional
        Processes; default: one for each processor, and fewer for few samples. One works in this process.

    Raises
    ------
    DMDError
        As the extractors raise them.
    StageError
        A process died.
    """
    if not samples:
        return
    modality = MODALITY_OF[type(samples[0])]
    contents = [content(sample) for sample in samples]
    most = (os.cpu_count() or 2) if workers is None else workers
    processes = min(most, -(-len(samples) // _WORTH_A_PROCESS))
    if processes <= 1:
        yield from map(measure(modality, setup.extractors()), contents)
        return
    pool = ProcessPoolExecutor(
        processes, multiprocessing.get_context("spawn"), initializer=_start, initargs=(modality, setup)
    )
    try:
        yield from pool.map(_work, contents, chunksize=_CHUNK)
    except BrokenProcessPool as error:
        raise StageError(f"extracting {modality.word} features: a process died (out of memory?)") from error
    finally:
        pool.shutdown(cancel_futures=True)


def content(sample: Labelled) -> Content:
    """What an extractor reads of ``sample``."""
    match sample:
        case VoiceClip():
            return sample.path
        case Face():
            return sample.image
        case Sentence():
            return sample.text
    raise TypeError(f"expected a clip, a face or a sentence, got {type(sample).__name__}")


def measure(modality: Modality, extractors: Extractors) -> Callable[[Any], Windows]:
    """From content to windows, by the live extractor of ``modality``; one thread.

    Raises
    ------
    AssetError, ModelError
        A model file is missing, or no such model.
    """
    recipe = extractors.recipe
    spec = recipe.specs[modality]
    if modality is Modality.ACOUSTIC:
        return lambda path: voice_windows(read_sound(path), extractors.acoustic_window, recipe.duration)
    if modality is Modality.LANGUAGE:
        encode = extractors.language().encode_text
        return lambda text: (sentence_window(rows, spec),) if len(rows := encode(text)[1]) else ()
    still = extractors.visual().still
    return lambda image: (face_window(seen.row, spec),) if (seen := still(_rgb(image))) is not None else ()


def _rgb(grey: UInt8) -> UInt8:
    return np.repeat(grey[..., None], 3, axis=2)


_worker: dict[str, Any] = {}
"""Of a worker: what it extracts, and the extractor once it is loaded."""


def _start(modality: Modality, setup: Setup) -> None:
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    _worker.update(modality=modality, setup=setup)


def _work(item: Any) -> Windows:
    if "measure" not in _worker:  # here and not at the start, where an error would lose its message
        _worker["measure"] = measure(_worker["modality"], _worker["setup"].extractors())
    windows: Windows = _worker["measure"](item)
    return windows
