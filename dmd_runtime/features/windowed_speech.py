"""What a speech encoder hears in each window, and the acoustic features of one window as training sees them.

The encoder attends over all it is given, so a window is encoded from exactly the sound inside its span, and rows of
different encodings are never mixed. Windows end on the grid of :class:`~dmd_runtime.config.WindowConfig`, in the time
that the samples count.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from dmd_runtime.config import WindowConfig
from dmd_runtime.errors import ModelError
from dmd_runtime.features.acoustic import HOP, AcousticExtractor, acoustic_spec
from dmd_runtime.features.layout import EPSILON, lay_out, with_window_rows
from dmd_runtime.features.speech_representation import WIDTH
from dmd_runtime.messages import AudioBlock, Bool, Float32, Span, WindowRows, freeze
from dmd_runtime.modality import Modality
from dmd_runtime.sources.base import ANALYSIS_RATE

LEAST = 0.3
"""Seconds of sound below which a window is not encoded."""

Encode = Callable[[Float32], Float32]
"""Samples (n,) at 16 kHz to rows (ceil(n / 320), WIDTH): a ``SpeechRepresentation``."""


class WindowedSpeech:
    """A block: sound in, the rows of every window that has ended; touched by one thread.

    Lost samples count as zeros. Where a window holds zeros only, or less than 0.3 s of sound, it gets no rows: nobody
    can have spoken in it. About 40 ms a window on one core. Blocks are those that :class:`AcousticExtractor` takes; it
    checks them.

    Parameters
    ----------
    encode : callable
    config : WindowConfig
        Duration of a window and the grid of their ends.
    """

    def __init__(self, encode: Encode, config: WindowConfig) -> None:
        self._encode = encode
        self._config = config
        self._most = round(config.duration * ANALYSIS_RATE)
        self._sound: Float32 = np.empty(0, dtype=np.float32)  # the last samples, up to number _heard
        self._heard = 0  # samples so far, lost ones included
        self._origin: float | None = None  # session time of sample 0
        self._index = 0  # of the next window

    def push(self, block: AudioBlock) -> Sequence[WindowRows]:
        """Take sound; return the rows of the windows that it completes.

        Raises
        ------
        ModelError
            The encoder failed.
        """
        if self._origin is None:
            self._origin = block.t - block.lost / ANALYSIS_RATE
        return [*self._take(block.lost, None), *self._take(len(block.samples), _finite(block.samples))]

    def finish(self) -> Sequence[WindowRows]:
        """End of the sound: the rows of the next windows that still hold enough of it, in case pictures go on."""
        out: list[WindowRows] = []
        if self._origin is not None:
            last = self._heard + (1.0 - self._config.min_coverage_acoustic) * self._most
            while self._end <= last:
                out += self._take(self._end - self._heard, None)
        return out

    @property
    def _end(self) -> int:
        """Number of the sample with which the next window ends."""
        assert self._origin is not None
        return math.floor((self._time - self._origin + EPSILON) * ANALYSIS_RATE)

    @property
    def _time(self) -> float:
        return self._config.first + self._index * self._config.step

    def _take(self, count: int, samples: Float32 | None) -> list[WindowRows]:
        """Go on by ``count`` samples (None: zeros), window by window."""
        out: list[WindowRows] = []
        at = 0
        while at < count or self._end <= self._heard:
            piece = min(count - at, max(0, self._end - self._heard))
            new = np.zeros(piece, dtype=np.float32) if samples is None else samples[at : at + piece]
            self._sound = np.concatenate((self._sound, new))[-self._most :]
            self._heard += piece
            at += piece
            if self._end <= self._heard:
                out.append(WindowRows(modality=Modality.ACOUSTIC, end=self._time, values=freeze(self._rows())))
                self._index += 1
        return out

    def _rows(self) -> Float32:
        """Encode what the window that ends here holds."""
        assert self._origin is not None
        before = math.ceil((-self._origin - EPSILON) * ANALYSIS_RATE)  # samples before the session began are not in it
        return _encoded(self._sound[max(0, before - (self._heard - len(self._sound))) :], self._encode)


def acoustic_window(samples: Float32, encode: Encode, duration: float = 4.0) -> tuple[Float32, Bool]:
    """Acoustic features of one window's sound, as a session makes them of its first windows.

    Parameters
    ----------
    samples : float32 (n,)
        At 16 kHz, at most ``duration``; padded on the left as a window is, so that its sound ends with it.
    encode : callable
        A ``SpeechRepresentation``.

    Returns
    -------
    float32 (T, D), bool (T,)
        Values and mask; a row that is not real is 0.

    Raises
    ------
    ModelError
        The sound is longer, or not float32 (n,); the encoder failed.
    """
    if samples.ndim != 1 or samples.dtype != np.float32 or len(samples) > round(duration * ANALYSIS_RATE):
        raise ModelError(
            f"a window's sound must be float32 (n,) of at most {duration:g} s at {ANALYSIS_RATE} Hz, "
            f"got {samples.dtype} {samples.shape}"
        )
    voice = AcousticExtractor()
    blocks = (*voice.push(AudioBlock(seq=0, t=0.0, samples=samples, rate=ANALYSIS_RATE)), *voice.finish())
    times, ends, values = (np.concatenate([getattr(b, name) for b in blocks]) for name in ("times", "ends", "values"))
    span = Span(0.0, -(-len(samples) // HOP) * HOP / ANALYSIS_RATE)
    laid = lay_out(acoustic_spec("", duration), times, ends, values, span=span, duration=duration)
    return with_window_rows(*laid, _encoded(_finite(samples), encode))


def _finite(samples: Float32) -> Float32:
    return np.nan_to_num(samples, nan=0.0, posinf=0.0, neginf=0.0)


def _encoded(sound: Float32, encode: Encode) -> Float32:
    """Rows of a window's sound; none where nobody can have spoken."""
    if len(sound) < LEAST * ANALYSIS_RATE or not sound.any():
        return np.empty((0, WIDTH), dtype=np.float32)
    return np.array(encode(sound), dtype=np.float32)
