"""A real recogniser takes over from another one in a session; here it is the same model from another folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from dmd_runtime.assets import Assets
from dmd_runtime.config import SessionConfig
from dmd_runtime.messages import Reading, SpeechChange, Utterance, Word
from dmd_runtime.recording.recording import Recording
from dmd_runtime.sources.file import FileSource
from dmd_runtime.streaming.session import Session
from dmd_runtime.streaming.toolbox import Toolbox
from tests.features.speech_assets import model_folder
from tests.shared_data import shared


def run(toolbox: Toolbox, clip: Path, other: Toolbox | None, *, keep: Path | None = None) -> list[Any]:
    """All that a session says; ``other`` is asked for when the first words are heard. Kept ones run in real time."""
    session = Session(FileSource(clip, paced=keep is not None), toolbox, toolbox.config, exact=keep is None)
    recording = None if keep is None else Recording(session, toolbox, toolbox.config, keep)
    out: list[Any] = []

    def take(message: Any) -> None:
        if other is not None and isinstance(message, Utterance) and not any(isinstance(m, Utterance) for m in out):
            session.change_speech(other)
        out.append(message)

    session.subscribe(take)
    session.run()
    if recording is not None:
        recording.finish()
    return out


def test_the_same_model_says_the_same_words_in_the_same_windows(tmp_path: Path) -> None:
    tiny, clip = model_folder("whisper-tiny.en"), shared("clips", "speech", "jfk.flac")
    model_folder("minilm-l6-v2")
    mine = tmp_path / "mine"
    mine.mkdir()
    for path in tiny.iterdir():
        (mine / path.name).symlink_to(path)
    assets = Assets(offline=True)
    toolbox = Toolbox.load(SessionConfig.load(runtime={"device": "cpu"}), assets)
    other = toolbox.with_speech(SessionConfig.load(speech={"model": str(mine)}, runtime={"device": "cpu"}), assets)
    assert (toolbox.speech.model, other.speech.model) == ("whisper-tiny.en", "mine")
    assert other.extractors is toolbox.extractors
    alone, changed = run(toolbox, clip, None), run(toolbox, clip, other)
    (change,) = (m for m in changed if isinstance(m, SpeechChange))
    assert (change.model, change.before) == ("mine", "whisper-tiny.en")

    def words(out: list[Any]) -> list[tuple[str, float, float]]:
        return [(m.text, m.span.start, m.span.end) for m in out if isinstance(m, Word)]

    assert words(changed) == words(alone)
    assert [w for w in words(changed) if w[1] < change.t], "some were said before it"
    assert [w for w in words(changed) if w[1] >= change.t], "and some behind it"
    ends = [[m.span.end for m in out if isinstance(m, Reading)] for out in (alone, changed)]
    assert ends[0] == ends[1]


def test_a_recorded_session_says_which_recogniser_it_was(tmp_path: Path) -> None:
    clip = shared("clips", "speech", "jfk.flac")
    assets = Assets(offline=True)
    model_folder("whisper-tiny.en"), model_folder("minilm-l6-v2")
    toolbox = Toolbox.load(SessionConfig.load(runtime={"device": "cpu"}), assets)
    silent = toolbox.with_speech(SessionConfig.load(speech={"model": "none"}, runtime={"device": "cpu"}), assets)
    out = run(toolbox, clip, silent, keep=tmp_path)
    (change,) = (m for m in out if isinstance(m, SpeechChange))
    (table,) = tmp_path.rglob("health.jsonl")
    lines = [json.loads(line) for line in table.read_text().splitlines()]
    facts = [(line["speech_model"], line["speech_since"]) for line in lines]
    assert facts[0] == ("whisper-tiny.en", 0.0)
    assert facts[-1] == ("none", round(change.t, 3))
    assert sorted(set(facts), key=facts.index) == [facts[0], facts[-1]]
