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
from typing import Any, NoReturn

from dmd_runtime import __version__
from dmd_runtime.errors import DMDError, StageError
from dmd_runtime.modality import MODALITIES, Modality
from dmd_runtime.recording import command as sessions

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
    models.add_argument(
        "names",
        metavar="NAME",
        nargs="*",
        help="default: all; fetch: those that always run. Speech models, too: base.en",
    )
    models.add_argument("--offline", action="store_true", help="never use the network")
    models.set_defaults(command=_models)

    _add_bench(commands)

    convert = commands.add_parser("convert", help="make a checkpoint of a file of the published code (.pth)")
    convert.add_argument("path", metavar="PTH", type=Path)
    convert.add_argument("--out", metavar="FILE", type=Path, required=True, help="the checkpoint (.safetensors)")
    convert.add_argument("--config", metavar="NAME", default="auto", help="mosi_aligned, …, mosei_unaligned, or auto")
    convert.set_defaults(command=_convert)

    evaluate = commands.add_parser("evaluate", help="a checkpoint on labelled data: one JSON object")
    evaluate.add_argument(
        "--checkpoint", metavar="NAME|PATH", required=True, help="a .safetensors file, or one that ships by its name"
    )
    on = evaluate.add_mutually_exclusive_group(required=True)
    on.add_argument(
        "--corpus",
        nargs=2,
        metavar=("NAME", "PATH"),
        action=_CorpusAndPath,
        help="ravdess, emodb, ferplus, goemotions or meld: its file, its folder or one that holds it; "
        "paired: label-paired triples of the sets found below PATH",
    )
    on.add_argument("--data", metavar="FILE", type=Path, help="a data set in the format of MMSA or of `dmd extract`")
    evaluate.add_argument("--split", default="test", metavar="NAME", help="data: which split; default: test")
    evaluate.add_argument(
        "--modalities", type=_modalities, default=MODALITIES, metavar="L,V,A", help="data: the others count as missing"
    )
    evaluate.add_argument("--seed", type=_seed, default=0, metavar="N")
    evaluate.add_argument("--n", type=_count, metavar="N", help="paired: triples (default 2000); else: samples, drawn")
    evaluate.add_argument("--usage", metavar="SPLIT", help="ferplus: Training, PublicTest or PrivateTest; default: all")
    evaluate.add_argument(
        "--workers", type=_count, metavar="N", help="processes that make features; default: all cores"
    )
    evaluate.add_argument("--device", choices=("auto", "cpu", "cuda", "mps"))
    evaluate.add_argument("--offline", action="store_true", help="never use the network, not even for model files")
    evaluate.set_defaults(command=_evaluate)

    train = commands.add_parser("train", help="train a model on a data file, one run for each seed")
    _add_train_options(train)
    train.set_defaults(command=_train)

    _add_extract(commands)

    sessions.add(commands)
    return parser


def _add_bench(commands: Any) -> None:
    bench = commands.add_parser("bench", help="measure this machine")
    bench.add_argument("what", choices=("dmd", "live", "asr"), help="the model, the whole program, or speech to words")
    bench.add_argument("--json", action="store_true", help="print one JSON object on one line")
    bench.add_argument("--repeats", type=_count, default=30, metavar="N", help="dmd: calls of each side")
    bench.add_argument("--seconds", type=float, default=60.0, metavar="S", help="live, asr: how long")
    bench.add_argument("--source", nargs="+", metavar="PATH", help="live: films of a talking face; default: the demo")
    bench.add_argument(
        "--corpus", metavar="DIR", type=Path, help="asr: recordings of speech; default: the demo's voice"
    )
    bench.add_argument(
        "--long-minutes", type=float, default=0.0, metavar="M", help="asr: speech without end, for the slope"
    )
    bench.set_defaults(command=_bench)


def _add_extract(commands: Any) -> None:
    extract = commands.add_parser("extract", help="features of a folder of labelled clips (label.csv) as one file")
    extract.add_argument("folder", metavar="DIR", type=Path)
    extract.add_argument("--out", metavar="FILE", type=Path, required=True, help="the feature file (.safetensors)")
    extract.add_argument(
        "--transcripts", choices=("csv", "asr", "auto"), default="auto", help="auto: of the csv where it has a text"
    )
    extract.add_argument("--workers", type=_count, metavar="N", help="processes; default: all cores")
    extract.add_argument("--limit", type=_count, metavar="N", help="only the first clips")
    extract.add_argument("--checkpoint", metavar="NAME|PATH", help="whose encoders are used; default: none")
    extract.add_argument("--asr-model", metavar="NAME", help="speech model, as for `dmd run`")
    extract.add_argument("--language", metavar="CODE|auto")
    extract.add_argument("--config", metavar="TOML", type=Path, help="settings over the defaults")
    extract.add_argument("--offline", action="store_true", help="never use the network, not even for model files")
    extract.set_defaults(command=_extract)


class _CorpusAndPath(argparse.Action):
    """``--corpus NAME PATH``: a known name, then a path."""

    names = ("ravdess", "emodb", "ferplus", "goemotions", "meld", "paired")

    def __call__(self, parser: argparse.ArgumentParser, options: Any, values: Any, option: str | None = None) -> None:
        """Check the name, and put both into ``options``."""
        name, path = values
        if name not in self.names:
            parser.error(f"argument {option}: expected one of {', '.join(self.names)}, got {name}")
        setattr(options, self.dest, (name, Path(path)))


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1 up, got {text}")
    return int(text)


def _seed(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected a whole number from 0 up, got {text}")
    return int(text)


def _seeds(text: str) -> tuple[int, ...]:
    seeds = tuple(_seed(part.strip()) for part in text.split(","))
    if len(set(seeds)) < len(seeds):
        raise argparse.ArgumentTypeError(f"expected different seeds, got {text}")
    return seeds


def _modalities(text: str) -> tuple[Modality, ...]:
    letters = {part.strip().upper() for part in text.split(",")}
    if not letters or letters - {m.value for m in MODALITIES}:
        raise argparse.ArgumentTypeError(f"expected some of L, V, A with commas between them, got {text}")
    return tuple(m for m in MODALITIES if m.value in letters)


def _add_train_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config", metavar="NAME|TOML", required=True, help="mosi_aligned, …, features, or a file of one's own"
    )
    parser.add_argument(
        "--data", metavar="FILE", type=Path, required=True, help="in the format of MMSA or of `dmd extract`"
    )
    parser.add_argument("--out", metavar="DIR", type=Path, required=True, help="one folder for each seed goes there")
    parser.add_argument("--seeds", type=_seeds, default=(1,), metavar="N,N,…")
    parser.add_argument("--epochs", type=_count, metavar="N", help="the most; default: the recipe's")
    parser.add_argument(
        "--modalities", type=_modalities, default=MODALITIES, metavar="L,V,A", help="the others count as missing"
    )
    parser.add_argument(
        "--text-encoder", metavar="NAME|DIR|none", help="tuned along on text_bert; none: the file's text features"
    )
    parser.add_argument("--reference", action="store_true", help="train as the published code does, faults included")
    parser.add_argument("--resume", action="store_true", help="go on after the last whole epoch of each seed")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda", "mps"), default="auto")


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
        "--asr-model", metavar="NAME|DIR|none", help="speech model: a name of `dmd models list`, a folder, or none"
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
    from dmd_runtime import models_command  # noqa: PLC0415

    return models_command.command(options.what, options.names, offline=options.offline, out=sys.stdout)


def _bench(options: argparse.Namespace) -> int:
    if options.what == "live":  # the window is a program on top of this one
        films = [] if options.source is None else ["--source", *options.source]
        command = [sys.executable, "-m", "desktop.bench", "--seconds", str(options.seconds), *films]
        return subprocess.run([*command, *(["--json"] if options.json else [])], check=False).returncode
    if options.what == "asr":
        from dmd_runtime.benchmark import asr  # noqa: PLC0415

        figures = asr.run(
            corpus=options.corpus,
            seconds=options.seconds,
            long_minutes=options.long_minutes,
            say=lambda line: print(line, file=sys.stderr, flush=True),
        )
    else:
        from dmd_runtime.benchmark import dmd  # noqa: PLC0415

        figures = dmd.run(repeats=options.repeats)
    print(json.dumps(figures) if options.json else json.dumps(figures, indent=2))
    return 0


def _convert(options: argparse.Namespace) -> int:
    from dmd_runtime.model import convert  # noqa: PLC0415

    for line in convert.command(options.path, options.out, options.config):
        print(line)
    return 0


def _evaluate(options: argparse.Namespace) -> int:
    if options.data is not None:
        from dmd_runtime.training.command import evaluate_data  # noqa: PLC0415  # loads torch: only when needed

        found = evaluate_data(
            options.checkpoint,
            options.data,
            split=options.split,
            device=options.device or "auto",
            modalities=options.modalities,
            seed=options.seed,
        )
        print(json.dumps(found, allow_nan=False))
        return 0
    from dmd_runtime.evaluation.command import evaluate_corpus  # noqa: PLC0415

    name, path = options.corpus
    figures = evaluate_corpus(
        options.checkpoint,
        name,
        path,
        seed=options.seed,
        n=options.n,
        usage=options.usage,
        device=options.device,
        workers=options.workers,
        offline=options.offline,
    )
    print(json.dumps(figures, allow_nan=False))
    return 0


def _train(options: argparse.Namespace) -> int:
    from dmd_runtime.training.command import TrainOptions, train  # noqa: PLC0415

    told = {name: value for name, value in vars(options).items() if name not in ("command", "verbose")}
    train(TrainOptions(**told), say=lambda line: print(line, flush=True))
    return 0


def _extract(options: argparse.Namespace) -> int:
    from dmd_runtime.training.extract_command import run  # noqa: PLC0415

    for line in run(options):
        print(line)
    return 0
