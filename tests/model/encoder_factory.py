"""Encoders of a few numbers, as a checkpoint may bring them."""

from __future__ import annotations

import torch

from dmd_runtime.model.encoders import Encoder, TextDeltaConfig
from dmd_runtime.model.face_encoder import FaceEncoder, FaceEncoderConfig

FACE = FaceEncoderConfig(row=6, channels=2, embedding=3)
TEXT = TextDeltaConfig(rank=1, width=4, intermediate=6, layers=2, scale=0.5)


def face_net(seed: int = 0, config: FaceEncoderConfig = FACE) -> FaceEncoder:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = FaceEncoder(config)
        net.train()(torch.rand(8, 48, 48) * 255, torch.randn(8, config.row))  # moves the figures of batch normalisation
    return net.eval()


def face(seed: int = 0, config: FaceEncoderConfig = FACE) -> Encoder:
    return Encoder(config=config.to_json(), tensors=face_net(seed, config).state_dict())


def text() -> Encoder:
    tensors = {name: torch.full(shape, 0.25 + k) for k, (name, shape) in enumerate(TEXT.shapes().items())}
    return Encoder(config=TEXT.to_json(), tensors=tensors)
