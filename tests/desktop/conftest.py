"""Everything below here may make widgets: no display is needed, and no thread may be left behind."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PySide6.QtCore import QCoreApplication, QThread
from shiboken6 import isValid

_HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(_HERE):
            item.add_marker(pytest.mark.gui)


@pytest.fixture(autouse=True, scope="module")
def garbage_is_found_on_this_thread() -> Iterator[None]:
    """As in the program (:mod:`desktop.garbage`): a worker that finds a widget of an earlier test would crash it."""
    gc.disable()
    yield
    gc.collect()
    gc.enable()


@pytest.fixture(autouse=True)
def garbage_of_one_test() -> Iterator[None]:
    """What a test has made is young while nobody collects, and so found quickly."""
    yield
    gc.collect(1)


@pytest.fixture(autouse=True)
def nothing_is_kept_for_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is found in recorded sessions is not kept in the cache of whoever runs the tests."""
    monkeypatch.setattr("dmd_runtime.recording.kept_arrays.user_cache_path", lambda *_, **__: tmp_path / "user-cache")


_never_ending: list[QThread] = []  # destroying one that runs would end the whole test run


@pytest.fixture(autouse=True)
def no_thread_is_left_behind(qapp: QCoreApplication, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail a test after which a QThread that it started still runs.

    There is always an application: without one, Qt takes the first thread that makes an object for its main thread, and
    frees things twice when that ends.
    """
    started: list[QThread] = []
    start = QThread.start

    def remember(thread: QThread, *arguments: Any) -> None:
        started.append(thread)
        start(thread, *arguments)

    monkeypatch.setattr(QThread, "start", remember)
    yield
    running = [thread for thread in started if isValid(thread) and thread.isRunning()]
    for thread in running:
        thread.requestInterruption()
        thread.quit()
        getattr(thread, "interrupt", thread.quit)()
        if not thread.wait(5000):
            _never_ending.append(thread)
    names = [thread.objectName() or type(thread).__name__ for thread in running]
    assert not names, f"threads were left running: {', '.join(names)}"
