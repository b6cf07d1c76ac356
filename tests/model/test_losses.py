"""Losses: each term by hand, what is missing left out of all of them, and who gets which gradient."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from dmd_runtime.errors import ConfigError
from dmd_runtime.modality import EDGES, MODALITIES, Graph
from dmd_runtime.model import loss_terms as terms
from dmd_runtime.model.config import StemConfig
from dmd_runtime.model.dmd import DMD
from dmd_runtime.model.losses import PUBLISHED_PRIOR, Losses, LossWeights, Targets, dmd_losses
from tests.model.model_factory import make_config, make_features, make_mask, make_model

L, V, A = MODALITIES
B = 5
SCORES = torch.tensor([1.0, -0.4, 1.0, 2.2, -0.4])
SCORED = make_config()
LABELLED = make_config(labels=("a", "b", "c"), edge_form="interaction", temperature=1.0)
SHARES = torch.tensor([[1.0, 0.0, 0.0], [0.2, 0.8, 0.0], [0.9, 0.0, 0.1], [0.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
OWN, REFERENCE = LossWeights(), LossWeights.reference()
CASES = {
    "scored": (SCORED, Targets(sentiment=SCORES), OWN),
    "labelled": (LABELLED, Targets(emotion=SHARES, sentiment=SCORES), OWN),
    "reference": (replace(SCORED, prior=PUBLISHED_PRIOR), Targets(sentiment=SCORES), REFERENCE),
}


def one(shape: int | tuple[int, ...] = ()) -> Tensor:
    return torch.ones(shape, dtype=torch.bool)


def take(targets: Targets, rows) -> Targets:
    return Targets(
        **{
            k: None if v is None else v[rows]
            for k, v in (("emotion", targets.emotion), ("sentiment", targets.sentiment))
        }
    )


@pytest.fixture(params=CASES)
def case(request):
    return CASES[request.param]


def losses(case, mask=None, rows=slice(None), model: DMD | None = None, features=None) -> Losses:
    config, targets, weights = case
    model = make_model(config) if model is None else model
    features = make_features(config, B) if features is None else features
    chosen = {m: x[rows] for m, x in features.items()}
    masked = None if mask is None else {m: x[rows] for m, x in mask.items()}
    return dmd_losses(model(chosen, masked), config, take(targets, rows), weights, masked)


def equal(a: Losses, b: Losses, *but: str) -> None:
    left, right = a.figures(), b.figures()
    assert left.keys() == right.keys()
    for name, value in left.items():
        if name not in but:
            assert value == pytest.approx(right[name], rel=2e-5, abs=1e-6), name


class TestWhatIsMissing:
    def test_a_mask_of_real_rows_is_no_mask(self, case):
        mask = make_mask(case[0], MODALITIES, B)
        equal(losses(case, {m: torch.ones_like(x) for m, x in mask.items()}), losses(case))

    def test_a_sample_of_which_nothing_is_there_changes_nothing(self, case):
        mask = make_mask(case[0], MODALITIES, B)
        for rows in mask.values():
            rows[3] = False
        equal(losses(case, mask), losses(case, mask, [0, 1, 2, 4]))

    @pytest.mark.parametrize("value", [0.0, 7.0, math.nan])
    def test_what_a_missing_modality_holds_does_not_matter(self, case, value):
        mask, features = make_mask(case[0], MODALITIES, B), make_features(case[0], B)
        mask[V][:2] = False
        changed = features | {V: features[V].masked_fill(~mask[V][..., None], value)}
        equal(losses(case, mask, features=changed), losses(case, mask))

    def test_a_modality_that_is_never_there_has_no_part(self, case):
        got = losses(case, make_mask(case[0], {L, A}, B)).figures()
        assert got["task V homo"] == got["task V hetero"] == 0
        assert got["task L homo"] > 0
        assert got["edges homo"] == got["edges hetero"] == 0  # one teacher each
        assert got["logit homo"] > 0

    def test_one_modality_has_no_graph(self, case):
        for loss in losses(case, make_mask(case[0], {A}, B)).graphs.values():
            assert [x.item() for x in loss] == [0, 0, 0, 0]

    def test_nothing_at_all_is_zero_with_gradients_that_are_numbers(self, case):
        model = make_model(case[0])
        got = losses(case, make_mask(case[0], set(), B), model=model)
        assert set(got.figures().values()) == {0.0}
        got.total.backward()
        assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())

    def test_gradients_are_numbers_whoever_is_missing(self, case):
        model, mask = make_model(case[0]), make_mask(case[0], MODALITIES, B)
        mask[L][0], mask[V][1:3], mask[A][4] = False, False, False
        losses(case, mask, model=model).total.backward()
        assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())

    def test_samples_nobody_labelled_have_no_part_in_what_needs_labels(self):
        config, targets, weights = CASES["labelled"]
        emotion, sentiment = SHARES.clone(), SCORES.clone()
        emotion[2:] = math.nan
        sentiment[2:] = math.nan
        got = losses((config, Targets(emotion=emotion, sentiment=sentiment), weights)).figures()
        among = losses((config, targets, weights), rows=[0, 1]).figures()
        for name in got:
            if name.startswith(("task", "margin", "edges")):
                assert got[name] == pytest.approx(among[name], rel=1e-5), name

    def test_each_label_has_its_own_term(self):
        config, _, weights = CASES["labelled"]
        nobody = torch.full_like(SCORES, math.nan)
        both, emotion, sentiment = (
            losses((config, t, weights)).figures()["task"]
            for t in (
                Targets(emotion=SHARES, sentiment=SCORES),
                Targets(emotion=SHARES, sentiment=nobody),
                Targets(sentiment=SCORES),
            )
        )
        assert both == pytest.approx(emotion + sentiment, rel=1e-5)
        assert min(emotion, sentiment) > 0

    def test_a_stem_shortens_the_mask_as_it_does_time(self):
        stem = StemConfig(channels=8, stride=2, blocks=0, instance_norm=False, dropout=0.0)
        config = make_config(lengths=(9, 30, 20), stems={A: stem})
        mask = make_mask(config, MODALITIES, B)
        case = (config, Targets(sentiment=SCORES), OWN)
        equal(losses(case, {m: torch.ones_like(x) for m, x in mask.items()}), losses(case))


def test_total_is_what_the_paper_adds_up():
    got = losses(CASES["reference"]).figures()
    graphs = (
        sum(got[f"logit {g}"] + 10 * got[f"prior {g}"] for g in ("homo", "hetero")) + 10 * got["representation hetero"]
    )
    inner = got["cycle"] + got["reconstruction"] + 0.1 * (got["margin"] + got["orthogonality"])
    assert got["total"] == pytest.approx(got["task"] + 0.05 * graphs + 0.1 * inner, rel=1e-6)


def test_our_own_total_has_the_supervision_of_edges_and_no_prior():
    got = losses(CASES["labelled"]).figures()
    inner = got["cycle"] + got["reconstruction"] + 0.1 * (got["margin"] + got["orthogonality"])
    graphs = sum(0.05 * got[f"logit {g}"] + got[f"edges {g}"] for g in ("homo", "hetero"))
    assert got["total"] == pytest.approx(got["task"] + graphs + 0.1 * inner, rel=1e-6)
    assert got["prior homo"] == got["prior hetero"] == 0


@pytest.mark.parametrize(
    ("targets", "says"),
    [
        (Targets(emotion=SHARES[:, :2]), r"expected emotion \(5, 3\) as the model has it, got \(5, 2\)"),
        (Targets(sentiment=SCORES[:, None]), r"expected sentiment \(5,\) .* got \(5, 1\)"),
    ],
)
def test_targets_of_another_shape_are_refused(targets, says):
    with pytest.raises(ConfigError, match=says):
        losses((LABELLED, targets, OWN))


class TestGradients:
    def of_units(self, weights: LossWeights, config=SCORED) -> list[Tensor]:
        """Gradients of both graph-distillation units under the graphs' losses alone."""
        model = make_model(config)
        alone = replace(weights, sentiment=0.0, emotion=0.0, decoupling=0.0)
        losses((config, Targets(sentiment=SCORES), alone), model=model).total.backward()
        return [p.grad for p in model.graphs.parameters() if p.grad is not None]

    def test_distillation_leaves_detached_edges_alone(self):
        assert not any(g.any() for g in self.of_units(replace(OWN, edges=0.0)))

    def test_it_moves_them_as_published(self):
        assert any(g.abs().max() > 1e-6 for g in self.of_units(REFERENCE))

    def test_supervision_moves_them(self):
        assert any(g.abs().max() > 1e-6 for g in self.of_units(OWN, replace(SCORED, edge_form="interaction")))

    @pytest.mark.parametrize("weights", [OWN, REFERENCE], ids=["own", "reference"])
    def test_a_teacher_learns_nothing_from_its_student(self, weights):
        """Only the edge from L to V weighs anything."""
        config = SCORED
        output = make_model(config)(make_features(config, B))
        generator = torch.Generator().manual_seed(0)
        logits, nodes = (
            {m: torch.rand(B, n, generator=generator, requires_grad=True) for m in MODALITIES} for n in (1, 12)
        )
        only = torch.zeros(B, len(EDGES))
        only[:, [str(e) for e in EDGES].index("L>V")] = 1.0
        output = replace(
            output,
            node_logits=dict.fromkeys(Graph, logits),
            node_representations=dict.fromkeys(Graph, nodes),
            graphs={g: e._replace(weights=only) for g, e in output.graphs.items()},
        )
        loss = dmd_losses(output, config, Targets(), weights).graphs[Graph.HETEROGENEOUS]
        (loss.logit + loss.representation).backward()
        assert logits[V].grad.abs().min() > 0
        assert nodes[V].grad.abs().max() > 0
        for m in (L, A):
            assert not logits[m].grad.any()
            assert not nodes[m].grad.any()


def test_without_the_push_a_student_moves_towards_its_teacher():
    student = torch.tensor([[1.0, 0.0]], requires_grad=True)
    teacher = torch.tensor([[1.0, 1.0]])
    (1 - terms.cosine(student, teacher)).sum().backward()
    assert student.grad[0, 1] < 0  # gradient descent raises what the teacher has
    student.grad = None
    terms.published_push(student[:, None], teacher[:, None], one((1, 1))).sum().backward()
    assert student.grad[0, 1] > 0


def hinge_by_hand(nodes: Tensor, alike: Tensor, margins: Tensor, members: Tensor) -> Tensor:
    """Anchor by anchor, as it is defined."""
    there = members.nonzero().flatten().tolist()
    found = []
    for i in there:
        cosines = {j: torch.cosine_similarity(nodes[i], nodes[j], dim=0) for j in there if j != i}
        positives = [j for j in cosines if alike[i, j]]
        negatives = [j for j in cosines if not alike[i, j]]
        pairs = [(margins[i, n] - cosines[p] + cosines[n]).clamp(min=0) for p in positives for n in negatives]
        if pairs:
            found.append(torch.stack(pairs).mean())
    return torch.stack(found).mean() if found else nodes.sum() * 0


@pytest.mark.parametrize("seed", range(4))
def test_margin_is_the_hinge_over_all_triples(seed):
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randint(-2, 3, (14,), generator=generator).double()
    members = torch.rand(14, generator=generator) > 0.2
    apart = (scores[:, None] - scores).abs()
    values, gradients = [], []
    for way in (terms.margin, hinge_by_hand):
        nodes = torch.randn(
            14, 6, generator=torch.Generator().manual_seed(seed), dtype=torch.float64, requires_grad=True
        )
        value = way(nodes, apart == 0, 0.15 * apart, members)
        value.backward()
        values.append(value.detach())
        gradients.append(nodes.grad)
    assert values[0] > 0
    torch.testing.assert_close(*values)
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize("scores", [torch.zeros(4), torch.arange(4.0)], ids=["all alike", "none alike"])
def test_margin_without_positives_or_negatives_is_zero(scores):
    apart = (scores[:, None] - scores).abs()
    assert terms.margin(torch.randn(4, 3), apart == 0, apart, one(4)) == 0


def test_orthogonality_in_both_readings():
    """Two samples, one step, two features: orthogonal per step and the same over the batch, or the other way round."""
    s = torch.tensor([[[1.0], [0.0]], [[1.0], [0.0]]])  # (B, d, T)
    c = torch.tensor([[[0.0], [1.0]], [[0.0], [1.0]]])
    t = torch.tensor([[[1.0], [0.0]], [[-1.0], [0.0]]])
    real = one((2, 1))
    assert terms.orthogonality(s, c, real) == terms.orthogonality_over_batch(s, c, real) == 0
    assert terms.orthogonality(s, t, real) == pytest.approx(0.5)  # cosines 1 and -1; below 0 is well
    assert terms.orthogonality_over_batch(s, t, real) == 0  # 1·1 + 1·(-1)
    assert terms.orthogonality_over_batch(s, s, real) == pytest.approx(0.5)  # the feature that is 0 has no direction
    assert terms.orthogonality(s, t, torch.tensor([[False], [True]])) == 0


def test_distances_of_scores_and_of_labels():
    a, b = torch.tensor([[1.0, 2.0, 0.5]]), torch.tensor([[1.5, 1.0, -0.5]])
    assert terms.distance(a, b, 0).tolist() == [2.5]
    p, q = b[:, :2].softmax(dim=1), a[:, :2].softmax(dim=1)
    assert terms.distance(a, b, 2).item() == pytest.approx(1 + (p * (p / q).log()).sum().item())
    shifted = a + torch.tensor([3.0, 3.0, 0.0])
    assert terms.distance(shifted, a, 2).item() == pytest.approx(0, abs=1e-6)


def test_distillation_with_and_without_prior():
    weights, distances = torch.full((2, 6), 1 / 6), torch.tensor([[6.0] * 6, [12.0] * 6])
    exists = one((2, 6))
    assert terms.distillation(weights, distances, exists).item() == pytest.approx(9.0)
    prior = (0.5, 0.1, 0.1, 0.1, 0.1, 0.1)
    assert terms.distillation(weights, distances, exists, prior).item() == pytest.approx(9.0 + 9.0 * 1.0)
    assert terms.pull_to_prior(weights, exists, prior).item() == pytest.approx((1 / 3) ** 2 + 5 * (1 / 15) ** 2)
    assert terms.pull_to_prior(weights, exists, ()) == 0
    exists[1] = False
    assert terms.distillation(weights, distances, exists).item() == pytest.approx(6.0)


class TestMixture:
    """The supervision of edges."""

    def error(self, weights, exists=None, **more):
        teachers = torch.zeros(1, 6, 3)
        teachers[0, 0, :2] = torch.tensor([3.0, 0.0])  # the first student's first teacher says the first label
        teachers[0, 1, :2] = torch.tensor([0.0, 3.0])
        teachers[0, :, 2] = torch.tensor([2.0, -2.0, 0.0, 0.0, 0.0, 0.0])
        exists = torch.tensor([[True, True, False, False, False, False]]) if exists is None else exists
        return terms.mixture_error(weights, teachers, exists, classes=2, **more)

    def test_by_hand(self):
        weights = torch.tensor([[0.3, 0.1, 0.0, 0.0, 0.3, 0.3]])
        right = math.exp(3) / (1 + math.exp(3))
        got = self.error(weights, shares=torch.tensor([[1.0, 0.0]]), scores=None)
        assert got.item() == pytest.approx(-math.log(0.75 * right + 0.25 * (1 - right)), rel=1e-5)
        got = self.error(weights, shares=None, scores=torch.tensor([2.0]))
        assert got.item() == pytest.approx(abs(0.75 * 2 - 0.25 * 2 - 2))

    @pytest.mark.parametrize(
        "said",
        [{"shares": torch.tensor([[1.0, 0.0]]), "scores": None}, {"shares": None, "scores": torch.tensor([2.0])}],
    )
    def test_the_teacher_that_is_right_gains(self, said):
        scores = torch.zeros(1, 6, requires_grad=True)
        self.error(scores.softmax(dim=1), **said).backward()
        assert scores.grad[0, 0] < 0 < scores.grad[0, 1]

    @pytest.mark.parametrize("exists", [[True, False] * 3, [False] * 6])
    def test_with_one_teacher_there_is_nothing_to_learn(self, exists):
        weights = torch.full((1, 6), 1 / 6, requires_grad=True)
        got = self.error(weights, torch.tensor([exists]), shares=torch.tensor([[1.0, 0.0]]), scores=torch.tensor([2.0]))
        assert got == 0

    def test_nobody_said(self):
        weights = torch.full((1, 6), 1 / 6)
        nothing = {"shares": torch.full((1, 2), math.nan), "scores": torch.full((1,), math.nan)}
        assert self.error(weights, **nothing) == 0

    def test_the_model_gets_no_gradient_through_interacting_edges(self):
        model = make_model(LABELLED)
        out = losses(CASES["labelled"], model=model)
        sum(g.edges for g in out.graphs.values()).backward()
        moved = {n.split(".")[0] for n, p in model.named_parameters() if p.grad is not None and p.grad.abs().max() > 0}
        assert moved == {"graphs"}


def test_the_published_priors():
    homo, hetero = (PUBLISHED_PRIOR[g] for g in Graph)
    assert sum(homo) == pytest.approx(1)
    assert sum(hetero) == pytest.approx(1)
    assert {str(e) for e, w in zip(EDGES, homo, strict=True) if w > 0.1} == {"L>V", "L>A"}
    assert {str(e) for e, w in zip(EDGES, hetero, strict=True) if w > 0.1} == {"L>V", "L>A", "V>A"}
