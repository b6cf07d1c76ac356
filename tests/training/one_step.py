"""One step of one epoch, its gradients and its validation into a file: run by torchrun, or called.

``python -m torch.distributed.run --standalone --nproc-per-node 2 -m tests.training.one_step FILE``
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from dmd_runtime.modality import MODALITIES
from dmd_runtime.training.engine import make_engine
from dmd_runtime.training.trainer import Trainer
from tests.training.training_factory import error, make_run, make_samples

SAMPLES = 19
"""Two batches of eight and one of three: what a step sees, in one process or in two."""


def whole_samples(n: int, seed: int):
    """Nothing missing: then the mean over processes is that over samples for every term but the margin."""
    samples = make_samples(n, seed=seed, missing=0.0)
    for m in MODALITIES:
        samples.mask[m][:] = True
        np.nan_to_num(samples.features[m], copy=False)
    return samples


def one_step(path: Path, batch_size: int) -> None:
    """Write gradients and the figures of validation, from the main process."""
    settings = {"clip": 1e6, "lr": 1e-12, "epochs": 1, "batch_size": batch_size, "accumulate": 3}
    trainer = Trainer(make_run(losses={"separation": 0.0}, optimiser=settings), make_engine("cpu"))
    main = trainer.engine.is_main_process
    fitted = trainer.fit(whole_samples(SAMPLES, 1), whole_samples(7, 2), seed=1, scores=error)
    if main:
        found = {n: p.grad.numpy() for n, p in fitted.learner.model.named_parameters() if p.grad is not None}
        found |= {f"row {name}": np.array(value) for name, value in fitted.rows[0].items()}
        save_file(found, path)


if __name__ == "__main__":
    one_step(Path(sys.argv[1]), batch_size=4)
