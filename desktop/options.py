"""The command line of ``dmd-desktop``; wrong usage exits 64, so that 2 always means the input."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import Literal, NoReturn

from dmd_runtime import Source, __version__

EXIT_OK, EXIT_FAILED, EXIT_INPUT, EXIT_USAGE = 0, 1, 2, 64
SELFTEST_SECONDS = 10.0


class SourceKind(Enum):
    """Where pictures and sound come from."""

    DEVICES = "devices"
    FILE = "file"
    SYNTHETIC = "synthetic"


@dataclass(frozen=True, kw_only=True)
class SourceRequest:
    """What to run: devices by name, a file, or test signals (for ``seconds``); or a ``source`` that is made already."""

    kind: SourceKind
    path: str = ""
    camera: str = ""
    microphone: str = ""
    seconds: float = 3600.0
    source: Source | None = None

    @property
    def is_live(self) -> bool:
        """Whether a person's devices are opened."""
        return self.kind is SourceKind.DEVICES

    def with_device(self, kind: Literal["camera", "microphone"], name: str) -> SourceRequest:
        """The same with another camera or microphone."""
        return replace(self, camera=name) if kind == "camera" else replace(self, microphone=name)


@dataclass(frozen=True, kw_only=True)
class Options:
    """The command line, checked; None and empty strings leave a setting as it is remembered."""

    source: str | None = None
    mic: str | None = None
    session_dir: Path | None = None
    record: bool = False
    participant: str = ""
    task: str = ""
    consent: str = ""
    checkpoint: str | None = None
    asr_model: str | None = None
    language: str | None = None
    device: str | None = None
    theme: str | None = None
    size: tuple[int, int] | None = None
    quit_after: float | None = None
    screenshot: Path | None = None
    demo: bool = False
    selftest: bool = False
    offline: bool = False
    verbose: bool = False


class Parser(argparse.ArgumentParser):
    """Exits 64 on wrong usage, with one line that says what is wrong."""

    def error(self, message: str) -> NoReturn:
        """Say it and exit."""
        self.print_usage(sys.stderr)
        self.exit(EXIT_USAGE, f"{self.prog}: {message}\n")


def parse(arguments: Sequence[str] | None = None) -> Options:
    """Read the command line; exits 64 on wrong usage."""
    parser = _parser()
    options = Options(**vars(parser.parse_args(arguments)))
    if options.demo and options.source is not None:
        parser.error("--demo is a source of its own; leave --source out")
    if options.record and options.session_dir is None:
        parser.error("--record needs --session-dir, the folder that sessions are kept in")
    if options.record and not options.consent.strip():
        request = request_of(options, Path(), camera="", microphone="")
        if request is not None and request.is_live:
            parser.error("--record with a camera or a microphone needs --consent, the consent given, in words")
    return options


def request_of(options: Options, demo: Path, *, camera: str, microphone: str) -> SourceRequest | None:
    """What the command line asks to run at once; None opens the window and waits.

    ``camera`` and ``microphone`` are the remembered devices.
    """
    if options.demo or options.selftest:
        return SourceRequest(kind=SourceKind.FILE, path=str(demo))
    name = options.source
    if name is None:
        return None
    kind, _, rest = name.partition(":")
    mic = options.mic if options.mic is not None else microphone
    if kind == "camera" or name.startswith(("http://", "https://")) or name == "none":
        return SourceRequest(kind=SourceKind.DEVICES, camera=camera if name == "camera" else name, microphone=mic)
    if kind == "synthetic" and not Path(name).exists():
        try:
            return SourceRequest(kind=SourceKind.SYNTHETIC, seconds=float(rest or 3600))
        except ValueError:
            return SourceRequest(kind=SourceKind.FILE, path=name)  # which will say that there is no such file
    return SourceRequest(kind=SourceKind.FILE, path=name)


def _parser() -> Parser:
    parser = Parser(prog="dmd-desktop", description="Live multimodal emotion recognition that you can see into.")
    parser.add_argument("--version", action="version", version=f"dmd-desktop {__version__}")
    parser.add_argument("--source", metavar="camera[:N|:NAME]|PATH|URL|synthetic[:S]", help="start with this at once")
    parser.add_argument("--mic", metavar="default|NAME|none")
    parser.add_argument("--session-dir", metavar="DIR", type=Path, help="folder that sessions are kept in")
    parser.add_argument(
        "--record", action="store_true", help="keep what --source gives (a live device needs --consent)"
    )
    parser.add_argument("--participant", default="", metavar="P")
    parser.add_argument("--task", default="", metavar="T")
    parser.add_argument(
        "--consent", default="", metavar="TEXT", help="the consent given, in words, stored in the session"
    )
    parser.add_argument("--checkpoint", metavar="NAME|PATH")
    parser.add_argument("--asr-model", metavar="NAME|none")
    parser.add_argument("--language", metavar="CODE|auto")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda", "mps"))
    parser.add_argument("--theme", choices=("system", "dark", "light"), help="for this start only")
    parser.add_argument("--size", type=_size, metavar="WxH", help="of the window, for this start only")
    parser.add_argument("--quit-after", type=seconds, metavar="S", help="quit S seconds after the window was shown")
    parser.add_argument(
        "--screenshot", metavar="PNG", type=Path, help="save a picture of the window just before quitting"
    )
    parser.add_argument("--demo", action="store_true", help="watch the demo: a warped portrait and a synthetic voice")
    parser.add_argument("--selftest", action="store_true", help="run 10 s of the demo, check everything, exit 0 or 1")
    parser.add_argument("--offline", action="store_true", help="never use the network, not even for model files")
    parser.add_argument("-v", "--verbose", action="store_true", help="log to standard error")
    return parser


def seconds(text: str) -> float:
    """A length of time from the command line: above 0, at most a week."""
    value = float(text)
    if not 0 < value <= 7 * 24 * 3600:
        raise argparse.ArgumentTypeError(f"expected seconds above 0, got {text}")
    return value


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    if not (width.isdigit() and height.isdigit()):
        raise argparse.ArgumentTypeError(f"expected WIDTHxHEIGHT, got {text}")
    return int(width), int(height)
