"""WebVTT and SubRip, read back with webvtt-py."""

from __future__ import annotations

import html
import re
from pathlib import Path

import pytest
import webvtt

from dmd_runtime.messages import Span
from dmd_runtime.recording.export import export
from dmd_runtime.recording.export.utterances import text_of, utterances
from dmd_runtime.recording.reader import RecordedWord, open_session
from tests.recording.export.sessions import HOSTILE, ODD, write_session

LONG = tuple((t * 0.4, t * 0.4 + 0.3, f"word{t:03}" + "." * (t % 9 == 8)) for t in range(100))


def cues(folder: Path, kind: str) -> list[webvtt.Caption]:
    (path,) = export(folder, [kind])
    read = webvtt.WebVTT.read if kind == "vtt" else webvtt.from_srt
    return list(read(str(path)).captions)


def seconds(time: webvtt.models.Timestamp) -> float:
    return float(time.in_milliseconds()) / 1000


def word(t0: float, t1: float, text: str) -> RecordedWord:
    return RecordedWord(span=Span(t0, t1), text=text, p=1.0, speaker_visible=None)


@pytest.mark.parametrize("kind", ["vtt", "srt"])
@pytest.mark.parametrize("words", [ODD["scripts"]["words"], LONG], ids=["scripts", "long"])
def test_cues_have_the_words_and_their_times(
    tmp_path: Path, kind: str, words: tuple[tuple[float, float, str], ...]
) -> None:
    found = cues(write_session(tmp_path, words=words), kind)
    text = " ".join(cue.text for cue in found).replace("\n", " ")
    if words is LONG:
        assert text.split() == [word for *_, word in words]
    starts, ends = {t0 for t0, *_ in words}, {t1 for _, t1, _ in words}
    for cue in found:
        assert min(abs(seconds(cue.start_time) - t) for t in starts) <= 0.001
        assert min(abs(seconds(cue.end_time) - t) for t in ends) <= 0.001
    assert abs(seconds(found[0].start_time) - words[0][0]) <= 0.001
    assert abs(seconds(found[-1].end_time) - words[-1][1]) <= 0.001


def test_cues_can_be_read(tmp_path: Path) -> None:
    for cue in cues(write_session(tmp_path, words=LONG), "vtt"):
        assert seconds(cue.end_time) - seconds(cue.start_time) <= 6.0
        lines = cue.text.split("\n")
        assert len(lines) <= 2
        assert max(map(len, lines)) <= 46


def test_vtt_says_when_each_word_begins(tmp_path: Path) -> None:
    words = open_session(folder := write_session(tmp_path)).words
    first, second = cues(folder, "vtt")
    times = [seconds(webvtt.models.Timestamp.from_string(t)) for t in re.findall(r"<([\d:.]+)>", first.raw_text)]
    assert times == pytest.approx([word.span.start for word in words[1:4]], abs=0.001)
    assert first.text == "Well, that is all."
    assert "<" not in second.raw_text


@pytest.mark.parametrize("kind", ["vtt", "srt"])
def test_marks_and_provenance_are_said(tmp_path: Path, kind: str) -> None:
    (path,) = export(write_session(tmp_path, **ODD["marked"]), [kind])
    head = path.read_text(encoding="utf-8").split("Well")[0]
    assert "UNTRAINED SYNTHETIC" in head
    assert ("sha256:abc" in head) == (kind == "vtt")  # SubRip has no comments


def test_hostile_words_stay_text(tmp_path: Path) -> None:
    folder = write_session(tmp_path, **ODD["hostile words"])
    found = cues(folder, "vtt")
    assert len(found) == 1
    assert "<b>" not in found[0].raw_text
    assert html.unescape(found[0].text).startswith(HOSTILE)
    assert len(cues(folder, "srt")) == 1


@pytest.mark.parametrize("kind", ["vtt", "srt"])
def test_no_words_are_no_cues(tmp_path: Path, kind: str) -> None:
    folder = write_session(tmp_path, words=())
    (path,) = export(folder, [kind])
    if kind == "vtt":
        assert not webvtt.WebVTT.read(str(path)).captions
    else:
        assert path.read_bytes() == b""


def test_utterances_end_at_pauses_and_sentences() -> None:
    words = [word(0, 1, "One"), word(1.69, 2, "two."), word(2.1, 3, "Three"), word(3.7, 4, "four")]
    assert list(map(text_of, utterances(words))) == ["One two. Three", "four"]
    assert list(map(text_of, utterances(words, most=14))) == ["One two.", "Three", "four"]
    assert list(map(text_of, utterances(words, longest=1.5))) == ["One", "two. Three", "four"]


def test_scripts_without_blanks_are_joined_without() -> None:
    assert text_of([word(0, 1, "你好"), word(1, 2, "世界"), word(2, 3, "ok"), word(3, 4, "שלום")]) == "你好世界 ok שלום"
