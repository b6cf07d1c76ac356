"""``python -m tests.parity`` as a command, on recorded numbers of the published code and on a small file of our own."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from dmd_runtime.modality import Graph
from dmd_runtime.model import reference
from dmd_runtime.model.fast import FastDMD
from tests import parity, parity_training
from tests.golden import make
from tests.golden.make import CONFIG, SMALL, UNIT_NAMES, published_names
from tests.model.model_factory import recorded

LAST_LINE = re.compile(r"max_abs_output=(\S+) max_abs_edges=(\S+) max_rel_loss=(\S+) max_grad=(\S+) max_traj=(\S+)")
WITH_WEIGHTS = ("golden_mosi_aligned.npz", "golden_mosi_unaligned_short.npz")
KEYS = "reference_state_dict_keys.json"


def replay(capsys, *arguments: object) -> tuple[int, list[str], str]:
    """Exit status, lines of output, errors."""
    status = parity.main([str(a) for a in arguments])
    out, err = capsys.readouterr()
    return status, out.splitlines(), err


def worst(lines: list[str]) -> tuple[float, float]:
    found = LAST_LINE.fullmatch(lines[-1])
    assert found is not None, lines[-1]
    return float(found[1]), float(found[2])


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """More threads only wait for each other in models this small."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def arrays() -> dict[str, np.ndarray]:
    """What the small file holds, to be changed."""
    with np.load(SMALL, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


@pytest.fixture
def rewritten(tmp_path):
    """Writes arrays as a golden file."""

    def write(arrays) -> Path:
        make.write(tmp_path / "golden.npz", arrays)
        return tmp_path / "golden.npz"

    return write


def training(lines: list[str]) -> tuple[str, ...]:
    """What the last line says of losses, gradients and trajectory."""
    found = LAST_LINE.fullmatch(lines[-1])
    assert found is not None, lines[-1]
    return found.groups()[2:]


def holds(capsys, *arguments) -> None:
    """A file without anything of training is within tolerance."""
    status, lines, err = replay(capsys, *arguments)
    assert (status, err) == (0, "")
    assert lines[-2] == "38 outputs, 4 arrays of edges, 0 losses, 0 gradients"
    assert len(lines) == 38 + 4 + 2
    assert max(worst(lines)) <= parity.TOLERANCE
    assert training(lines) == ("n/a", "n/a", "n/a")


def trains(capsys, *arguments) -> None:
    """A file with everything is within tolerance."""
    status, lines, err = replay(capsys, *arguments)
    assert (status, err) == (0, "")
    assert lines[-2] == "38 outputs, 4 arrays of edges, 23 losses, 690 gradients"
    assert max(worst(lines)) <= parity.TOLERANCE
    loss, gradient, trajectory = (float(x) for x in training(lines))
    assert loss <= 1e-5
    assert gradient <= 1e-3
    assert trajectory <= 1e-3


def test_small_file_of_our_own(capsys):
    holds(capsys, SMALL)


def test_as_a_command():
    root = Path(__file__).resolve().parent.parent
    command = [sys.executable, "-m", "tests.parity", str(SMALL)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=root, check=False)
    assert done.returncode == 0, done.stderr
    assert LAST_LINE.fullmatch(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("name", WITH_WEIGHTS)
def test_recorded_numbers_of_the_published_code(name, capsys):
    trains(capsys, recorded(name))


def test_recorded_numbers_whose_weights_follow_a_recipe(capsys):
    trains(capsys, recorded("golden_mosi_aligned_recipe.npz"), "--keys", recorded(KEYS))


def test_a_recipe_gives_the_weights_that_are_recorded():
    keys = recorded(KEYS)
    stored = parity.load(recorded("golden_mosi_aligned.npz")).model.state_dict()
    made = parity.load(recorded("golden_mosi_aligned_recipe.npz"), keys).model.state_dict()
    assert stored.keys() == made.keys()
    assert all(torch.equal(stored[name], made[name]) for name in stored)


def small_keys() -> dict[str, dict[str, list[int]]]:
    """Names and shapes of the small model at lengths other than its own, as the JSON of names has them."""
    longer = {"proj_cosine": 1, "align_c": 1, "proj1": 1, "proj2": 0, "out_layer": 1}
    with np.load(SMALL, allow_pickle=False) as file:
        shapes = {name[2:]: list(file[name].shape) for name in file.files if name.startswith("q/")}
    model = {n: shapes[f"dmd.{n}"] for n in published_names(CONFIG.layers) if f"dmd.{n}" in shapes}
    for name, shape in model.items():
        head = re.fullmatch(r"(proj_cosine|align_c|proj1|proj2|out_layer)_[lva](_low)?\.(weight|bias)", name)
        if head and (head[2] or head[1] in ("proj_cosine", "align_c")):
            if head[3] == "weight":
                shape[longer[head[1]]] += 40
            elif head[1] == "proj2":
                shape[0] += 40
    buffers = {n: [1] for n in published_names(CONFIG.layers) if reference.model_name(n) is None}
    return {
        "dmd": model | buffers,
        **{f"{g.value}_kernel": {n: shapes[f"{g.value}.{n}"] for n in UNIT_NAMES} for g in Graph},
    }


@pytest.mark.parametrize("tag", ["mosi_aligned", "mosei_unaligned_full"])
def test_recipe_with_lengths_of_its_own(tag, arrays, rewritten, tmp_path, capsys):
    """The same numbers as with weights inside: shapes that depend on lengths follow the file, the rest the names."""
    meta = json.loads(str(arrays["meta"])) | {"tag": tag}
    bare = {name: x for name, x in arrays.items() if name[:2] not in ("q/", "k/")} | {
        "meta": np.array(json.dumps(meta))
    }
    config = "_".join(tag.split("_")[:2])
    (tmp_path / "keys.json").write_text(json.dumps({config: small_keys(), "_note": "text"}), encoding="utf-8")
    holds(capsys, rewritten(bare), "--keys", tmp_path / "keys.json")


@pytest.mark.parametrize(
    "name", ["q/dmd.trans_v_mem.layers.2.fc1.weight", "q/dmd.proj_a.weight", "q/homo.W_edge.weight"]
)
def test_another_weight_is_noticed(name, arrays, rewritten, capsys):
    arrays[name] = -arrays[name]
    status, lines, _ = replay(capsys, rewritten(arrays))
    assert status == 1
    assert max(worst(lines)) > parity.TOLERANCE


def test_every_weight_moves_something_recorded(arrays):
    """So that the small file would notice a slip anywhere."""
    golden = parity.load(SMALL)
    unmoved = []
    for name, parameter in golden.model.named_parameters():
        with torch.no_grad():
            kept = parameter.clone()
            parameter.copy_(kept + 0.5 * torch.linspace(-1, 1.5, parameter.numel()).view_as(parameter).cos())
            outputs, edges = parity.deviations(golden)
            parameter.copy_(kept)
        if max(*outputs.values(), *edges.values()) <= parity.TOLERANCE:
            unmoved.append(name)
    assert unmoved == []


@pytest.mark.parametrize("name", ["out/repr_a_hetero", "out/s_v_r", "edges/edges_hetero"])
@pytest.mark.parametrize("value", [1.0, np.nan, np.inf])
def test_every_recorded_array_counts(name, value, arrays, rewritten, capsys):
    arrays[name] = arrays[name].copy()
    arrays[name].flat[-1] = value
    status, lines, _ = replay(capsys, rewritten(arrays))
    assert status == 1
    assert worst(lines)[name.startswith("edges/")] > parity.TOLERANCE


def test_an_array_of_another_shape_is_past_any_tolerance(arrays, rewritten, capsys):
    arrays["out/s_v"] = arrays["out/s_v"].transpose(1, 2, 0)
    status, lines, _ = replay(capsys, rewritten(arrays))
    assert status == 1
    assert worst(lines)[0] == np.inf


def test_tolerance_can_be_set(arrays, rewritten, capsys):
    arrays["out/output_logit"] = arrays["out/output_logit"] + np.float32(0.01)
    assert replay(capsys, rewritten(arrays), "--tolerance", "0.1")[0] == 0
    assert replay(capsys, rewritten(arrays), "--tolerance", "0.001")[0] == 1


def test_small_file_is_what_its_script_makes(arrays):
    made = make.make()
    assert list(made) == list(arrays)
    for name, array in arrays.items():
        if array.dtype == np.float32:
            np.testing.assert_allclose(made[name], array, rtol=0, atol=parity.TOLERANCE)
        else:
            assert np.array_equal(made[name], array), name


def test_fast_inference_on_the_small_file():
    golden = parity.load(SMALL)
    out = FastDMD(golden.model)(golden.features)
    np.testing.assert_allclose(out.logits, golden.outputs["output_logit"], rtol=0, atol=parity.TOLERANCE)
    for graph in Graph:
        recorded_edges = golden.edges[f"edges_{graph.value}"]
        np.testing.assert_allclose(out.edges[graph].T, recorded_edges, rtol=0, atol=parity.TOLERANCE)


class TestTraining:
    """On the small file, with its model's own losses, gradients and steps written into it."""

    @pytest.fixture
    def trained(self, arrays) -> dict[str, np.ndarray]:
        return arrays | record_training(arrays)

    def test_holds(self, trained, rewritten, capsys):
        status, lines, err = replay(capsys, rewritten(trained))
        assert (status, err) == (0, "")
        assert max(float(x) for x in training(lines)) < 1e-6

    @pytest.mark.parametrize("factor", [1.1, np.nan])
    @pytest.mark.parametrize(
        "changed", [("loss/sim", 0), ("loss_alt/ort_feature_dim", 0), ("grad/l2", 1), ("traj/total_loss", 2)]
    )
    def test_every_part_counts(self, changed, factor, trained, rewritten, capsys):
        part, place = changed
        trained[part] = np.array(trained[part], dtype=np.float64)
        trained[part].flat[0] *= factor
        status, lines, _ = replay(capsys, rewritten(trained))
        assert status == 1
        assert float(training(lines)[place]) > 1e-3

    def test_a_gradient_where_none_belongs_counts(self, trained, rewritten, capsys):
        norms = trained["grad/l2"].copy()
        norms[np.isnan(norms).argmax()] = 0.0
        status, lines, _ = replay(capsys, rewritten(trained | {"grad/l2": norms}))
        assert (status, training(lines)[1]) == (1, "inf")

    def test_what_is_not_held_is_not_replayed(self, trained, rewritten, capsys):
        kept = {name: x for name, x in trained.items() if not name.startswith(("grad/", "traj/"))}
        status, lines, _ = replay(capsys, rewritten(kept))
        assert status == 0
        assert training(lines)[1:] == ("n/a", "n/a")

    @pytest.mark.parametrize("gone", ["in/labels", "grad/names"])
    def test_incomplete(self, gone, trained, rewritten, capsys):
        del trained[gone]
        status, _, err = replay(capsys, rewritten(trained))
        assert status == 2
        assert gone in err

    def test_the_model_is_left_as_it_was(self, trained, rewritten):
        golden = parity.load(rewritten(trained))
        before = {name: x.clone() for name, x in golden.model.state_dict().items()}
        parity.training_deviations(golden)
        assert all(torch.equal(before[name], x) for name, x in golden.model.state_dict().items())


def record_training(arrays) -> dict[str, np.ndarray]:
    """Losses, norms of gradients and two steps of training of the small model, as a golden file has them."""
    labels = np.array([[1.0], [-0.4], [1.0], [2.2]], dtype=np.float32)
    case = parity_training.Replay(parity.load(SMALL).model, parity.load(SMALL).features, {"in/labels": labels})
    logits, losses = case.losses()
    recorded_losses = {name: np.array(x) for name, x in parity_training.named_losses(losses).items()}
    per_step = case.losses(replace(parity_training.WEIGHTS, over_batch=False))[1].orthogonality.item()
    losses.total.backward()
    published = [n for n in arrays if n.startswith("q/")]
    gradients = {name: parameter.grad for name, parameter in case.model.named_parameters()}
    found = [gradients[parity_training.ours(name[2:])] for name in published]
    norms = np.array([np.nan if g is None else g.double().norm().item() for g in found])  # before they are clipped
    optimizer = torch.optim.Adam(case.model.parameters(), lr=1e-4)
    totals, said = [losses.total.item()], [logits.detach().numpy()]
    for _ in range(2):
        torch.nn.utils.clip_grad_value_(case.model.parameters(), 0.6)
        optimizer.step()
        optimizer.zero_grad()
        logits, losses = case.losses()
        losses.total.backward()
        totals.append(losses.total.item())
        said.append(logits.detach().numpy())
    return {
        "in/labels": labels,
        **recorded_losses,
        "loss_alt/ort_feature_dim": np.array(per_step),
        "grad/names": np.array([name[2:] for name in published]),
        "grad/l2": norms,
        "traj/total_loss": np.array(totals),
        "traj/output_logit": np.stack(said),
    }


class TestBadInput:
    def refused(self, capsys, *arguments) -> str:
        status, lines, err = replay(capsys, *arguments)
        assert status == 2
        assert lines == []
        assert err.startswith("parity: ")
        assert err.count("\n") == 1
        return err

    def test_garbage(self, tmp_path, capsys):
        (tmp_path / "a.npz").write_bytes(b"no such thing")
        assert "a.npz: expected a golden file (npz), and it is no npz" in self.refused(capsys, tmp_path / "a.npz")

    @pytest.mark.parametrize("name", ["none.npz", ""])
    def test_no_file(self, name, tmp_path, capsys):
        assert "expected a golden file" in self.refused(capsys, tmp_path / name)

    def test_truncated(self, tmp_path, capsys):
        (tmp_path / "a.npz").write_bytes(SMALL.read_bytes()[:-1000])
        assert "no npz" in self.refused(capsys, tmp_path / "a.npz")

    def test_damaged(self, tmp_path, capsys):
        body = bytearray(SMALL.read_bytes())
        body[200:4000] = bytes(3800)
        (tmp_path / "a.npz").write_bytes(body)
        assert "expected a golden file" in self.refused(capsys, tmp_path / "a.npz")

    def test_objects_are_not_unpickled(self, tmp_path, capsys):
        np.savez(tmp_path / "a.npz", meta=np.array([print], dtype=object))
        assert "expected a golden file" in self.refused(capsys, tmp_path / "a.npz")

    def test_another_zip(self, tmp_path, capsys):
        with zipfile.ZipFile(tmp_path / "a.npz", "w") as file:
            file.writestr("readme.txt", "hello")
        assert "expected a golden file" in self.refused(capsys, tmp_path / "a.npz")

    @pytest.mark.parametrize(
        "gone", ["meta", "in/text", "q/dmd.proj_l.weight", "k/dmd.proj_l.weight", "out/", "edges/"]
    )
    def test_incomplete(self, gone, arrays, rewritten, capsys):
        kept = {name: x for name, x in arrays.items() if not name.startswith(gone)}
        self.refused(capsys, rewritten(kept))

    @pytest.mark.parametrize(
        "changes", [{"dst": [4]}, {"dst": [4, 3]}, {"lens_LAV": [6, 8]}, {"lens_LAV": [6, 8, 12]}, {"lens_LAV": None}]
    )
    def test_another_meta(self, changes, arrays, rewritten, capsys):
        arrays["meta"] = np.array(json.dumps(json.loads(str(arrays["meta"])) | changes))
        self.refused(capsys, rewritten(arrays))

    def test_meta_no_object(self, arrays, rewritten, capsys):
        self.refused(capsys, rewritten(arrays | {"meta": np.array("[]")}))

    def test_inputs_of_another_width(self, arrays, rewritten, capsys):
        self.refused(capsys, rewritten(arrays | {"in/text": arrays["in/text"][..., :3]}))

    def test_an_output_that_no_model_has(self, arrays, rewritten, capsys):
        err = self.refused(capsys, rewritten(arrays | {"out/colour": np.zeros(3, np.float32)}))
        assert "colour is none of the model's" in err

    def test_recipe_without_names(self, arrays, rewritten, capsys):
        bare = {name: x for name, x in arrays.items() if name[:2] not in ("q/", "k/")}
        assert "name the JSON of parameter names and shapes with --keys" in self.refused(capsys, rewritten(bare))

    @pytest.mark.parametrize(
        "text", ["no JSON", "{}", "[]", '{"mosi_aligned": {}}', '{"mosi_aligned": {"dmd": {"x": 3}}}']
    )
    def test_other_names(self, text, arrays, rewritten, tmp_path, capsys):
        bare = {name: x for name, x in arrays.items() if name[:2] not in ("q/", "k/")}
        meta = json.loads(str(arrays["meta"])) | {"tag": "mosi_aligned"}
        bare["meta"] = np.array(json.dumps(meta))
        (tmp_path / "keys.json").write_text(text, encoding="utf-8")
        assert "keys.json: expected" in self.refused(capsys, rewritten(bare), "--keys", tmp_path / "keys.json")

    def test_a_device_that_is_not_here(self, capsys):
        self.refused(capsys, SMALL, "--device", "nonsense")
