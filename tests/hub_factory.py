"""A hub on loopback: lists the files of a repository as the real one does, and gives them at one revision."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import huggingface_hub.constants
import pytest

from dmd_runtime.streaming.speech_models import SpeechModel, speech_model
from tests.asset_factory import Server

FILES = {
    "README.md": b"about the model",
    "config.json": b'{"model": "small"}',
    "model.bin": b"weights" * 100_000,
    "tokenizer.json": b'{"tokens": []}',
    "vocabulary.txt": b"one two three",
}
MODEL = "base"


def base() -> SpeechModel:
    found = speech_model(MODEL)
    assert found is not None
    return found


class Hub(Server):
    """``files`` at ``revision``; the large one is told with its SHA-256, the others as git names them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, port: int = 0) -> None:
        super().__init__(port)
        self.strict = True
        self.files = {}
        self.publish("a" * 40, FILES)
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", self.url)

    def publish(self, revision: str, files: dict[str, bytes], *, told: dict[str, Any] | None = None) -> None:
        """Offer another revision instead; ``told`` goes over what would be said of it."""
        self.revision = revision
        self.at = f"/{base().repository}/resolve/{revision}"
        answer = {"id": base().repository, "sha": revision, "siblings": [self._told(*file) for file in files.items()]}
        self.files = {f"{self.at}/{name}": data for name, data in files.items()}
        self.files[f"/api/models/{base().repository}?blobs=true"] = json.dumps({**answer, **(told or {})}).encode()

    @property
    def asked(self) -> list[str]:
        """Last parts of all addresses so far."""
        return [path.rpartition("/")[2].partition("?")[0] for path, _ in self.seen]

    @staticmethod
    def _told(name: str, data: bytes) -> dict[str, Any]:
        blob = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
        said: dict[str, Any] = {"rfilename": name, "size": len(data), "blobId": blob}
        if name.endswith(".bin"):
            said |= {"blobId": "0" * 40}  # of the pointer
            said["lfs"] = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 134}
        return said
