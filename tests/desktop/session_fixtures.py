"""Sessions for window tests: real ones over the small fakes of :mod:`tests.session_factory`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from desktop import live_session
from dmd_runtime import SessionConfig
from tests.session_factory import FakeFaces, FakeHearing, FakeToolbox


class LoadedToolbox(FakeToolbox):
    """A toolbox as the program asks for it."""

    missing: dict = {}  # noqa: RUF012

    def provenance(self) -> dict[str, Any]:
        return {"checkpoint": {"name": "tiny", "digest": self.checkpoint.digest, "trained": False}}

    def visual(self) -> FakeFaces:
        return FakeFaces()

    def sound(self, *, partial: bool) -> FakeHearing:
        return FakeHearing(partial=partial)


@dataclass
class Loader:
    """Stands for :meth:`Toolbox.load`; counts, waits or fails as told."""

    before: Callable[[Any], None] = lambda cancel: None
    loads: int = 0
    configs: list[SessionConfig] = field(default_factory=list)

    def load(self, config: SessionConfig, assets: object, *, cancel: object = None, **_: object) -> LoadedToolbox:
        self.loads += 1
        self.configs.append(config)
        self.before(cancel)
        return LoadedToolbox()


@pytest.fixture
def loader(monkeypatch: pytest.MonkeyPatch) -> Loader:
    """Models load at once and are tiny."""
    made = Loader()
    monkeypatch.setattr(live_session, "Toolbox", made)
    return made
