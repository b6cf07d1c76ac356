"""How fast DMD is here: fast inference beside a plain reading of the equations, in one run on one thread.

``dmd bench dmd --json`` prints what :func:`run` gives. Weights are random (seeded): speed does not depend on them.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import torch
from torch import Tensor

from dmd_runtime.benchmark.plain import PlainDMD
from dmd_runtime.modality import MODALITIES, Graph, Modality
from dmd_runtime.model.config import DMDConfig
from dmd_runtime.model.dmd import DMD
from dmd_runtime.model.fast import FastDMD

L, V, A = MODALITIES
SEED = 0
ROUND = 10
"""Calls of one side in a row before the other's turn, so that a change of the machine's mood meets both."""
WARM_UP = 3
"""Calls at the start of a round that are not timed: they fill the caches again."""
CACHE_BYTES = 2**26
"""Written between calls that are to find cold caches."""
ABSENT_ROWS = {L: 12, V: 0, A: 0}
"""Rows at the start of the live window that hold nothing, so that its mask is not idle."""

_PUBLISHED: dict[str, Any] = {
    "dims": {L: 768, V: 20, A: 5},
    "kernels": {L: 5, V: 5, A: 5},
    "width": 50,
    "heads": 10,
    "layers": 4,
}
CASES: Mapping[str, DMDConfig] = {
    # CMU-MOSI as published
    "aligned": DMDConfig(lengths={L: 50, V: 50, A: 50}, **_PUBLISHED),
    "unaligned": DMDConfig(lengths={L: 50, V: 500, A: 375}, **_PUBLISHED),
    # of the size that this program trains and runs, with masks
    "live": DMDConfig(
        dims={L: 384, V: 100, A: 60},
        lengths={L: 32, V: 60, A: 200},
        kernels={L: 3, V: 3, A: 5},
        width=32,
        heads=4,
        layers=2,
        labels=("anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise"),
    ),
}


class Output(Protocol):
    """What all three implementations give."""

    @property
    def logits(self) -> Tensor:
        """(B, C)."""

    @property
    def node_logits(self) -> Mapping[Graph, Mapping[Modality, Tensor]]:
        """Each (B, C)."""

    @property
    def edges(self) -> Mapping[Graph, Tensor]:
        """Each (B, 6)."""


def run(repeats: int = 30) -> dict[str, Any]:
    """Measure all cases, each side ``repeats`` times; the result can be written as JSON.

    ``cases[name]`` has ``fast``, ``plain`` and ``module`` (:class:`DMD` itself) with ``p50_ms`` and ``p95_ms`` of one
    call after another, and ``cold_p50_ms`` of calls that find nothing in the caches, as after a pause filled with other
    work; ``ratio`` and ``ratio_cold`` (of those medians, plain to fast), and the largest differences between fast and
    plain, ``max_abs_output`` and ``max_abs_edges``. ``cuda`` has the same where there is such a device, else None.

    Raises
    ------
    ValueError
        ``repeats`` is not at least 1.
    """
    if repeats < 1:
        raise ValueError(f"repeats must be at least 1, got {repeats}")
    with _one_thread():
        cases = {
            name: _measure(config, torch.device("cpu"), repeats, masked=name == "live")
            for name, config in CASES.items()
        }
        threads = torch.get_num_threads()
    cuda = None
    if torch.cuda.is_available():
        device = torch.device("cuda")
        cuda = {
            "device": torch.cuda.get_device_name(device),
            "cases": {n: _measure(config, device, repeats, masked=n == "live") for n, config in CASES.items()},
        }
    return {
        "what": "one forward pass, batch 1, float32, random weights",
        "repeats": repeats,
        "device": platform.processor() or platform.machine(),
        "torch": torch.__version__,
        "threads": threads,
        "cases": cases,
        "cuda": cuda,
    }


def window(
    config: DMDConfig, seed: int = SEED, batch: int = 1
) -> tuple[dict[Modality, Tensor], dict[Modality, Tensor]]:
    """Random features {m: (B, T_m, D_m)} and a left-padded mask {m: bool (B, T_m)} for ``config``."""
    generator = torch.Generator().manual_seed(seed)
    mask = {m: torch.ones(batch, config.lengths[m], dtype=torch.bool) for m in MODALITIES}
    features = {}
    for m in MODALITIES:
        features[m] = torch.randn(batch, config.lengths[m], config.dims[m], generator=generator)
        mask[m][:, : ABSENT_ROWS[m]] = False
    return features, mask


def differences(a: Output, b: Output) -> tuple[float, float]:
    """Largest absolute difference of logits and vertices, and of edges."""
    outputs = [(a.logits, b.logits)] + [(a.node_logits[g][m], b.node_logits[g][m]) for g in Graph for m in MODALITIES]
    edges = [(a.edges[g], b.edges[g]) for g in Graph]
    return _largest(outputs), _largest(edges)


def _largest(pairs: Sequence[tuple[Tensor, Tensor]]) -> float:
    return float(torch.stack([(x - y).abs().max() for x, y in pairs]).max())


def _measure(config: DMDConfig, device: torch.device, repeats: int, *, masked: bool) -> dict[str, Any]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        model = DMD(config).eval().to(device)
    features, mask = window(config)
    features = {m: x.to(device) for m, x in features.items()}
    if masked:
        features = {m: x * mask[m].to(device)[..., None] for m, x in features.items()}
    given = {m: x.to(device) for m, x in mask.items()} if masked else None
    sides: dict[str, Callable[..., Output]] = {
        "fast": FastDMD(model),
        "plain": PlainDMD(config, model.state_dict()),
        "module": model,
    }
    with torch.inference_mode():
        outputs = {name: side(features, given) for name, side in sides.items()}
        calls = {name: _call(side, features, given, device) for name, side in sides.items()}
        warm, cold = _warm(calls, repeats), _cold(calls, repeats)
    max_output, max_edges = differences(outputs["fast"], outputs["plain"])
    summary: dict[str, Any] = {
        name: _percentiles(warm[name]) | {"cold_p50_ms": _percentiles(cold[name])["p50_ms"]} for name in sides
    }
    return summary | {
        "ratio": summary["plain"]["p50_ms"] / summary["fast"]["p50_ms"],
        "ratio_cold": summary["plain"]["cold_p50_ms"] / summary["fast"]["cold_p50_ms"],
        "max_abs_output": max_output,
        "max_abs_edges": max_edges,
        "masked": masked,
    }


def _warm(calls: Mapping[str, Callable[[], float]], repeats: int) -> dict[str, list[float]]:
    """Seconds of ``repeats`` calls of each, in rounds."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for done in range(0, repeats, ROUND):
        for name, call in calls.items():
            for _ in range(WARM_UP):
                call()
            times[name] += [call() for _ in range(min(ROUND, repeats - done))]
    return times


def _cold(calls: Mapping[str, Callable[[], float]], repeats: int) -> dict[str, list[float]]:
    """Seconds of ``repeats`` calls of each, in turn, when other data has passed through the caches."""
    other = torch.zeros(CACHE_BYTES // 4)
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            other += 1
            times[name].append(call())
    return times


def _call(side: Callable[..., Output], features: object, mask: object, device: torch.device) -> Callable[[], float]:
    """What makes one call and says how many seconds it took."""
    return lambda: _timed(side, features, mask, device)


def _timed(side: Callable[..., Output], features: object, mask: object, device: torch.device) -> float:
    """Seconds of one call, including the device's part."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    start = time.perf_counter()
    side(features, mask)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


def _percentiles(seconds: Sequence[float]) -> dict[str, float]:
    p50, p95 = (
        torch.tensor(seconds, dtype=torch.float64).quantile(torch.tensor([0.5, 0.95], dtype=torch.float64)).tolist()
    )
    return {"p50_ms": p50 * 1e3, "p95_ms": p95 * 1e3}


@contextmanager
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
