"""Colours, type and spacing: the one place that decides how things look.

Colour carries two things only, the modality and the emotion; red is recording. Everything else is ink on quiet cards.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QFont, QFontDatabase, QGuiApplication, QPalette
from PySide6.QtWidgets import QApplication

from dmd_runtime import Modality, resource

GAP: Final = 12
"""Pixels between cards."""
INSIDE: Final = 16
"""Pixels between a card's edge and what is on it."""
RADIUS: Final = 12
RADIUS_SMALL: Final = 8
RECORDING: Final = QColor("#C0392B")
WARNING: Final = QColor("#E8B931")
"""Ground of marks that must not be overlooked; always with dark ink."""
WARNING_INK: Final = QColor("#1A1400")

MODALITY: Final[Mapping[Modality, QColor]] = {
    Modality.LANGUAGE: QColor("#4C9BE8"),
    Modality.VISUAL: QColor("#E8A33D"),
    Modality.ACOUSTIC: QColor("#54B689"),
}
EMOTION: Final[Mapping[str, QColor]] = {
    "happiness": QColor("#F0C44C"),
    "neutral": QColor("#9AA5B1"),
    "surprise": QColor("#59C3D8"),
    "sadness": QColor("#5C7CFA"),
    "anger": QColor("#E4572E"),
    "fear": QColor("#9B6DD6"),
    "disgust": QColor("#6BA368"),
}
"""In the order in which they are listed; a checkpoint with other labels gets :data:`OTHER_EMOTION`."""
OTHER_EMOTION: Final = QColor("#9AA5B1")


@dataclass(frozen=True, kw_only=True)
class Theme:
    """One set of surfaces and inks; text on ``card`` and ``background`` has a contrast of at least 4.5 : 1."""

    name: str
    background: QColor
    card: QColor
    line: QColor
    ink: QColor
    dim: QColor
    track: QColor
    stage: QColor
    """Behind the video."""
    accent: QColor
    """Links and focus."""
    button: QColor
    on_accent: QColor
    """Text on ``accent``."""
    caution: QColor
    """Ink of a figure that is a little wrong; always with a symbol."""
    alarm: QColor
    """Ink of a figure that is badly wrong; always with a symbol."""


DARK: Final = Theme(
    name="dark",
    background=QColor("#101418"),
    card=QColor("#181D23"),
    line=QColor("#2A313A"),
    ink=QColor("#E8ECF1"),
    dim=QColor("#8D98A5"),
    track=QColor("#232A32"),
    stage=QColor("#090C0F"),
    accent=QColor("#4C9BE8"),
    button=QColor("#232A32"),
    on_accent=QColor("#0B1520"),
    caution=QColor("#E8B931"),
    alarm=QColor("#F0705F"),
)
LIGHT: Final = Theme(
    name="light",
    background=QColor("#F3F5F7"),
    card=QColor("#FFFFFF"),
    line=QColor("#DDE2E8"),
    ink=QColor("#15191E"),
    dim=QColor("#65707C"),
    track=QColor("#E9EDF1"),
    stage=QColor("#1B2026"),
    accent=QColor("#1F6FBF"),
    button=QColor("#E4E8EC"),
    on_accent=QColor("#FFFFFF"),
    caution=QColor("#8A5A00"),
    alarm=QColor("#B3261E"),
)
THEMES: Final = ("system", "dark", "light")


def theme() -> Theme:
    """The theme in force, for painting; widgets repaint on ``QEvent.PaletteChange``."""
    app = QGuiApplication.instance()
    name = app.property("dmd_theme") if app is not None else None
    return LIGHT if name == "light" else DARK


def system_is_light() -> bool:
    """Whether the desktop asks for light; where it says nothing, dark it is."""
    return QGuiApplication.styleHints().colorScheme() is Qt.ColorScheme.Light


def chosen_by(choice: str) -> Theme:
    """The theme that ``choice`` of :data:`THEMES` means now."""
    return LIGHT if choice == "light" or (choice == "system" and system_is_light()) else DARK


def apply_theme(app: QApplication, choice: str) -> Theme:
    """Give the application the theme ``choice`` of :data:`THEMES`; ``system`` follows the desktop."""
    chosen = chosen_by(choice)
    app.setProperty("dmd_theme", chosen.name)
    if not app.property("dmd_styled"):  # once: replacing a style pulls it from under the timers of its animations
        app.setStyle("Fusion")
        app.setProperty("dmd_styled", True)
    app.setPalette(_palette(chosen))
    app.setFont(font(13))
    app.setStyleSheet(_style_sheet(chosen))
    return chosen


def load_fonts() -> None:
    """Register the bundled family; once per application."""
    for path in sorted(resource("fonts").glob("*.otf")):
        QFontDatabase.addApplicationFont(str(path))


def font(pixels: int, *, weight: QFont.Weight = QFont.Weight.Normal, italic: bool = False) -> QFont:
    """The one family at a size in pixels, with tabular figures, so that changing numbers do not jitter."""
    chosen = QFont(["Inter", "Cantarell", "Segoe UI", "Helvetica Neue", "DejaVu Sans"])
    chosen.setPixelSize(round(pixels * scale()))
    chosen.setWeight(weight)
    chosen.setItalic(italic)
    chosen.setFeature(QFont.Tag("tnum"), 1)
    return chosen


def scale() -> float:
    """How much larger than designed text is to be (a setting)."""
    app = QGuiApplication.instance()
    value = app.property("dmd_font_scale") if app is not None else None
    return float(value) if isinstance(value, int | float) and value > 0 else 1.0


def emotion_colour(label: str) -> QColor:
    """The colour of an emotion; never the only sign of it."""
    return EMOTION.get(label, OTHER_EMOTION)


def with_alpha(colour: QColor, alpha: float) -> QColor:
    """``colour`` with an opacity of 0 to 1."""
    out = QColor(colour)
    out.setAlphaF(max(0.0, min(1.0, alpha)))
    return out


def moves() -> bool:
    """Whether small motion is wanted, which a setting says: Qt 6.11 does not tell what the system asks for."""
    app = QGuiApplication.instance()
    return not (app is not None and app.property("dmd_reduced_motion"))


def _palette(t: Theme) -> QPalette:
    palette = QPalette()
    role = QPalette.ColorRole
    for which, colour in (
        (role.Window, t.background),
        (role.WindowText, t.ink),
        (role.Base, t.card),
        (role.AlternateBase, t.track),
        (role.Text, t.ink),
        (role.Button, t.button),
        (role.ButtonText, t.ink),
        (role.ToolTipBase, t.card),
        (role.ToolTipText, t.ink),
        (role.PlaceholderText, t.dim),
        (role.Highlight, t.accent),
        (role.HighlightedText, QColor("#FFFFFF")),
        (role.Link, t.accent),
        (role.Mid, t.line),
    ):
        palette.setColor(which, colour)
    for which in (role.WindowText, role.Text, role.ButtonText):
        palette.setColor(QPalette.ColorGroup.Disabled, which, t.dim)
    return palette


def _style_sheet(t: Theme) -> str:
    text = resource("style.qss").read_text(encoding="utf-8")
    for name in ("background", "card", "line", "ink", "dim", "track", "stage", "accent", "button", "on_accent"):
        text = text.replace(f"@{name}", getattr(t, name).name())
    for sign in ("tick", "chevron"):
        text = text.replace(f"@{sign}", resource(f"{sign}-{t.name}.png").as_posix())
    text = text.replace("@text", str(round(13 * scale())))
    return text.replace("@recording", RECORDING.name()).replace("@radius", f"{RADIUS_SMALL}px")
