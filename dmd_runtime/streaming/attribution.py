"""Which committed words were said by a face in view: pure, touched by the reading thread only.

A word with no face in view, or with one whose jaw stays still meanwhile, or moves far less while there is a voice than
that of somebody who speaks, was said by somebody else. Whether a jaw that moves as in speech moves in time with the
voice is not asked: that told too little (``docs/speech.md`` has the figures).
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections import deque
from dataclasses import replace
from itertools import islice

import numpy as np

from dmd_runtime.messages import FeatureBlock, Float64, Span, Utterance, Word
from dmd_runtime.modality import Modality

_SLACK = 0.25  # s: recogniser word times are that good, and faces are measured every 1/15 s
_KEPT = 120.0  # s of face times remembered: longer than any utterance waits
_BEFORE = 0.5  # s before a word in which its speaker's jaw moves too
_STILL = 0.02  # range of the blendshape jawOpen; 0.03 and more while somebody speaks, see docs/speech.md
_ENOUGH = 8  # faces without which nothing is said of the jaw
_STRETCH = 2.5  # s of the words up to the end of one that tell how much the face moves while there is a voice ...
_LEAST = 0.8  # ... if there are so many seconds of them
_SLOW = 0.2  # mean speed of jawOpen in 1/s; 0.4 and more while somebody speaks, up to 0.14 in a face that smiles
_NEXT = 0.2  # s from one face to the next at most for a speed


class WordAttribution:
    """Holds committed words until vision has settled past them, then says whether a face was there.

    Parameters
    ----------
    vision : bool
        Without it nobody can know, and no word waits.
    jaw : int, optional
        Column of the face rows that tells how far the jaw is open, in [0, 1]; None where there is none.
    """

    def __init__(self, *, vision: bool = True, jaw: int | None = None) -> None:
        self._vision = vision
        self._jaw = jaw
        self._faces: deque[float] = deque()
        self._open: deque[float] = deque()  # jaw of each face
        self._waiting: deque[Word] = deque()
        self._said: deque[Span] = deque(maxlen=64)  # the last words
        self._vision_until = 0.0
        self._taken_until = -math.inf  # end of the last committed word that was taken

    def vision_until(self, t: float) -> None:
        """Vision is settled up to ``t`` (``FOREVER`` where there is none)."""
        self._vision_until = max(self._vision_until, t)

    def add(self, message: FeatureBlock | Utterance) -> None:
        """Take face rows and committed words, each once; everything else is ignored.

        Utterances come in order and repeat the words that they have committed before, or hand them on to the next one.
        """
        if isinstance(message, Utterance):
            for word in message.words:
                if word.committed and word.span.end > self._taken_until:
                    self._taken_until = word.span.end
                    self._waiting.append(word)
        elif message.modality is Modality.VISUAL:
            self._faces.extend(message.times.tolist())
            jaws = message.values[:, self._jaw] if self._jaw is not None and len(message.times) else message.times
            self._open.extend(jaws.tolist())
            self.vision_until(message.settled_until)
            while self._faces and self._faces[0] < self._faces[-1] - _KEPT:
                self._faces.popleft()
                self._open.popleft()

    def take(self, now: float) -> list[Word]:
        """Words whose attribution is known, or whose time is past ``now`` (no waiting beyond that)."""
        ready = []
        until = max(self._vision_until, now) if self._vision else math.inf
        while self._waiting and self._waiting[0].span.end + _SLACK <= until:
            word = self._waiting.popleft()
            self._said.append(word.span)
            ready.append(replace(word, speaker_visible=self._said_by_face(word) if self._vision else None))
        return ready

    def _said_by_face(self, word: Word) -> bool:
        end = bisect_right(self._faces, word.span.end + _SLACK)
        if bisect_left(self._faces, word.span.start - _SLACK) >= end:
            return False
        if self._jaw is None:
            return True
        begin = bisect_left(self._faces, min(word.span.start - _BEFORE, word.span.end + _SLACK - _STRETCH))
        times, jaws = (np.fromiter(islice(column, begin, end), np.float64) for column in (self._faces, self._open))
        near = times >= word.span.start - _BEFORE
        if near.sum() >= _ENOUGH and np.ptp(jaws[near]) <= _STILL:
            return False
        return not self._is_slow(word, times, jaws)

    def _is_slow(self, word: Word, times: Float64, jaws: Float64) -> bool:
        """Whether the jaw moves too little for a speaker's, around this word and during the last ones together."""
        passed = np.diff(times)
        moved, middle = np.abs(np.diff(jaws)), times[:-1] + passed / 2
        during = np.zeros(len(passed), dtype=np.bool_)
        for span in self._said:
            during |= (middle >= span.start - _SLACK) & (middle <= span.end + _SLACK)
        during &= (passed < _NEXT) & (middle >= word.span.end + _SLACK - _STRETCH)
        here = during & (middle >= word.span.start - _BEFORE)
        known = passed[during].sum() >= _LEAST
        return bool(known and all(moved[part].sum() < _SLOW * passed[part].sum() for part in (during, here)))
