"""Settings of a session: one frozen, validated model; defaults live in ``resources/default.toml`` and nowhere else."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from dmd_runtime.errors import ConfigError
from dmd_runtime.resources import resource

Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class WindowConfig(_Section):
    """When windows are made and when a modality in one counts as present.

    Attributes
    ----------
    duration, step, first : float
        Seconds: length of a window, time between two, end of the first (left-padded) one.
    latency_budget : float
        Seconds that a window waits after its end for rows still to come; ignored by an exact run, which waits for all.
    min_coverage : share of what was due that must have come for vision and for sound to count.
    min_speech : voiced share of the span below which the voice counts as missing: silence says nothing.
    """

    duration: Seconds
    step: Seconds
    first: Seconds
    latency_budget: Annotated[float, Field(ge=0, le=3600, allow_inf_nan=False)]
    min_coverage_visual: Share
    min_coverage_acoustic: Share
    min_speech: Share

    @model_validator(mode="after")
    def _first_fits(self) -> WindowConfig:
        if self.first > self.duration:
            raise ValueError(f"first ({self.first:g} s) must not be longer than duration ({self.duration:g} s)")
        return self


class VisualConfig(_Section):
    """Rate at which faces are measured, in Hz of media time."""

    rate_hz: Annotated[float, Field(gt=0, le=120)]


class SpeechConfig(_Section):
    """Speech recognition.

    Attributes
    ----------
    model : str
        A name (``dmd models list``), "none", or a folder.
    language : str
        A code, or "auto": heard in each utterance (always English for an English model).
    partial_every : float
        Seconds between two decodings of speech that goes on; 0: when it has ended.
    compute_type : str
        Numbers that the recogniser computes with; "auto": float16 on CUDA, int8 on a CPU.
    threads : int
        CPU threads of the recogniser; 0: 4 where there are at least eight cores, else ``runtime.threads``.
    min_confidence : float
        Words less probable are masked: they are the context of others, but no features of their own.
    """

    model: Annotated[str, Field(min_length=1)]
    language: Annotated[str, Field(pattern="^(auto|[a-z]{2,3})$")]
    partial_every: Annotated[float, Field(ge=0)]
    compute_type: Literal["auto", "int8", "int8_float16", "float16", "float32"]
    threads: Annotated[int, Field(ge=0, le=64)]
    min_confidence: Share


class RuntimeConfig(_Section):
    """Device and threads. Two torch threads on two busy cores were 10 to 30 times slower than one."""

    device: str
    threads: Annotated[int, Field(ge=1, le=64)]


class SessionConfig(_Section):
    """All settings of a session."""

    window: WindowConfig
    visual: VisualConfig
    speech: SpeechConfig
    runtime: RuntimeConfig

    @classmethod
    def load(cls, path: Path | None = None, **overrides: dict[str, Any]) -> SessionConfig:
        """Read the defaults, then ``path`` (TOML) over them, then ``overrides`` section by section.

        Raises
        ------
        ConfigError
            Names the setting, its rule and the value that broke it.
        """
        merged = _read(resource("default.toml"))
        for layer in ([_read(path)] if path is not None else []) + [overrides]:
            for section, values in layer.items():
                if not isinstance(values, dict):
                    raise ConfigError(f"settings come in sections such as [window]; got {section} = {values!r}")
                merged[section] = {**merged.get(section, {}), **values}
        try:
            return cls.model_validate(merged)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise ConfigError(f"setting {where or 'file'}: {first['msg']}, got {first['input']!r}") from None


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: expected a readable TOML file, got {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: expected TOML, got {error}") from None
