"""Garbage that holds objects of Qt's is destroyed on the window's thread, whoever makes the object too many."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator

import pytest
from PySide6.QtCore import QObject, Signal
from pytestqt.qtbot import QtBot

from desktop.garbage import GarbageCollector


class Models(QObject):
    """Says that models were loaded."""

    loaded = Signal()


class Cycle:
    """Garbage as soon as nobody else holds it; tells which thread destroyed it."""

    def __init__(self, ended: list[int]) -> None:
        self.me = self
        self._ended = ended

    def __del__(self) -> None:
        self._ended.append(threading.get_ident())


@pytest.fixture
def models(qapp: object) -> Models:
    return Models()


@pytest.fixture
def collector(models: Models) -> Iterator[GarbageCollector]:
    collector = GarbageCollector(models.loaded)
    yield collector
    collector.close()
    gc.disable()  # as the other tests here have it


def test_a_worker_that_makes_many_objects_destroys_nothing(collector: GarbageCollector, qtbot: QtBot) -> None:
    ended: list[int] = []
    Cycle(ended)
    kept: list[list[int]] = []
    worker = threading.Thread(target=lambda: kept.extend([] for _ in range(20_000)))
    worker.start()
    worker.join(10)
    assert ended == []
    qtbot.waitUntil(lambda: ended == [threading.get_ident()], timeout=5_000)


def test_what_has_become_garbage_among_what_was_left_alone_goes_with_the_next_models(
    collector: GarbageCollector, models: Models
) -> None:
    ended: list[int] = []
    held = Cycle(ended)
    models.loaded.emit()
    del held
    gc.collect()
    assert ended == []
    models.loaded.emit()
    assert ended == [threading.get_ident()]


def test_it_gives_back_what_it_took_over(models: Models) -> None:
    collector = GarbageCollector(models.loaded)
    assert not gc.isenabled()
    collector.close()
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0
    gc.disable()
