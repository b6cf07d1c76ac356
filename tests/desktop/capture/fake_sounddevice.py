"""A ``sounddevice`` module whose devices tests plug and unplug."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any


class PortAudioError(Exception):
    pass


@dataclass
class FakeInputStream:
    settings: dict[str, Any]
    module: FakeSoundDevice
    started: bool = False
    closed: bool = False

    def start(self) -> None:
        if self.module.start_error is not None:
            raise self.module.start_error
        self.started = True

    def close(self) -> None:
        self.closed = True

    def hand_over(self, sound: Any, *, adc: float = 0.0, now: float = 0.0, overflow: bool = False) -> None:
        stamps = SimpleNamespace(inputBufferAdcTime=adc, currentTime=now)
        self.settings["callback"](sound, len(sound), stamps, SimpleNamespace(input_overflow=overflow))


@dataclass
class FakeSoundDevice:
    """Devices show only after PortAudio was initialised again, as with the real one.

    Attributes
    ----------
    plugged : list of (name, channels, own rate)
    offers : callable
        Raises what ``check_input_settings`` would.
    """

    plugged: list[tuple[str, int, float]] = field(default_factory=list)
    default: str = ""
    offers: Callable[..., None] = lambda **_: None
    start_error: Exception | None = None
    initialize_error: Exception | None = None
    streams: list[FakeInputStream] = field(default_factory=list)
    initialized: int = 0
    PortAudioError: type[Exception] = PortAudioError

    def __post_init__(self) -> None:
        self._initialized = 1
        self._seen: list[tuple[str, int, float]] = []
        self._lib = SimpleNamespace(Pa_Initialize=self._initialize)

    def _initialize(self) -> int:
        self.initialized += 1
        self._seen = list(self.plugged)
        return 0

    def _check(self, code: int, text: str) -> None:
        if self.initialize_error is not None:
            raise self.initialize_error

    def _terminate(self) -> None:
        self._initialized -= 1

    def query_hostapis(self) -> list[dict[str, Any]]:
        names = [name for name, _, _ in self._seen]
        return [{"name": "ALSA", "default_input_device": names.index(self.default) if self.default in names else -1}]

    def query_devices(self, number: int | None = None) -> Any:
        devices = [
            {"name": name, "hostapi": 0, "max_input_channels": channels, "default_samplerate": rate}
            for name, channels, rate in self._seen
        ]
        return devices if number is None else devices[number]

    def check_input_settings(self, **wanted: Any) -> None:
        self.offers(**wanted)

    def InputStream(self, **settings: Any) -> FakeInputStream:  # noqa: N802 - sounddevice's name
        stream = FakeInputStream(settings, self)
        self.streams.append(stream)
        return stream
