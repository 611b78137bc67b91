"""Networks with equal weights that are not the same: by their code, their items, or whose they are."""

from __future__ import annotations

import types
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from compress_core.apply.run import compress
from compress_core.foundation.store import Store
from compress_core.measure.behavior.evaluate import compare, predict
from compress_core.recipe.values import Recipe as Rules
from compress_core.recipe.values import Rule, Step
from compress_core.subject.split import Split
from compress_core.subject.subject import Subject
from tests.subjects import Mlp, mlp_subject, seeded, tiny_subject

PRUNED = Rules((Rule("fc1", (Step.of("magnitude", sparsity=0.4),)),))
HELPERS = types.SimpleNamespace(act=torch.relu)


class Held(Mlp):
    """A network that keeps something beside its parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.constant: object = None

    def forward(self, x: Tensor) -> Tensor:
        shift = self.constant if isinstance(self.constant, Tensor) else torch.zeros(1)
        if isinstance(self.constant, dict):
            shift = torch.tensor(self.constant["shift"])
        return self.fc3(self.fc2(HELPERS.act(self.fc1(x) + shift)).relu())


def held(**attributes: object) -> nn.Module:
    network = seeded(Held())
    for name, value in attributes.items():
        setattr(network, name, value)
    return network


def with_buffer(value: float) -> nn.Module:
    network = seeded(Held())
    del network.constant
    network.register_buffer("constant", torch.tensor([value]), persistent=False)
    return network


def with_hook(factor: float) -> nn.Module:
    network = seeded(Mlp())
    network.fc1.register_forward_hook(lambda _module, _given, output: output * factor)
    return network


def with_closure(factor: float) -> nn.Module:
    network = seeded(Mlp())
    network.fc1.forward = lambda x: nn.functional.linear(x, network.fc1.weight, network.fc1.bias) * factor
    return network


PAIRS: dict[str, tuple[Callable[[], nn.Module], Callable[[], nn.Module]]] = {
    "a buffer that is not saved": (lambda: with_buffer(0.0), lambda: with_buffer(1.0)),
    "a tensor": (lambda: held(constant=torch.zeros(1)), lambda: held(constant=torch.ones(1))),
    "a mapping": (lambda: held(constant={"shift": 0.0}), lambda: held(constant={"shift": 1.0})),
    "a hook": (lambda: with_hook(1.0), lambda: with_hook(2.0)),
    "a closure": (lambda: with_closure(1.0), lambda: with_closure(2.0)),
}


def answers(network: nn.Module, store: Store) -> Tensor:
    subject = tiny_subject(network, (6,))
    return torch.from_numpy(
        predict(compress(subject, PRUNED, store), subject.split("validation"), store).logits
    )


@pytest.mark.parametrize("what", PAIRS)
def test_a_network_that_differs_in_no_weight_gets_answers_of_its_own(what: str) -> None:
    one, other = PAIRS[what]
    shared = Store()
    answers(one(), shared)
    assert torch.equal(answers(other(), shared), answers(other(), Store()))
    assert not torch.equal(answers(other(), Store()), answers(one(), Store()))


def test_an_imported_helper_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    shared = Store()
    before = answers(held(), shared)
    monkeypatch.setattr(HELPERS, "act", torch.tanh)
    assert not torch.equal(answers(held(), shared), before)
    assert torch.equal(answers(held(), shared), answers(held(), Store()))


def test_equal_networks_share_their_answers() -> None:
    subjects = [tiny_subject(seeded(Mlp()), (6,)) for _ in range(2)]
    assert subjects[0].key == subjects[1].key


def of_somebody(subject: Subject, title: str, labels: int, items: int) -> Subject:
    split = subject.split("validation")
    mine = Split("validation", split.inputs[:items], torch.full((items,), labels))
    return replace(subject, title=title, classes=(title, "b", "c"), splits={"validation": mine})


@pytest.mark.parametrize("recipe", [PRUNED, Rules(prepare=(Step.of("cross_layer_equalization"),))])
def test_a_model_of_somebody_with_equal_weights_shows_nothing_of_the_others(recipe: Rules) -> None:
    store = Store()
    ann = of_somebody(mlp_subject(), "ann", 0, 12)
    ben = of_somebody(mlp_subject(), "ben", 1, 5)
    compress(ann, recipe, store)
    model = compress(ben, recipe, store)
    assert model.subject is ben
    assert (model.base.title, model.base.classes) == (ben.title, ben.classes)
    assert model.base.splits is ben.splits
    assert compare(model, model.subject.split("validation"), store).after.n == 5


def test_a_cut_model_of_somebody_else_is_shown_under_their_own_name() -> None:
    network = seeded(nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3)))
    ann, ben = (of_somebody(tiny_subject(network, (6,)), name, 0, 4) for name in ("ann", "ben"))
    halved = Rules(groups=(Rule("0", (Step.of_group("magnitude", share_removed=0.5),)),))
    store = Store()
    compress(ann, halved, store)
    assert compress(ben, halved, store).base.title == "ben"
