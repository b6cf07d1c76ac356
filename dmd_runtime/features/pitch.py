"""How periodic a stretch of sound is, and at what pitch, by the autocorrelation of its spectrum.

P. Boersma, "Accurate short-term analysis of the fundamental frequency and the harmonics-to-noise ratio of a sampled
sound", Proc. Institute of Phonetic Sciences Amsterdam 17 (1993), 97-110: the autocorrelation of the windowed sound is
divided by that of the window, so that a periodic sound peaks at 1 whatever its period.

Deviates: no path through the candidates of neighbouring frames is searched (a row must not wait for the next one), and
the spectrum is weighted to 75-2000 Hz, fading out at 55 and 4000 Hz, against hum and hiss; this also makes the peaks so
smooth that a parabola finds their place and height between samples.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from dmd_runtime.messages import Float64, freeze

F_MIN: Final = 70.0
F_MAX: Final = 600.0
"""Range of pitch in Hz; outside it a multiple or a fraction is found, or nothing."""
_OCTAVE_COST = 0.03  # strength that a period twice as long must be better by: every multiple of a period is one
_FADE = (55.0, 75.0, 2000.0, 4000.0)  # Hz: weight 0, 1, 1, 0 with cosine flanks


_MEMORY = 500.0  # voiced rows (10 s) over which a speaker's own pitch is averaged
_STEPS = 5.0  # rows in 0.1 s


class PitchDetector:
    """Pitch and strength from power spectra; holds tables only, and each row is computed for itself.

    Parameters
    ----------
    window : float64 (N,)
        What the sound was multiplied by; at least three periods of ``F_MIN`` long.
    n_fft : int
        Length of the transform; ``N + rate / F_MIN`` at least, or the autocorrelation wraps.
    rate : int
        Samples a second.
    """

    def __init__(self, window: Float64, n_fft: int, rate: int) -> None:
        self._first = int(rate / F_MAX)
        self._last = int(np.ceil(rate / F_MIN)) + 1
        assert len(window) + self._last <= n_fft, "the autocorrelation would wrap around"
        self._n_fft = n_fft
        self._rate = rate
        frequency: Float64 = np.arange(n_fft // 2 + 1, dtype=np.float64) * (rate / n_fft)
        self._weight = freeze(_flank(frequency, _FADE[0], _FADE[1]) * _flank(frequency, _FADE[3], _FADE[2]))
        own = np.fft.irfft(np.abs(np.fft.rfft(window, n_fft)) ** 2)[: self._last + 1]
        self._window_correction = freeze(own[0] / own)
        lags = np.arange(self._first, self._last)
        self._cost = freeze(_OCTAVE_COST * np.log2(lags / self._first))

    def __call__(self, power: Float64) -> tuple[Float64, Float64]:
        """Pitch in Hz and strength in [0, 1], both (n,), of power spectra (n, n_fft // 2 + 1).

        Where there is no candidate, strength is 0 and pitch is ``F_MIN``.
        """
        r = np.fft.irfft(power * self._weight, self._n_fft)[:, : self._last + 1]
        whole = r[:, :1]
        r = np.divide(r, whole, out=np.zeros_like(r), where=whole > 0) * self._window_correction
        before, here, after = (r[:, self._first + d : self._last + d] for d in (-1, 0, 1))
        peak = (here > before) & (here >= after) & (here > 0)
        bend = np.where(peak, before - 2 * here + after, -1.0)  # < 0 at a peak
        offset = 0.5 * (before - after) / bend  # of the parabola's top, in samples
        top = np.where(peak, here - 0.25 * (before - after) * offset, -1.0)
        best = np.argmax(top - self._cost, axis=1)[:, None]
        height, shift = (np.take_along_axis(v, best, axis=1)[:, 0] for v in (top, offset))
        pitch = np.where(height > 0, self._rate / (self._first + best[:, 0] + shift), F_MIN)
        strength = np.clip(height, 0.0, 1.0)
        return np.clip(pitch, F_MIN, F_MAX), strength


def _flank(frequency: Float64, none: float, full: float) -> Float64:
    """0 beyond ``none``, 1 beyond ``full``, half a cosine between."""
    return np.asarray(0.5 - 0.5 * np.cos(np.pi * np.clip((frequency - none) / (full - none), 0.0, 1.0)))


class RunningPitch:
    """A speaker's own pitch so far: the mean of log2 Hz over voiced rows, of the last ten seconds of them or so."""

    def __init__(self) -> None:
        self._mean = 0.0
        self._voiced = 0.0
        self._before: tuple[float, float] | None = None

    def forget_neighbour(self) -> None:
        """Take note that the next row does not follow the last one."""
        self._before = None

    def __call__(self, log_pitch: Float64, weight: Float64) -> tuple[Float64, Float64]:
        """Pitch against the running mean, in octaves, and its change in octaves per 0.1 s (clipped to 1), both (n,).

        ``log_pitch`` is in log2 Hz, ``weight`` in [0, 1] tells how voiced a row is; both (n,), of consecutive rows.
        """
        relative, delta = np.zeros(len(weight)), np.zeros(len(weight))
        for k, (pitch, w) in enumerate(zip(log_pitch.tolist(), weight.tolist(), strict=True)):
            if w > 0.0:
                self._voiced = min(self._voiced + w, _MEMORY)
                self._mean += w * (pitch - self._mean) / self._voiced
                relative[k] = pitch - self._mean
                if self._before is not None:
                    delta[k] = w * self._before[1] * min(1.0, max(-1.0, _STEPS * (pitch - self._before[0])))
            self._before = (pitch, w)
        return relative, delta


def power_at(power: Float64, position: Float64) -> Float64:
    """Spectra (n, bins) read at fractional bins (n,), linearly."""
    left = np.minimum(position.astype(np.int64), power.shape[1] - 2)
    rows = np.arange(len(power))
    part = position - left
    return np.asarray((1.0 - part) * power[rows, left] + part * power[rows, left + 1])
