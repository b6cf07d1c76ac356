"""Where training runs: one process or the many that torchrun started, on a CPU or on GPUs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from dmd_runtime.errors import ConfigError

if TYPE_CHECKING:
    from accelerate import Accelerator


def make_engine(device: str = "auto", *, mixed_precision: bool = True) -> Accelerator:
    """The engine of this process; make one, before anything else of :mod:`accelerate`.

    Parameters
    ----------
    device : str
        "auto", "cpu", "cuda" or "mps".
    mixed_precision : bool
        Half precision on CUDA: bfloat16 where the card has it, else float16 with scaled losses. Never elsewhere.

    Raises
    ------
    ConfigError
        There is no such device here.
    """
    there = {"auto": True, "cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not there.get(device, False):
        known = ", ".join(name for name, here in there.items() if here)
        raise ConfigError(f"device: expected one of {known} on this machine, got {device}")
    from accelerate import Accelerator, DistributedDataParallelKwargs  # noqa: PLC0415 - heavy
    from accelerate.state import AcceleratorState, PartialState  # noqa: PLC0415

    half = "no"
    if mixed_precision and device in ("auto", "cuda") and torch.cuda.is_available():
        half = "bf16" if torch.cuda.is_bf16_supported() else "fp16"
    torch.backends.cudnn.deterministic = True
    if AcceleratorState._shared_state and PartialState().num_processes == 1:
        AcceleratorState._reset_state(reset_partial_state=True)  # its settings are the process's, until told otherwise
    unused = DistributedDataParallelKwargs(find_unused_parameters=True)  # projections that no loss reads
    return Accelerator(cpu=device == "cpu", mixed_precision=half, kwargs_handlers=[unused])
