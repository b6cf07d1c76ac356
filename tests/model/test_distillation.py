"""The graph-distillation units: their equations, who is teacher and who student, and edges that do not exist."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dmd_runtime.modality import EDGES, MODALITIES, UNIFORM, Edge
from dmd_runtime.model.config import EDGE_FORMS
from dmd_runtime.model.distillation import UNITS, GraphDistillationUnit, InteractionUnit

L, V, A = MODALITIES
OUTPUTS, REPRESENTATION, WIDTH, TEMPERATURE = 3, 5, 4, 8.0


def make_unit(seed: int = 0) -> GraphDistillationUnit:
    torch.manual_seed(seed)
    return GraphDistillationUnit(OUTPUTS, REPRESENTATION, WIDTH, TEMPERATURE)


def make_interaction(seed: int = 0) -> InteractionUnit:
    """With a norm that is not at its first values, and weights so large that edges differ."""
    torch.manual_seed(seed)
    unit = InteractionUnit(OUTPUTS, REPRESENTATION, WIDTH, 1.0)
    with torch.no_grad():
        for parameter in unit.parameters():
            parameter.mul_(2).add_(0.2 * torch.randn_like(parameter))
    return unit


MAKE = {"published": make_unit, "interaction": make_interaction}
either = pytest.mark.parametrize("make", MAKE.values(), ids=MAKE)
presences = st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans()), min_size=1, max_size=4)


def vertices(batch: int = 2, seed: int = 1, scale: float = 1.0):
    generator = torch.Generator().manual_seed(seed)
    return tuple(
        {m: scale * torch.randn(batch, n, generator=generator) for m in MODALITIES} for n in (OUTPUTS, REPRESENTATION)
    )


def at(edges: torch.Tensor, teacher, student) -> torch.Tensor:
    return edges[:, EDGES.index(Edge(teacher=teacher, student=student))]


def test_follows_the_equations():
    unit, (logits, representations) = make_unit(), vertices()
    out = unit(logits, representations)
    for b in range(2):
        z = {m: torch.cat([unit.logit(logits[m][b]), unit.representation(representations[m][b])]) for m in MODALITIES}
        scores = torch.stack([unit.edge(torch.cat([z[edge.student], z[edge.teacher]]))[0] for edge in EDGES])
        torch.testing.assert_close(out.scores[b], scores)
        powers = (scores / TEMPERATURE).exp()
        torch.testing.assert_close(out.weights[b], powers / powers.sum())


def test_student_comes_first_in_a_pair():
    unit, (logits, representations) = make_unit(), vertices()
    with torch.no_grad():
        unit.edge.weight[:, : 2 * WIDTH] = 0  # what is left looks at the teacher
    scores = unit(logits, representations).scores
    for teacher in MODALITIES:
        one, other = (m for m in MODALITIES if m is not teacher)
        torch.testing.assert_close(at(scores, teacher, one), at(scores, teacher, other))
    assert not torch.allclose(at(scores, L, V), at(scores, V, L))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_every_student_ranks_its_teachers_alike(seed):
    """A score is a(student) + b(teacher): the gap between two teachers does not depend on who learns."""
    with torch.no_grad():
        scores = make_unit(seed)(*vertices(seed=seed)).scores.double()
    through = (at(scores, L, V) - at(scores, A, V)) + (at(scores, A, L) - at(scores, V, L))
    torch.testing.assert_close(through, at(scores, L, A) - at(scores, V, A), rtol=0, atol=1e-5)


def test_one_softmax_over_all_six():
    weights = make_unit()(*vertices()).weights
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(2))
    per_student = weights.view(2, 3, 2).sum(dim=2)
    assert not torch.allclose(per_student, torch.full((2, 3), 1 / 3), atol=1e-4)


@either
def test_indifferent_unit_gives_uniform_edges(make):
    unit = make()
    torch.nn.init.zeros_(unit.edge.weight)
    torch.testing.assert_close(unit(*vertices()).weights, torch.full((2, 6), UNIFORM))


@either
def test_temperature_flattens(make):
    hot, cold = make(), make()
    hot.temperature, cold.temperature = 1000.0, 0.1
    spread = [unit(*vertices()).weights.max().item() for unit in (hot, cold)]
    assert spread[0] < 1.01 * UNIFORM
    assert spread[1] > 2 * UNIFORM


@pytest.mark.parametrize("form", MAKE)
@settings(max_examples=40, deadline=None)
@given(presences, st.integers(0, 99))
def test_edges_exist_between_what_is_there(form, present, seed):
    here = torch.tensor(present)
    with torch.no_grad():
        out = MAKE[form](seed)(*vertices(len(present), seed, scale=30.0), here)
    for b, row in enumerate(present):
        there = dict(zip(MODALITIES, row, strict=True))
        for i, edge in enumerate(EDGES):
            exists = there[edge.teacher] and there[edge.student]
            assert exists or (out.weights[b, i] == 0 and out.scores[b, i] == 0)
        torch.testing.assert_close(out.weights[b].sum(), torch.tensor(float(sum(row) >= 2)))


@either
def test_a_missing_vertex_changes_nothing_between_the_others(make):
    unit, (logits, representations) = make(), vertices()
    present = torch.tensor([[True, True, False]] * 2)
    before = unit(logits, representations, present)
    logits[A] += 100
    representations[A] -= 100
    assert torch.equal(unit(logits, representations, present).weights, before.weights)


@either
def test_all_present_is_the_unit_without_a_mask(make):
    unit, given_vertices = make(), vertices()
    everybody = torch.ones(2, 3, dtype=torch.bool)
    torch.testing.assert_close(unit(*given_vertices, everybody).weights, unit(*given_vertices).weights)


@pytest.mark.parametrize("masked", [False, True])
def test_gradients_reach_vertices_and_unit(masked):
    unit, (logits, representations) = make_unit(), vertices()
    for x in (*logits.values(), *representations.values()):
        x.requires_grad_()
    present = torch.tensor([[True, True, False]] * 2) if masked else None
    (unit(logits, representations, present).weights * torch.arange(6.0)).sum().backward()
    reached = {m for m in MODALITIES if logits[m].grad.any() and representations[m].grad.any()}
    assert reached == ({L, V} if masked else set(MODALITIES))
    assert all(torch.isfinite(p.grad).all() for p in unit.parameters())
    assert unit.logit.weight.grad.any()
    assert unit.representation.weight.grad.any()


def test_order_of_the_edges_is_the_published_one():
    assert [f"{e.student.value}<{e.teacher.value}" for e in EDGES] == ["L<V", "L<A", "V<L", "V<A", "A<L", "A<V"]


def test_interaction_follows_its_equations():
    unit, (logits, representations) = make_interaction(), vertices()
    unit.temperature = 2.0
    with torch.no_grad():
        out = unit(logits, representations)
        for b in range(2):
            z = {
                m: unit.norm(torch.cat([unit.logit(logits[m][b]), unit.representation(representations[m][b])]))
                for m in MODALITIES
            }
            scores = {}
            for edge in EDGES:
                s, t = z[edge.student], z[edge.teacher]
                scores[edge] = unit.edge(unit.pair(torch.cat([s, t, (s - t).abs(), s * t])).relu())[0]
            torch.testing.assert_close(out.scores[b], torch.stack(list(scores.values())))
            for i, edge in enumerate(EDGES):
                rivals = torch.stack([scores[e] for e in EDGES if e.student is edge.student])
                torch.testing.assert_close(out.weights[b, i], (scores[edge] / 2).exp() / (rivals / 2).exp().sum() / 3)


@settings(max_examples=40, deadline=None)
@given(presences, st.integers(0, 99))
def test_every_student_that_has_a_teacher_gets_the_same_share(present, seed):
    with torch.no_grad():
        weights = make_interaction(seed)(*vertices(len(present), seed, scale=30.0), torch.tensor(present)).weights
    by_student = weights.view(-1, 3, 2).sum(dim=2)
    for b, row in enumerate(present):
        share = 1 / sum(row) if sum(row) > 1 else 0.0
        torch.testing.assert_close(by_student[b], share * torch.tensor(row, dtype=torch.float32))


def test_students_may_rank_their_teachers_differently():
    """The opposite of the published unit's a(student) + b(teacher)."""
    with torch.no_grad():
        scores = make_interaction()(*vertices()).scores.double()
    through = (at(scores, L, V) - at(scores, A, V)) + (at(scores, A, L) - at(scores, V, L))
    assert ((through - (at(scores, L, A) - at(scores, V, A))).abs() > 1e-2).all()


@pytest.mark.parametrize("form", MAKE)
@settings(max_examples=25, deadline=None)
@given(st.permutations(range(4)), st.permutations(MODALITIES), st.integers(0, 99))
def test_nothing_but_the_ends_counts(form, samples, renamed, seed):
    """Neither the order of samples nor the names of vertices: edges go along with both."""
    unit, given_vertices = MAKE[form](seed), vertices(4, seed)
    names = dict(zip(MODALITIES, renamed, strict=True))
    moved = tuple({names[m]: x[m][list(samples)] for m in MODALITIES} for x in given_vertices)
    with torch.no_grad():
        before, after = unit(*given_vertices).weights[list(samples)], unit(*moved).weights
    for edge in EDGES:
        same = at(after, names[edge.teacher], names[edge.student])
        torch.testing.assert_close(at(before, edge.teacher, edge.student), same, rtol=0, atol=1e-5)


@pytest.mark.parametrize("present", [None, torch.tensor([[True, True, True], [True, True, False]])])
def test_interaction_learns_but_does_not_reshape_what_it_observes(present):
    unit, (logits, representations) = make_interaction(), vertices()
    for x in (*logits.values(), *representations.values()):
        x.requires_grad_()
    (unit(logits, representations, present).weights * torch.arange(6.0)).sum().backward()
    assert all(x.grad is None for x in (*logits.values(), *representations.values()))
    assert all(torch.isfinite(p.grad).all() and p.grad.any() for n, p in unit.named_parameters() if n != "edge.bias")


def test_large_vertices_do_not_blow_up_the_scores():
    """Vertices are normalised: ten times as large, and edges stay of the same size."""
    unit = make_interaction()
    with torch.no_grad():
        unit.logit.bias.zero_(), unit.representation.bias.zero_()
        torch.testing.assert_close(
            unit(*vertices(scale=1e3)).scores, unit(*vertices(scale=1e5)).scores, rtol=0, atol=1e-4
        )


def test_every_form_has_its_unit():
    assert tuple(UNITS) == EDGE_FORMS
    assert UNITS[EDGE_FORMS[0]] is GraphDistillationUnit
