"""Flashes and beeps of one moment, every five seconds, and how far apart a player finds them in a file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

from dmd_runtime.messages import VideoFrame, freeze
from dmd_runtime.sources.base import ANALYSIS_RATE

FPS = 25
EVERY, LASTS = 5.0, 0.2  # s
_DARK = freeze(np.zeros((16, 32, 3), dtype=np.uint8))
_BRIGHT = freeze(np.full((16, 32, 3), 255, dtype=np.uint8))

Float64 = npt.NDArray[np.float64]


def pictures(seconds: float, *, jitter: float = 0.0, seed: int = 0) -> Iterator[VideoFrame]:
    """Of 16 × 32; all but those with which a flash begins come up to ``jitter`` seconds late."""
    times = np.arange(round(seconds * FPS)) / FPS
    lit = _happens(times + 1e-9)
    late = np.random.default_rng(seed).uniform(0, jitter, len(times)) * ~(np.diff(lit, prepend=False) & lit)
    for seq, (t, on) in enumerate(zip((times + late).tolist(), lit.tolist(), strict=True)):
        yield VideoFrame(seq=seq, t=t, image=_BRIGHT if on else _DARK)


def wave(t: Float64) -> npt.NDArray[np.float32]:
    """What is to be heard at session times ``t``, float32 of the same shape."""
    return np.where(_happens(t), 0.5 * np.cos(2e3 * np.pi * (t % EVERY)), 0.0).astype(np.float32)


def measure(path: Path) -> Float64:
    """(time of the flash, beep less flash), float64 (n, 2), seconds."""
    with av.open(str(path)) as file:
        bright, at = [], []
        for frame in file.decode(video=0):
            bright.append(frame.to_ndarray(format="gray").mean() > 128)
            at.append(float(frame.pts * frame.time_base))
    with av.open(str(path)) as file:
        blocks = [(float(b.pts * b.time_base), b.to_ndarray()[0]) for b in file.decode(audio=0)]
    times = np.concatenate([t + np.arange(len(samples)) / ANALYSIS_RATE for t, samples in blocks])
    loud = times[np.abs(np.concatenate([samples for _, samples in blocks])) > 3000]
    flashes = np.array(at)[np.flatnonzero(np.diff(np.array(bright, dtype=np.int8)) == 1) + 1]
    beeps = loud[np.flatnonzero(np.diff(loud, prepend=-2.0) > 1.0)]
    assert len(flashes) == len(beeps)
    return np.stack([flashes, beeps - flashes], axis=1)


def _happens(t: Float64) -> npt.NDArray[np.bool_]:
    return (t >= EVERY - 1e-9) & (t % EVERY < LASTS)
