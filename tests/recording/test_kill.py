from __future__ import annotations

import random
from contextlib import suppress
from pathlib import Path

import av
import numpy as np
import pytest

from dmd_runtime.messages import AudioBlock, VideoFrame
from dmd_runtime.recording.media_file import MediaFile, Output
from tests.recording.killing import EARLIEST, LATEST, Killed, figures, kill
from tests.shared_data import shared

KINDS = ("still", "talker", "noise", "late")
UNPLAYABLE = 1.0  # s that a kill may cost


def of(kind: str) -> str:
    return str(shared("clips", "talkers", "talker_d.mp4")) if kind == "talker" else kind


def check(killed: Killed) -> None:
    assert killed.session.state == "recovered"
    assert (
        killed.session.end
        == killed.recovery.media_end_s
        == pytest.approx(max((killed.sound_end, *killed.frames)), abs=0.05)
    )
    assert killed.missing() == {}
    assert killed.told["marker"]
    assert killed.lost_s <= UNPLAYABLE
    handed = {round(float(t) * 1000) for t in killed.told["frame"]}
    assert len({round(t * 1000) for t in killed.frames} - handed) <= 1, "one may have been handed over and not told"


@pytest.mark.parametrize("kind", KINDS)
def test_a_kill_costs_a_second_of_media_and_no_record(kind: str, tmp_path: Path) -> None:
    check(kill(of(kind), tmp_path, random.uniform(EARLIEST, LATEST)))


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_ten_kills_cost_a_second_of_media_each_and_no_record(kind: str) -> None:
    killed, line = figures(of(kind), 10, seed=1)
    assert max(one.lost_s for one in killed) <= UNPLAYABLE, line


def ends(path: Path) -> dict[str, float]:
    """Where pictures and sound that can be read now end, in seconds."""
    last = {"video": 0.0, "audio": 0.0}
    with suppress(av.error.FFmpegError), av.open(str(path)) as container:  # nothing but a header yet
        for packet in container.demux():
            if packet.pts is not None and packet.time_base is not None:
                last[packet.stream.type] = float((packet.pts + (packet.duration or 0)) * packet.time_base)
    return last


@pytest.mark.parametrize("silent_from", [9.0, 1.5], ids=["both", "the sound stops"])
def test_the_file_is_at_no_moment_a_second_behind(tmp_path: Path, silent_from: float) -> None:
    frames = [VideoFrame(seq=n, t=n / 30, image=np.full((48, 64, 3), 90, np.uint8)) for n in range(120)]
    n = int(min(4.0, silent_from) * 16_000 / 512)
    blocks = [AudioBlock(seq=i, t=i * 0.032, samples=np.zeros(512, np.float32), rate=16_000) for i in range(n)]
    path = tmp_path / "media.mkv"
    output = Output(path)
    file = MediaFile(output, (64, 48), audio=True)
    behind, size, last = 0.0, 0, {"video": 0.0, "audio": 0.0}
    for item in sorted([*frames, *blocks], key=lambda item: item.t if isinstance(item, VideoFrame) else item.end):
        if path.exists() and path.stat().st_size != size:
            size, last = path.stat().st_size, ends(path)
        kind = "video" if isinstance(item, VideoFrame) else "audio"
        behind = max(behind, item.t - last[kind])
        (file.picture if isinstance(item, VideoFrame) else file.sound)(item)  # type: ignore[arg-type]
    file.close()
    output.close()
    assert behind <= UNPLAYABLE
