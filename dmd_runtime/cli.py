"""The command ``dmd``. Bad input exits 2 with one line on standard error, wrong usage 64; nothing is half-written."""

from __future__ import annotations

import argparse
import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from dmd_runtime import __version__
from dmd_runtime.errors import DMDError, StageError

EXIT_FAILED, EXIT_INPUT, EXIT_USAGE, EXIT_INTERRUPTED = 1, 2, 64, 130


class _Parser(argparse.ArgumentParser):
    """An argument parser whose usage errors exit 64, so that 2 always means the input."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(EXIT_USAGE, f"{self.prog}: {message}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(
        level=logging.DEBUG if options.verbose else logging.ERROR,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    command: Callable[[argparse.Namespace], int] = options.command
    try:
        return command(options)
    except StageError as error:
        print(f"dmd: {error}", file=sys.stderr)
        return EXIT_FAILED
    except DMDError as error:
        print(f"dmd: {error}", file=sys.stderr)
        return EXIT_INPUT
    except KeyboardInterrupt:
        print("dmd: interrupted; what was read is kept", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:  # the reader of our output has gone (``dmd … | head``)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED


def _parser() -> _Parser:
    parser = _Parser(prog="dmd", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--version", action="version", version=f"dmd {__version__}")
    parser.add_argument("-v", "--verbose", action="store_true", help="log to standard error")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND", parser_class=_Parser)

    run = commands.add_parser("run", help="read one media file into a session folder")
    run.add_argument("path", metavar="PATH", help="a media file, or synthetic[:SECONDS]")
    _add_run_options(run)
    run.set_defaults(command=_run)

    analyze = commands.add_parser("analyze", help="read many media files, one session folder each")
    analyze.add_argument("paths", metavar="PATH", nargs="+")
    _add_run_options(analyze)
    analyze.set_defaults(command=_analyze)

    models = commands.add_parser("models", help="model files: what there is, fetch them, verify them")
    models.add_argument("what", choices=("list", "fetch", "verify"))
    models.add_argument("names", metavar="NAME", nargs="*", help="default: all")
    models.add_argument("--offline", action="store_true", help="never use the network")
    models.set_defaults(command=_models)

    bench = commands.add_parser("bench", help="measure this machine")
    bench.add_argument("what", choices=("dmd", "live"), help="the model alone, or the whole program with its window")
    bench.add_argument("--json", action="store_true", help="print one JSON object on one line")
    bench.add_argument("--repeats", type=_count, default=30, metavar="N", help="dmd: calls of each side")
    bench.add_argument("--seconds", type=float, default=60.0, metavar="S", help="live: how long")
    bench.add_argument("--source", metavar="PATH", help="live: a film with a talking face; default: the demo")
    bench.set_defaults(command=_bench)

    sessions = commands.add_parser("sessions", help="session folders below a root")
    sessions.add_argument("what", choices=("list",))
    sessions.add_argument("root", metavar="ROOT", type=Path)
    sessions.set_defaults(command=_sessions)
    return parser


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1 up, got {text}")
    return int(text)


def _add_run_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", metavar="DIR", type=Path, required=True, help="root of the session folders")
    pace = parser.add_mutually_exclusive_group()
    pace.add_argument("--paced", action="store_true", help="as a camera would deliver it, in real time")
    pace.add_argument(
        "--exact", action="store_true", help="wait for everything; the same file gives the same numbers (default)"
    )
    parser.add_argument("--with-media", action="store_true", help="copy the medium into the session folder")
    parser.add_argument("--participant", default="", metavar="P")
    parser.add_argument("--session", default="", metavar="S", help="label of the session; default: the file's name")
    parser.add_argument("--task", default="", metavar="T")
    parser.add_argument("--checkpoint", metavar="NAME|PATH", help="a .safetensors file, or one that ships by its name")
    parser.add_argument(
        "--asr-model", metavar="NAME|none", help="speech model: a name of `dmd models list`, a folder, or none"
    )
    parser.add_argument("--language", metavar="CODE|auto")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda", "mps"))
    parser.add_argument("--config", metavar="TOML", type=Path, help="settings over the defaults")
    parser.add_argument("--offline", action="store_true", help="never use the network, not even for model files")
    parser.add_argument("--show", action="store_true", help="print each reading, also where there is no terminal")


def _run(options: argparse.Namespace) -> int:
    from dmd_runtime.headless import analyze  # noqa: PLC0415  # loads torch: only when needed

    return analyze([options.path], options)


def _analyze(options: argparse.Namespace) -> int:
    from dmd_runtime.headless import analyze  # noqa: PLC0415

    return analyze(options.paths, options)


def _models(options: argparse.Namespace) -> int:
    from dmd_runtime import assets  # noqa: PLC0415

    return assets.command(options.what, options.names, offline=options.offline, out=sys.stdout)


def _bench(options: argparse.Namespace) -> int:
    if options.what == "live":  # the window is a program on top of this one
        film = [] if options.source is None else ["--source", options.source]
        command = [sys.executable, "-m", "desktop.bench", "--seconds", str(options.seconds), *film]
        return subprocess.run([*command, *(["--json"] if options.json else [])], check=False).returncode
    from dmd_runtime.benchmark import dmd  # noqa: PLC0415

    figures = dmd.run(repeats=options.repeats)
    print(json.dumps(figures) if options.json else json.dumps(figures, indent=2))
    return 0


def _sessions(options: argparse.Namespace) -> int:
    from dmd_runtime.recording.library import list_sessions  # noqa: PLC0415

    for line in list_sessions(options.root):
        print(line)
    return 0
