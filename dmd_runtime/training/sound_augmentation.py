"""What the live world does to a voice: rooms, noise, distance, microphones, codecs; and other people's voices.

All functions take and give float32 (n,) at 16 kHz and draw from the generator they are handed.
"""

from __future__ import annotations

import numpy as np
from scipy.signal import butter, fftconvolve, resample_poly, sosfilt

from dmd_runtime.messages import Float32
from dmd_runtime.sources.base import ANALYSIS_RATE

_SPEEDS = ((9, 10), (19, 20), (1, 1), (21, 20), (11, 10), (23, 20), (17, 20))


def augmented(samples: Float32, rng: np.random.Generator) -> Float32:
    """One version of a clip as another microphone, in another room, might have heard it.

    Speed with pitch (0.85-1.15), room, band of the microphone, noise, gain, clipping, 8-bit mu-law: each by chance.
    """
    sound = samples.astype(np.float32)
    up, down = _SPEEDS[int(rng.integers(len(_SPEEDS)))]
    if up != down:
        sound = resample_poly(sound, up, down).astype(np.float32)
    if rng.random() < 0.5:
        sound = in_a_room(sound, rng)
    if rng.random() < 0.5:
        sound = through_a_microphone(sound, rng)
    if rng.random() < 0.6:
        sound = with_noise(sound, rng)
    if rng.random() < 0.15:
        sound = np.clip(sound, *(np.array([-1, 1]) * rng.uniform(0.3, 0.8) * np.abs(sound).max(initial=1e-6)))
    if rng.random() < 0.15:
        sound = mu_law(sound)
    largest = float(np.abs(sound).max(initial=1e-6))
    return np.asarray(sound / largest * 10 ** rng.uniform(-1.6, 0.0), dtype=np.float32)


def in_a_room(sound: Float32, rng: np.random.Generator) -> Float32:
    """Exponentially decaying noise as a room's answer, reverberation time 0.1-0.7 s."""
    seconds = rng.uniform(0.1, 0.7)
    t = np.arange(int(seconds * ANALYSIS_RATE)) / ANALYSIS_RATE
    answer = rng.standard_normal(len(t)) * np.exp(-6.9 * t / seconds) * (t > 0.002)
    answer *= rng.uniform(0.1, 0.7) / max(1e-9, float(np.sqrt((answer**2).sum())))
    answer[0] = 1.0
    return np.asarray(fftconvolve(sound, answer)[: len(sound)], dtype=np.float32)


def through_a_microphone(sound: Float32, rng: np.random.Generator) -> Float32:
    """A high-pass, sometimes a low-pass, and a gentle tilt."""
    low = rng.uniform(60, 350)
    out = sosfilt(butter(int(rng.integers(1, 3)), low, "highpass", fs=ANALYSIS_RATE, output="sos"), sound)
    if rng.random() < 0.6:
        high = rng.uniform(2800, 7500)
        out = sosfilt(butter(int(rng.integers(1, 5)), high, "lowpass", fs=ANALYSIS_RATE, output="sos"), out)
    tilt = rng.uniform(-0.5, 0.5)
    return np.asarray(out + tilt * np.concatenate([[0.0], out[:-1]]), dtype=np.float32)


def with_noise(sound: Float32, rng: np.random.Generator, snr_db: tuple[float, float] = (5.0, 35.0)) -> Float32:
    """White to brown noise, with a hum by chance, at a signal-to-noise ratio from ``snr_db``."""
    n = len(sound)
    frequency = np.maximum(np.fft.rfftfreq(n, 1 / ANALYSIS_RATE), 20.0)
    spectrum = np.fft.rfft(rng.standard_normal(n)) / frequency ** rng.uniform(0.0, 1.0)
    noise = np.fft.irfft(spectrum, n)
    if rng.random() < 0.2:
        base = rng.choice([50.0, 60.0])
        t = np.arange(n) / ANALYSIS_RATE
        hum = sum(np.sin(2 * np.pi * base * k * t) / k for k in (1, 2, 3))
        noise = noise + float(noise.std()) * rng.uniform(0.3, 1.5) * hum
    power = float(np.mean(sound**2)) / 10 ** (rng.uniform(*snr_db) / 10)
    return np.asarray(sound + noise * np.sqrt(power / max(1e-12, float(np.mean(noise**2)))), dtype=np.float32)


def mu_law(sound: Float32) -> Float32:
    """Through an 8-bit telephone codec and back."""
    largest = max(1e-6, float(np.abs(sound).max(initial=0.0)))
    squeezed = np.sign(sound) * np.log1p(255 * np.abs(sound) / largest) / np.log(256)
    steps = np.round(squeezed * 127) / 127
    return np.asarray(np.sign(steps) * (256 ** np.abs(steps) - 1) / 255 * largest, dtype=np.float32)
