"""The Silero voice detector that ships inside faster-whisper, run chunk by chunk with its state carried along.

Source: https://github.com/snakers4/silero-vad (MIT), version 6 as bundled by faster-whisper 1.2.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from dmd_runtime.errors import ModelError
from dmd_runtime.messages import Float32

CHUNK = 512
"""Samples at 16 kHz that the model takes at a time: 32 ms."""
_CONTEXT = 64  # samples of the chunk before that the model sees again
_STATE = (1, 1, 128)  # shape of both LSTM states
_INPUTS = ("input", "h", "c")


class VoiceStream(Protocol):
    """Tells voice from everything else along one stream."""

    def __call__(self, chunk: Float32) -> float:
        """Probability in [0, 1] that there is voice in the next ``CHUNK`` samples, float32 (512,)."""
        ...


class VoiceModel(Protocol):
    """A loaded detector; holds no state of any stream."""

    def stream(self) -> VoiceStream:
        """Begin a stream with fresh state."""
        ...


class SileroModel:
    """The ONNX session, one thread; shared by all streams of a process.

    Raises
    ------
    ModelError
        faster-whisper is not installed with its model file, or the file has other inputs than expected.
    """

    def __init__(self, path: Path | None = None) -> None:
        import onnxruntime  # noqa: PLC0415 - half a second that only a session with sound needs to spend

        path = path if path is not None else _bundled()
        options = onnxruntime.SessionOptions()
        options.inter_op_num_threads = 1
        options.intra_op_num_threads = 1
        options.log_severity_level = 4
        try:
            self.session: Any = onnxruntime.InferenceSession(
                str(path), sess_options=options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime raises its own classes, which share no base below Exception
            raise ModelError(f"{path}: expected the Silero voice detector (ONNX), got: {error}") from error
        names = tuple(i.name for i in self.session.get_inputs())
        if names != _INPUTS:
            raise ModelError(f"{path}: expected a voice detector with inputs {_INPUTS}, got {names}")

    def stream(self) -> SileroStream:
        """Begin a stream with fresh state."""
        return SileroStream(self.session)


class SileroStream:
    """One stream's LSTM state and 64 samples of context; touched by one thread."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self._h = np.zeros(_STATE, dtype=np.float32)
        self._c = np.zeros(_STATE, dtype=np.float32)
        self._input = np.zeros((1, _CONTEXT + CHUNK), dtype=np.float32)

    def __call__(self, chunk: Float32) -> float:
        """See :class:`VoiceStream`.

        One chunk a call: a batch may round differently, and results must not depend on how sound is cut into blocks.
        """
        self._input[0, :_CONTEXT] = self._input[0, -_CONTEXT:]
        self._input[0, _CONTEXT:] = chunk
        out, self._h, self._c = self._session.run(None, {"input": self._input, "h": self._h, "c": self._c})
        return float(out.reshape(-1)[0])


def _bundled() -> Path:
    spec = find_spec("faster_whisper")
    if spec is None or spec.origin is None:
        raise ModelError("the voice detector is a file of faster-whisper, which is not installed")
    folder = Path(spec.origin).parent / "assets"
    found = sorted(folder.glob("silero_vad*.onnx"))
    if not found:
        raise ModelError(f"{folder}: expected the voice detector silero_vad*.onnx of faster-whisper, got no such file")
    return found[-1]
