"""Which committed words were said while a face was in view: pure, touched by the reading thread only."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import deque
from dataclasses import replace

from dmd_runtime.messages import FeatureBlock, Utterance, Word
from dmd_runtime.modality import Modality

_SLACK = 0.25  # s: recogniser word times are that good, and faces are measured every 1/15 s
_KEPT = 120.0  # s of face times remembered: longer than any utterance waits


class WordAttribution:
    """Holds committed words until vision has settled past them, then says whether a face was there.

    Without ``vision`` nobody can know, and no word waits.
    """

    def __init__(self, *, vision: bool = True) -> None:
        self._vision = vision
        self._faces: deque[float] = deque()
        self._waiting: deque[Word] = deque()
        self._vision_until = 0.0

    def vision_until(self, t: float) -> None:
        """Vision is settled up to ``t`` (``FOREVER`` where there is none)."""
        self._vision_until = max(self._vision_until, t)

    def add(self, message: FeatureBlock | Utterance) -> None:
        """Take face rows and final utterances; everything else is ignored."""
        if isinstance(message, Utterance):
            if message.final:
                self._waiting.extend(message.words)
        elif message.modality is Modality.VISUAL:
            self._faces.extend(float(t) for t in message.times)
            self.vision_until(message.settled_until)
            while self._faces and self._faces[0] < self._faces[-1] - _KEPT:
                self._faces.popleft()

    def take(self, now: float) -> list[Word]:
        """Words whose attribution is known, or whose time is past ``now`` (no waiting beyond that)."""
        ready = []
        until = max(self._vision_until, now) if self._vision else math.inf
        while self._waiting and self._waiting[0].span.end + _SLACK <= until:
            word = self._waiting.popleft()
            ready.append(replace(word, speaker_visible=self._face_during(word) if self._vision else None))
        return ready

    def _face_during(self, word: Word) -> bool:
        index = bisect_left(self._faces, word.span.start - _SLACK)
        return index < len(self._faces) and self._faces[index] <= word.span.end + _SLACK
