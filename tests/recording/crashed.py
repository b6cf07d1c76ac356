"""Session folders as a crash leaves them, made without one: the tables of a real session, a medium that never ended."""

from __future__ import annotations

import json
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from dmd_runtime.messages import FaceObservation, Span, Word
from dmd_runtime.recording.media_recovery import MEDIA
from dmd_runtime.recording.writer import SessionWriter
from tests.messages_factory import reading

MUXING = {"flush_packets": "1", "cluster_time_limit": "300"}
SECONDS, RATE, FPS = 3.0, 16_000, 20
SOURCE = {"kind": "device", "name": "a camera", "details": {}}


@dataclass(frozen=True)
class Packed:
    """A medium of 3 s: as the muxer leaves it when it ends, and as it was just before."""

    finished: bytes
    unfinished: bytes


def medium(path: Path, *, noise: bool = False) -> Packed:
    """Record pictures and sound into ``path`` with the recorder's codecs; ``noise`` makes packets of some size."""
    random = np.random.default_rng(3)
    with av.open(str(path), "w", format="matroska", options=MUXING) as container:
        video: Any = container.add_stream("libx264", rate=FPS, options={"preset": "ultrafast", "tune": "zerolatency"})
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        video.codec_context.time_base = Fraction(1, 1000)
        sound: Any = container.add_stream("pcm_s16le", rate=RATE)
        sound.layout = "mono"
        step = RATE // FPS
        for n in range(int(SECONDS * FPS)):
            image = random.integers(0, 255, (48, 64, 3), dtype=np.uint8) if noise else np.zeros((48, 64, 3), np.uint8)
            picture = av.VideoFrame.from_ndarray(image)
            picture.pts, picture.time_base = n * 1000 // FPS, Fraction(1, 1000)
            container.mux(video.encode(picture))
            block = av.AudioFrame.from_ndarray(np.full((1, step), n + 1, np.int16), format="s16", layout="mono")
            block.rate, block.pts, block.time_base = RATE, n * step, Fraction(1, RATE)
            container.mux(sound.encode(block))
        unfinished = path.read_bytes()
    return Packed(finished=path.read_bytes(), unfinished=unfinished)


def crashed(root: Path, media: bytes | None = None, *, source: dict[str, Any] | None = None) -> Path:
    """A folder ``sub-p1/ses-a_task-talk`` with 4 readings, 6 words, 60 faces, 3 markers (1 open), 3 lines of health."""
    folder = root / "sub-p1" / "ses-a_task-talk"
    folder.mkdir(parents=True)
    facts = {"participant": "p1", "task": "talk", "mode": "paced", "source": source or SOURCE, "media": None}
    writer = SessionWriter(folder, facts, marks=("UNTRAINED",))
    for n in range(4):
        writer(reading(n))
    for n in range(6):
        writer(Word(span=Span(0.4 * n, 0.4 * n + 0.3), text=f"wörd{n}", p=0.9, committed=True))
    for n in range(60):
        writer(
            FaceObservation(
                t=n / 20, box=(0.1, 0.2, 0.3, 0.4), confidence=0.9, identity=1, outline=np.zeros((1, 2), np.float32)
            )
        )
    writer.mark({"t0": 0.5, "t1": None, "tier": "marker", "label": "point", "note": "", "by": "user", "id": "a"})
    writer.mark(
        {"t0": 0.2, "t1": None, "open": True, "tier": "m", "label": "done", "note": "", "by": "user", "id": "b"}
    )
    writer.mark(
        {"t0": 0.2, "t1": 0.9, "open": False, "tier": "m", "label": "done", "note": "", "by": "user", "id": "b"}
    )
    writer.mark({"t0": 1.1, "t1": None, "open": True, "tier": "m", "label": "left", "note": "n", "by": "R2", "id": "c"})
    writer.close()
    alive = {"frames": 58, "frames_dropped": 2, "frames_skipped": 0, "audio_samples": 46_000, "audio_lost": 512}
    with (folder / "health.jsonl").open("a") as file:
        file.writelines(json.dumps({"t": t, "stages": {}, **alive}) + "\n" for t in (0.0, 1.0, 2.0))
    if media is not None:
        (folder / MEDIA).write_bytes(media)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}
