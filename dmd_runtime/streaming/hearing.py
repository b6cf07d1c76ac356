"""All that is made of sound before words, as one block for one thread."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from dmd_runtime.features.acoustic import AcousticExtractor
from dmd_runtime.features.base import nothing
from dmd_runtime.features.voice_activity import VoiceActivityDetector
from dmd_runtime.features.windowed_speech import WindowedSpeech
from dmd_runtime.messages import AudioBlock
from dmd_runtime.modality import Modality


class Voice(NamedTuple):
    """The two halves of the acoustic features: how each moment sounds, and what a speech encoder hears in a window."""

    moments: AcousticExtractor
    windows: WindowedSpeech


class Hearing:
    """Voice activity and acoustic features of the same sound.

    Parameters
    ----------
    activity : VoiceActivityDetector
    voice : Voice or None
        None where there are no acoustic features.
    """

    def __init__(self, activity: VoiceActivityDetector, voice: Voice | None) -> None:
        self._activity = activity
        self._voice = voice

    def push(self, block: AudioBlock) -> Sequence[Any]:
        """Take sound; speech comes first, so that it is decoded soon, and a window's rows before it is settled."""
        activity = self._activity.push(block)
        if self._voice is None:
            return activity
        moments = self._voice.moments.push(block)  # refuses what is no such block
        return (*activity, *self._voice.windows.push(block), *moments)

    def finish(self) -> Sequence[Any]:
        """The tails of all."""
        if self._voice is None:
            return (*self._activity.finish(), nothing(Modality.ACOUSTIC))
        return (*self._activity.finish(), *self._voice.windows.finish(), *self._voice.moments.finish())
