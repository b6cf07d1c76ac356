"""Through a session and its recording, what is seen and heard in the file is of the same moment."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from threading import Event

import numpy as np
import pytest

from dmd_runtime.clock import Clock
from dmd_runtime.config import SessionConfig
from dmd_runtime.messages import AudioBlock, freeze
from dmd_runtime.recording.manifest import read_manifest
from dmd_runtime.recording.media_writer import NAME
from dmd_runtime.recording.recording import Recording
from dmd_runtime.sources.base import ANALYSIS_RATE, MediaSink
from dmd_runtime.sources.pacing import BLOCK, Timed, deliver
from dmd_runtime.streaming.session import Session
from tests.recording.flashes import EVERY, measure, pictures, wave
from tests.recording.recording_process import DEVICE, Toolbox
from tests.recording.test_recording import CONSENT

SECONDS = 26.0
HOLE = range(int(7.2 * ANALYSIS_RATE), int(8.9 * ANALYSIS_RATE))  # samples that never came


class Flashing:
    """A camera at an uneven rate and a microphone, which begins later and loses some sound."""

    info = DEVICE

    def __init__(self, sound_from: float) -> None:
        self._first = round(sound_from * ANALYSIS_RATE)

    def run(self, sink: MediaSink, clock: Clock, stop: Event) -> float:
        seen = (Timed(frame.t, frame.t, frame) for frame in pictures(SECONDS, jitter=0.02))
        return deliver([seen, self._heard()], sink, clock, stop, paced=False)

    def close(self) -> None:
        pass

    def _heard(self) -> Iterator[Timed]:
        first, lost = self._first, 0
        for seq in range(int((SECONDS * ANALYSIS_RATE - first) / BLOCK)):
            if first in HOLE:
                first, lost = HOLE.stop, HOLE.stop - first
            samples = freeze(wave(np.arange(first, first + BLOCK) / ANALYSIS_RATE))
            block = AudioBlock(seq=seq, t=first / ANALYSIS_RATE, samples=samples, rate=ANALYSIS_RATE, lost=lost)
            yield Timed(block.end, block.end, block)
            first, lost = first + BLOCK, 0


@pytest.mark.parametrize("sound_from", [0.0, 0.3137])
def test_a_flash_and_its_beep_are_of_one_moment_in_the_file(tmp_path: Path, sound_from: float) -> None:
    toolbox, config = Toolbox(), SessionConfig.load()
    session = Session(Flashing(sound_from), toolbox, config, exact=True)  # type: ignore[arg-type]
    recording = Recording(session, toolbox, config, tmp_path, consent=CONSENT)  # type: ignore[arg-type]
    session.run()
    folder = recording.finish()
    found = measure(folder / NAME)
    assert found[:, 0] == pytest.approx(np.arange(1, 6) * EVERY, abs=0.001)
    assert np.abs(found[:, 1]).max() < 0.002  # 20 ms is what is asked for; a time stamp has 1 ms
    kept = read_manifest(folder)["recorded"]
    assert (kept["frames"], kept["frames_dropped"]) == (session.counts.frames, 0)
    lost = HOLE.stop - HOLE.start
    assert lost - BLOCK < kept["audio_lost"] <= lost
