"""Live multimodal emotion recognition with Decoupled Multimodal Distilling, without any window.

These names are the whole interface that programs on top should need. They are imported when first used, so that
``import dmd_runtime`` stays quick and does not load torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOME = {
    "Modality": "modality",
    "MODALITIES": "modality",
    "Graph": "modality",
    "Edge": "modality",
    "EDGES": "modality",
    "UNIFORM": "modality",
    "VideoFrame": "messages",
    "AudioBlock": "messages",
    "FaceObservation": "messages",
    "SpeechActivity": "messages",
    "Utterance": "messages",
    "Word": "messages",
    "Reading": "messages",
    "Health": "messages",
    "Failure": "messages",
    "SpeechChange": "messages",
    "Message": "messages",
    "freeze": "messages",
    "Clock": "clock",
    "ANALYSIS_RATE": "sources.base",
    "SourceInfo": "sources.base",
    "MediaSink": "sources.base",
    "Source": "sources.base",
    "resource": "resources",
    "Progress": "assets",
    "FetchCancelledError": "assets",
    "SessionConfig": "config",
    "Assets": "assets",
    "FileSource": "sources.file",
    "SyntheticSource": "sources.synthetic",
    "frame_image": "sources.synthetic",
    "read_frame_number": "sources.synthetic",
    "Session": "streaming.session",
    "SessionState": "streaming.session",
    "Latest": "streaming.channel",
    "Toolbox": "streaming.toolbox",
    "NO_SPEECH": "streaming.speech_models",
    "SPEECH_MODELS": "streaming.speech_models",
    "Presence": "streaming.speech_models",
    "SpeechModel": "streaming.speech_models",
    "SpeechModelStatus": "streaming.speech_models",
    "fetch_speech_model": "streaming.speech_models",
    "recommended_here": "streaming.speech_models",
    "speech_model": "streaming.speech_models",
    "speech_models": "streaming.speech_models",
    "Recording": "recording.recording",
    "Consent": "recording.recording",
    "find_unfinished": "recording.recovery",
    "recover": "recording.recovery",
    "Recovery": "recording.recovery",
    "export": "recording.export",
    "ExportOptions": "recording.export",
    "Format": "recording.export",
    "FORMATS": "recording.export",
    "AnnotationStore": "recording.annotations",
    "new_id": "recording.tiers",
    "write_annotations": "recording.annotations",
    "is_held": "recording.lock",
    "Agreement": "evaluation.agreement",
    "Item": "recording.tiers",
    "KnownTier": "recording.tiers",
    "Label": "recording.tiers",
    "Tier": "recording.tiers",
    "TierKind": "recording.tiers",
    "MarkerSet": "recording.marker_sets",
    "MarkerSetStore": "recording.marker_sets",
    "compare_tiers": "recording.comparing",
    "model_tier": "recording.comparing",
    "model_valence_tier": "recording.comparing",
    "SessionIndex": "recording.index",
    "Hit": "recording.index",
    "SessionSummary": "recording.library",
    "open_session": "recording.reader",
    "RecordedSession": "recording.reader",
    "Readings": "recording.reader",
    "Annotations": "recording.tiers",
    "read_annotations": "recording.annotations",
    "Medium": "recording.playback_timeline",
    "medium_of": "recording.playback_timeline",
    "FrameReader": "recording.playback",
    "MediaTimeline": "recording.playback_timeline",
    "media_timeline": "recording.playback_timeline",
    "prepare_replay": "recording.playback_timeline",
    "SoundReader": "recording.playback_sound",
    "Tempo": "recording.playback_sound",
    "RecordedFaces": "recording.reader",
    "Span": "messages",
    "Provenance": "messages",
    "analyses": "recording.reanalysis",
    "open_analysis": "recording.reanalysis",
    "reanalyse": "recording.reanalysis",
    "settings_of": "recording.reanalysis",
    "DMDError": "errors",
    "DeviceError": "errors",
    "SourceError": "errors",
    "ConfigError": "errors",
}

__all__ = ["__version__", *_HOME]  # noqa: PLE0604  # names come from the table above

if TYPE_CHECKING:
    from dmd_runtime.assets import Assets as Assets
    from dmd_runtime.assets import FetchCancelledError as FetchCancelledError
    from dmd_runtime.assets import Progress as Progress
    from dmd_runtime.clock import Clock as Clock
    from dmd_runtime.config import SessionConfig as SessionConfig
    from dmd_runtime.errors import ConfigError as ConfigError
    from dmd_runtime.errors import DeviceError as DeviceError
    from dmd_runtime.errors import DMDError as DMDError
    from dmd_runtime.errors import SourceError as SourceError
    from dmd_runtime.evaluation.agreement import Agreement as Agreement
    from dmd_runtime.messages import AudioBlock as AudioBlock
    from dmd_runtime.messages import FaceObservation as FaceObservation
    from dmd_runtime.messages import Failure as Failure
    from dmd_runtime.messages import Health as Health
    from dmd_runtime.messages import Message as Message
    from dmd_runtime.messages import Provenance as Provenance
    from dmd_runtime.messages import Reading as Reading
    from dmd_runtime.messages import Span as Span
    from dmd_runtime.messages import SpeechActivity as SpeechActivity
    from dmd_runtime.messages import SpeechChange as SpeechChange
    from dmd_runtime.messages import Utterance as Utterance
    from dmd_runtime.messages import VideoFrame as VideoFrame
    from dmd_runtime.messages import Word as Word
    from dmd_runtime.messages import freeze as freeze
    from dmd_runtime.modality import EDGES as EDGES
    from dmd_runtime.modality import MODALITIES as MODALITIES
    from dmd_runtime.modality import UNIFORM as UNIFORM
    from dmd_runtime.modality import Edge as Edge
    from dmd_runtime.modality import Graph as Graph
    from dmd_runtime.modality import Modality as Modality
    from dmd_runtime.recording.annotations import AnnotationStore as AnnotationStore
    from dmd_runtime.recording.annotations import read_annotations as read_annotations
    from dmd_runtime.recording.annotations import write_annotations as write_annotations
    from dmd_runtime.recording.comparing import compare_tiers as compare_tiers
    from dmd_runtime.recording.comparing import model_tier as model_tier
    from dmd_runtime.recording.comparing import model_valence_tier as model_valence_tier
    from dmd_runtime.recording.export import FORMATS as FORMATS
    from dmd_runtime.recording.export import ExportOptions as ExportOptions
    from dmd_runtime.recording.export import Format as Format
    from dmd_runtime.recording.export import export as export
    from dmd_runtime.recording.index import Hit as Hit
    from dmd_runtime.recording.index import SessionIndex as SessionIndex
    from dmd_runtime.recording.library import SessionSummary as SessionSummary
    from dmd_runtime.recording.lock import is_held as is_held
    from dmd_runtime.recording.marker_sets import MarkerSet as MarkerSet
    from dmd_runtime.recording.marker_sets import MarkerSetStore as MarkerSetStore
    from dmd_runtime.recording.playback import FrameReader as FrameReader
    from dmd_runtime.recording.playback_sound import SoundReader as SoundReader
    from dmd_runtime.recording.playback_sound import Tempo as Tempo
    from dmd_runtime.recording.playback_timeline import MediaTimeline as MediaTimeline
    from dmd_runtime.recording.playback_timeline import Medium as Medium
    from dmd_runtime.recording.playback_timeline import media_timeline as media_timeline
    from dmd_runtime.recording.playback_timeline import medium_of as medium_of
    from dmd_runtime.recording.playback_timeline import prepare_replay as prepare_replay
    from dmd_runtime.recording.reader import Readings as Readings
    from dmd_runtime.recording.reader import RecordedFaces as RecordedFaces
    from dmd_runtime.recording.reader import RecordedSession as RecordedSession
    from dmd_runtime.recording.reader import open_session as open_session
    from dmd_runtime.recording.reanalysis import analyses as analyses
    from dmd_runtime.recording.reanalysis import open_analysis as open_analysis
    from dmd_runtime.recording.reanalysis import reanalyse as reanalyse
    from dmd_runtime.recording.reanalysis import settings_of as settings_of
    from dmd_runtime.recording.recording import Consent as Consent
    from dmd_runtime.recording.recording import Recording as Recording
    from dmd_runtime.recording.recovery import Recovery as Recovery
    from dmd_runtime.recording.recovery import find_unfinished as find_unfinished
    from dmd_runtime.recording.recovery import recover as recover
    from dmd_runtime.recording.tiers import Annotations as Annotations
    from dmd_runtime.recording.tiers import Item as Item
    from dmd_runtime.recording.tiers import KnownTier as KnownTier
    from dmd_runtime.recording.tiers import Label as Label
    from dmd_runtime.recording.tiers import Tier as Tier
    from dmd_runtime.recording.tiers import TierKind as TierKind
    from dmd_runtime.recording.tiers import new_id as new_id
    from dmd_runtime.resources import resource as resource
    from dmd_runtime.sources.base import ANALYSIS_RATE as ANALYSIS_RATE
    from dmd_runtime.sources.base import MediaSink as MediaSink
    from dmd_runtime.sources.base import Source as Source
    from dmd_runtime.sources.base import SourceInfo as SourceInfo
    from dmd_runtime.sources.file import FileSource as FileSource
    from dmd_runtime.sources.synthetic import SyntheticSource as SyntheticSource
    from dmd_runtime.sources.synthetic import frame_image as frame_image
    from dmd_runtime.sources.synthetic import read_frame_number as read_frame_number
    from dmd_runtime.streaming.channel import Latest as Latest
    from dmd_runtime.streaming.session import Session as Session
    from dmd_runtime.streaming.session import SessionState as SessionState
    from dmd_runtime.streaming.speech_models import NO_SPEECH as NO_SPEECH
    from dmd_runtime.streaming.speech_models import SPEECH_MODELS as SPEECH_MODELS
    from dmd_runtime.streaming.speech_models import Presence as Presence
    from dmd_runtime.streaming.speech_models import SpeechModel as SpeechModel
    from dmd_runtime.streaming.speech_models import SpeechModelStatus as SpeechModelStatus
    from dmd_runtime.streaming.speech_models import fetch_speech_model as fetch_speech_model
    from dmd_runtime.streaming.speech_models import recommended_here as recommended_here
    from dmd_runtime.streaming.speech_models import speech_model as speech_model
    from dmd_runtime.streaming.speech_models import speech_models as speech_models
    from dmd_runtime.streaming.toolbox import Toolbox as Toolbox


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
