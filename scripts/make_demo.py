"""Make the demo film, resources/demo.mkv, and what is in it when, resources/demo.json. See docs/demo.md.

Usage: .venv/bin/python scripts/make_demo.py [--out resources/demo.mkv]
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import av
import numpy as np

ROOT: Final = Path(__file__).resolve().parent.parent
if __name__ == "__main__":  # run as a file: the project's root is not where Python looks
    sys.path.insert(0, str(ROOT))

from dmd_runtime.assets import Assets  # noqa: E402
from dmd_runtime.errors import DMDError  # noqa: E402
from dmd_runtime.privacy import import_mediapipe  # noqa: E402
from scripts.demo.mesh import Floats, Ints, make_mesh  # noqa: E402
from scripts.demo.picture import SIZE, Painter, Picture  # noqa: E402
from scripts.demo.timeline import FPS, Timeline, camera_at, described, expression_at, plan, times  # noqa: E402
from scripts.demo.voice import RATE, VOICE, Singles, VoiceError, mixed, mouth_track, speak_all  # noqa: E402

_MODEL: Final = "face_landmarker"
_TAGS: Final = {
    "DMD_MARK": "DEMO",
    "title": "Demo of dmd-live: a warped portrait and a synthetic voice, not a person",
    "comment": "Portrait: NASA (Eileen Collins), public domain, warped by a program. Voice: espeak-ng.",
}
_BITRATE: Final = 40_000  # of the sound
_CHUNK: Final = 960  # samples in a frame of Opus


def portrait() -> Picture:
    """NASA's portrait of Eileen Collins as scikit-image carries it, uint8 (512, 512, 3)."""
    from skimage.data import astronaut  # noqa: PLC0415 - an extra

    return np.ascontiguousarray(astronaut())


def landmarks_of(picture: Picture, model: Path) -> tuple[Floats, Ints]:
    """Landmarks float64 (478, 3) of the one face in ``picture``, in pixels, and the mesh's triangles (m, 3)."""
    mp = import_mediapipe()
    vision = mp.tasks.vision
    options = vision.FaceLandmarkerOptions(base_options=mp.tasks.BaseOptions(model_asset_path=str(model)))
    with vision.FaceLandmarker.create_from_options(options) as landmarker:
        found = landmarker.detect(mp.Image(image_format=mp.ImageFormat.SRGB, data=picture)).face_landmarks
    (face,) = found
    width, height = picture.shape[1], picture.shape[0]
    points = np.array([(p.x * width, p.y * height, p.z * width) for p in face])
    edges = vision.FaceLandmarksConnections.FACE_LANDMARKS_TESSELATION  # three in a row are a triangle
    return points, np.array([edge.start for edge in edges]).reshape(-1, 3)


def pictures(painter: Painter, timeline: Timeline, sound: Singles) -> Iterator[Picture]:
    """Draw all pictures, uint8 (480, 640, 3), in order."""
    moments = times(timeline)
    loud, dark = mouth_track(sound, len(moments))
    for i, t in enumerate(moments.tolist()):
        face = expression_at(t, timeline, loudness=float(loud[i]), darkness=float(dark[i]))
        yield painter(face, camera_at(t, timeline))
        if i % (2 * FPS) == 0:
            print(f"\r{t:5.1f} of {timeline.duration:.1f} s", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)


def encode(path: Path, frames: Iterable[Picture], sound: Singles) -> None:
    """Write a Matroska file of H.264 and Opus; one thread and no dates, so that equal libraries write equal bytes."""
    with av.open(str(path), "w", format="matroska", container_options={"fflags": "+bitexact"}) as container:
        container.metadata.update(_TAGS)
        video: Any = container.add_stream("libx264", rate=FPS)
        video.width, video.height, video.pix_fmt = *SIZE, "yuv420p"
        video.codec_context.thread_count = 1
        video.codec_context.gop_size = 2 * FPS
        video.options = {"preset": "slow", "crf": "21"}
        audio: Any = container.add_stream("libopus", rate=RATE, layout="mono")
        audio.codec_context.bit_rate = _BITRATE
        container.start_encoding()
        packets: list[Any] = []
        for number, picture in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            packets += video.encode(frame)
        packets += video.encode(None)
        for first in range(0, len(sound), _CHUNK):
            block = av.AudioFrame.from_ndarray(sound[None, first : first + _CHUNK], format="flt", layout="mono")
            block.sample_rate, block.pts, block.time_base = RATE, first, Fraction(1, RATE)
            packets += audio.encode(block)
        packets += audio.encode(None)
        for packet in sorted(packets, key=lambda p: p.dts * p.time_base):
            container.mux(packet)


def make(out: Path) -> None:
    """Make the film ``out`` and, beside it, its description (suffix ``.json``).

    Raises
    ------
    VoiceError, AssetError
        What is missing, and how to get it.
    """
    voices = speak_all()
    timeline = plan([len(voice) / RATE for voice in voices])
    sound = mixed(voices, timeline)
    still = portrait()
    points, triangles = landmarks_of(still, Assets().fetch(_MODEL))
    painter = Painter(still, make_mesh(points, triangles, (still.shape[1], still.shape[0])))
    part = out.with_name(f"{out.stem}.part.mkv")
    encode(part, pictures(painter, timeline, sound), sound)
    about = {"mark": _TAGS["DMD_MARK"], "size": list(SIZE), "fps": FPS, "voice": f"espeak-ng {VOICE}"}
    out.with_suffix(".json").write_text(json.dumps(about | described(timeline), indent=1) + "\n", encoding="utf-8")
    part.replace(out)
    print(f"{out}: {timeline.duration:.1f} s, {out.stat().st_size / 1e6:.2f} MB", file=sys.stderr)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; 0, or 2 where something is missing."""
    parser = argparse.ArgumentParser(description="Make the demo film.")
    parser.add_argument("--out", type=Path, default=ROOT / "resources" / "demo.mkv")
    out = parser.parse_args(arguments).out
    try:
        if find_spec("skimage") is None:
            needed = "the portrait needs scikit-image, which is not installed"
            raise VoiceError(f"{needed}; type: {sys.executable} -m pip install scikit-image==0.26.0")
        if not out.parent.is_dir():
            raise VoiceError(f"{out}: expected a folder to write to, {out.parent} is none")
        make(out)
    except (VoiceError, DMDError) as error:
        print(f"make_demo: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
