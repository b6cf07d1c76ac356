"""What the program remembers between starts: one typed place, one small file, written whole or not at all."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from platformdirs import user_config_path, user_documents_path
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from dmd_runtime import EDGES, Edge, Graph

logger = logging.getLogger(__name__)
_EDGES: Final = {str(edge): edge for edge in EDGES}


def _is_edge(text: str) -> str:
    if text not in _EDGES:
        raise ValueError(f"expected one of {', '.join(_EDGES)}, got {text}")
    return text


class Settings(BaseModel):
    """Everything that is remembered.

    Attributes
    ----------
    theme : "system", "dark" or "light"
    font_scale : float
        How much larger than designed text is.
    reduced_motion : bool
        No small motion.
    smoothing : float
        Seconds over which the displayed emotion is smoothed; 0 shows raw values. Raw values are what is stored.
    camera, microphone : str
        Names as listed; ``none`` for going without; a device that is gone is shown as missing, never replaced.
    mirror : bool
        Show a camera's picture as a mirror does.
    checkpoint, speech_model, language, device : str
        As in the command line; an empty checkpoint is the one that ships.
    timeline_edges : pairs of graph and edge
        Which edges the timeline follows, e.g. ``("homo", "L>V")``.
    geometry, layout : str
        Qt's own description of window and docks, base64.
    last_folder : str
        Where the file dialog opens.
    consent_noticed : bool
        The notice about capture was read once.
    session_root : str
        Folder of the recorded sessions; empty for :attr:`sessions_folder`'s default.
    task, consent_text, recorded_by : str
        What stood in the dialog before the last recording.
    marker_set : str
        The one that was chosen last.
    export_formats : tuple of str
        What every recording is exported to when it has ended.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    theme: Literal["system", "dark", "light"] = "system"
    font_scale: Annotated[float, Field(ge=0.8, le=2.0)] = 1.0
    reduced_motion: bool = False
    smoothing: Annotated[float, Field(ge=0.0, le=10.0)] = 1.0
    camera: str = ""
    microphone: str = "default"
    mirror: bool = True
    checkpoint: str = ""
    speech_model: str = ""
    language: str = "auto"
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    timeline_edges: tuple[tuple[Literal["homo", "hetero"], Annotated[str, AfterValidator(_is_edge)]], ...] = (
        ("homo", "L>V"),
        ("hetero", "V>A"),
    )
    geometry: str = ""
    layout: str = ""
    last_folder: str = ""
    consent_noticed: bool = False
    session_root: str = ""
    task: str = ""
    consent_text: str = ""
    recorded_by: str = ""
    marker_set: str = ""
    export_formats: tuple[str, ...] = ("csv", "vtt")

    @property
    def sessions_folder(self) -> Path:
        """Where recordings are kept: :attr:`session_root`, else a folder among the user's documents."""
        return Path(self.session_root) if self.session_root else user_documents_path() / "DMD Live sessions"

    @property
    def lanes(self) -> tuple[tuple[Graph, Edge], ...]:
        """:attr:`timeline_edges` as what they name."""
        return tuple((Graph(graph), _EDGES[text]) for graph, text in self.timeline_edges)


class SettingsStore:
    """Reads and writes the file; a file that cannot be read is put aside, never overwritten.

    Attributes
    ----------
    now : Settings
    problem : str
        What was wrong with the file, for a notice; empty where nothing was.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path if path is not None else user_config_path("dmd", appauthor=False) / "desktop.json"
        self.problem = ""
        self.now = self._read()

    def update(self, **changes: Any) -> Settings:
        """Change some settings and write the file; returns what is now in force.

        Raises
        ------
        ValidationError
            A value is outside its rule; nothing is changed.
        """
        changed = Settings.model_validate({**self.now.model_dump(), **changes})
        if changed != self.now:
            self.now = changed
            self._write()
        return self.now

    def _read(self) -> Settings:
        try:
            return Settings.model_validate_json(self.path.read_bytes())
        except FileNotFoundError:
            return Settings()
        except (OSError, ValidationError) as error:
            aside = self.path.with_suffix(".broken")
            self.problem = (
                f"{self.path}: expected settings of this program, got {_first_line(error)}; defaults are used"
            )
            logger.warning("%s", self.problem)
            try:
                self.path.replace(aside)
            except OSError:
                logger.warning("%s could not be put aside", self.path)
            return Settings()

    def _write(self) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile("w", dir=self.path.parent, delete=False, encoding="utf-8") as draft:
                draft.write(self.now.model_dump_json(indent=2))  # no fsync: the window's thread would wait for the disk
            Path(draft.name).replace(self.path)
        except OSError as error:  # remembering is a comfort; the program goes on without it
            logger.warning("settings are not remembered: %s", error)


def _first_line(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc'])) or 'file'}: {first['msg']}"
    return str(error)
