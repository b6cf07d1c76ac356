"""Keys that belong to a page and not to the window's actions, for the list of all keys."""

from __future__ import annotations

from typing import Final

from PySide6.QtCore import QCoreApplication

Keys = tuple[tuple[str, str], ...]
"""(what it does, key)."""

_GROUPS: Final[tuple[tuple[str, Keys], ...]] = (
    (
        "Marking, live and in a replay",
        (
            ("Set a point, start and stop a span", "letter on the chip"),
            ("Own emotion label, where they are on", "1 – 7"),
            ("Write a note; keep it; drop it", "N; Enter; Esc"),
            ("Take back the last mark", "Ctrl+Z"),
            ("Draw on the trace pad; pen down or up; centre", "arrows; Space; Home"),
        ),
    ),
    (
        "Sessions",
        (
            ("Search; to what was found; all again", "Ctrl+F; ↓; Esc"),
            ("Open the session, or the hit at its moment", "Enter"),
            ("Export, report, show the folder", "Ctrl+E, Ctrl+P, Ctrl+Shift+F"),
            ("Delete the session whole", "Del"),
        ),
    ),
    (
        "Replay",
        (
            ("Play, pause", "Space"),
            ("One picture back, on", "← →"),
            ("1 s, 10 s", "Shift+← →, Alt+Shift+← →"),
            ("To the annotation before, after", "Ctrl+← →"),
            ("To the ends", "Home, End"),
            ("Slower, faster", "− +"),
            ("Sound, repeat", "S, L"),
            ("Selection begins, ends, goes", "[ ] Esc"),
            ("Zoom; to the selection", "↑ ↓; Z"),
            ("Search the words", "Ctrl+F"),
            ("Compare two raters, or rater and model", "K"),
        ),
    ),
    (
        "Editing in a replay",
        (
            ("Begin, end", "E"),
            ("Item before, after", ", ."),
            ("Label, times and note; a new item; delete", "F2; Ins; Del"),
            ("Undo, redo", "Ctrl+Z, Ctrl+Shift+Z"),
        ),
    ),
)


def page_keys() -> tuple[tuple[str, Keys], ...]:
    """Keys of the pages, by heading."""
    return tuple((_tr(heading), tuple((_tr(what), _tr(key)) for what, key in keys)) for heading, keys in _GROUPS)


def _tr(text: str) -> str:
    return QCoreApplication.translate("Keys", text)
