"""Choosing a speech model: what is told of it, a download that is stopped, resumed, refused, and what is taken."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from threading import Event

import pytest
from pytestqt.qtbot import QtBot

from desktop.models import speech_choice
from desktop.models.speech_choice import SpeechChoice, SpeechState
from dmd_runtime import Assets, Progress, SpeechModel
from tests.hub_factory import FILES, Hub

TOTAL = sum(len(data) for name, data in FILES.items() if name != "README.md")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with closing(Hub(monkeypatch)) as it:
        yield it


@pytest.fixture
def choice(hub: Hub, tmp_path: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> Iterator[SpeechChoice]:
    monkeypatch.setattr("desktop.models.speech_choice.recommended_here", lambda: "tiny.en")
    made = SpeechChoice(lambda: Assets(cache=tmp_path / "cache", environ={}))
    made.set_chosen("")
    qtbot.waitUntil(lambda: made.best == "tiny.en", timeout=20_000)
    yield made
    assert made.close(10)


def fetched(choice: SpeechChoice, qtbot: QtBot) -> list[str]:
    with qtbot.waitSignal(choice.fetch_ended, timeout=20_000) as ended:
        choice.fetch()
    assert ended.args is not None
    return list(ended.args)


def test_what_is_not_here_is_looked_at_and_not_taken(choice: SpeechChoice) -> None:
    taken: list[str] = []
    choice.taken.connect(taken.append)
    choice.show("base")
    assert (choice.state, choice.name, choice.chosen) == (SpeechState.ABSENT, "base", "")
    assert (choice.done_bytes, choice.total_bytes, choice.is_exact) == (0, 148_000_000, False)
    choice.show("none")
    assert (choice.state, taken) == (SpeechState.OFF, ["none"])
    choice.show("/no/such/folder")
    assert (choice.state, choice.chosen) == (SpeechState.UNKNOWN, "none")


def test_a_folder_of_ones_own_is_taken(choice: SpeechChoice, tmp_path: Path, qtbot: QtBot) -> None:
    with qtbot.waitSignal(choice.taken, timeout=1000) as taken:
        choice.show(str(tmp_path))
    assert taken.args == [str(tmp_path)]
    assert choice.state is SpeechState.FOLDER


def test_a_download_tells_how_far_it_is_and_is_taken_when_it_is_over(choice: SpeechChoice, qtbot: QtBot) -> None:
    seen: list[tuple[SpeechState, int, int]] = []
    choice.changed.connect(lambda: seen.append((choice.state, choice.done_bytes, choice.total_bytes)))
    choice.show("base")
    with qtbot.waitSignal(choice.taken, timeout=20_000) as taken:
        assert fetched(choice, qtbot) == ["base", ""]
    assert taken.args == ["base"]
    assert (choice.state, choice.total_bytes, choice.fetching) == (SpeechState.HERE, TOTAL, "")
    done = [bytes_ for state, bytes_, total in seen if state is SpeechState.FETCHING and total == TOTAL]
    assert done == sorted(done)
    assert done


def test_one_that_was_left_meanwhile_is_not_taken(choice: SpeechChoice, qtbot: QtBot) -> None:
    choice.show("base")
    choice.changed.connect(lambda: choice.shown == "base" and choice.fetching and choice.show("small"))
    assert fetched(choice, qtbot) == ["base", ""]
    assert (choice.chosen, choice.state) == ("", SpeechState.ABSENT)
    choice.show("base")
    assert choice.chosen == "base"


def test_a_download_that_is_stopped_keeps_its_part_and_goes_on(
    choice: SpeechChoice, hub: Hub, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, reached = speech_choice.fetch_speech_model, Event()

    def slow(model: SpeechModel, assets: Assets, *, on_progress: Callable[[Progress], None], cancel: Event) -> Path:
        def wait(step: Progress) -> None:
            on_progress(step)
            if step.whole_done >= 200_000:
                reached.set()
                assert cancel.wait(20)

        return real(model, assets, on_progress=wait, cancel=cancel)

    with monkeypatch.context() as patched:
        patched.setattr(speech_choice, "fetch_speech_model", slow)
        choice.show("base")
        states: list[SpeechState] = []
        choice.changed.connect(lambda: states.append(choice.state))
        with qtbot.waitSignal(choice.fetch_ended, timeout=20_000):
            choice.fetch()
            qtbot.waitUntil(reached.is_set, timeout=20_000)
            choice.cancel()
    assert SpeechState.STOPPING in states
    assert (choice.state, choice.chosen) == (SpeechState.PART, "")
    part = choice.done_bytes
    assert 200_000 <= part < choice.total_bytes == TOTAL
    sent = hub.sent
    fetched(choice, qtbot)
    assert (choice.state, choice.chosen) == (SpeechState.HERE, "base")
    assert hub.sent - sent == TOTAL - part


def test_a_failure_is_one_line_and_another_try_may_do_better(choice: SpeechChoice, hub: Hub, qtbot: QtBot) -> None:
    files, hub.files = hub.files, {}
    choice.show("base")
    name, problem = fetched(choice, qtbot)
    assert (name, choice.state, choice.chosen) == ("base", SpeechState.FAILED, "")
    assert "404" in problem
    assert "\n" not in problem
    assert choice.problem == problem
    hub.files = files
    fetched(choice, qtbot)
    assert (choice.state, choice.problem) == (SpeechState.HERE, "")


def test_english_models_say_so(choice: SpeechChoice) -> None:
    assert choice.english_only
    choice.chosen = "base"
    assert not choice.english_only
