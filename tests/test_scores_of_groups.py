"""How much a unit of a coupled group matters is what torch-pruning says, for criteria that both have."""

from __future__ import annotations

import pytest
import torch
import torch_pruning
from torch import Tensor, nn

from compress_core.apply.base import groups_of
from compress_core.apply.context import Context
from compress_core.apply.group_scores import unit_scores
from compress_core.foundation.store import Store
from compress_core.network.shared_copy import shared_copy
from compress_core.recipe.values import Step
from compress_core.subject.subject import Subject
from tests.subjects import seeded, tiny_subject

CRITERIA = {
    "magnitude": torch_pruning.importance.GroupMagnitudeImportance,
    "geometric_median": torch_pruning.importance.FPGMImportance,
}


def small_network() -> nn.Module:
    """Channels with a norm between, channels that become several inputs each, neurons."""
    network = seeded(
        nn.Sequential(
            nn.Conv2d(2, 6, 3),
            nn.BatchNorm2d(6),
            nn.ReLU(),
            nn.Conv2d(6, 5, 3),
            nn.Flatten(),
            nn.Linear(5 * 4, 7),
            nn.ReLU(),
            nn.Linear(7, 3),
        )
    )
    with torch.no_grad():
        network[1].weight.uniform_(0.2, 2, generator=torch.Generator().manual_seed(3))
    return network


@pytest.fixture(scope="module")
def subject() -> Subject:
    return tiny_subject(small_network(), (2, 6, 6))


def by_torch_pruning(subject: Subject, name: str, criterion: str) -> Tensor:
    """The peer's importance of all units of the group that a layer makes."""
    network = shared_copy(subject.network).requires_grad_(requires_grad=True)
    graph = torch_pruning.DependencyGraph()
    graph.build_dependency(
        network,
        subject.input.baseline,
        verbose=False,
        unwrapped_parameters=[],
        customized_pruners={},
        ignored_layers=[],
        ignored_params=[],
    )
    layer = network.get_submodule(name)
    prune = torch_pruning.prune_conv_out_channels
    if isinstance(layer, nn.Linear):
        prune = torch_pruning.prune_linear_out_channels
    group = graph.get_pruning_group(layer, prune, idxs=list(range(len(layer.weight))))
    found: Tensor = CRITERIA[criterion]()(group)
    return found.detach()


def ours(subject: Subject, name: str, step: Step) -> Tensor:
    store = Store()
    return unit_scores(groups_of(subject, (), store)[name], step, Context(subject, store))


@pytest.mark.parametrize(
    ("name", "criterion"),
    # in 3 a channel becomes four inputs, whose distances the peer takes one by one
    [
        (name, criterion)
        for name in ("0", "3", "5")
        for criterion in CRITERIA
        if (name, criterion) != ("3", "geometric_median")
    ],
)
def test_units_are_scored_as_torch_pruning_does(subject: Subject, name: str, criterion: str) -> None:
    scores = ours(subject, name, Step.of_group(criterion))
    torch.testing.assert_close(scores, by_torch_pruning(subject, name, criterion), rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("criterion", [*CRITERIA, "random_pruning"])
@pytest.mark.parametrize("aggregate", ["mean", "max"])
def test_scores_of_every_group_have_a_mean_of_one_so_that_groups_can_be_compared(
    subject: Subject, criterion: str, aggregate: str
) -> None:
    for name in ("0", "3", "5"):
        scores = ours(subject, name, Step.of_group(criterion, aggregate=aggregate))
        assert float(scores.mean()) == pytest.approx(1, rel=1e-5)


def test_a_norm_that_passes_nothing_on_makes_its_channel_matter_less(subject: Subject) -> None:
    step = Step.of_group("magnitude")
    silenced = small_network()
    with torch.no_grad():
        silenced[1].weight[2] = 0
    before, after = ours(subject, "0", step), ours(tiny_subject(silenced, (2, 6, 6)), "0", step)
    assert after[2] / after[4] < before[2] / before[4]


def test_the_largest_of_all_layers_counts_where_it_is_asked_for(subject: Subject) -> None:
    first, second = (subject.network[at].weight.detach().double().square() for at in (5, 7))
    made, read = first.sum(1), second.sum(0)
    largest = torch.maximum(made, read)
    step = Step.of_group("magnitude", aggregate="max")
    torch.testing.assert_close(ours(subject, "5", step), (largest / largest.mean()).float())


def test_all_inputs_that_a_channel_becomes_are_compared_together(subject: Subject) -> None:
    made = subject.network[3].weight.detach().double().flatten(1).square()
    read = subject.network[5].weight.detach().double().view(7, 5, 4).transpose(0, 1).flatten(1).square()
    expected = torch.cdist(made, made).sum(1) + torch.cdist(read, read).sum(1)
    scores = ours(subject, "3", Step.of_group("geometric_median"))
    torch.testing.assert_close(scores, (expected / expected.mean()).float())
