"""A small session to be replayed: pictures that spell their number at uneven times, a sound that tells its time."""

from __future__ import annotations

import json
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from dmd_runtime import EDGES, MODALITIES, Graph, frame_image

SIZE = (128, 96)
RATE = 16_000
LABELS = ("happiness", "neutral", "surprise", "sadness", "anger", "fear", "disgust")
STEPS_MS = (40, 33, 21, 60, 40, 120, 33, 47)
"""Between pictures, over and over: a variable rate."""


def uneven_times(count: int, first_ms: int = 13) -> list[float]:
    """Seconds, exact in milliseconds."""
    steps = [STEPS_MS[i % len(STEPS_MS)] for i in range(count - 1)]
    return [(first_ms + int(sum(steps[:i]))) / 1000 for i in range(count)]


def pulses(seconds: float, every: float = 0.5, width: float = 0.01) -> np.ndarray:
    """Sound with a short pulse at each multiple of ``every``, int16 (n,)."""
    t = np.arange(round(seconds * RATE)) / RATE
    near = (t % every) < width
    return (near * 0.8 * 32767 * np.sin(2 * np.pi * 1000 * t)).astype(np.int16)


def write_media(
    path: Path,
    times: Sequence[float],
    *,
    sound: np.ndarray | None = None,
    hole: tuple[float, float] | None = None,
    key_every: int = 12,
) -> Path:
    """Matroska as the recorder writes it; samples of ``hole`` (s) are missing from the file, not silent."""
    with av.open(str(path), "w", format="matroska", options={"flush_packets": "1"}) as out:
        video = audio = None
        if times:
            video = out.add_stream("libx264", rate=25)
            video.width, video.height, video.pix_fmt = *SIZE, "yuv420p"
            video.options = {"preset": "ultrafast", "tune": "zerolatency", "g": str(key_every), "crf": "10"}
            video.codec_context.time_base = video.time_base = Fraction(1, 1000)
        if sound is not None:
            audio = out.add_stream("pcm_s16le", rate=RATE, layout="mono")
        items: list[tuple[float, int]] = [(t, i) for i, t in enumerate(times)]
        block = RATE // 50
        items += [(i / RATE, -1 - i) for i in range(0, 0 if sound is None else len(sound), block)]
        for t, number in sorted(items):
            if number >= 0 and video is not None:
                frame = av.VideoFrame.from_ndarray(frame_image(number, SIZE), format="rgb24")
                frame.pts, frame.time_base = round(t * 1000), Fraction(1, 1000)
                out.mux(video.encode(frame))
            elif audio is not None and sound is not None and not (hole and hole[0] <= t < hole[1]):
                first = -1 - number
                piece = np.ascontiguousarray(sound[first : first + block])[None]
                samples = av.AudioFrame.from_ndarray(piece, format="s16", layout="mono")
                samples.sample_rate, samples.pts, samples.time_base = RATE, first, Fraction(1, RATE)
                out.mux(audio.encode(samples))
        for stream in (video, audio):
            if stream is not None:
                out.mux(stream.encode(None))
    return path


def reading_line(index: int, valid: bool = True) -> dict[str, object]:
    """A line of ``readings.jsonl``; its numbers tell which it is."""
    rng = np.random.default_rng(index)

    def shares(labels: Sequence[str]) -> dict[str, float]:
        return dict(zip(labels, map(float, rng.dirichlet(np.ones(len(labels)))), strict=True))

    return {
        "t0": index * 0.5,
        "t1": 2.0 + index * 0.5,
        "made_at": 2.1 + index * 0.5,
        "valid": valid,
        "reason": "" if valid else "no face for 3 s",
        "settled": {m.value: True for m in MODALITIES},
        "coverage": {m.value: 0.5 + 0.1 * i for i, m in enumerate(MODALITIES)},
        "speech": 0.5,
        "emotion": shares(LABELS) if valid else None,
        "sentiment": round(float(rng.uniform(-3, 3)), 3) if valid else None,
        "unimodal": {g.value: {m.value: shares(LABELS) for m in MODALITIES} for g in Graph},
        "edges": {g.value: shares([str(e) for e in EDGES]) for g in Graph},
        "prior": None,
    }


def write_session(folder: Path, *, seconds: float = 6.0, media: bool = True, marks: Sequence[str] = ()) -> Path:
    """A complete session: medium, readings each half second (one of them not valid), words, faces, markers."""
    folder.mkdir(parents=True)
    manifest = {
        "format": 1,
        "state": "complete",
        "participant": "p01",
        "source": {"kind": "devices", "name": "camera"},
        "provenance": {"checkpoint": {"name": "starter", "digest": "sha256:00"}, "device": "cpu"},
        "media": None if media else {"path": str(folder / "gone.mkv"), "sha256": "00"},
        "marks": list(marks),
        "recorded": {"frames": 1},
    }
    (folder / "session.json").write_text(json.dumps(manifest), encoding="utf-8")
    words = [
        {"t0": 0.3 * i, "t1": 0.3 * i + 0.2, "text": f"word{i}", "p": 0.9, "speaker_visible": i % 5 > 0}
        for i in range(int(seconds / 0.3))
    ]
    count = int((seconds - 2.0) / 0.5) + 1
    tables = {
        "readings": [reading_line(i, valid=i != 3) for i in range(count)],
        "words": words,
        "faces": [
            {"t": i / 15, "box": [0.4, 0.2, 0.2, 0.3], "confidence": 0.9, "id": 1} for i in range(int(seconds * 15))
        ],
        "markers": [
            {"t0": 1.5, "t1": None, "tier": "event", "label": "smile", "note": "", "by": "anna", "id": "a"},
            {"t0": 3.0, "t1": 4.5, "tier": "task", "label": "reading", "note": "", "by": "anna", "id": "b"},
        ],
        "health": [],
    }
    for name, lines in tables.items():
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    if media:
        times = [t for t in uneven_times(1000) if t < seconds]
        write_media(folder / "media.mkv", times, sound=pulses(seconds))
    return folder
