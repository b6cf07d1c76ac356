"""The left side in every state it can be in: pictures, faces, words and figures, the same every time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt

from desktop.models.health import HealthModel
from desktop.models.live import LiveModel, Phase, Remedy
from desktop.models.loading import StepState
from desktop.models.transcript import TranscriptModel
from dmd_runtime import FaceObservation, Health, Modality, Progress, SpeechActivity, Utterance, VideoFrame, Word
from tests.messages_factory import Span

Picture = npt.NDArray[np.uint8]
ASSETS: Final = (
    ("face_landmarker", "MediaPipe Face Landmarker", 3_758_596),
    ("whisper-tiny.en", "Whisper tiny.en (CTranslate2)", 78_090_400),
    ("minilm-l6-v2", "all-MiniLM-L6-v2", 91_566_982),
)
SAID: Final = "I would like to do better at that, and I think we really can"
LONG: Final = (
    "So when I first heard about it I did not know what to make of it at all. It took me most of a year to see that "
    "nobody had planned any of this, and that it was up to us. I would like to do better at that, and I think we "
    "really can"
)
CHINESE: Final = "我 觉 得 我 们 真 的 可 以 做 得 更 好 。"


@cache
def portrait(width: int = 1280, height: int = 720) -> Picture:
    """A person as a camera sees one; a gradient where the example pictures are not installed."""
    try:
        from skimage import data
        from skimage.transform import resize
    except ImportError:
        x, y = np.meshgrid(np.linspace(40, 200, width), np.linspace(30, 160, height))
        return np.stack([x, y, 255 - x], axis=-1).astype(np.uint8)
    tall = 250 if width / height > 1.5 else 280
    wide = round(tall * width / height)
    left = max(0, 215 - wide // 2)
    part = data.astronaut()[0:tall, left : left + wide]
    return np.ascontiguousarray((resize(part, (height, width), order=1) * 255).astype(np.uint8))


def frame(seq: int = 0, t: float | None = None, image: Picture | None = None) -> VideoFrame:
    """A picture; by default 30 a second."""
    image = portrait() if image is None else image
    return VideoFrame(seq=seq, t=seq / 30 if t is None else t, image=image)


def face(
    t: float,
    *,
    confidence: float = 0.97,
    centre: tuple[float, float] = (0.50, 0.45),
    radii: tuple[float, float] = (0.115, 0.27),
) -> FaceObservation:
    """An oval of 36 points."""
    angle = np.linspace(0, 2 * np.pi, 36, endpoint=False)
    outline = np.stack([centre[0] + radii[0] * np.sin(angle), centre[1] - radii[1] * np.cos(angle)], axis=1)
    box = (centre[0] - radii[0], centre[1] - radii[1], 2 * radii[0], 2 * radii[1])
    return FaceObservation(t=t, box=box, confidence=confidence, identity=1, outline=outline.astype(np.float32))


def activity(t: float, level_db: float = -18.0, *, speaking: bool = True, spans: Sequence[Span] = ()) -> SpeechActivity:
    """Sound up to ``t``."""
    return SpeechActivity(spans=tuple(spans), settled_until=t, speaking=speaking, level_db=level_db)


def words(
    text: str, start: float = 0.0, *, each: float = 0.3, committed: bool = True, seen: bool | None = None
) -> tuple[Word, ...]:
    """The words of a text, one after the other."""
    return tuple(
        Word(
            span=Span(start + i * each, start + (i + 1) * each),
            text=w,
            p=0.93,
            committed=committed,
            speaker_visible=seen,
        )
        for i, w in enumerate(text.split())
    )


def utterance(seq: int, said: Sequence[Word], *, final: bool) -> Utterance:
    """An utterance that spans its words."""
    span = Span(said[0].span.start, said[-1].span.end) if said else Span(0.0, 0.0)
    return Utterance(seq=seq, span=span, words=tuple(said), final=final)


def running(
    *marks: str, level_db: float = -18.0, image: Picture | None = None, seen: bool = True, clipping: bool = False
) -> LiveModel:
    """Two seconds of a running session."""
    model = LiveModel()
    model.set_source("Integrated 720p", mirrored=True, marks=marks)
    model.set_phase(Phase.RUNNING)
    for seq in range(61):
        model.take_frame(frame(seq, image=image))
    if seen:
        model.take_face(face(2.0))
    model.take_activity(activity(2.0, level_db, speaking=level_db > -40), clipping=clipping)
    return model


def without_video() -> LiveModel:
    """Only sound."""
    model = LiveModel()
    model.set_source("interview.wav", mirrored=False, absent={Modality.VISUAL: "no video"})
    model.set_phase(Phase.RUNNING)
    model.take_activity(activity(1.0, -23.0))
    return model


def without_sound() -> LiveModel:
    """Only pictures, ended."""
    model = running()
    model.set_absent({Modality.ACOUSTIC: "no sound", Modality.LANGUAGE: "no sound"})
    model.set_phase(Phase.ENDED)
    return model


def starting() -> LiveModel:
    """The camera is being opened."""
    model = LiveModel()
    model.set_source("Integrated 720p", mirrored=True)
    model.set_phase(Phase.STARTING, "Opening Integrated 720p…")
    return model


def fetching() -> LiveModel:
    """The second of three models is on its way."""
    model = LiveModel()
    model.set_phase(Phase.LOADING)
    model.plan_loading(ASSETS)
    model.set_step("face_landmarker", StepState.DONE)
    url = "https://models.example.org/whisper-tiny.en/model.bin"
    model.take_progress(
        Progress(asset="whisper-tiny.en", file="model.bin", done_bytes=41_200_000, total_bytes=75_537_502, source=url)
    )
    return model


def cancelled() -> LiveModel:
    """The user stopped it."""
    model = fetching()
    model.cancel_loading()
    return model


def loading() -> LiveModel:
    """All models are here."""
    model = LiveModel()
    model.set_phase(Phase.LOADING)
    return model


def failed() -> LiveModel:
    """The camera is not there."""
    model = LiveModel()
    model.set_phase(
        Phase.FAILED, "Camera Integrated 720p: expected a camera that opens, got: it is used by another program"
    )
    return model


def failed_with_details() -> LiveModel:
    """A model could not be had."""
    model = LiveModel()
    model.set_phase(
        Phase.FAILED,
        "model whisper-tiny.en is not complete: model.bin could not be had\n"
        "  tried the network: not used, working offline\n"
        "  Any one of these helps:\n"
        "  - name a folder with model.bin, config.json in the program's option for this model\n"
        "  - put model.bin into whisper-tiny.en/ in the DMD_ASSETS folder\n"
        "  Then check it: dmd models verify whisper-tiny.en",
        remedy=Remedy.CHOOSE,
    )
    return model


def noticed() -> LiveModel:
    """Two things are wrong."""
    model = running()
    model.notice("camera", "Camera Integrated 720p was unplugged; trying again.")
    model.notice("speech", "The speech model is missing: the words stay empty.", action="How to get it")
    return model


def talk(text: str = SAID, tentative: str = "if we start tomorrow", *, lag: float | None = 1.4) -> TranscriptModel:
    """Committed words and tentative ones."""
    model = TranscriptModel()
    said = words(text, seen=True)
    model.take_utterance(utterance(0, said, final=True))
    end = said[-1].span.end
    if tentative:
        model.take_utterance(utterance(1, words(tentative, end, committed=False), final=False))
    if lag is not None:
        model.take_activity(activity(end, spans=[Span(end, end + 1.0)]))
        model.note_time(end + lag)
    return model


def unseen_words() -> TranscriptModel:
    """Some were said while no face was in view."""
    model = talk("Now I turn away", "", lag=None)
    for word in words("and nobody sees who is speaking", 2.0, seen=False):
        model.take_word(word)
    for word in words("until I am back", 5.0, seen=True):
        model.take_word(word)
    return model


def wordless(reason: str = "") -> TranscriptModel:
    """Nothing said, or nobody listens."""
    model = TranscriptModel()
    model.set_absent(reason)
    return model


def healthy(*, drops: int = 0, lost: int = 0, p95: float = 0.212, name: str = "starter 1.0") -> HealthModel:
    """A minute of a session: 15 faces a second, ``drops`` of 900 pictures and ``lost`` of 960,000 samples gone."""
    model = HealthModel()
    model.set_provenance(name, "cpu")
    for second in range(1, 61):
        model.take(health(float(second), drops=drops * second // 60, lost=lost * second // 60))
    for i in range(100):
        model.note_drawn(p95 * (0.6 + 0.4 * i / 94))
        model.note_frame_age(0.02 + 0.0003 * i)
    model.set_fps(29.97)
    model.set_speech_lag(1.4)
    model.set_disk_left(11 * 3600.0)
    return model


def health(t: float, *, drops: int = 0, lost: int = 0, rate: float = 15.0) -> Health:
    """One second."""
    stages = {
        "visual": {"rate": rate, "p50_ms": 21.4, "p95_ms": 33.9, "drops": drops, "depth": 1},
        "sound": {"rate": 31.2, "p50_ms": 1.1, "p95_ms": 1.9, "drops": 0, "depth": 0},
        "words": {"rate": 1.7, "p50_ms": 402.8, "p95_ms": 911.5, "drops": 0, "depth": 12},
        "reading": {"rate": 2.0, "p50_ms": 8.2, "p95_ms": 12.7, "drops": 0, "depth": 0},
    }
    counters = {
        "frames": round(t * 30),
        "frames_dropped": drops,
        "audio_samples": round(t * 16000) - lost,
        "audio_lost": lost,
    }
    return Health(t=t, stages=stages, rss_mb=812.0, cpu_percent=38.0, counters=counters)


LIVE: Final[Mapping[str, Callable[[], LiveModel]]] = {
    "talking": running,
    "silent, no face": lambda: running(level_db=-57.0, seen=False),
    "demo": lambda: running("UNTRAINED", "DEMO"),
    "synthetic, clipping": lambda: running("SYNTHETIC", level_db=-0.4, clipping=True),
    "white": lambda: running(image=np.full((720, 1280, 3), 255, dtype=np.uint8)),
    "4:3": lambda: running(image=portrait(640, 480)),
    "portrait": lambda: running(image=portrait(720, 1280), seen=False),
    "starting": starting,
    "no video": without_video,
    "no sound, ended": without_sound,
}
STATE: Final[Mapping[str, Callable[[], LiveModel]]] = {
    "empty": LiveModel,
    "fetching": fetching,
    "cancelled": cancelled,
    "loading": loading,
    "failed": failed,
    "failed with details": failed_with_details,
}
TALK: Final[Mapping[str, Callable[[], TranscriptModel]]] = {
    "talk": talk,
    "long": lambda: talk(LONG),
    "up to date": lambda: talk(tentative="", lag=None),
    "unseen": unseen_words,
    "chinese": lambda: talk(CHINESE, "明 天 开 始"),
    "nothing yet": wordless,
    "off": lambda: wordless("speech recognition is off"),
    "missing": lambda: wordless("speech model missing (dmd models fetch)"),
}
HEALTH: Final[Mapping[str, Callable[[], HealthModel]]] = {
    "good": healthy,
    "amber": lambda: healthy(drops=24),
    "red": lambda: healthy(drops=80, lost=12_000),
    "nothing": HealthModel,
    "long name": lambda: healthy(name="sub-17 fine-tuned on interviews 2026-11 seed 3 (aligned, gated)"),
}
