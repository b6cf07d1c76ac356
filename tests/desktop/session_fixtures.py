"""Sessions for window tests: real ones over the small fakes of :mod:`tests.session_factory`."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from pytestqt.qtbot import QtBot

import dmd_runtime
from desktop.bridge import SessionBridge
from desktop.live_session import LiveSession
from desktop.loaded_models import ModelChoice
from desktop.models.live import LiveModel, Phase
from desktop.options import SourceKind, SourceRequest
from dmd_runtime import SessionConfig
from tests.session_factory import FakeFaces, FakeHearing, FakeToolbox

SIGNALS = SourceRequest(kind=SourceKind.SYNTHETIC, seconds=600.0)
MODELS = ModelChoice()


class LoadedToolbox(FakeToolbox):
    """A toolbox as the program asks for it."""

    missing: dict = {}  # noqa: RUF012
    device = "cpu"

    def provenance(self) -> dict[str, Any]:
        return {"checkpoint": {"name": "tiny", "digest": self.checkpoint.digest, "trained": False}}

    def with_speech(self, config: SessionConfig, assets: object, **_: Any) -> LoadedToolbox:
        raise NotImplementedError

    def visual(self) -> FakeFaces:
        return FakeFaces()

    def sound(self) -> FakeHearing:
        return FakeHearing()


@dataclass
class Loader:
    """Stands for :meth:`Toolbox.load`; counts, waits or fails as told."""

    before: Callable[[Any], None] = lambda cancel: None
    toolbox: Callable[[], LoadedToolbox] = LoadedToolbox
    loads: int = 0
    configs: list[SessionConfig] = field(default_factory=list)

    def load(self, config: SessionConfig, assets: object, *, cancel: object = None, **_: object) -> LoadedToolbox:
        self.loads += 1
        self.configs.append(config)
        self.before(cancel)
        loaded = self.toolbox()
        loaded.with_speech = self.load  # type: ignore[method-assign]
        return loaded


@pytest.fixture
def loader(monkeypatch: pytest.MonkeyPatch) -> Loader:
    """Models load at once and are tiny."""
    made = Loader()
    monkeypatch.setattr(dmd_runtime, "Toolbox", made, raising=False)
    return made


class Rig:
    """A live session with what it talks to."""

    def __init__(self) -> None:
        self.live = LiveModel()
        self.bridge = SessionBridge()
        self.sessions = LiveSession(self.live, self.bridge)
        self.bridge.frame.connect(self.live.take_frame)
        self.phases: list[Phase] = []
        self.live.phase_changed.connect(lambda: self.phases.append(self.live.phase))


@pytest.fixture
def rig(qtbot: QtBot, loader: Loader) -> Iterator[Rig]:
    made = Rig()
    yield made
    assert made.sessions.shut_down()
    assert [t.name for t in threading.enumerate() if t.name.startswith("dmd-")] == []


def running(rig: Rig) -> bool:
    return rig.live.phase is Phase.RUNNING and rig.live.frame is not None
