"""Rounds of training: what is pruned in between stays so, and the rest is again what it was early on."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from compress_core.foundation.errors import Refused
from compress_core.training import loop
from compress_core.training.methods.rewind import share_pruned
from compress_core.training.moment import Moment
from tests.test_gradual_pruning import layers_of
from tests.test_training import assert_equal, epochs_of, own_subject
from tests.training_cases import compressed, run_of, trained


class Normed(torch.nn.Module):
    """A network with a norm, whose statistics go back as well."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm, self.second = (
            torch.nn.Linear(4, 8), torch.nn.BatchNorm1d(8), torch.nn.Linear(8, 3),
        )  # fmt: skip

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.second(self.norm(self.first(x)).relu())


@pytest.mark.parametrize("early", [0, 1])
def test_between_rounds_everything_goes_back_but_the_masks(
    early: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[Any, dict[str, Any], int]] = []

    def watched(plan: Any, trainee: Any, optimizer: Any, moment: Any) -> None:
        original(plan, trainee, optimizer, moment)
        kept, averages = trainee.kept(), sum(len(held) for held in optimizer.adam.state.values())
        seen.append((kept, {n: m.clone() for n, m in trainee.masks().items()}, averages))

    original = loop.before_epoch
    monkeypatch.setattr(loop, "before_epoch", watched)
    model = compressed(subject=own_subject(Normed(), (4,)))
    said = {"method": "rewind", "rounds": 2, "scope": "network", "early_epochs": early}
    trained(model, epochs=6, methods=[said], learning_rate=0.01)
    first = seen[early][0]
    for epoch, (kept, _, averages) in enumerate(seen):
        same = all(torch.equal(kept.learned[n]["weight"], first.learned[n]["weight"]) for n in kept.learned)
        assert same is all(torch.equal(kept.state[n], first.state[n]) for n in kept.state)
        assert same is (epoch in {early, 2, 4})
        assert (averages == 0) is (epoch in {0, 2, 4})
    left = [sum(int(m.count_nonzero()) for m in masks.values()) for _, masks, _ in seen]
    assert left == [56, 56, 28, 28, 14, 14]


def test_the_learning_rate_falls_anew_in_each_round_and_the_last_epoch_is_given() -> None:
    found = trained(compressed(), epochs=6, methods=[{"method": "rewind", "rounds": 2}])
    rates = [figures.learning_rate for figures in found.history]
    assert rates[:2] == rates[2:4] == rates[4:]
    assert rates[0] > rates[1]
    assert found.epoch == 6
    assert found.history[-1].sparsity.keys() == found.history[0].sparsity.keys()


@pytest.mark.parametrize("epochs", [3, 4, 5])
def test_rounds_share_the_epochs_and_follow_one_another(epochs: int) -> None:
    within = [Moment(step, epochs * 2, 2).within(3) for step in range(epochs * 2)]
    starts = [step for step, moment in enumerate(within) if moment.step == 0]
    assert starts == [2 * (round_ * epochs // 3) for round_ in range(3)]
    lengths = [within[start].steps for start in starts]
    assert sum(lengths) == epochs * 2
    assert all(moment.step < moment.steps for moment in within)


def test_a_share_of_what_is_left_goes_the_smallest_first() -> None:
    weights = {"fc0": torch.tensor([[4.0, 3.0, 2.0, 1.0]]), "fc1": torch.tensor([[0.4, 0.3, 0.2, 0.1]])}
    masks = {"fc0": torch.tensor([[True, True, True, False]]), "fc1": torch.ones(1, 4, dtype=torch.bool)}
    layers = layers_of([(1, 4), (1, 4)])
    apart = share_pruned(weights, masks, layers, share=0.5, scope="layer")
    assert [mask.sum().item() for mask in apart.values()] == [1, 2]
    together = share_pruned(weights, masks, layers, share=0.5, scope="network")
    assert [mask.sum().item() for mask in together.values()] == [3, 0]


@pytest.mark.parametrize("at", range(4))
def test_an_interrupted_training_goes_back_to_the_same_early_weights(at: int) -> None:
    said = {"method": "rewind", "rounds": 1, "early_epochs": 1}
    run = run_of(compressed(), epochs=5, batch_size=64, learning_rate=0.01, methods=[said])
    kept, whole = epochs_of(run)
    assert kept[0].early is None
    assert kept[1].early is not None
    _, resumed = epochs_of(run, kept[at])
    assert_equal(resumed.weights, whole.weights)


def test_too_few_epochs_for_its_rounds_are_refused_with_how_many_it_takes() -> None:
    said = {"method": "rewind", "rounds": 3, "early_epochs": 2}
    with pytest.raises(Refused, match=r"\(early_epochs is 2\): set epochs to 12 at least"):
        trained(compressed(), epochs=11, methods=[said])
    with pytest.raises(Refused, match="both go back"):
        trained(compressed(), epochs=11, methods=["rewind", "rewind"])
