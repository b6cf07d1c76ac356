"""When the demo says what, which face it makes then, and where its camera looks. Pure functions of time in seconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np

from scripts.demo.mesh import Expression, Floats, smoothstep
from scripts.demo.picture import Camera

FPS: Final = 30


@dataclass(frozen=True, kw_only=True)
class Line:
    """A sentence to be said: how fast (words a minute), how high (0 to 99), after how many seconds of silence."""

    text: str
    mood: str
    speed: int
    pitch: int
    pause: float


LINES: Final = (
    Line(text="Hello. This is a demonstration, made by a computer.", mood="neutral", speed=150, pitch=50, pause=0.8),
    Line(text="I am so happy to see you. This is wonderful news!", mood="happy", speed=155, pitch=65, pause=0.7),
    Line(text="No! This is terrible. I am really angry about it.", mood="angry", speed=155, pitch=35, pause=0.7),
    Line(text="Oh, what a surprise!", mood="surprised", speed=130, pitch=75, pause=4.6),
    Line(text="You can still hear me, but you cannot see me.", mood="neutral", speed=145, pitch=50, pause=0.8),
    Line(text="I feel sad, because she went away.", mood="sad", speed=120, pitch=35, pause=0.9),
)
_SILENCE_BEFORE: Final = 3  # the line before which nobody speaks, for longer than a window of 4 s
_AWAY_DURING: Final = 4  # the line during which the camera looks away
_END: Final = 1.0  # s after the last word
_MOODS: Final[dict[str, dict[str, float]]] = {
    "neutral": {},
    "happy": {"smile": 1.0, "squint": 0.1},
    "angry": {"frown": 0.4, "brow_down": 1.0, "squint": 0.85, "pitch": 0.03},
    "surprised": {"brow_up": 1.0, "wide": 1.0, "jaw": 0.15, "pitch": -0.03},
    "sad": {"brow_inner": 1.0, "frown": 0.75, "pitch": 0.05, "roll": 0.03},
}
_EARLY, _LATE, _RAMP = 0.25, 0.35, 0.4  # s: a face comes before its words, stays after them, and takes time to change
SWING: Final = 0.7
"""Seconds in which the camera turns away or back."""
_BLINK: Final = ((0.0, 0.0), (0.1, 1.0), (0.2, 1.0), (0.37, 0.0))  # (s, how far the lids are closed)
_HOME, _BELOW = Camera(227.0, 106.0, 258.0), Camera(227.0, 306.0, 258.0)


@dataclass(frozen=True, kw_only=True)
class Span:
    """A stretch of the film in seconds, and what is in it."""

    t0: float
    t1: float
    what: str


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """The film's plan.

    Attributes
    ----------
    spoken : tuple of Span
        Voice; ``what`` is the sentence.
    moods : tuple of Span
        Faces other than neutral, from fully there to about to go.
    silence : Span
        Nobody speaks.
    away : Span
        The camera has turned away from the face; turning takes ``SWING`` seconds before and after.
    blinks : tuple of float
        When the lids begin to close.
    duration : float
    """

    spoken: tuple[Span, ...]
    moods: tuple[Span, ...]
    silence: Span
    away: Span
    blinks: tuple[float, ...]
    duration: float


def plan(lengths: Sequence[float]) -> Timeline:
    """Lay out ``LINES`` whose voice takes ``lengths`` seconds; times fall on frames."""
    spoken: list[Span] = []
    t = 0.0
    for line, length in zip(LINES, lengths, strict=True):
        t0 = _on_frame(t + line.pause)
        t = t0 + length
        spoken.append(Span(t0=t0, t1=round(t, 3), what=line.text))
    duration = _on_frame(t + _END)
    moods = tuple(
        Span(t0=round(said.t0 - _EARLY + _RAMP, 3), t1=round(said.t1 + _LATE - _RAMP, 3), what=line.mood)
        for line, said in zip(LINES, spoken, strict=True)
        if line.mood != "neutral"
    )
    before, after = spoken[_SILENCE_BEFORE - 1], spoken[_SILENCE_BEFORE]
    hidden = spoken[_AWAY_DURING]
    return Timeline(
        spoken=tuple(spoken),
        moods=moods,
        silence=Span(t0=before.t1, t1=after.t0, what="silence"),
        away=Span(t0=round(hidden.t0 + 0.5, 3), t1=round(hidden.t1 - 0.2, 3), what="away"),
        blinks=_blinks(duration, never=[(after.t0 - 0.5, after.t1), (hidden.t0, hidden.t1)]),
        duration=duration,
    )


def expression_at(t: float, timeline: Timeline, *, loudness: float, darkness: float) -> Expression:
    """What the face does at ``t``; ``loudness`` and ``darkness`` of the voice in [0, 1] move the mouth."""
    values = dict.fromkeys((field.name for field in fields(Expression)), 0.0)
    for mood in timeline.moods:
        weight = _within(t, mood, _RAMP)
        for name, amount in _MOODS[mood.what].items():
            values[name] += weight * amount
    values["jaw"] += 0.62 * loudness * (1.0 - 0.35 * values["smile"])
    values["pucker"] += 0.45 * loudness * darkness
    values["blink"] = max(float(np.interp(t - b, *zip(*_BLINK, strict=True))) for b in (*timeline.blinks, -9.0))
    values["yaw"] += 0.045 * _wave(t, 7.3, 0.4) + 0.02 * _wave(t, 3.1, 1.3)
    values["pitch"] += 0.02 * _wave(t, 5.2, 2.0) + 0.035 * loudness
    values["roll"] += 0.025 * _wave(t, 9.1, 0.0) + 0.01 * _wave(t, 3.7, 0.9)
    values["x"] += 0.04 * _wave(t, 8.3, 1.7)
    values["y"] += 0.015 * _wave(t, 4.1, 0.0)
    values["breath"] += 0.03 * (1.0 + _wave(t, 4.1, 0.3))
    return Expression(**values)


def camera_at(t: float, timeline: Timeline) -> Camera:
    """Where the camera looks at ``t``: a hand holds it, and once it turns down and away from the face."""
    gone = _within(t, timeline.away, SWING)
    drift = (1.2 * _wave(t, 6.1, 0.2), 0.9 * _wave(t, 4.7, 1.1), 2.5 * _wave(t, 11.0, 0.0))
    return Camera(*(h + gone * (b - h) + d for h, b, d in zip(_HOME, _BELOW, drift, strict=True)))


def described(timeline: Timeline) -> dict[str, Any]:
    """Describe the film in plain numbers and words, for a JSON file."""

    def stretch(span: Span) -> dict[str, float]:
        return {"t0": span.t0, "t1": span.t1}

    return {
        "duration": timeline.duration,
        "lines": [
            {**stretch(said), "text": said.what, "mood": line.mood}
            for said, line in zip(timeline.spoken, LINES, strict=True)
        ],
        "moods": [{**stretch(mood), "mood": mood.what} for mood in timeline.moods],
        "silence": stretch(timeline.silence),
        "away": stretch(timeline.away),
        "turned": {"t0": round(timeline.away.t0 - SWING, 3), "t1": round(timeline.away.t1 + SWING, 3)},
        "blinks": list(timeline.blinks),
    }


def times(timeline: Timeline) -> Floats:
    """When the pictures are."""
    return np.arange(round(timeline.duration * FPS)) / FPS


def _blinks(duration: float, *, never: Sequence[tuple[float, float]]) -> tuple[float, ...]:
    """Blinks every 2 to 4.5 s at times that look like chance; none begins in a stretch ``never``."""
    out: list[float] = []
    t, k = 0.5, 0
    while t < duration - 0.5:
        t = max([t, *(end + 0.1 for start, end in never if start <= t <= end)])
        out.append(_on_frame(t))
        t, k = t + 2.0 + 2.5 * ((k + 1) * 0.618034 % 1.0), k + 1
    return tuple(out)


def _within(t: float, span: Span, ramp: float) -> float:
    """1 in the span, 0 from ``ramp`` seconds outside it on, an S between."""
    return float(smoothstep(t, span.t0 - ramp, span.t0) * (1.0 - smoothstep(t, span.t1, span.t1 + ramp)))


def _wave(t: float, period: float, phase: float) -> float:
    return float(np.sin(2.0 * np.pi * t / period + phase))


def _on_frame(t: float) -> float:
    return round(round(t * FPS) / FPS, 3)
