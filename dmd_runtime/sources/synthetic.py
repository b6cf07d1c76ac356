"""A source whose every picture and sample carries its own number, so that what is lost, doubled or swapped shows.

A picture is a grid of black and white cells that spell its number and a check sum; it survives scaling and lossy video.
A sample is its number modulo 2^15 as a fraction of 2^15, exact in float32 and in 16-bit sound. (The "ramp trick" of
lab-streaming tests.)
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from threading import Event

import numpy as np
import numpy.typing as npt

from dmd_runtime.clock import Clock
from dmd_runtime.errors import ConfigError, SourceError
from dmd_runtime.messages import AudioBlock, Float32, UInt8, VideoFrame, freeze
from dmd_runtime.sources.base import ANALYSIS_RATE, MediaSink, SourceInfo
from dmd_runtime.sources.pacing import BLOCK, Timed, deliver

SAMPLE_CYCLE = 2**15
"""Sample numbers are known modulo this (2.048 s at 16 kHz)."""
FRAME_NUMBERS = 2**24
"""Frame numbers are below this (six days at 30 frames a second)."""

_ROWS, _COLUMNS = 4, 8  # 24 bits of number, 8 bits of check sum
_CHECK_DIVISOR = 0x107  # CRC-8: x^8 + x^2 + x + 1
_CHECK_START = 0x5A  # so that an all-black or all-white picture is no number
_LEAST_SIDE = (32, 16)  # pixels: cells of 4 × 4
_DECIDED = 32  # a cell's brightness must be this far from the middle


class SyntheticSource:
    """Numbered pictures and samples; the same every time.

    Parameters
    ----------
    duration : float
        Seconds; the last picture is the last that starts before it.
    fps : float
    size : (width, height)
        Pixels, at least 32 × 16.
    rate : int
        Samples per second.
    paced : bool
        Deliver in real time, as a live device would.
    video, audio : bool
        Which of the two there is; at least one.

    Raises
    ------
    ConfigError
        A parameter is outside its rule.
    """

    def __init__(
        self,
        duration: float,
        fps: float = 30,
        size: tuple[int, int] = (320, 240),
        rate: int = ANALYSIS_RATE,
        *,
        paced: bool,
        video: bool = True,
        audio: bool = True,
    ) -> None:
        if not (0 < duration < math.inf and 0 < fps <= 1000 and 1 <= rate <= 768_000 and (video or audio)):
            raise ConfigError(
                "a synthetic source needs a duration above 0, up to 1000 pictures and 768000 samples a second, and "
                f"pictures or sound; got duration={duration}, fps={fps}, rate={rate}, video={video}, audio={audio}"
            )
        self._fps = Fraction(fps).limit_denominator(100_000)
        self._size = size
        self._rate = rate
        self._paced = paced
        self._frames = math.ceil(Fraction(duration).limit_denominator(10**6) * self._fps) if video else 0
        self._samples = max(1, round(duration * rate)) if audio else 0
        if video:
            frame_image(self._frames - 1, size)  # raises what is wrong with the size or the number of pictures
        self._ran = False
        details: dict[str, object] = {}
        if video:
            details["video"] = {"size": list(size), "fps": float(self._fps), "frames": self._frames}
        if audio:
            details["audio"] = {"rate": rate, "channels": 1, "samples": self._samples}
        self.info = SourceInfo(
            kind="synthetic",
            name="synthetic",
            has_video=video,
            has_audio=audio,
            duration=float(duration),
            marks=("SYNTHETIC",),
            details=details,
        )

    def run(self, sink: MediaSink, clock: Clock, stop: Event) -> float:
        """Deliver all of it; see :class:`~dmd_runtime.sources.base.Source`."""
        if self._ran:
            raise SourceError("synthetic: expected one run of this source, got a second")
        self._ran = True
        return deliver([self._video(), self._audio()], sink, clock, stop, paced=self._paced)

    def close(self) -> None:
        """Nothing is held."""

    def _video(self) -> Iterator[Timed]:
        for seq in range(self._frames):
            t = float(seq / self._fps)
            yield Timed(t, float((seq + 1) / self._fps), VideoFrame(seq=seq, t=t, image=frame_image(seq, self._size)))

    def _audio(self) -> Iterator[Timed]:
        for seq, first in enumerate(range(0, self._samples, BLOCK)):
            samples = numbered_samples(first, min(BLOCK, self._samples - first))
            block = AudioBlock(seq=seq, t=first / self._rate, samples=samples, rate=self._rate)
            yield Timed(block.end, block.end, block)


def frame_image(number: int, size: tuple[int, int]) -> UInt8:
    """RGB picture, uint8 (height, width, 3), read-only, that spells ``number``; ``size`` is (width, height).

    Raises
    ------
    ConfigError
        The number or the size is outside its rule.
    """
    width, height = size
    if not (0 <= number < FRAME_NUMBERS and width >= _LEAST_SIDE[0] and height >= _LEAST_SIDE[1]):
        least = f"{_LEAST_SIDE[0]} x {_LEAST_SIDE[1]}"
        raise ConfigError(
            f"a numbered picture needs a number in [0, {FRAME_NUMBERS}) and at least {least} pixels, "
            f"got {number} and {width} x {height}"
        )
    word = number << 8 | _check_sum(number)
    bits = np.array([word >> place & 1 for place in reversed(range(_ROWS * _COLUMNS))], dtype=np.uint8)
    cells = bits.reshape(_ROWS, _COLUMNS) * np.uint8(255)
    rows = np.arange(height) * _ROWS // height
    columns = np.arange(width) * _COLUMNS // width
    return freeze(np.repeat(cells[np.ix_(rows, columns)][:, :, None], 3, axis=2))


def read_frame_number(image: UInt8) -> int:
    """Read the number that ``image``, uint8 (H, W, 3) or (H, W), spells.

    Raises
    ------
    ValueError
        It spells none: a cell is neither black nor white, or the check sum is wrong.
    """
    grey = image.mean(axis=2) if image.ndim == 3 else image.astype(np.float64)
    height, width = grey.shape
    word = 0
    for row in range(_ROWS):
        for column in range(_COLUMNS):
            top, left = (row + 0.25) * height / _ROWS, (column + 0.25) * width / _COLUMNS
            bottom, right = top + 0.5 * height / _ROWS, left + 0.5 * width / _COLUMNS
            level = float(grey[int(top) : math.ceil(bottom), int(left) : math.ceil(right)].mean()) - 127.5
            if abs(level) < _DECIDED:
                raise ValueError(f"cell ({row}, {column}) is neither black nor white but {level + 127.5:.0f}")
            word = word << 1 | (level > 0)
    number = word >> 8
    if word & 0xFF != _check_sum(number):
        raise ValueError(f"the check sum of {number} should be {_check_sum(number)}, got {word & 0xFF}")
    return number


def numbered_samples(first: int, count: int) -> Float32:
    """Make samples number ``first`` to ``first + count - 1``: float32 (count,) in [0, 1), read-only."""
    numbers = np.arange(first, first + count, dtype=np.int64) % SAMPLE_CYCLE
    return freeze(numbers.astype(np.float32) / np.float32(SAMPLE_CYCLE))


def read_sample_numbers(samples: Float32) -> npt.NDArray[np.int64]:
    """Numbers, int64 (n,), modulo ``SAMPLE_CYCLE``, of float32 (n,).

    Raises
    ------
    ValueError
        A sample is no whole number of steps: it was scaled, mixed or resampled.
    """
    steps = np.asarray(samples, dtype=np.float64) * SAMPLE_CYCLE
    numbers = np.rint(steps).astype(np.int64)
    if len(steps) and not ((numbers == steps) & (numbers >= 0) & (numbers < SAMPLE_CYCLE)).all():
        raise ValueError(
            f"samples must be whole numbers of 1/{SAMPLE_CYCLE} in [0, 1), got {samples[numbers != steps][:3]}"
        )
    return numbers


def _check_sum(number: int) -> int:
    """CRC-8 of the three bytes of ``number``: finds every burst of up to 8 wrong bits."""
    rest = (number << 8) ^ (_CHECK_START << 24)
    for place in reversed(range(8, 32)):
        if rest >> place & 1:
            rest ^= _CHECK_DIVISOR << place - 8
    return rest & 0xFF
