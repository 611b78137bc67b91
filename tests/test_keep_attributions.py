"""The parent's maps are kept: what the penalty is, of which maps, and that asking for them costs nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from compress_core.apply.model import Model
from compress_core.foundation.errors import Refused
from compress_core.measure.explain.attribution import attribute, method_named
from compress_core.subject.answer_kind import AnswerKind
from compress_core.subject.split import Split
from compress_core.subject.training_items import TrainingItems
from compress_core.training import loop
from compress_core.training.loop import Trained
from compress_core.training.methods.keep_attributions import maps_apart
from compress_core.training.objective_of_kind import objective_of
from compress_core.training.saliency_maps import SaliencyMaps
from compress_core.training.teacher import Teacher
from tests.test_training import after, all_tensors, own_subject
from tests.training_cases import compressed, run_of, table, trained

PRUNED = {"technique": "magnitude", "sparsity": 0.8}
SILENT = {"method": "keep_attributions", "strength": 0}


class Normed(nn.Module):
    """Statistics that move in a training pass, and values that drop out of it."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm, self.head = nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Linear(8, 3)
        self.dropout = nn.Dropout(0.5)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.dropout(self.norm(self.first(x)).relu()))


class Attending(nn.Module):
    """Attention that torch computes in one piece, of which it knows no second derivative."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.head = nn.Linear(8, 24), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (each.unflatten(-1, (2, 4)).transpose(1, 2) for each in self.qkv(x).chunk(3, dim=-1))
        seen = nn.functional.scaled_dot_product_attention(q, k, v)
        return self.head(seen.transpose(1, 2).flatten(2).mean(1))


class _OnceOnly(torch.autograd.Function):
    """A square whose derivative has none."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.square()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, slope: Tensor) -> Tensor:
        return 2 * ctx.saved_tensors[0] * slope


class Passed(nn.Module):
    """A Linear behind some function of the input."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function, self.head = function, nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.function(x))


def maps_of(network: nn.Module, teacher: nn.Module, inputs: Tensor) -> SaliencyMaps:
    return SaliencyMaps(
        inputs, teacher, network, objective_of(AnswerKind.SCORES), torch.zeros(1, *inputs.shape[1:])
    )


def test_the_penalty_is_one_less_the_cosine_on_the_support_averaged_over_items() -> None:
    one = torch.tensor([[[3.0, 4.0], [7.0, 0.0]], [[1.0, 0.0], [0.0, 0.0]]])
    other = torch.tensor([[[4.0, 3.0], [-9.0, 0.0]], [[-2.0, 0.0], [5.0, 5.0]]])
    support = torch.tensor([[[True, True], [False, False]], [[True, True], [False, False]]])
    expected = 0.5 * ((1 - 24 / 25) + (1 + 1)) / 2
    assert maps_apart(one, other, support, strength=0.5).item() == pytest.approx(expected)
    assert maps_apart(1e-30 * one, other, support, strength=0.5).item() == pytest.approx(expected)


def test_an_item_without_a_map_is_left_out_and_nothing_becomes_infinite() -> None:
    one = torch.tensor([[0.0, 0.0], [1.0, 1.0]], requires_grad=True)
    other, everywhere = torch.tensor([[1.0, 2.0], [1.0, 0.0]]), torch.ones(2, 2, dtype=torch.bool)
    found = maps_apart(one, other, everywhere, strength=1)
    found.backward()
    assert found.item() == pytest.approx(1 - 0.5**0.5)
    assert one.grad is not None
    assert torch.isfinite(one.grad).all()
    assert maps_apart(one[:1], other[:1], everywhere[:1], strength=1).item() == 0


def test_the_map_of_a_linear_network_is_the_row_of_the_class_that_the_teacher_names() -> None:
    network, teacher = nn.Linear(3, 2, bias=False), nn.Linear(3, 2, bias=False)
    with torch.no_grad():
        teacher.weight.copy_(torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]))
    maps = maps_of(network, teacher, torch.tensor([[2.0, 1.0, 0.0], [0.0, 5.0, 1.0]]))
    assert torch.equal(maps.of_teacher, teacher.weight)
    assert torch.equal(maps.of_learner, network.weight)
    assert maps.of_learner.requires_grad
    assert not maps.of_teacher.requires_grad


@pytest.mark.slow
def test_maps_are_those_that_explain_shows() -> None:
    subject = table()
    items, network = subject.split("training"), subject.network
    maps = maps_of(network, network, items.inputs[:20])
    targets = network(items.inputs[:20]).argmax(1)
    shown = attribute(network, items.inputs[:20], targets, method_named("saliency"), subject.input.baseline)
    assert torch.allclose(maps.of_teacher, shown, atol=1e-6)


def test_channels_are_summed_and_what_is_as_the_baseline_is_no_support() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(8, 2))
    inputs = torch.zeros(1, 2, 2, 2)
    inputs[0, 1, 0, 1] = 1
    maps = maps_of(network, network, inputs)
    row = network(inputs).argmax()
    assert torch.allclose(maps.of_teacher, network[1].weight[row].view(1, 2, 2, 2).sum(1))
    assert maps.support.tolist() == [[[False, True], [False, False]]]


def alike(model: Model, found: Trained) -> float:
    """The mean cosine of the maps of a trained model with the parent's."""
    network, inputs = after(model, found).network(), model.subject.split("training").inputs
    maps = maps_of(network, model.subject.network, inputs)
    return 1 - maps_apart(maps.of_learner, maps.of_teacher, maps.support, strength=1).item()


def test_maps_stay_nearer_to_the_parents_than_without() -> None:
    model, plan = compressed(PRUNED), {"epochs": 2, "learning_rate": 0.01}
    strong = [{"method": "keep_attributions", "strength": 20}]
    kept, plain = trained(model, **plan, methods=strong), trained(model, **plan)
    assert alike(model, kept) > alike(model, plain) + 0.03


def test_maps_with_no_weight_on_them_change_no_bit_of_a_training() -> None:
    heard = {"method": "activation_l1", "strength": 0.1}
    model = compressed(PRUNED, subject=own_subject(Normed(), (6,)))
    plain, silent = (trained(model, epochs=3, methods=methods) for methods in ([heard], [SILENT, heard]))
    assert plain.history == silent.history
    for name, tensor in all_tensors(plain.weights).items():
        assert torch.equal(tensor, all_tensors(silent.weights)[name]), name


def test_attention_in_one_piece_is_differentiated_twice() -> None:
    model = compressed(PRUNED, subject=own_subject(Attending(), (5, 8)))
    found = trained(model, epochs=3, learning_rate=0.01, methods=["keep_attributions"])
    assert alike(model, found) > 0.3


@pytest.mark.parametrize(
    ("function", "reason"),
    [(torch.sign, "stay the same"), (_OnceOnly.apply, "differentiate it twice")],
    ids=["flat", "once"],
)
def test_a_network_without_such_maps_is_refused_before_the_first_step(
    function: Callable[[Tensor], Tensor], reason: str
) -> None:
    model = compressed(subject=own_subject(Passed(function), (6,)))
    with pytest.raises(Refused, match=rf"keep_attributions compares .* {reason}"):
        trained(model, methods=["keep_attributions"])
    assert trained(model, methods=["distill"]).ended is None


def test_whole_numbers_as_inputs_are_refused() -> None:
    network = nn.Sequential(nn.Embedding(9, 4), nn.Flatten(), nn.Linear(12, 3))
    words = torch.arange(36).view(12, 3) % 9
    split, subject = Split("training", words, words[:, 0] % 3), table()
    named = replace(subject, network=network, training=TrainingItems.of(split))
    teacher = Teacher.of(Model.original(named), split, answers=False, explains=True)
    with pytest.raises(Refused, match=r"its inputs are int64 of \[3\]"):
        teacher.refuse_no_maps(network, split, objective_of(AnswerKind.SCORES), "keep_attributions")


def test_the_parents_network_is_copied_only_where_a_method_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def watched(*given: Any, **named: Any) -> Any:
        seen.append(original(*given, **named))
        return seen[-1]

    original = loop.teacher_of
    monkeypatch.setattr(loop, "teacher_of", watched)
    for methods in (["fine_tune"], ["distill"], ["keep_attributions"]):
        trained(compressed(), methods=methods)
    assert [(each.answers is None, each.network is None) for each in seen] == [
        (True, True),
        (False, True),
        (True, False),
    ]
    assert run_of(compressed(), methods=["fine_tune"]).plan.steps
