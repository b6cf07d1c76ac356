"""Marker sets: the labels that somebody marks a session with, each with its colour and its key. TOML files.

The format is described in ``docs/recording.md``.
"""

from __future__ import annotations

import contextlib
import re
import tomllib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from platformdirs import user_config_path

from dmd_runtime.errors import ConfigError
from dmd_runtime.recording.tiers import Label
from dmd_runtime.resources import resource
from dmd_runtime.whole_file import whole_file

RESERVED_KEYS: Final = frozenset("1234567JKLMNW")
"""Keys that mean something else in the window: own emotion labels, moving in a replay, a marker, a note, why."""
_KEY: Final = re.compile(r"[A-Z0-9]")
_COLOR: Final = re.compile(r"#[0-9a-fA-F]{6}")
_RULES: Final[Mapping[str, type]] = {"name": str, "color": str, "key": str, "span": bool}


@dataclass(frozen=True, kw_only=True)
class MarkerSet:
    """A name and what can be marked with it; the name is that of the tier that the markers are in."""

    name: str
    labels: tuple[Label, ...] = ()

    def problems(self, reserved: Collection[str] = RESERVED_KEYS) -> Iterator[str]:
        """Whatever is wrong with it, one line each; nothing where it can be used."""
        if not self.name.strip():
            yield "set: expected a name, got none"
        names, keys = set[str](), set[str]()
        for number, label in enumerate(self.labels, 1):
            place = f"set {self.name!r}, label {label.name or number!r}"
            if not label.name.strip():
                yield f"{place}: expected a name, got none"
            elif label.name in names:
                yield f"{place}: expected a name of its own, got one twice"
            if label.color and not _COLOR.fullmatch(label.color):
                yield f"{place}: expected a colour as #rrggbb, got {label.color!r}"
            key = label.key.upper()
            if key and not _KEY.fullmatch(key):
                yield f"{place}: expected one letter or digit as its key, got {label.key!r}"
            elif key in reserved:
                yield f"{place}: expected a key that is free, got {key}, which the window uses"
            elif key in keys:
                yield f"{place}: expected a key of its own, got {key} twice"
            names.add(label.name)
            keys |= {key} - {""}


def problems_of(sets: Iterable[MarkerSet]) -> list[str]:
    """Whatever is wrong with several sets that are kept together."""
    names = [marker_set.name for marker_set in sets]
    found = [f"set {name!r}: expected a name of its own, got one twice" for name in names if names.count(name) > 1]
    return [*dict.fromkeys(found), *(line for marker_set in sets for line in marker_set.problems())]


def default_marker_sets() -> tuple[MarkerSet, ...]:
    """Those that come with the program."""
    return read_marker_sets(resource("markers.toml"))


class MarkerSetStore:
    """The user's marker sets: a small file; those that come with the program as long as there is none.

    Attributes
    ----------
    sets : tuple of MarkerSet
    problem : str
        What is wrong with the file, for a notice; empty where nothing is. It is put aside before it is written.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path if path is not None else user_config_path("dmd", appauthor=False) / "markers.toml"
        self.problem = ""
        self.sets = default_marker_sets()
        if self.path.exists():
            try:
                self.sets = read_marker_sets(self.path)
            except ConfigError as error:
                self.problem = str(error)

    @staticmethod
    def defaults() -> tuple[MarkerSet, ...]:
        """Those that come with the program."""
        return default_marker_sets()

    @staticmethod
    def problems(sets: Sequence[MarkerSet]) -> list[str]:
        """Why ``sets`` could not be kept, one line each."""
        return problems_of(sets)

    def replace(self, sets: Sequence[MarkerSet]) -> None:
        """Keep others from now on.

        Raises
        ------
        ConfigError
            As :func:`write_marker_sets`; nothing is changed.
        """
        if self.problem and not problems_of(sets):
            with contextlib.suppress(OSError):
                self.path.replace(self.path.with_suffix(".broken"))
        write_marker_sets(self.path, sets)
        self.sets, self.problem = tuple(sets), ""


def read_marker_sets(path: Path) -> tuple[MarkerSet, ...]:
    """The sets of a file, in its order; keys are capitals.

    Raises
    ------
    ConfigError
        It is missing or not as described; names the file and every place that is wrong.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: expected marker sets in TOML, got {error}") from None
    wrong: list[str] = [f"expected nothing but [[set]], got {key}" for key in document.keys() - {"set"}]
    sets = [_set_of(table, number, wrong) for number, table in enumerate(_tables(document, "set", "file", wrong), 1)]
    wrong += [] if wrong else problems_of(sets)
    if wrong:
        raise ConfigError(f"{path}: {'; '.join(wrong)}")
    return tuple(sets)


def write_marker_sets(path: Path, sets: Sequence[MarkerSet]) -> None:
    """Replace the file in one step; its folder is made.

    Raises
    ------
    ConfigError
        A set is wrong (nothing is written), or the file cannot be written.
    """
    import tomli_w  # noqa: PLC0415 - only whoever saves waits for it

    if wrong := problems_of(sets):
        raise ConfigError(f"{path}: {'; '.join(wrong)}")
    document = {"set": [{"name": s.name, "label": [_table_of(label) for label in s.labels]} for s in sets]}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as file:
            tomli_w.dump(document, file)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror or error}") from None


def _table_of(label: Label) -> dict[str, Any]:
    return {key: value for key in _RULES if (value := getattr(label, key))}


def _set_of(table: Mapping[str, Any], number: int, wrong: list[str]) -> MarkerSet:
    name = table.get("name", "")
    place = f"set {name or number!r}"
    if not isinstance(name, str):
        wrong.append(f"{place}: expected text as its name, got {name!r}")
    wrong += [f"{place}: expected name and [[set.label]], got {key}" for key in table.keys() - {"name", "label"}]
    labels = [
        _label_of(line, f"{place}, label {i}", wrong) for i, line in enumerate(_tables(table, "label", place, wrong), 1)
    ]
    return MarkerSet(name=str(name), labels=tuple(labels))


def _label_of(line: Mapping[str, Any], place: str, wrong: list[str]) -> Label:
    wrong += [f"{place}: expected {', '.join(_RULES)}, got {key}" for key in line.keys() - _RULES.keys()]
    good: dict[str, Any] = {}
    for key, kind in _RULES.items():
        value = line.get(key, kind())
        if not isinstance(value, kind):
            wrong.append(f"{place}: expected {'true or false' if kind is bool else 'text'} as {key}, got {value!r}")
            value = kind()
        good[key] = value
    return Label(name=good["name"], color=good["color"], key=good["key"].upper(), span=good["span"])


def _tables(table: Mapping[str, Any], key: str, place: str, wrong: list[str]) -> list[Mapping[str, Any]]:
    found = table.get(key, [])
    if isinstance(found, list) and all(isinstance(line, dict) for line in found):
        return found
    wrong.append(f"{place}: expected [[{key}]] tables, got {found!r}")
    return []
