"""Checkpoint files: what is written is read, nothing is half-written, and a file may hold anything."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import pickle
import re
import stat
import zipfile
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import safe_open

from dmd_runtime.errors import CheckpointError
from dmd_runtime.modality import MODALITIES, Graph
from dmd_runtime.model import checkpoint
from dmd_runtime.model.checkpoint import FORMAT, UNTRAINED, Checkpoint, load, untrained
from tests.messages_factory import recipe
from tests.model.model_factory import make_config, make_features, make_model

L, V, A = MODALITIES
CONFIG = make_config(
    lengths=(4, 5, 6), kernels=(2, 1, 3), dims=(3, 2, 2), width=4, heads=2, layers=1, labels=("sad", "glad")
)
RECIPE = recipe().to_json()
TRAINING = {"corpus": "none", "epochs": 3, "f1": 0.5}
FIGURES = {m.value: {"mean": [0.0] * n, "scale": [1.0] * n} for m, n in CONFIG.dims.items()}


def make(**changes) -> Checkpoint:
    parts = {"name": "small", "model": make_model(CONFIG), "recipe": RECIPE, "training": TRAINING}
    return Checkpoint(**{**parts, **changes})


BODY = make().to_bytes()


def split(body: bytes = BODY) -> tuple[dict, bytes]:
    """Header and data of a file."""
    length = int.from_bytes(body[:8], "little")
    return json.loads(body[8 : 8 + length]), body[8 + length :]


def joined(header: object, data: bytes) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def with_metadata(**changes) -> bytes:
    """The file with other metadata; None takes an entry away."""
    header, data = split()
    kept = {k: v for k, v in (header["__metadata__"] | changes).items() if v is not None}
    return joined(header | {"__metadata__": kept}, data)


def with_config(**changes) -> bytes:
    return with_metadata(config=json.dumps(CONFIG.to_json() | changes))


def with_tensor(name: str, entry: object) -> bytes:
    header, data = split()
    return joined(header | {name: entry}, data)


class TestRoundTrip:
    def test_all_of_it(self, tmp_path):
        made = make(normalisation=FIGURES)
        digest = made.save(tmp_path / "mine.safetensors")
        read = load(tmp_path / "mine.safetensors")
        assert (read.name, read.digest, read.config) == ("mine", digest, CONFIG)
        assert (read.recipe, read.normalisation, read.training) == (RECIPE, FIGURES, TRAINING)
        assert not read.model.training
        features = make_features(CONFIG)
        with torch.inference_mode():
            assert torch.equal(read.model(features).logits, made.model(features).logits)
            for graph in Graph:
                assert torch.equal(read.model(features).edges[graph], made.model(features).edges[graph])

    def test_equal_checkpoints_are_equal_bytes(self, tmp_path):
        made = make()
        assert made.save(tmp_path / "a") == made.save(tmp_path / "b") == load(tmp_path / "a").digest
        assert (tmp_path / "a").read_bytes() == BODY
        assert load(tmp_path / "a").to_bytes() == BODY

    def test_other_weights_are_another_digest(self, tmp_path):
        assert make(model=make_model(CONFIG, seed=1)).save(tmp_path / "a") != make().save(tmp_path / "b")

    def test_any_safetensors_reader_can_read_it(self, tmp_path):
        make().save(tmp_path / "a.safetensors")
        with safe_open(tmp_path / "a.safetensors", framework="numpy") as file:
            assert file.metadata()["format"] == FORMAT
            assert set(file.keys()) == set(make().model.state_dict())

    def test_other_dtypes_are_written_as_float32(self):
        assert {entry["dtype"] for name, entry in split(make(model=make_model(CONFIG).half()).to_bytes())[0].items()
                if name != "__metadata__"} == {"F32"}  # fmt: skip

    def test_reading_draws_no_random_numbers(self, tmp_path):
        (tmp_path / "a").write_bytes(BODY)
        before = torch.get_rng_state()
        load(tmp_path / "a")
        assert torch.equal(torch.get_rng_state(), before)


class TestUntrained:
    def test_is_marked(self, tmp_path):
        made = untrained(CONFIG, RECIPE)
        assert made.marks == (UNTRAINED,)
        made.save(tmp_path / "a")
        assert load(tmp_path / "a").marks == (UNTRAINED,)
        assert make().marks == ()

    def test_is_the_same_every_time(self):
        before = torch.get_rng_state()
        one, other = untrained(CONFIG, RECIPE), untrained(CONFIG, RECIPE)
        assert one.digest == other.digest != untrained(CONFIG, RECIPE, seed=1).digest
        assert torch.equal(torch.get_rng_state(), before)


class TestRecipe:
    def test_its_own_is_taken(self, tmp_path):
        (tmp_path / "a").write_bytes(BODY)
        load(tmp_path / "a").require(recipe().to_json())

    def test_another_is_refused_with_both_names_and_the_difference(self):
        other = recipe(duration=5.0).to_json()
        with pytest.raises(CheckpointError, match=re.escape(RECIPE["id"])) as caught:
            make().require(other)
        assert other["id"] in str(caught.value)
        assert "duration: 4.0 against 5.0" in str(caught.value)

    def test_first_difference_may_be_deep_inside(self):
        other = json.loads(json.dumps(RECIPE))
        other["extractors"]["V"]["version"] = 9
        with pytest.raises(CheckpointError, match=r"extractors\.V\.version: 1 against 9"):
            make().require(other)

    def test_same_body_and_another_id(self):
        with pytest.raises(CheckpointError, match="only their ids differ"):
            make().require(RECIPE | {"id": "other"})

    def test_tuples_are_lists(self):
        make(recipe={"id": "x", "bands": [1, 2]}).require({"bands": (1, 2), "id": "x"})


SPOILT = {
    "empty": (b"", "an empty file"),
    "one byte": (b"\x01", "something else, or a part of one"),
    "text": (b"# a model\nthis is none\n", "something else"),
    "pickle": (pickle.dumps({"a": 1}, protocol=4), "pickle or zip"),
    "truncated in the header": (BODY[:100], "a part of one"),
    "truncated in the data": (BODY[:-100], "cannot be read"),
    "more behind": (BODY + b"\0\0\0\0", "cannot be read"),
    "huge header length": ((2**62).to_bytes(8, "little") + BODY[8:], "something else"),
    "header longer than allowed": (joined(b"{" + b" " * 2**23 + b"}", b""), "something else"),
    "no header": ((0).to_bytes(8, "little") + BODY[8:], "something else"),
    "header no JSON": (joined(b"{'a': 1}", b""), "its header: expected JSON"),
    "header not UTF-8": (joined(b'{"\xff\xfe": 1}', b""), "its header: expected JSON"),
    "header a list": (joined([], b""), "its header: expected an object"),
    "nested header": (joined(b'{"a":' + b"[" * 10_000 + b"]" * 10_000 + b"}", b""), "more than 16 levels"),
    "a name twice": (joined(b'{"__metadata__":{"format":"a","format":"b"}}', b""), "a name twice"),
    "no metadata": (joined({k: v for k, v in split()[0].items() if k != "__metadata__"}, split()[1]), "got none"),
    "metadata null": (joined({"__metadata__": None}, b""), "expected format dmd-checkpoint/1, got none"),
    "metadata a list": (joined({"__metadata__": ["x"]}, b""), "expected format"),
    "another format": (with_metadata(format="dmd-checkpoint/2"), "got dmd-checkpoint/2"),
    "format of a megabyte": (with_metadata(format="x" * 10**6), "got xxxxx"),
    "no config": (with_metadata(config=None), "its config: expected JSON in a string, got None"),
    "config no string": (with_metadata(config=CONFIG.to_json()), "its config: expected JSON in a string"),
    "config no JSON": (with_metadata(config="{width"), "its config: expected JSON"),
    "config a list": (with_metadata(config="[]"), "its config: expected an object"),
    "config with NaN": (with_metadata(config='{"temperature": NaN}'), "no finite number"),
    "config with 1e999": (with_metadata(config='{"temperature": 1e999}'), "no finite number"),
    "nested config": (with_metadata(config="[" * 100_000), "its config: expected JSON"),
    "config of a wrong size": (with_config(heads=3), "multiple of heads"),
    "config with more": (with_config(colour="red"), "colour"),
    "enormous width": (with_config(width=10**9), "from 1 to 100000"),
    "large width": (with_config(width=99_998, heads=2), r"expected \('F32', \(99998, 3, 2\)\)"),
    "large lengths": (with_config(lengths={"L": 10**5, "V": 10**5, "A": 10**5}), "expected"),
    "thousands of layers": (with_config(layers=10**5), "layers must be a whole number from 1 to 64"),
    "a layer more": (with_config(layers=2), r"layers\.1\..* the file has \(None, None\)"),
    "a label more": (with_config(labels=["a", "b", "c"]), r"expected \('F32', \(4, 12\)\), the file has"),
    "no recipe": (with_metadata(recipe=None), "its recipe"),
    "recipe null": (with_metadata(recipe="null"), "its recipe: expected an object, got None"),
    "normalisation a number": (with_metadata(normalisation="3"), "its normalisation: expected an object"),
    "training a yes": (with_metadata(training="true"), "its training: expected an object"),
    "training missing": (with_metadata(training=None), "its training"),
    "a tensor more": (with_tensor("extra", {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}), "extra: expected"),
    "tensor no object": (with_tensor("fusion.narrow.bias", 3), r"fusion\.narrow\.bias: expected"),
    "shape no list": (with_tensor("fusion.narrow.bias", {"dtype": "F32", "shape": 36}), "the file has"),
    "other shape": (
        with_tensor("fusion.narrow.bias", {"dtype": "F32", "shape": [35]}),
        r"the file has \('F32', \(35,\)\)",
    ),
    "halves": (with_tensor("fusion.narrow.bias", {"dtype": "F16", "shape": [36]}), r"the file has \('F16', \(36,\)\)"),
    "integers": (
        with_tensor("fusion.narrow.bias", {"dtype": "I32", "shape": [36]}),
        r"the file has \('I32', \(36,\)\)",
    ),
    "no offsets": (with_tensor("fusion.narrow.bias", {"dtype": "F32", "shape": [36]}), "cannot be read"),
    "offsets elsewhere": (
        with_tensor("fusion.narrow.bias", {"dtype": "F32", "shape": [36], "data_offsets": [2**40, 2**40 + 144]}),
        "cannot be read",
    ),
    "not finite": (joined(split()[0], b"\x00\x00\xc0\x7f" + split()[1][4:]), "expected finite weights"),
}


@pytest.mark.parametrize("case", SPOILT)
def test_spoilt_files_are_refused(case, tmp_path):
    body, says = SPOILT[case]
    path = tmp_path / "model.safetensors"
    path.write_bytes(body)
    with pytest.raises(CheckpointError, match=says) as caught:
        load(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    assert len(message) < len(str(path)) + 400


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, len(BODY)), st.binary(min_size=1, max_size=20))
def test_any_bytes_anywhere_give_a_checkpoint_or_a_clear_error(tmp_path, at, junk):
    path = tmp_path / "model.safetensors"
    path.write_bytes(BODY[:at] + junk + BODY[at + len(junk) :])
    with contextlib.suppress(CheckpointError):  # anything else fails the test
        load(path)


def test_nothing_is_made_of_a_config_that_the_file_cannot_hold(tmp_path, monkeypatch):
    """Sizes are compared on the meta device: a model is built only when every tensor of it is in the file."""
    built = []

    class Counted(checkpoint.DMD):
        def __init__(self, config):
            super().__init__(config)
            built.append(next(self.parameters()).device.type)

    monkeypatch.setattr(checkpoint, "DMD", Counted)
    path = tmp_path / "a"
    path.write_bytes(with_config(width=50_000, heads=2))
    with pytest.raises(CheckpointError, match="expected"):
        load(path)
    assert built == ["meta"]
    path.write_bytes(BODY)
    load(path)
    assert built == ["meta", "meta", "cpu"]


def test_zip_of_torch_is_not_opened(tmp_path):
    path = tmp_path / "model.pth"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("archive/data.pkl", pickle.dumps(os.getcwd))
    with pytest.raises(CheckpointError, match="PyTorch's own format, which is never opened"):
        load(path)


def test_a_large_file_is_refused_unread(tmp_path, monkeypatch):
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(checkpoint.MAX_BYTES + 1)  # no blocks on the disk
    monkeypatch.setattr(Path, "read_bytes", lambda self: pytest.fail("it was read"))
    with pytest.raises(CheckpointError, match="at most 512 MiB, got 512 MiB"):
        load(path)


def test_what_is_no_file_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="No such file"):
        load(tmp_path / "none")
    with pytest.raises(CheckpointError, match="got a directory or device"):
        load(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(CheckpointError, match="Not a directory"):
        load(tmp_path / "file" / "model")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(CheckpointError, match="directory or device"):
        load(tmp_path / "pipe")


def test_an_unreadable_file_is_named(tmp_path, monkeypatch):
    path = tmp_path / "secret"
    path.write_bytes(BODY)

    def refuse(self):
        raise PermissionError(errno.EACCES, "Permission denied", str(self))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(CheckpointError, match=r"secret: .* Permission denied"):
        load(path)


class TestSaving:
    def test_a_full_disk_leaves_what_was_there(self, tmp_path, monkeypatch):
        path = tmp_path / "a"
        path.write_bytes(b"before")

        def full(descriptor):
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(CheckpointError, match="could not be written: No space left on device"):
            make().save(path)
        assert [p.name for p in tmp_path.iterdir()] == ["a"]
        assert path.read_bytes() == b"before"

    def test_an_interrupt_leaves_nothing(self, tmp_path, monkeypatch):
        def interrupt(descriptor):
            raise KeyboardInterrupt

        monkeypatch.setattr(os, "fsync", interrupt)
        with pytest.raises(KeyboardInterrupt):
            make().save(tmp_path / "a")
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("where", ["none/a", "file/a", "folder"])
    def test_places_that_cannot_be_written(self, tmp_path, where):
        (tmp_path / "file").touch()
        (tmp_path / "folder").mkdir()
        with pytest.raises(CheckpointError, match="could not be written"):
            make().save(tmp_path / where)
        assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder"]

    def test_others_may_read_it(self, tmp_path):
        make().save(tmp_path / "a")
        (tmp_path / "b").touch()
        assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == stat.S_IMODE((tmp_path / "b").stat().st_mode)

    def test_weights_that_are_not_finite_are_not_saved(self, tmp_path):
        model = make_model(CONFIG)
        torch.nn.init.constant_(model.fusion.narrow.bias, torch.inf)
        with pytest.raises(CheckpointError, match=r"fusion\.narrow\.bias: expected finite weights"):
            make(model=model).save(tmp_path / "a")
        assert list(tmp_path.iterdir()) == []
