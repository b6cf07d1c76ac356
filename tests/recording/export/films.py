"""Session folders with a medium, for tests of films; nothing in them was ever read by a model."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from dmd_runtime.recording.manifest import write_manifest
from dmd_runtime.recording.reader import RecordedSession, open_session
from tests.factories import audio_frame
from tests.messages_factory import LABELS

TABLES = ("readings", "words", "markers", "faces", "health")


def film_session(
    folder: Path, *, live: bool = True, medium: Path | None = None, **tables: Iterable[Mapping[str, Any]]
) -> RecordedSession:
    """A session folder; ``live``: its ``media.mkv`` counts session time. ``medium`` lies elsewhere."""
    folder.mkdir(parents=True, exist_ok=True)
    write_manifest(
        folder,
        {
            "format": 1,
            "state": "complete",
            "marks": ["UNTRAINED"],
            "participant": "P7",
            "source": {"kind": "device" if live else "file", "name": "camera", "details": {}},
            "media": None if medium is None else {"path": str(medium), "sha256": None, "bytes": 1},
            "counts": {},
            "absent": {},
            "provenance": {},
            "made_at": {"started": "2026-11-25T08:00:00+00:00"},
        },
    )
    for table in TABLES:
        lines = [json.dumps(line) + "\n" for line in tables.get(table, ())]
        (folder / f"{table}.jsonl").write_text("".join(lines), encoding="utf-8")
    return open_session(folder)


def reading(t1: float, happiness: float = 0.4, *, valid: bool = True, **change: Any) -> dict[str, Any]:
    """A line of ``readings.jsonl``."""
    others = (1 - happiness) / (len(LABELS) - 1)
    emotion = {label: happiness if label == LABELS[0] else others for label in LABELS}
    edges = {"L>V": 0.27, "L>A": 0.25, "V>L": 0.11, "V>A": 0.15, "A>L": 0.1, "A>V": 0.12}
    line = {"t0": t1 - 4, "t1": t1, "made_at": t1, "valid": valid, "reason": "" if valid else "no face for 3 s"}
    line |= {"coverage": {"L": 0.8, "V": 1.0, "A": 0.6}, "speech": 0.7, "sentiment": 1.2 if valid else None}
    line |= {"emotion": emotion if valid else None, "marks": ["UNTRAINED"]}
    line |= {"unimodal": {g: dict.fromkeys("LVA", emotion) for g in ("homo", "hetero")}}
    line |= {"edges": dict.fromkeys(("homo", "hetero"), edges if valid else None)}
    return line | change


def packets_of(path: Path, kind: str = "video") -> list[bytes]:
    """Content of all packets of a stream."""
    with av.open(str(path)) as container:
        stream = getattr(container.streams, kind)[0]
        return [bytes(packet) for packet in container.demux(stream) if packet.size]


def flash_and_beep(
    path: Path,
    at: tuple[float, ...],
    seconds: float,
    *,
    lost: tuple[float, float] = (0.0, 0.0),
    rate: int = 16_000,
    fps: int = 30,
) -> Path:
    """As the recorder writes: a white picture and a beep at each time of ``at``, for 0.1 s; black and still else.

    Sound from ``lost[0]`` to ``lost[1]`` is missing.
    """
    with av.open(str(path), "w") as container:
        video: Any = container.add_stream("libx264", rate=fps)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        video.codec_context.time_base = Fraction(1, 1000)
        video.options = {"preset": "ultrafast", "tune": "zerolatency"}
        audio: Any = container.add_stream("pcm_s16le", rate=rate, layout="mono")

        def on(t: np.ndarray | float) -> Any:
            return np.any([(t >= a) & (t < a + 0.1) for a in at], axis=0)

        packets: list[Any] = []
        for number in range(round(seconds * fps)):
            t = round(1000 * number / fps) / 1000
            image = np.full((48, 64, 3), 255 if on(t + 1e-6) else 0, dtype=np.uint8)
            frame = av.VideoFrame.from_ndarray(image)
            frame.pts, frame.time_base = round(1000 * t), Fraction(1, 1000)
            packets += video.encode(frame)
        packets += video.encode(None)
        times = np.arange(round(seconds * rate)) / rate
        beeps = (0.5 * np.sin(2 * np.pi * 1000 * times) * on(times)).astype(np.float32)
        for first in range(0, len(beeps), 320):
            if lost[0] <= first / rate < lost[1]:
                continue
            packets += audio.encode(audio_frame(beeps[first : first + 320], rate, t=first / rate))
        for packet in sorted(packets, key=lambda p: p.pts * p.time_base):
            container.mux(packet)
    return path


def flashes(path: Path) -> list[float]:
    """Times at which a film turns white."""
    with av.open(str(path)) as container:
        bright = [(frame.time, frame.to_ndarray(format="gray").mean() > 128) for frame in container.decode(video=0)]
    return [t for (t, now), (_, before) in zip(bright[1:], bright, strict=False) if now and not before]


def beeps(path: Path) -> list[float]:
    """Times at which a film begins to sound."""
    starts: list[float] = []
    last = -1.0
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            samples = frame.to_ndarray().mean(axis=0)
            if frame.format.name.startswith("s16"):
                samples = samples / 32768
            for number in np.flatnonzero(np.abs(samples) > 0.15):
                t = frame.time + number / frame.sample_rate
                if t - last > 0.3:
                    starts.append(t)
                last = t
    return starts
