"""What a terminal shows of a session: loud marks, a progress bar, the reading, both graphs."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TextIO

from rich.bar import Bar
from rich.columns import Columns
from rich.console import Console as RichConsole
from rich.console import Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from dmd_runtime.assets import Progress as AssetProgress
from dmd_runtime.messages import Message, Reading, Utterance
from dmd_runtime.modality import EDGES, MODALITIES, UNIFORM, Edge, Graph, Modality
from dmd_runtime.streaming.session import Session

_INK = {Modality.LANGUAGE: "#4C9BE8", Modality.VISUAL: "#E8A33D", Modality.ACOUSTIC: "#54B689"}
_WARNINGS = {
    "UNTRAINED": "UNTRAINED: the model's weights are random; its emotions and edges mean nothing yet",
    "DEMO": "DEMO: a warped portrait and a synthetic voice, not a person",
    "SYNTHETIC": "SYNTHETIC: test signals, not a person",
}
_TITLES = {Graph.HOMOGENEOUS: "HomoGD  shared space", Graph.HETEROGENEOUS: "HeteroGD  own space"}


class Console:
    """Writes for people; on a terminal it moves, elsewhere it prints lines only where asked to (``show``)."""

    def __init__(self, stream: TextIO, *, show: bool = False) -> None:
        self._rich = RichConsole(file=stream, highlight=False)
        self._show = show
        self._download: tuple[Progress, int, str] | None = None

    def line(self, text: str) -> None:
        """Print one plain line."""
        self._rich.print(Text(text), soft_wrap=True)

    def progress(self, step: AssetProgress) -> None:
        """Show the progress of a model file's download."""
        if not self._rich.is_terminal:
            return
        if self._download is None or self._download[2] != step.file:
            self._end_download()
            bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                DownloadColumn(),
                TimeRemainingColumn(),
                console=self._rich,
            )
            bar.start()
            self._download = (bar, int(bar.add_task(f"{step.asset} {step.file}", total=step.total_bytes)), step.file)
        bar, task, _ = self._download
        bar.update(task, completed=step.done_bytes)  # type: ignore[arg-type]
        if step.done_bytes >= step.total_bytes:
            self._end_download()

    def _end_download(self) -> None:
        if self._download is not None:
            self._download[0].stop()
            self._download = None

    @contextmanager
    def showing(self, session: Session) -> Iterator[None]:
        """Show ``session`` while it runs; its marks cannot be overlooked."""
        self._end_download()
        for mark in session.marks:
            self._rich.print(Text(f" {_WARNINGS.get(mark, mark)} ", style="bold black on yellow"), soft_wrap=True)
        for reason in session.absent.values():
            self._rich.print(Text(f"missing: {reason}", style="yellow"), soft_wrap=True)
        if self._rich.is_terminal:
            view = SessionView(session)
            end = session.subscribe(view)
            with Live(view, console=self._rich, refresh_per_second=8, transient=False):
                yield
            end()
        elif self._show:
            end = session.subscribe(self._tell)
            yield
            end()
        else:
            yield

    def _tell(self, message: Message) -> None:
        if isinstance(message, Reading):
            self.line(summary(message))


def summary(reading: Reading) -> str:
    """One reading on one line."""
    head = f"{reading.span.end:6.1f} s"
    if reading.emotion is None:
        return f"{head}  not valid: {reading.reason}"
    label, p = max(reading.emotion.items(), key=lambda item: item[1])
    graphs = "  ".join(f"{g.value} {_edge_text(reading.edges[g])}" for g in Graph)
    cover = " ".join(f"{m.value} {reading.coverage[m]:.2f}" for m in MODALITIES)
    marks = f"  [{' '.join(reading.provenance.marks)}]" if reading.provenance.marks else ""
    why = f"  ({reading.reason})" if reading.reason else ""
    return f"{head}  expressed {label} {p:.2f}  {cover}  {graphs}{why}{marks}"


def _edge_text(edges: Mapping[Edge, float] | None) -> str:
    return "no graph" if edges is None else " ".join(f"{e}:{w:.3f}" for e, w in edges.items())


class SessionView:
    """The moving picture of a session on a terminal; fed by the session's threads, drawn by rich's."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._lock = threading.Lock()
        self._reading: Reading | None = None
        self._words: dict[int, str] = {}

    def __call__(self, message: Message) -> None:
        """Take one message of the session."""
        with self._lock:
            if isinstance(message, Reading):
                self._reading = message
            elif isinstance(message, Utterance):
                self._words[message.seq] = " ".join(word.text for word in message.words)
                while len(self._words) > 4:
                    del self._words[min(self._words)]

    def __rich__(self) -> RenderableType:
        with self._lock:
            reading, words = self._reading, " ".join(self._words.values())
        parts: list[RenderableType] = [self._position(reading)]
        if reading is not None:
            graphs = [_graph(graph, reading) for graph in Graph]
            parts.append(Columns([_emotions(reading), *graphs]))
        if words:
            parts.append(Text(words[-240:], style="italic"))
        return Group(*parts)

    def _position(self, reading: Reading | None) -> RenderableType:
        total = self._session.source.info.duration
        now = reading.span.end if reading is not None else 0.0
        table = Table.grid(padding=(0, 1))
        bar = Bar(size=total, begin=0, end=min(now, total), width=48, color="green") if total else Text("")
        dropped = self._session.counts.frames_dropped
        table.add_row(bar, f"{now:6.1f} s" + (f" of {total:.1f} s" if total else ""), f"dropped frames {dropped}")
        return table


def _emotions(reading: Reading) -> RenderableType:
    table = Table.grid(padding=(0, 1))
    if reading.emotion is None:
        return Panel(Text(f"not valid: {reading.reason}", style="dim"), title="Expressed now", width=44)
    for label, p in sorted(reading.emotion.items(), key=lambda item: -item[1]):
        table.add_row(label, Bar(size=1, begin=0, end=p, width=20), f"{p:.2f}")
    table.add_row("sentiment", "", "" if reading.sentiment is None else f"{reading.sentiment:+.2f}")
    cover = Text()
    for m in MODALITIES:
        cover.append(f"{m.value} {reading.coverage[m]:.2f} ", style=_INK[m])
    return Panel(Group(table, cover, Text(reading.reason, style="dim")), title="Expressed now", width=44)


def _graph(graph: Graph, reading: Reading) -> RenderableType:
    edges = reading.edges[graph]
    table = Table.grid(padding=(0, 1))
    if edges is None:
        return Panel(Text("no graph: fewer than two modalities", style="dim"), title=_TITLES[graph], width=38)
    for edge in EDGES:
        weight = edges[edge]
        style = _INK[edge.teacher] + (" bold" if weight > UNIFORM else "")
        table.add_row(
            Text(f"{edge.teacher.value} → {edge.student.value}", style=style),
            Bar(size=3 * UNIFORM, begin=0, end=min(weight, 3 * UNIFORM), width=16, color=_INK[edge.teacher]),
            Text(f"{weight:.3f}", style="bold" if weight > UNIFORM else ""),
        )
    return Panel(Group(table, Text("teacher → student, uniform 0.167", style="dim")), title=_TITLES[graph], width=38)
