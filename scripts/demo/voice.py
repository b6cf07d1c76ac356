"""The demo's voice: espeak-ng, sentence by sentence, and what of it moves a mouth."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final, TypeAlias

import av
import numpy as np
from numpy.typing import NDArray

from scripts.demo.mesh import Floats
from scripts.demo.timeline import FPS, LINES, Line, Timeline

Singles: TypeAlias = NDArray[np.float32]

RATE: Final = 48_000
VOICE: Final = "en-us+f2"
_ROOM: Final = 3e-4  # of a full-scale sample: a microphone is never quite still
_QUIET: Final = 0.004  # what comes before and after a sentence
_DARK_HZ, _BRIGHT_HZ = 900.0, 2600.0  # spectral centroid of rounded and of spread vowels


class VoiceError(Exception):
    """There is no espeak-ng; one line that says how to get it."""


def speak_all() -> list[Singles]:
    """All lines, each float32 (n,) at ``RATE`` from its first to its last sound.

    Raises
    ------
    VoiceError
        espeak-ng is not installed, or fails.
    """
    if shutil.which("espeak-ng") is None:
        raise VoiceError("the voice needs espeak-ng, which is not installed; type: sudo apt-get install -y espeak-ng")
    return [_trimmed(_spoken(line)) for line in LINES]


def mixed(voices: list[Singles], timeline: Timeline) -> Singles:
    """Lay the voices at their times over the faint noise of a room, float32 (n,)."""
    count = round(timeline.duration * RATE)
    out = np.random.default_rng(0).normal(0.0, _ROOM, count).astype(np.float32)
    for voice, said in zip(voices, timeline.spoken, strict=True):
        start = round(said.t0 * RATE)
        out[start : start + len(voice)] += voice
    return out


def mouth_track(sound: Singles, frames: int) -> tuple[Floats, Floats]:
    """Loudness and darkness at each picture, both (frames,) in [0, 1].

    Loudness is the level in 50 ms around the picture's time, 1 at its 95th percentile in the film's voice; darkness
    is 1 where the spectrum is that of a rounded vowel, whose mouth is narrow.
    """
    half = RATE // 40
    padded = np.pad(sound.astype(np.float64), half)
    window = np.hanning(2 * half)
    hertz = np.fft.rfftfreq(2 * half, 1.0 / RATE)
    level, centre = np.zeros(frames), np.full(frames, _BRIGHT_HZ)
    for i in range(frames):
        at = round(i * RATE / FPS)
        piece = padded[at : at + 2 * half] * window
        level[i] = np.sqrt(np.mean(piece * piece))
        power = np.abs(np.fft.rfft(piece)) ** 2
        centre[i] = float((power * hertz).sum() / max(power.sum(), 1e-12))
    voiced = level > 10.0 * _ROOM
    loud = np.clip(level / np.percentile(level[voiced], 95), 0.0, 1.0) ** 0.7 * voiced
    dark = np.clip((_BRIGHT_HZ - centre) / (_BRIGHT_HZ - _DARK_HZ), 0.0, 1.0) * voiced
    return _smooth(loud), _smooth(_smooth(dark))


def _spoken(line: Line) -> Singles:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "line.wav"
        how = ["-v", VOICE, "-s", str(line.speed), "-p", str(line.pitch), "-w", str(path)]
        done = subprocess.run(["espeak-ng", *how, line.text], capture_output=True, text=True, check=False)
        if done.returncode or not path.is_file():
            raise VoiceError(f"espeak-ng failed on {line.text!r}: {done.stderr.strip() or done.returncode}")
        resampler = av.AudioResampler("flt", "mono", RATE)
        with av.open(str(path)) as container:
            frames = [piece for frame in container.decode(audio=0) for piece in resampler.resample(frame)]
            frames += resampler.resample(None)
    return np.concatenate([frame.to_ndarray()[0] for frame in frames]).astype(np.float32)


def _trimmed(voice: Singles) -> Singles:
    loud = np.flatnonzero(np.abs(voice) > _QUIET)
    return voice[loud[0] : loud[-1] + 1]


def _smooth(track: Floats) -> Floats:
    return np.asarray(np.convolve(np.pad(track, 1, mode="edge"), [0.25, 0.5, 0.25], mode="valid"))
