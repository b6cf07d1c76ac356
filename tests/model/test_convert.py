"""``dmd convert``: published files become checkpoints that say the same; whatever else is refused in one line."""

from __future__ import annotations

import pickle
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import torch

from dmd_runtime.cli import main
from dmd_runtime.errors import CheckpointError
from dmd_runtime.modality import MODALITIES, Graph
from dmd_runtime.model import reference
from dmd_runtime.model.checkpoint import NO_GRAPH, load
from dmd_runtime.model.convert import HEADS, PUBLISHED, convert, recipe
from dmd_runtime.model.dmd import DMD
from tests.golden.make import UNIT_NAMES, published_names
from tests.messages_factory import recipe as live_recipe
from tests.model.model_factory import make_config, make_features, make_model

CONFIG = make_config(lengths=(8, 12, 10), kernels=(5, 1, 3), dims=(16, 4, 3), width=30, heads=6, layers=1)
BERT = {
    "text_model.model.embeddings.word_embeddings.weight": torch.zeros(7, 4),
    "text_model.model.embeddings.position_ids": torch.arange(5)[None],
}


def published(model: DMD, *, units: bool = False) -> dict[str, torch.Tensor]:
    """A state_dict as the published code writes it, with the buffers and the BERT that are in it."""
    state = model.state_dict()
    theirs = {}
    for name in published_names(model.config.layers):
        ours = reference.model_name(name)
        theirs[name] = torch.full((1,), torch.nan) if ours is None else state[ours]
    if units:
        theirs |= {f"{g.value}.{n}": state[reference.unit_name(g, n)] for g in Graph for n in UNIT_NAMES}
    return theirs | BERT


@pytest.fixture
def model() -> DMD:
    return make_model(CONFIG)


@pytest.fixture
def written(tmp_path):
    """Saves what PyTorch can."""

    def write(body):
        torch.save(body, tmp_path / "ref.pth")
        return tmp_path / "ref.pth"

    return write


def said(capsys, *arguments: object) -> tuple[int, list[str], str]:
    status = main(["convert", *map(str, arguments)])
    out, err = capsys.readouterr()
    return status, out.splitlines(), err


def test_round_trip_says_the_same_and_draws_no_edges(model, written, tmp_path, capsys):
    out = tmp_path / "ours.safetensors"
    status, lines, err = said(capsys, written(published(model)), "--out", out)
    assert (status, err) == (0, "")
    assert lines[-1] == "no distillation graph in this checkpoint"
    assert "2 tensors, 33 numbers" in lines[1]
    stored = sum(p.numel() for n, p in model.named_parameters() if not n.startswith("graphs."))
    assert f"sizes of no published configuration, {stored:,} numbers, sha256:" in lines[0]
    loaded = load(out)
    assert not loaded.graphs
    assert loaded.config == replace(CONFIG, dropout=loaded.config.dropout)
    assert loaded.config.labels == ()
    assert loaded.marks == ()  # it has learned, if not here
    assert loaded.training["source"] == "converted from the published code"
    features = make_features(CONFIG, 3)
    with torch.inference_mode():
        ours, theirs = loaded.model(features), model(features)
    assert torch.equal(ours.logits, theirs.logits)
    for graph in Graph:
        assert torch.equal(ours.graphs[graph].weights, torch.full((3, 6), 1 / 6))
        for m in MODALITIES:
            assert torch.equal(ours.node_logits[graph][m], theirs.node_logits[graph][m])


def test_what_is_converted_twice_is_the_same(model, written, tmp_path):
    path = written(published(model))
    assert convert(path).checkpoint.to_bytes() == convert(path).checkpoint.to_bytes()
    digest = convert(path).checkpoint.save(tmp_path / "a.safetensors")
    assert load(tmp_path / "a.safetensors").digest == digest
    assert load(tmp_path / "a.safetensors").to_bytes() == (tmp_path / "a.safetensors").read_bytes()


def test_units_in_the_file_are_kept(model, written, tmp_path, capsys):
    status, lines, _ = said(capsys, written(published(model, units=True)), "--out", tmp_path / "a.safetensors")
    assert status == 0
    assert NO_GRAPH not in lines
    loaded = load(tmp_path / "a.safetensors")
    assert loaded.graphs
    features = make_features(CONFIG)
    for graph, edges in model(features).graphs.items():
        assert torch.equal(loaded.model(features).graphs[graph].weights, edges.weights)


def test_one_unit_alone_is_no_graph(model, written):
    state = {n: x for n, x in published(model, units=True).items() if not n.startswith("homo.")}
    assert not convert(written(state)).checkpoint.graphs


def test_live_use_is_refused_with_both_recipes(model, written):
    with pytest.raises(CheckpointError, match=rf"recipe mmsa-unknown .* this program's is {live_recipe().id}"):
        convert(written(published(model))).checkpoint.require(live_recipe().to_json())


@pytest.mark.parametrize("name", ["mosi_aligned", "mosei_unaligned"])
def test_published_sizes_are_known_by_name(name, tmp_path):
    """With one layer only, to be quick; sizes by modality are those of the real file."""
    sizes = PUBLISHED[name]
    kernels = {"mosi_aligned": (5, 5, 5), "mosei_unaligned": (5, 3, 1)}[name]
    config = make_config(
        lengths=sizes.lengths, kernels=kernels, dims=sizes.dims, width=sizes.width, heads=HEADS[sizes.width], layers=1
    )
    torch.save(published(DMD(config)), tmp_path / "a.pth")
    for asked in ("auto", name):
        converted = convert(tmp_path / "a.pth", asked)
        assert converted.published == name
        assert converted.checkpoint.recipe == recipe(name)
        assert converted.checkpoint.config == replace(config, dropout=converted.checkpoint.config.dropout)
    with pytest.raises(CheckpointError, match="expected mosei_aligned, L, V, A of"):
        convert(tmp_path / "a.pth", "mosei_aligned")


class Evil:
    """Makes a file where it is unpickled."""

    def __init__(self, path) -> None:
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


class TestRefused:
    def refused(self, capsys, path, tmp_path, *options) -> str:
        out = tmp_path / "out.safetensors"
        status, lines, err = said(capsys, path, "--out", out, *options)
        assert (status, lines, err.count("\n")) == (2, [], 1)
        assert len(err) < 500
        assert not out.exists()
        return err

    def test_a_hostile_file_runs_nothing(self, model, written, tmp_path, capsys):
        path = written(published(model) | {"proj_l.weight": Evil(tmp_path / "proof")})
        assert "they cannot be read" in self.refused(capsys, path, tmp_path)
        (tmp_path / "bare.pth").write_bytes(pickle.dumps(Evil(tmp_path / "proof")))
        assert "saved by PyTorch 1.6 or later" in self.refused(capsys, tmp_path / "bare.pth", tmp_path)
        assert not (tmp_path / "proof").exists()

    @pytest.mark.parametrize("kept", [0, 100, 0.5, 0.999])
    def test_truncated(self, kept, model, written, tmp_path, capsys):
        path = written(published(model))
        body = path.read_bytes()
        path.write_bytes(body[: int(kept * len(body)) if isinstance(kept, float) else kept])
        assert "ref.pth: expected" in self.refused(capsys, path, tmp_path)

    def test_damaged(self, model, written, tmp_path, capsys):
        path = written(published(model))
        body = bytearray(path.read_bytes())
        body[60:2000] = bytes(1940)
        path.write_bytes(body)
        assert "ref.pth: expected" in self.refused(capsys, path, tmp_path)

    def test_another_zip(self, tmp_path, capsys):
        with zipfile.ZipFile(tmp_path / "a.pth", "w") as file:
            file.writestr("readme.txt", "hello")
        assert "they cannot be read" in self.refused(capsys, tmp_path / "a.pth", tmp_path)

    @pytest.mark.parametrize("name", ["none.pth", ""])
    def test_no_file(self, name, tmp_path, capsys):
        assert "there is no such file" in self.refused(capsys, tmp_path / name, tmp_path)

    @pytest.mark.parametrize(
        "body", [[1, 2], {"a": 1}, {1: torch.zeros(1)}, {"proj_l.weight": torch.eye(3).to_sparse()}]
    )
    def test_no_state_dict(self, body, written, tmp_path, capsys):
        assert "expected a state_dict" in self.refused(capsys, written(body), tmp_path)

    def test_tensors_that_claim_more_than_there_is(self, model, written, tmp_path, capsys):
        path = written(published(model) | {"proj_l.weight": torch.zeros(1).expand(2**20, 2**20, 5)})
        assert "claim more than the file holds" in self.refused(capsys, path, tmp_path)

    @pytest.mark.parametrize(
        "case",
        [
            ({"proj_l.weight": torch.zeros(30, 16)}, "too few axes"),
            ({"align_c_l.weight": torch.zeros(8, 32)}, "width of 50 or 30, as published, got 8"),
            ({"align_c_v.weight": torch.zeros(30, 331)}, "visual: 11 rows need layers of 330 inputs, these have 331"),
            ({"proj1_c.bias": torch.zeros(2)}, r"common_head.narrow.bias: expected floating-point numbers (90,)"),
            ({"proj1_c.bias": torch.zeros(90, dtype=torch.int64)}, "the file has (90,) torch.int64"),
            ({"proj1_c.bias": torch.full((90,), torch.nan)}, "common_head.narrow.bias: expected finite weights"),
            ({"colour.weight": torch.zeros(1)}, "colour.weight: expected a parameter of the published DMD model"),
        ],
    )
    def test_other_weights(self, case, model, written, tmp_path, capsys):
        changes, says = case
        assert says in self.refused(capsys, written(published(model) | changes), tmp_path)

    @pytest.mark.parametrize("name", ["proj_a.weight", "weight_c.bias", "trans_l_mem.layers.2.fc1.weight"])
    def test_what_is_missing_is_named(self, name, model, written, tmp_path, capsys):
        state = published(model)
        del state[name]
        err = self.refused(capsys, written(state), tmp_path)
        assert name in err or str(reference.model_name(name)) in err

    def test_another_configuration(self, model, written, tmp_path, capsys):
        path = written(published(model))
        assert "expected mosi_aligned, " in self.refused(capsys, path, tmp_path, "--config", "mosi_aligned")
        assert "expected one of auto, mosi_aligned" in self.refused(capsys, path, tmp_path, "--config", "sims")

    def test_the_file_itself_is_not_written_over(self, model, written, capsys):
        path = written(published(model))
        before = path.read_bytes()
        assert said(capsys, path, "--out", path)[0] == 2
        assert path.read_bytes() == before

    def test_a_checkpoint_whose_graphs_are_neither(self, model, written, tmp_path):
        convert(written(published(model))).checkpoint.save(tmp_path / "a.safetensors")
        body = (tmp_path / "a.safetensors").read_bytes()
        (tmp_path / "b.safetensors").write_bytes(body.replace(b'"graphs":"false"', b'"graphs":"maybe"'))
        with pytest.raises(CheckpointError, match="its graphs: expected true or false, got maybe"):
            load(tmp_path / "b.safetensors")
        (tmp_path / "c.safetensors").write_bytes(body.replace(b'"graphs":"false"', b'"graphs":"true" '))
        with pytest.raises(CheckpointError, match=r"graphs\.homo\..* expected .* the file has"):
            load(tmp_path / "c.safetensors")


def test_half_precision_is_read_as_float32(model, written):
    halved = {n: x.half() if x.is_floating_point() else x for n, x in published(model).items()}
    state = convert(written(halved)).checkpoint.model.state_dict()
    np.testing.assert_allclose(state["common_gate.bias"], model.state_dict()["common_gate.bias"], atol=1e-3)
    assert all(x.dtype == torch.float32 for x in state.values())
