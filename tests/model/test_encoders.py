"""Encoders, calibration and card of a checkpoint: what is written is read, and a file may hold anything."""

from __future__ import annotations

import json

import pytest
import torch

from dmd_runtime.errors import CheckpointError, ConfigError
from dmd_runtime.model.checkpoint import MAX_CARD, Checkpoint, load
from dmd_runtime.model.encoders import Encoder, TextDeltaConfig, check, shapes
from tests.messages_factory import recipe
from tests.model.encoder_factory import FACE, TEXT, face, face_net, text
from tests.model.model_factory import make_config, make_model

CONFIG = make_config(
    lengths=(4, 5, 6), kernels=(2, 1, 3), dims=(3, 2, 2), width=4, heads=2, layers=1, labels=("sad", "glad")
)


def make(**changes) -> Checkpoint:
    parts = {
        "name": "small",
        "model": make_model(CONFIG),
        "recipe": recipe().to_json(),
        "training": {"corpus": "none"},
        "encoders": {"face": face(), "text": text()},
        "calibration": {"L": 1.5, "LVA": 0.75},
        "card": "# Card\n\nLearned from nobody: **ä**.\n",
    }
    return Checkpoint(**{**parts, **changes})


BODY = make().to_bytes()


def split(body: bytes = BODY) -> tuple[dict, bytes]:
    length = int.from_bytes(body[:8], "little")
    return json.loads(body[8 : 8 + length]), body[8 + length :]


def joined(header: object, data: bytes) -> bytes:
    encoded = json.dumps(header).encode()
    return len(encoded).to_bytes(8, "little") + encoded + data


def with_metadata(**changes) -> bytes:
    header, data = split()
    kept = {k: v for k, v in (header["__metadata__"] | changes).items() if v is not None}
    return joined(header | {"__metadata__": kept}, data)


def with_encoders(**changes) -> bytes:
    configs = {"face": FACE.to_json(), "text": TEXT.to_json()} | changes
    return with_metadata(encoders=json.dumps({k: v for k, v in configs.items() if v is not None}))


def test_all_of_it_comes_back(tmp_path):
    made = make()
    digest = made.save(tmp_path / "a.safetensors")
    read = load(tmp_path / "a.safetensors")
    assert (read.calibration, read.card, read.digest) == (made.calibration, made.card, digest)
    assert {name: e.identity for name, e in read.encoders.items()} == {
        name: e.identity for name, e in made.encoders.items()
    }
    assert read.to_bytes() == BODY
    patches, rows = torch.rand(3, 48, 48) * 255, torch.randn(3, 6)
    with torch.inference_mode():
        assert torch.equal(read.encoders["face"].face()(patches, rows), face_net()(patches, rows))


def test_without_them_the_file_does_not_speak_of_them(tmp_path):
    made = make(encoders={}, calibration=None, card="")
    made.save(tmp_path / "a")
    assert not {"encoders", "calibration", "card"} & set(split(made.to_bytes())[0]["__metadata__"])
    read = load(tmp_path / "a")
    assert (read.encoders, read.calibration, read.card) == ({}, None, "")


def test_identity_changes_with_weights_and_settings():
    other = Encoder(config=FACE.to_json() | {"row": 7}, tensors=face().tensors)
    assert face().identity == face().identity != face(1).identity
    assert face().identity != other.identity
    assert len(face().identity) == 64


def test_weights_are_kept_as_float32_without_counts():
    half = Encoder(config=FACE.to_json(), tensors=face_net().half().state_dict())
    assert {t.dtype for t in half.tensors.values()} == {torch.float32}
    assert not [name for name in half.tensors if "num_batches" in name]
    check("face", half)


def test_building_a_face_encoder_draws_no_random_numbers():
    before = torch.get_rng_state()
    assert not any(p.requires_grad for p in face().face().parameters())
    assert torch.equal(torch.get_rng_state(), before)


def test_shapes_of_a_delta():
    found = shapes("text", TEXT.to_json())
    assert len(found) == 2 * 6 * 2
    assert (found["1.query.a"], found["1.query.b"]) == ((1, 4), (4, 1))
    assert (found["0.intermediate.a"], found["0.intermediate.b"]) == ((1, 4), (6, 1))
    assert (found["0.output.a"], found["0.output.b"]) == ((1, 6), (4, 1))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"rank": 0}, "rank must be a whole number from 1 to 1024, got 0"),
        ({"layers": True}, "layers must be"),
        ({"width": 10**9}, "width must be"),
        ({"scale": "1"}, "scale must be a finite number, got '1'"),
        ({"scale": float("inf")}, "scale must be a finite number"),
        ({"colour": 1}, "text delta: expected rank"),
    ],
)
def test_sizes_of_a_delta_have_rules(changes, says):
    with pytest.raises(ConfigError, match=says):
        TextDeltaConfig.from_json(TEXT.to_json() | changes)


UNWRITABLE = {
    "unknown encoder": ({"encoders": {"voice": text()}}, "expected face or text, got 'voice'"),
    "face of other sizes": (
        {"encoders": {"face": Encoder(config=FACE.to_json() | {"row": 7}, tensors=face().tensors)}},
        r"encoders\.face\.mean: expected shape \(7,\), got \(6,\)",
    ),
    "a tensor less": (
        {"encoders": {"text": Encoder(config=TEXT.to_json(), tensors=dict(list(text().tensors.items())[1:]))}},
        r"encoders\.text\.0\.query\.a: expected shape \(1, 4\), got None",
    ),
    "not finite": (
        {"encoders": {"text": Encoder(config=TEXT.to_json(), tensors={k: t / 0 for k, t in text().tensors.items()})}},
        "expected finite weights",
    ),
    "unknown subset": ({"calibration": {"VL": 1.0}}, "expected some of L, V, A, LV, LA, VA, LVA, got 'VL'"),
    "temperature 0": ({"calibration": {"L": 0.0}}, "calibration L: expected a number from 0.01 to 100, got 0.0"),
    "card too long": ({"card": "ä" * (MAX_CARD // 2 + 1)}, "at most 200 kB"),
    "half a character": ({"card": "\ud800"}, "its card: expected text"),
}


@pytest.mark.parametrize("case", UNWRITABLE)
def test_what_could_not_be_read_is_not_written(case, tmp_path):
    changes, says = UNWRITABLE[case]
    with pytest.raises(CheckpointError, match=says):
        make(**changes).save(tmp_path / "a")
    assert list(tmp_path.iterdir()) == []


SPOILT = {
    "encoders a list": (with_metadata(encoders="[]"), "its encoders: expected an object"),
    "encoders no JSON": (with_metadata(encoders="{face"), "its encoders: expected JSON"),
    "encoders missing": (with_metadata(encoders=None), r"encoders\.face\..*: expected \('F32', None\)"),
    "one missing": (with_encoders(text=None), r"encoders\.text\.0\..*: expected \('F32', None\)"),
    "unknown encoder": (with_encoders(voice={}), "expected face or text, got 'voice'"),
    "configuration a number": (with_encoders(face=3), "face encoder: expected row, channels and embedding, got 3"),
    "enormous": (with_encoders(face={"row": 6, "channels": 10**9, "embedding": 3}), "from 1 to 4096"),
    "large": (with_encoders(face={"row": 6, "channels": 4096, "embedding": 3}), r"\(4096, 1, 3, 3\)"),
    "other rank": (with_encoders(text=TEXT.to_json() | {"rank": 2}), r"0\.query\.a: expected \('F32', \(2, 4\)\)"),
    "a layer more": (with_encoders(text=TEXT.to_json() | {"layers": 3}), r"2\.query\.a.* \(None, None\)"),
    "scale NaN": (with_metadata(encoders='{"text": {"scale": NaN}}'), "no finite number"),
    "calibration a list": (with_metadata(calibration="[1]"), "its calibration: expected an object"),
    "calibration null": (with_metadata(calibration="null"), "its calibration: expected an object"),
    "calibration of nothing": (with_metadata(calibration='{"": 1}'), "calibration: expected some of"),
    "calibration negative": (with_metadata(calibration='{"L": -1}'), "calibration L: expected a number"),
    "calibration true": (with_metadata(calibration='{"L": true}'), "calibration L: expected a number"),
    "card a number": (with_metadata(card=3), "its card: expected text of at most 200 kB, got 3"),
    "card too long": (with_metadata(card="x" * (MAX_CARD + 1)), "its card: expected text of at most 200 kB"),
    "half a character": (with_metadata(card="\ud800"), "its card: expected text"),
}


@pytest.mark.parametrize("case", SPOILT)
def test_spoilt_files_are_refused(case, tmp_path):
    body, says = SPOILT[case]
    path = tmp_path / "model.safetensors"
    path.write_bytes(body)
    with pytest.raises(CheckpointError, match=says) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert len(str(caught.value)) < len(str(path)) + 400
