from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dmd_runtime.errors import ConfigError
from dmd_runtime.recording.marker_sets import (
    RESERVED_KEYS,
    MarkerSet,
    MarkerSetStore,
    default_marker_sets,
    problems_of,
    read_marker_sets,
    write_marker_sets,
)
from dmd_runtime.recording.tiers import Label

FREE = sorted(frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") - RESERVED_KEYS)
words = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=1, max_size=12).filter(
    str.strip
)


@st.composite
def marker_sets(draw: st.DrawFn) -> tuple[MarkerSet, ...]:
    sets = []
    for name in draw(st.lists(words, unique=True, max_size=3)):
        names = draw(st.lists(words, unique=True, max_size=6))
        keys = draw(st.lists(st.sampled_from(FREE), unique=True, min_size=len(names), max_size=len(names)))
        labels = [
            Label(
                name=label,
                color=draw(st.sampled_from(["", "#12ab9F"])),
                key=draw(st.sampled_from(["", key])),
                span=draw(st.booleans()),
            )
            for label, key in zip(names, keys, strict=True)
        ]
        sets.append(MarkerSet(name=name, labels=tuple(labels)))
    return tuple(sets)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(marker_sets())
def test_what_is_written_is_read_back(tmp_path: Path, sets: tuple[MarkerSet, ...]) -> None:
    path = tmp_path / "new" / "markers.toml"
    write_marker_sets(path, sets)
    assert read_marker_sets(path) == sets


def test_those_that_come_with_the_program_can_be_used() -> None:
    sets = default_marker_sets()
    assert [s.name for s in sets] == ["Usability", "Supervision", "Experiment"]
    assert problems_of(sets) == []
    for marker_set in sets:
        assert all(label.key and label.color for label in marker_set.labels)
        assert {label.span for label in marker_set.labels} == {True, False}


def test_own_sets_take_the_place_of_those_that_come_with_it(tmp_path: Path) -> None:
    path = tmp_path / "config" / "markers.toml"
    store = MarkerSetStore(path)
    assert (store.sets, store.problem, path.exists()) == (default_marker_sets(), "", False)
    own = (MarkerSet(name="mine", labels=(Label(name="x"),)),)
    store.replace(own)
    assert (store.sets, MarkerSetStore(path).sets) == (own, own)


def test_a_broken_file_is_said_and_put_aside(tmp_path: Path) -> None:
    path = tmp_path / "markers.toml"
    path.write_text("[[set]]\n", encoding="utf-8")
    store = MarkerSetStore(path)
    assert "expected a name" in store.problem
    assert store.sets == default_marker_sets()
    with pytest.raises(ConfigError):
        store.replace([MarkerSet(name="")])
    assert path.read_text(encoding="utf-8") == "[[set]]\n"
    store.replace(store.sets)
    assert MarkerSetStore(path).problem == ""
    assert path.with_suffix(".broken").read_text(encoding="utf-8") == "[[set]]\n"


def test_own_sets_lie_with_the_settings() -> None:
    from desktop.settings import SettingsStore

    assert MarkerSetStore().path.parent == SettingsStore().path.parent


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("set = 3", "expected [[set]] tables, got 3"),
        ("[[sets]]", "expected nothing but [[set]], got sets"),
        ("[[set]]\nname = 3", "expected text as its name, got 3"),
        ("[[set]]\n", "set: expected a name, got none"),
        ('[[set]]\nname = "a"\n[[set]]\nname = "a"', "set 'a': expected a name of its own"),
        ('[[set]]\nname = "a"\nlabels = []', "set 'a': expected name and [[set.label]], got labels"),
        ('[[set]]\nname = "a"\n[[set.label]]\nkey = "x"', "label 1: expected a name, got none"),
        ('[[set]]\nname = "a"\n[[set.label]]\nname = "x"\ncolour = "#ffffff"', "got colour"),
        (
            '[[set]]\nname = "a"\n[[set.label]]\nname = "x"\ncolor = "red"',
            "'x': expected a colour as #rrggbb, got 'red'",
        ),
        ('[[set]]\nname = "a"\n[[set.label]]\nname = "x"\nspan = 1', "expected true or false as span, got 1"),
        ('[[set]]\nname = "a"\n[[set.label]]\nname = "x"\nkey = "F5"', "one letter or digit as its key, got 'F5'"),
        ('[[set]]\nname = "a"\n[[set.label]]\nname = "x"\nkey = "m"', "expected a key that is free, got M"),
        (
            '[[set]]\nname = "a"\n[[set.label]]\nname = "x"\nkey = "q"\n[[set.label]]\nname = "y"\nkey = "Q"',
            "label 'y': expected a key of its own, got Q twice",
        ),
        ('[[set]]\nname = "a"\n[[set.label]]\nname = "x"\n[[set.label]]\nname = "x"', "expected a name of its own"),
        ("[[set]", "expected marker sets in TOML"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "markers.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as error:
        read_marker_sets(path)
    assert str(path) in str(error.value)
    assert said in str(error.value)


def test_a_wrong_set_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "markers.toml"
    write_marker_sets(path, default_marker_sets())
    before = path.read_bytes()
    with pytest.raises(ConfigError, match="#rrggbb"):
        write_marker_sets(path, [MarkerSet(name="a", labels=(Label(name="x", color="blue"),))])
    assert path.read_bytes() == before


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="expected marker sets"):
        read_marker_sets(tmp_path / "none.toml")
