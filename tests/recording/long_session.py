"""A session of hours, made in a minute, to measure how it is opened and looked through.

``python -m tests.recording.long_session SECONDS FOLDER [FILM]``: the film is played over and over, encoded once as the
recorder does.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from dmd_runtime import resource
from dmd_runtime.recording.media_file import CODEC_OPTIONS, OPTIONS
from tests.recording.replayable import RATE, reading_line

FPS = 25
KEY_EVERY = FPS  # a key picture a second, as the recorder does
FACES_A_SECOND, WORDS_A_SECOND, READINGS_A_SECOND = 15, 5 / 3, 2
_MS = Fraction(1, 1000)


def write_long_session(folder: Path, seconds: float, film: Path) -> Path:
    """A complete session: medium, readings each half second, words, faces, health, markers."""
    folder.mkdir(parents=True)
    manifest = {
        "format": 1,
        "state": "complete",
        "participant": "p01",
        "source": {"kind": "devices", "name": "camera"},
        "provenance": {"checkpoint": {"name": "starter", "digest": "sha256:00"}, "device": "cpu"},
        "media": None,
        "marks": [],
        "counts": {"media_end_s": seconds},
        "made_at": {"started": "2026-11-24T09:00:00+00:00", "finished": "2026-11-24T11:00:00+00:00"},
    }
    (folder / "session.json").write_text(json.dumps(manifest), encoding="utf-8")
    for name, lines in _tables(seconds).items():
        with (folder / f"{name}.jsonl").open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)
    _write_media(folder / "media.mkv", seconds, film)
    return folder


def _tables(seconds: float) -> Mapping[str, Iterable[Mapping[str, Any]]]:
    def moments(rate: float) -> list[float]:
        return [round(float(t), 6) for t in np.arange(0.0, seconds, 1 / rate)]

    def speech(t: float) -> dict[str, Any]:
        pause = 2.0 if int(t) % 20 == 0 else 0.0
        return {"t0": t + pause / 4, "t1": t + 0.5, "text": f"word{int(t * 7) % 997}", "p": 0.9}

    stage = {"rate": 15.0, "p50_ms": 12.5, "p95_ms": 20.1, "drops": 0, "depth": 1}
    return {
        "readings": map(reading_line, range(int((seconds - 2.0) * READINGS_A_SECOND) + 1)),
        "words": (speech(t) | {"speaker_visible": True, "marks": []} for t in moments(WORDS_A_SECOND)),
        "faces": (
            {"t": t, "box": [0.4 + 1e-6 * (t % 9), 0.2, 0.2, 0.3], "confidence": 0.9, "id": 1, "marks": []}
            for t in moments(FACES_A_SECOND)
        ),
        "health": ({"t": t, "stages": dict.fromkeys("abcdef", stage), "rss_mb": 900.0} for t in moments(1)),
        "markers": (
            {"t0": t, "t1": None, "tier": "event", "label": "smile", "note": "", "by": "anna", "id": str(t)}
            for t in moments(1 / 30)
        ),
    }


def _write_media(path: Path, seconds: float, film: Path) -> None:
    """Matroska as the recorder writes it."""
    with av.open(str(film)) as source, av.open(str(path), "w", format="matroska", options=dict(OPTIONS)) as out:
        video = out.add_stream("libx264", rate=FPS)
        video.width, video.height, video.pix_fmt = 640, 480, "yuv420p"
        video.options = CODEC_OPTIONS | {"g": str(KEY_EVERY)}
        video.codec_context.time_base = video.time_base = _MS
        audio = out.add_stream("pcm_s16le", rate=RATE, layout="mono")
        packets: list[tuple[int, bool, bytes]] = []
        for number, frame in enumerate(source.decode(video=0)):
            picture = frame.reformat(640, 480, "yuv420p")
            picture.pts, picture.time_base = number * 1000 // FPS, _MS
            packets += [(p.pts, p.is_keyframe, bytes(p)) for p in video.encode(picture)]
        packets += [(p.pts, p.is_keyframe, bytes(p)) for p in video.encode(None)]
        length = packets[-1][0] + 1000 // FPS
        tone = (np.sin(2 * np.pi * 220 * np.arange(RATE) / RATE) * 3000).astype("<i2")
        for i in range(round(seconds)):
            out.mux(_packet(audio, i * 1000, tone.tobytes(), key=True))
            for n in range(FPS):
                turn, at = divmod(i * FPS + n, len(packets))
                stamp, key, content = packets[at]
                out.mux(_packet(video, turn * length + stamp, content, key=key))


def _packet(stream: Any, stamp_ms: int, content: bytes, *, key: bool) -> av.Packet:
    packet = av.Packet(content)
    packet.stream, packet.time_base = stream, _MS
    packet.pts = packet.dts = stamp_ms
    packet.is_keyframe = key
    return packet


if __name__ == "__main__":
    film_path = Path(sys.argv[3]) if len(sys.argv) > 3 else resource("demo.mkv")
    write_long_session(Path(sys.argv[2]), float(sys.argv[1]), film_path)
