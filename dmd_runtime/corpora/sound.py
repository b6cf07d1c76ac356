"""A sound file as one array, through the same decoder and resampler as live analysis."""

from __future__ import annotations

from pathlib import Path
from threading import Event

import numpy as np

from dmd_runtime.errors import SourceError
from dmd_runtime.messages import AudioBlock, Float32
from dmd_runtime.sources.probe import open_media
from dmd_runtime.sources.tracks import AudioTrack

_FAR = 3600.0  # s between two stamps beyond which one of them is wrong


def read_sound(path: Path) -> Float32:
    """Mono float32 (n,) at 16 kHz.

    Raises
    ------
    SourceError
        It is no media file, or has no sound.
    """
    media = open_media(path, with_hash=False)
    try:
        if media.audio is None:
            raise SourceError(f"{path}: expected a file with sound, got one with pictures only")
        items = AudioTrack(media.audio, media.origin, _FAR).items(Event())
        blocks = [timed.item.samples for timed in items if isinstance(timed.item, AudioBlock)]
    finally:
        media.close()
    return np.concatenate(blocks) if blocks else np.empty(0, dtype=np.float32)
