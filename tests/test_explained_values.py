"""Maps of real numbers and of vectors: against Captum, plain loops and what they must add up to."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity

from compress_core import Refused, load
from compress_core import compress as core_compress
from compress_core import explain as core_explain
from compress_core.foundation.progress import result_of
from compress_core.foundation.store import Store
from compress_core.loading.items import checked_items
from compress_core.loading.user_model import subject_from_network
from compress_core.measure.explain.alike_maps import original_maps
from compress_core.measure.explain.asked_answer import AskedKind
from compress_core.measure.explain.attribution import (
    attribution_methods,
    method_named,
    offered_methods,
)
from compress_core.measure.explain.explanation import Explanation, explain
from compress_core.measure.explain.similarity import MEASURES
from compress_core.network.named_inputs import inputs_by_name, with_border
from compress_core.reviews.alike import alikeness
from compress_core.subject.answer_kind import AnswerKind
from compress_core.subject.subject import Subject
from compress_core.tasks.explain_items import ExplainKnobs, pack, run, unpack
from tests.test_named_inputs import LENGTH, WORDS, _words

VALUES, VECTORS = AnswerKind.VALUES, AnswerKind.VECTORS
PRUNED = "layers: [{match: '*', steps: [{technique: magnitude, sparsity: 0.5}]}]"


class Pictures(nn.Module):
    """Pictures [N, 2, 9, 9] as numbers [N, width]; of width 0 one number [N]."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        self.a, self.b = nn.Conv2d(2, 4, 3), nn.Linear(4 * 49, max(width, 1))

    def forward(self, x: Tensor) -> Tensor:
        answer: Tensor = self.b(torch.tanh(self.a(x)).flatten(1))
        return answer if self.width else answer[:, 0]


class Mean(nn.Module):
    """Texts as vectors: the mean of what their words are turned into."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.turn = nn.Embedding(WORDS, 6), nn.Linear(6, 5)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        there = attention_mask.unsqueeze(2)
        return (torch.tanh(self.turn(self.words(input_ids))) * there).sum(1) / there.sum(1)


def _pictures(width: int) -> nn.Module:
    torch.manual_seed(4)
    return Pictures(width).eval().requires_grad_(requires_grad=False)


def _items(count: int = 6) -> tuple[Tensor, Tensor]:
    drawn = torch.randn(count, 2, 9, 9, generator=torch.Generator().manual_seed(8))
    return drawn, torch.zeros(1, 2, 9, 9)


def _near(network: nn.Module) -> nn.Module:
    generator = torch.Generator().manual_seed(2)
    other = _pictures(network.width)  # type: ignore[arg-type]  # a number
    for parameter in other.parameters():
        parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=0.02)
    return other


def _explained(width: int, method: str, answers: AnswerKind, value: int | None = None) -> Explanation:
    network, (inputs, baseline) = _pictures(width), _items()
    work = explain(
        network,
        _near(network),
        inputs,
        method_named(method),
        baseline,
        seed=3,
        answers=answers,
        value=value,
    )
    return result_of(work)


@pytest.mark.parametrize(("width", "value"), [(0, None), (1, None), (3, 2)])
@pytest.mark.parametrize("method", list(attribution_methods()))
def test_a_number_is_explained_as_captum_explains_that_output(
    method: str, width: int, value: int | None
) -> None:
    from captum import attr

    network, (inputs, baseline) = _pictures(width), _items()
    table = network if width else lambda x: network(x).unsqueeze(1)
    inputs.requires_grad_()
    target = value or 0
    match method:
        case "saliency":
            expected = attr.Saliency(table).attribute(inputs, target=target, abs=False).sum(1)
        case "input_x_gradient":
            expected = attr.InputXGradient(table).attribute(inputs, target=target).sum(1)
        case "integrated_gradients":
            expected = attr.IntegratedGradients(table).attribute(inputs, baseline, target=target).sum(1)
        case "grad_cam":
            coarse = attr.LayerGradCam(table, network.a).attribute(inputs, target=target)
            expected = attr.LayerAttribution.interpolate(coarse, (9, 9), "bilinear")[:, 0]
        case _:
            moved = attr.Occlusion(table).attribute(inputs, (2, 4, 4), (2, 2, 2), baseline, target)
            expected = moved[:, 0]
    found = _explained(width, method, VALUES, value)
    np.testing.assert_allclose(found.before, expected.detach(), atol=2e-5, rtol=1e-3)
    assert (found.asked, found.value) == (AskedKind.VALUE, target)


def test_the_items_hold_both_answers_and_no_class() -> None:
    found, (inputs, _) = _explained(3, "saliency", VALUES, 1), _items()
    network = _pictures(3)
    np.testing.assert_allclose(found.items["answer_before"], network(inputs)[:, 1], rtol=1e-6)
    np.testing.assert_allclose(found.items["answer_after"], _near(network)(inputs)[:, 1], rtol=1e-6)
    assert not {"class_before", "flipped"} & set(found.items)
    groups = list(found.summary().groupby("measure", sort=False).get_group("spearman")["group"])
    assert groups == ["all", "noise ceiling", "random floor"]


@pytest.mark.parametrize(("answers", "width"), [(VALUES, 0), (VALUES, 2), (VECTORS, 7)])
def test_integrated_gradients_add_up_to_the_change_of_the_number_or_the_cosine(
    answers: AnswerKind, width: int
) -> None:
    found, network, (inputs, baseline) = (
        _explained(width, "integrated_gradients", answers),
        _pictures(width),
        _items(),
    )
    for maps, one in ((found.before, network), (found.after, _near(network))):
        own = network(inputs)
        given, empty = one(inputs), one(baseline)
        if answers is VECTORS:
            change = cosine_similarity(given, own) - cosine_similarity(empty.expand_as(own), own)
        else:
            change = (given - empty).reshape(len(inputs), -1)[:, 0]
        np.testing.assert_allclose(maps.sum((1, 2)), change, atol=2e-3)
    assert found.items[["gap_before", "gap_after"]].to_numpy().max() < 0.02


def test_occlusion_of_a_vector_is_what_its_cosine_with_the_originals_loses() -> None:
    found, network, (inputs, baseline) = _explained(7, "occlusion", VECTORS), _pictures(7), _items()
    own = network(inputs)
    for maps, one in ((found.before, network), (found.after, _near(network))):
        whole, lost, times = cosine_similarity(one(inputs), own), torch.zeros(6, 9, 9), torch.zeros(9, 9)
        starts = sorted({*range(0, 6, 2), 5, 6} & {*range(0, 7, 2)})
        for top in starts:
            for left in starts:
                hidden = inputs.clone()
                window = (slice(top, top + 4), slice(left, left + 4))
                hidden[:, :, *window] = baseline[:, :, *window]
                lost[:, *window] += (whole - cosine_similarity(one(hidden), own))[:, None, None]
                times[window] += 1
        inner = (times > 0).numpy()
        expected = (lost / times.clamp(min=1)).numpy()
        np.testing.assert_allclose(maps[:, :8, :8], expected[:, :8, :8], atol=1e-6)
        assert inner[:8, :8].all()
    assert found.asked is AskedKind.VECTOR
    np.testing.assert_allclose(found.items["answer_before"], 1, rtol=1e-6)
    expected = cosine_similarity(_near(network)(inputs).double(), own.double())
    np.testing.assert_allclose(found.items["answer_after"], expected, rtol=1e-5)


@pytest.mark.parametrize("method", ["saliency", "input_x_gradient", "grad_cam"])
def test_what_asks_at_the_item_itself_is_refused_of_vectors_since_nothing_changes_there(method: str) -> None:
    network, (inputs, _) = _pictures(7), _items()
    own = network(inputs)
    shown = inputs.clone().requires_grad_()
    (slope,) = torch.autograd.grad(cosine_similarity(network(shown), own).sum(), shown)
    assert float(slope.abs().max()) < 1e-6
    with pytest.raises(Refused, match="at its largest there"):
        _explained(7, method, VECTORS)
    names = {found.name for found in offered_methods(network, inputs[:1], VECTORS)}
    assert names == {"integrated_gradients", "occlusion"}
    assert method in {found.name for found in offered_methods(network, inputs[:1], VALUES)}


@pytest.mark.parametrize(("answers", "width"), [(VALUES, 1), (VECTORS, 7)])
def test_a_model_beside_itself_is_wholly_alike_and_bounds_stand_beside(
    answers: AnswerKind, width: int
) -> None:
    network, (inputs, baseline) = _pictures(width), _items()
    method = method_named("integrated_gradients")
    found = result_of(explain(network, network, inputs, method, baseline, seed=0, answers=answers))
    assert np.allclose(found.items[list(MEASURES)], 1.0)
    assert 0.8 < found.noise["spearman"].median() <= 1
    assert found.chance("spearman").median < found.noise["spearman"].median() - 0.3
    known = original_maps(network, inputs, method, baseline, answers=answers)
    assert known.alike(network).value == pytest.approx(1)
    np.testing.assert_array_equal(known.maps, found.before)


def _mean() -> nn.Module:
    torch.manual_seed(6)
    return Mean().eval().requires_grad_(requires_grad=False)


def _texts() -> Subject:
    return subject_from_network(_mean(), checked_items(_words(), None), "texts", task="embedding")


def test_words_of_a_vector_are_hidden_one_by_one_and_their_gradients_add_up() -> None:
    subject, plain = _texts(), _mean()
    rows = subject.split("validation").inputs[:5]
    other = with_border(_mean(), subject.input.border)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.mul_(1.1).add_(0.02)
    given = inputs_by_name(subject.input.fields, rows)
    words, mask = given["input_ids"], given["attention_mask"]
    own = plain(words, mask)
    found = {
        method: result_of(
            explain(
                subject.network,
                other,
                rows,
                method_named(method),
                subject.input.baseline,
                seed=1,
                answers=VECTORS,
            )
        )
        for method in ("occlusion", "integrated_gradients")
    }
    with torch.no_grad():
        whole = cosine_similarity(other(rows), own)
        expected = torch.zeros(5, LENGTH)
        for place in range(LENGTH):
            hidden = rows.clone()
            hidden[:, place] = 0
            lost = whole - cosine_similarity(other(hidden), own)
            expected[:, place] = torch.where(mask[:, place] == 1, lost, 0.0)
        blank = plain(words * 0, mask)
    np.testing.assert_allclose(found["occlusion"].after, expected, atol=1e-6)
    change = 1 - cosine_similarity(blank, own)
    np.testing.assert_allclose(found["integrated_gradients"].before.sum(1), change, atol=5e-3)
    assert found["integrated_gradients"].place_before == "words"


def _values_subject(outputs: int = 3) -> Subject:
    torch.manual_seed(1)
    network = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, outputs)).eval()
    x = np.random.default_rng(2).normal(size=(40, 8)).astype(np.float32)
    with torch.no_grad():
        wanted = network(torch.from_numpy(x)).numpy()
    return load(network, x, wanted)


def test_a_job_of_many_items_says_which_number_it_explained_and_is_read_back() -> None:
    model = core_compress(_values_subject(), PRUNED)
    knobs = ExplainKnobs(method="saliency", items=10, value=2)
    found = result_of(run(model, knobs, 0, Store()))
    back = unpack(pack(found)).explanation
    assert (back.asked, back.value) == (AskedKind.VALUE, 2)
    assert list(back.items) == list(found.explanation.items)
    older = pack(found)
    facts = {name: fact for name, fact in older.facts.items() if name not in {"asked", "value"}}
    assert unpack(replace(older, facts=facts)).explanation.asked is AskedKind.CLASS, "of an earlier release"


def test_a_number_that_the_model_does_not_answer_with_is_refused() -> None:
    model = core_compress(_values_subject(), PRUNED)
    assert core_explain(model, "saliency", items=5, value=1).found.explanation.value == 1
    with pytest.raises(Refused, match="must be from 0 to 2, but it is 3"):
        core_explain(model, "saliency", items=5, value=3)
    with pytest.raises(Refused, match="real numbers"):
        core_explain(model, "saliency", items=5, only="flips")
    texts = core_compress(_texts(), "layers: [{match: turn, steps: [{technique: magnitude, sparsity: 0.5}]}]")
    with pytest.raises(Refused, match="leave the value out"):
        core_explain(texts, "occlusion", items=5, value=1)


def test_answers_that_are_not_finite_leave_nothing_to_explain() -> None:
    network, (inputs, baseline) = _pictures(2), _items()
    network.b.weight.fill_(float("nan"))  # type: ignore[union-attr, operator]  # a layer
    for answers in (VALUES, VECTORS):
        with pytest.raises(Refused, match="nothing to explain"):
            result_of(
                explain(
                    network, network, inputs, method_named("occlusion"), baseline, seed=0, answers=answers
                )
            )


@pytest.mark.parametrize("make", [_values_subject, _texts])
def test_a_gate_on_maps_measures_numbers_and_vectors(make: object) -> None:
    subject: Subject = make()  # type: ignore[operator]  # one of two functions
    layer = subject.layers[-1].name
    model = core_compress(
        subject, f"layers: [{{match: '{layer}', steps: [{{technique: magnitude, sparsity: 0.5}}]}}]"
    )
    split = subject.split("validation")
    found = alikeness(model, split, np.arange(len(split)), 20, "integrated_gradients", 0)
    assert found.similarity.value is not None
    assert found.ceiling.value is not None
