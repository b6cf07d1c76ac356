"""A life of the microphone thread on a real sound server, in a process of its own; tells what happened as JSON.

``python -m tests.desktop.capture.virtual_microphone_run HOME SECONDS``
"""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np

from desktop.capture import portaudio
from desktop.capture.devices import find_microphone, list_microphones, microphone_choice
from desktop.capture.microphone import MicrophoneThread
from desktop.capture.sound_track import SoundTrack
from dmd_runtime import AudioBlock
from dmd_runtime.clock import SessionClock
from dmd_runtime.sources.synthetic import SAMPLE_CYCLE, numbered_samples, read_sample_numbers
from tests.desktop.capture.fake_devices import Collected, Said, check_tiling
from tests.desktop.capture.virtual_microphone import NAME, RATE, VirtualMicrophone


class Life:
    """One microphone thread and what it said."""

    def __init__(self, name: str, track: SoundTrack, clock: SessionClock) -> None:
        self.blocks: Collected[AudioBlock] = Collected()
        self.arrived: list[float] = []
        choice = microphone_choice(name)
        assert choice is not None
        self.thread = MicrophoneThread(choice, self._take, clock, track=track, retry_every=0.1)
        self.said = Said(self.thread)
        self._clock = clock
        self.thread.start()
        self.said.wait_for(1)

    def _take(self, block: AudioBlock) -> None:
        self.arrived.append(self._clock.now())
        self.blocks(block)

    def hear(self, seconds: float) -> None:
        """Wait for so much more sound."""
        self.blocks.wait_for(len(self.blocks.items) + round(seconds * RATE / 512))


def live(microphone: VirtualMicrophone, seconds: float) -> dict[str, Any]:
    told: dict[str, Any] = {}
    clock, track = SessionClock(), SoundTrack()
    with microphone:
        microphone.settle()
        told["names"] = [choice.name for choice in list_microphones()]
        first = Life(NAME, track, clock)
        told["names_while_open"] = [choice.name for choice in list_microphones()]
        spawned = portaudio._inputs_from_a_spawned_process()  # as the packaged program does
        told["spawned_agrees"] = spawned == portaudio._inputs_from_a_new_process() is not None
        silence = np.zeros(RATE // 4, dtype=np.float32)
        ramp = numbered_samples(1, round(seconds * RATE))
        assert microphone.say(np.concatenate([silence, ramp, silence])).wait(seconds + 60) == 0
        first.hear(0.25)
        heard = list(first.blocks.items)
        told["lost_before"] = sum(block.lost for block in heard)
        told["ramp"] = measure_ramp(heard, len(ramp))

        microphone.unplug()
        first.said.wait_for(3)  # opened, unplugged, not found any more
        told["missing"] = find_microphone(NAME).missing  # type: ignore[union-attr]
        last, before = first.arrived[-1], len(first.blocks.items)
        microphone.plug()
        first.said.wait_for(5)
        first.hear(0.25)
        hole = first.blocks.items[before]
        told["gap_by_clock"] = first.arrived[before] - last
        told["gap_by_count"] = hole.lost / RATE
        told["lost_elsewhere"] = sum(block.lost for block in first.blocks.items) - hole.lost
        told["stopped"] = first.thread.stop()

        second = Life("default", track, clock)
        second.hear(0.25)
        told["stopped_again"] = second.thread.stop()
        check_tiling([*first.blocks.items, *second.blocks.items])
        told["said"] = [first.said.lines, second.said.lines]
        told["corrected"] = track.clock.corrected
    told["threads"] = [thread.name for thread in threading.enumerate()]
    return told


def measure_ramp(blocks: list[AudioBlock], count: int) -> dict[str, Any]:
    """Which of the numbered samples came, and by what numbers they went up."""
    sound = np.concatenate([block.samples for block in blocks])
    begin, end = np.flatnonzero(sound)[[0, -1]]
    numbers = read_sample_numbers(sound[begin : end + 1])
    return {
        "first": int(numbers[0]),
        "missing": count - len(numbers) - (1 if count % SAMPLE_CYCLE == 0 else 0),  # a last 0 cannot be seen
        "steps": sorted({int(step) for step in np.diff(numbers) % SAMPLE_CYCLE}),
    }


if __name__ == "__main__":
    virtual = VirtualMicrophone(Path(sys.argv[1]))
    virtual.prepare()
    from PySide6.QtCore import QCoreApplication

    application = QCoreApplication([])
    sys.stdout.write(json.dumps(live(virtual, float(sys.argv[2]))))
