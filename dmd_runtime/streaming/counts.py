"""What a session counted: the figures of the manifest."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Counts:
    """Running totals; each field is written by one thread only.

    ``frames_dropped`` were delivered and not measured; ``skipped`` not even delivered: a paced file was too slow.
    ``first_frame_at`` and ``last_reading_at`` are session times on the clock, ``media_end`` is media time.
    """

    frames: int = 0
    frames_dropped: int = 0
    skipped: int = 0
    audio_samples: int = 0
    audio_lost: int = 0
    words: int = 0
    readings: int = 0
    first_frame_at: float | None = None
    last_reading_at: float | None = None
    media_end: float | None = None

    def frame(self, now: float) -> None:
        """Count one captured picture."""
        if self.first_frame_at is None:
            self.first_frame_at = now
        self.frames += 1

    def sound(self, samples: int, lost: int) -> None:
        """Count one block of sound."""
        self.audio_samples += samples
        self.audio_lost += lost

    def reading(self, made_at: float) -> None:
        """Count one reading."""
        self.readings += 1
        self.last_reading_at = made_at

    @property
    def first_frame_to_last_reading(self) -> float | None:
        """Seconds on the clock, None before both exist."""
        if self.first_frame_at is None or self.last_reading_at is None:
            return None
        return self.last_reading_at - self.first_frame_at

    def as_dict(self) -> dict[str, int]:
        """The integer totals."""
        return {
            "frames": self.frames,
            "frames_dropped": self.frames_dropped,
            "frames_skipped": self.skipped,
            "audio_samples": self.audio_samples,
            "audio_lost": self.audio_lost,
            "words": self.words,
            "readings": self.readings,
        }
