"""For widgets: the bundled font and the dark theme are in force."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from PySide6.QtWidgets import QApplication

from desktop import theme
from tests.desktop import looking


@pytest.fixture(scope="session", autouse=True)
def fonts(qapp: QApplication) -> None:
    """The bundled family, once."""
    theme.load_fonts()


@pytest.fixture(autouse=True)
def look(qapp: QApplication, fonts: None) -> Iterator[None]:
    """The dark theme, whatever a test does to it."""
    if qapp.property("dmd_theme") != "dark" or not qapp.styleSheet():
        theme.apply_theme(qapp, "dark")
    yield
    if qapp.property("dmd_theme") != "dark":
        theme.apply_theme(qapp, "dark")


@pytest.fixture(params=["dark", "light"])
def colours(request: pytest.FixtureRequest, qapp: QApplication) -> theme.Theme:
    """Both themes, one after the other."""
    return looking.look(qapp, request.param)
