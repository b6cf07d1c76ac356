"""How a voice sounds: spectrum, pitch, loudness, voice quality, fifty times a second, whatever the microphone's gain.

Each row looks at 64 ms of sound. The only memory across rows is the end of the sound (for windows that span blocks),
the row before, the running level and the running pitch; all of it advances hop by hop, so that the rows do not depend
on how the sound was cut into blocks, to the bit.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from dmd_runtime.errors import ModelError
from dmd_runtime.features.base import FeatureSpec, nothing
from dmd_runtime.features.pitch import PitchDetector, RunningPitch, power_at
from dmd_runtime.features.speech_representation import WIDTH
from dmd_runtime.messages import FOREVER, AudioBlock, FeatureBlock, Float32, Float64, freeze
from dmd_runtime.modality import Modality
from dmd_runtime.sources.base import ANALYSIS_RATE

__all__ = ["AcousticExtractor", "acoustic_spec"]

HOP: Final = 320
"""Samples from row to row: 20 ms."""
WINDOW: Final = 1024
"""Samples that a row looks at: 64 ms, 4.5 periods of the lowest pitch."""
BANDS: Final = 40
NAMES: Final = (
    *(f"mel_{band:02d}" for band in range(BANDS)),
    *("energy", "energy_delta", "voicing", "harmonicity", "f0", "f0_relative", "f0_delta", "h1_h2"),
    *("centroid", "spread", "flatness", "rolloff", "slope_low", "slope_mid", "alpha_ratio", "hammarberg", "flux"),
)
_N_FFT = 1280
_LOW, _HIGH = 50.0, 7600.0  # Hz
_FLOOR = 1e-6  # -60 dB below the running level: what lies deeper is not the voice
_SILENT = 2e-7  # of the largest sample: below float32's own grain nothing is measured
_ATTACK = 1.0 - float(np.exp(-HOP / ANALYSIS_RATE / 0.2))
_RELEASE = 1.0 - float(np.exp(-HOP / ANALYSIS_RATE / 10.0))
_REFERENCE_HZ = 150.0
_JUMP = 5e-3  # s that a block's time may be off the count of samples
_BATCH = 6  # rows made at a time where the sound comes in small blocks: a call costs as much as twenty rows
_AT_ONCE = 32  # rows whose spectra still fit the processor's cache
Int64 = npt.NDArray[np.int64]
logger = logging.getLogger(__name__)


class _Rows(NamedTuple):
    """Rows of hops (n,): values (n, D), confidence (n,)."""

    hops: Int64
    values: Float32
    confidence: Float32

    @classmethod
    def joined(cls, parts: list[_Rows]) -> _Rows:
        return cls(*(np.concatenate(column) for column in zip(*parts, strict=True)))


_NO_ROWS = _Rows(np.arange(0), np.empty((0, len(NAMES)), dtype=np.float32), np.empty(0, dtype=np.float32))


@dataclass(slots=True)
class _Memory:
    """What one row hands to the next.

    ``level`` (mean square; 0 before any sound) rises within 0.2 s and falls within 10 s; ``mel`` and ``energy`` belong
    to the row before and are None where that is missing.
    """

    level: float = 0.0
    pitch: RunningPitch = field(default_factory=RunningPitch)
    mel: Float64 | None = None
    energy: float | None = None

    def forget_neighbour(self) -> None:
        """Take note that the next row does not follow the last one."""
        self.mel = self.energy = None
        self.pitch.forget_neighbour()


def acoustic_spec(model_sha256: str, duration: float = 4.0) -> FeatureSpec:
    """What the acoustic features are, for the recipe: these, and behind them what a speech encoder hears in a window.

    ``model_sha256`` is that of the encoder's weights; :mod:`dmd_runtime.features.windowed_speech` has its columns.
    """
    rate_hz = ANALYSIS_RATE / HOP
    return FeatureSpec(
        modality=Modality.ACOUSTIC,
        name="voice+whisper-tiny.en",
        version=2,
        dim=len(NAMES) + WIDTH,
        rate_hz=rate_hz,
        rows=round(rate_hz * duration),
        window_columns=WIDTH,
        settings={"hop": HOP, "window": WINDOW, "bands": BANDS, "model_sha256": model_sha256, "context": "window"},
    )


class AcousticExtractor:
    """A block: sound in, rows of features out; touched by one thread.

    A row's time is the centre of its window, its end the window's; rows are handed out six at a time (120 ms).
    Sound that was lost (``lost > 0``) makes the rows that would have looked at it due but missing; the grid of hops
    runs on through the hole.
    """

    names = NAMES

    def __init__(self) -> None:
        self._analysis = _Analysis()
        self._memory = _Memory()
        self._origin: float | None = None  # session time of sample 0
        self._sound: Float32 = np.empty(0, dtype=np.float32)  # the last samples, up to number _heard
        self._heard = 0  # samples so far, lost ones included
        self._hop = 0  # the next row
        self._warned = False

    def push(self, block: AudioBlock) -> tuple[FeatureBlock]:
        """Take sound at 16 kHz; return the rows whose windows it completes.

        Raises
        ------
        ModelError
            The block has another rate (resample before), is not float32 (n,), or begins elsewhere than ``lost`` samples
            after the end of the one before.
        """
        self._join(block)
        first = self._hop
        parts = []
        if block.lost:
            parts.append(self._analyse())
            self._skip(block.lost)
        self._sound = np.concatenate((self._sound, self._finite(block.samples)))
        self._heard += len(block.samples)
        if self._ready >= _BATCH:
            parts.append(self._analyse())
        return (self._block(first, parts),)

    def finish(self) -> tuple[FeatureBlock]:
        """End of the sound: the last rows, everything settled; sound too short for a window gives no row."""
        if self._origin is None:
            return (nothing(Modality.ACOUSTIC),)
        first = self._hop
        return (replace(self._block(first, [self._analyse()]), settled_until=FOREVER),)

    @property
    def _ready(self) -> int:
        """Rows whose windows are here."""
        return max(0, (self._heard - self._hop * HOP - WINDOW) // HOP + 1)

    def _analyse(self) -> _Rows:
        """All rows that can be made now."""
        first, count = self._hop, self._ready
        rows = [_NO_ROWS]
        begin = first * HOP - (self._heard - len(self._sound))  # of the next window in the sound; may lie behind it
        for k in range(0, count, _AT_ONCE):
            n = min(_AT_ONCE, count - k)
            windows = np.lib.stride_tricks.sliding_window_view(self._sound[begin + k * HOP :], WINDOW)[: n * HOP : HOP]
            rows.append(_Rows(np.arange(first + k, first + k + n), *self._analysis(windows, self._memory)))
        if count:
            self._hop += count
            self._sound = self._sound[begin + count * HOP :].copy()
        return _Rows.joined(rows)

    def _skip(self, lost: int) -> None:
        """Go on behind a hole: no window may touch it."""
        self._heard += lost
        self._sound = self._sound[:0]
        self._hop = max(self._hop, -(-self._heard // HOP))
        self._memory.forget_neighbour()

    def _block(self, first: int, parts: list[_Rows]) -> FeatureBlock:
        """Rows as a message; all from hop ``first`` to the next one were due."""
        rows = _Rows.joined([_NO_ROWS, *parts])
        return FeatureBlock(
            modality=Modality.ACOUSTIC,
            times=freeze(self._time(rows.hops * HOP + WINDOW // 2)),
            ends=freeze(self._time(rows.hops * HOP + WINDOW)),
            values=freeze(rows.values),
            confidence=freeze(rows.confidence),
            due=freeze(self._time(np.arange(first, self._hop) * HOP + WINDOW // 2)),
            settled_until=float(self._time(self._hop * HOP + WINDOW // 2)),
        )

    def _join(self, block: AudioBlock) -> None:
        if block.rate != ANALYSIS_RATE:
            raise ModelError(f"acoustic features need sound at {ANALYSIS_RATE} Hz, got {block.rate} Hz")
        samples = block.samples
        if samples.ndim != 1 or samples.dtype != np.float32:
            raise ModelError(f"sound block {block.seq}: expected float32 (n,), got {samples.dtype} {samples.shape}")
        if block.lost < 0 or not np.isfinite(block.t):
            raise ModelError(
                f"sound block {block.seq}: expected lost >= 0 and a time, got {block.lost} and {block.t} s"
            )
        if self._origin is None:
            self._origin = block.t - block.lost / ANALYSIS_RATE
        expected = float(self._time(self._heard + block.lost))
        if abs(block.t - expected) > _JUMP:
            raise ModelError(
                f"sound block {block.seq}: expected t = {expected:.4f} s from the count of samples, "
                f"got {block.t:.4f} s; missing samples belong into lost"
            )

    def _finite(self, samples: Float32) -> Float32:
        if np.isfinite(samples).all():
            return samples
        if not self._warned:
            self._warned = True
            logger.warning("sound holds samples that are no numbers; they are taken as 0")
        return np.nan_to_num(samples, nan=0.0, posinf=0.0, neginf=0.0)

    def _time(self, sample: int | Int64) -> Float64:
        assert self._origin is not None
        return np.asarray(self._origin + sample / ANALYSIS_RATE, dtype=np.float64)


class _Analysis:
    """Windows to rows: tables and arithmetic; whatever outlasts a call is in the memory that is passed in.

    Every row is computed by itself (no product of whole matrices, whose rounding depends on how many rows there are).
    Power is scaled such that white noise of mean square s has s in every bin.
    """

    def __init__(self) -> None:
        from transformers.audio_utils import mel_filter_bank  # noqa: PLC0415 - a second that only sound needs to spend

        window = 0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(WINDOW) + 0.5) / WINDOW)
        self._window = window
        self._scale = 1.0 / float(np.sum(window * window))
        self._pitch = PitchDetector(window, _N_FFT, ANALYSIS_RATE)
        bins = _N_FFT // 2 + 1
        bank = mel_filter_bank(bins, BANDS, _LOW, _HIGH, ANALYSIS_RATE, norm=None, mel_scale="htk")  # (bins, bands)
        self._bank = bank / bank.sum(axis=0)
        khz: Float64 = np.arange(bins, dtype=np.float64) * (ANALYSIS_RATE / _N_FFT / 1000.0)
        self._range = slice(int(np.searchsorted(khz, _LOW / 1000)), int(np.searchsorted(khz, _HIGH / 1000)))
        self._khz = khz[self._range]
        low, mid = ((khz >= a) & (khz <= b) for a, b in ((_LOW / 1000, 0.5), (0.5, 1.5)))
        self._slopes = tuple((np.flatnonzero(m), _slope_weights(khz[m])) for m in (low, mid))
        self._parts = {k: slice(*np.searchsorted(khz, k)) for k in ((0.05, 1.0), (1.0, 5.0), (0.05, 2.0), (2.0, 5.0))}

    def __call__(self, windows: Float32, memory: _Memory) -> tuple[Float32, Float32]:
        """Rows (n, D) and confidence (n,) of consecutive windows (n, WINDOW)."""
        x = windows.astype(np.float64)
        largest = np.abs(x).max(axis=1)
        x = (x - (x * self._window).sum(axis=1, keepdims=True) / self._window.sum()) * self._window
        energy = (x * x).sum(axis=1) * self._scale
        energy[energy <= (_SILENT * largest) ** 2] = 0.0
        spectrum = np.fft.rfft(x, _N_FFT)
        power = (spectrum.real**2 + spectrum.imag**2) * self._scale
        power[energy == 0.0] = 0.0
        level = _levels(energy, memory)
        floor = (_FLOOR * level)[:, None]
        loudness = np.clip(np.log10(np.maximum(energy, 1e-9 * level) / level), -6.0, 3.0)
        mel = np.log10((power[:, None, :] @ self._bank)[:, 0] + floor)
        columns = [
            mel - mel.mean(axis=1, keepdims=True),
            (loudness / 2.0)[:, None],
            _energy_steps(energy, floor[:, 0], memory)[:, None],
            self._voice(power, floor, loudness, memory),
            self._shape(power + floor),
            _flux(mel, floor, memory)[:, None],
        ]
        confidence = np.clip((loudness + 4.0) / 3.0, 0.0, 1.0)
        return np.concatenate(columns, axis=1).astype(np.float32), confidence.astype(np.float32)

    def _voice(self, power: Float64, floor: Float64, loudness: Float64, memory: _Memory) -> Float64:
        """Voicing, harmonicity, f0, f0_relative, f0_delta, h1_h2: (n, 6)."""
        pitch, strength = self._pitch(power)
        strength = strength * np.clip(loudness + 4.5, 0.0, 1.0)  # 45 dB down is the room
        weight = np.clip((strength - 0.35) / 0.2, 0.0, 1.0)
        harmonicity = np.log10(np.clip(strength, 0.01, 0.99) / (1.0 - np.clip(strength, 0.01, 0.99)))
        log_pitch = np.log2(pitch)
        relative, delta = memory.pitch(log_pitch, weight)
        first, second = (np.log10(power_at(power, k * pitch * _N_FFT / ANALYSIS_RATE) + floor[:, 0]) for k in (1, 2))
        f0 = weight * (log_pitch - np.log2(_REFERENCE_HZ))
        return np.stack([strength, harmonicity, f0, weight * relative, delta, weight * (first - second)], axis=1)

    def _shape(self, power: Float64) -> Float64:
        """Columns from centroid to hammarberg, (n, 8), of spectra with the floor added."""
        p = power[:, self._range]
        total = p.sum(axis=1)
        centre = (p * self._khz).sum(axis=1) / total
        spread = np.sqrt((p * (self._khz - centre[:, None]) ** 2).sum(axis=1) / total)
        flatness = np.log10(p).mean(axis=1) - np.log10(p.mean(axis=1))
        share = np.cumsum(p, axis=1) / total[:, None]
        upper = np.argmax(share >= 0.85, axis=1)
        at = np.arange(len(p))
        over = (share[at, upper] - 0.85) * total / p[at, upper]  # of the bin that crosses
        rolloff = self._khz[upper] - over * (self._khz[1] - self._khz[0])
        # taken row by row in memory: summed the other way round, one row alone would differ in its last bit
        slopes = [(np.log10(power.take(index, axis=1)) * weights).sum(axis=1) for index, weights in self._slopes]
        below, above, low, high = (power[:, part] for part in self._parts.values())
        alpha = np.log10(below.sum(axis=1) / above.sum(axis=1))
        hammarberg = np.log10(low.max(axis=1) / high.max(axis=1))
        return np.stack([np.log2(centre), spread, flatness, np.log2(rolloff), *slopes, alpha, hammarberg], axis=1)


def _levels(energy: Float64, memory: _Memory) -> Float64:
    """Level at each row (n,); digital silence leaves it as it is, and before any sound it counts as 1."""
    out = np.empty(len(energy))
    for k, e in enumerate(energy.tolist()):
        if e > 0.0:
            rate = _ATTACK if e > memory.level else _RELEASE
            memory.level = memory.level + rate * (e - memory.level) if memory.level else e
        out[k] = memory.level or 1.0
    return out


def _energy_steps(energy: Float64, floor: Float64, memory: _Memory) -> Float64:
    """Change of the energy since the row before, in bel, as far as it rises above the floor."""
    before = np.concatenate(([energy[0] if memory.energy is None else memory.energy], energy[:-1]))
    memory.energy = float(energy[-1])
    return np.asarray(np.log10((energy + floor) / (before + floor)))


def _flux(mel: Float64, floor: Float64, memory: _Memory) -> Float64:
    """Root mean square change of the log-mel bands since the row before, in bel, at a common floor."""
    before = np.concatenate(((mel[:1] if memory.mel is None else memory.mel), mel[:-1]))
    memory.mel = mel[-1:].copy()
    step = mel - np.maximum(before, np.log10(floor))
    return np.asarray(np.sqrt(np.mean(step * step, axis=1)))


def _slope_weights(khz: Float64) -> Float64:
    """Weights whose product with values at ``khz`` is the slope of the line through them, per kHz."""
    centred = khz - khz.mean()
    return freeze(np.asarray(centred / (centred * centred).sum(), dtype=np.float64))
