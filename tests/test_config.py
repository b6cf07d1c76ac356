from __future__ import annotations

from pathlib import Path

import pytest

from dmd_runtime.config import SessionConfig
from dmd_runtime.errors import ConfigError


def test_defaults_are_the_shipped_file() -> None:
    window = SessionConfig.load().window
    assert (window.duration, window.step, window.first, window.latency_budget) == (4.0, 0.5, 2.0, 0.5)


def test_a_file_goes_over_the_defaults_and_overrides_over_both(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("[window]\nstep = 1.0\nduration = 6.0\n")
    window = SessionConfig.load(path, window={"step": 0.25}).window
    assert (window.step, window.duration, window.first) == (0.25, 6.0, 2.0)


@pytest.mark.parametrize(
    ("section", "values", "message"),
    [
        ("window", {"step": -1}, r"window\.step.*greater than 0, got -1"),
        ("window", {"stp": 1}, r"window\.stp.*not permitted"),
        ("window", {"first": 5.0}, r"must not be longer than duration"),
        ("window", {"step": float("nan")}, r"window\.step"),
        ("runtime", {"threads": 0}, r"runtime\.threads"),
        ("nonsense", {"a": 1}, r"nonsense.*not permitted"),
    ],
)
def test_a_broken_setting_is_named_with_its_value(section: str, values: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        SessionConfig.load(None, **{section: values})


@pytest.mark.parametrize("text", ["[window", "\x00", "window = 3"])
def test_a_broken_file_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "broken.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"expected|sections"):
        SessionConfig.load(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml"):
        SessionConfig.load(tmp_path / "none.toml")
