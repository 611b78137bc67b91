"""Accuracy after channels were cut, one shot, beside torch-pruning at the same share of every group."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import torch
import torch_pruning
from torch import nn

from benchmarks.networks import FULL, Size
from compress_core.apply.run import compress
from compress_core.foundation.store import Store
from compress_core.loading.samples import load_sample
from compress_core.numerics.intervals import wilson
from compress_core.recipe.values import Recipe, Rule, Step
from compress_core.subject.subject import Subject

MODELS = ("tabular", "lenet300", "lenet5", "resnet", "vit")
SHARES = (0.125, 0.25, 0.5)
CRITERIA = {
    "magnitude": torch_pruning.importance.GroupMagnitudeImportance,
    "geometric_median": torch_pruning.importance.FPGMImportance,
}
_AT_ONCE = 500


def lines(size: Size) -> Iterator[str]:
    """For every sample, criterion and share: accuracy with its interval, torch-pruning's and ours."""
    yield "| model | criterion | share | torch-pruning | slimscope | behind beyond the interval |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for model in MODELS if size == FULL else MODELS[:1]:
        subject, store = load_sample(model), Store()
        for criterion in CRITERIA:
            for share in SHARES:
                theirs, ours = _theirs(subject, criterion, share), _ours(subject, criterion, share, store)
                said = f"{_said(theirs)} | {_said(ours)} | {_behind(theirs, ours)}"
                yield f"| {model} | {criterion} | {share:.1%} | {said} |"


Counted = tuple[int, int]


def _said(counted: Counted | None) -> str:
    if counted is None:
        return "cannot"
    low, high = wilson(*counted)
    return f"{counted[0] / counted[1]:.1%} ({low:.1%} to {high:.1%})"


def _behind(theirs: Counted | None, ours: Counted | None) -> str:
    if theirs is None or ours is None:
        return ""
    return "YES" if wilson(*ours)[1] < wilson(*theirs)[0] else "no"


def _ours(subject: Subject, criterion: str, share: float, store: Store) -> Counted:
    recipe = Recipe(groups=(Rule("*", (Step.of_group(criterion, share_removed=share),)),))
    return _right(compress(subject, recipe, store).network(), subject)


def _theirs(subject: Subject, criterion: str, share: float) -> Counted | None:
    """None where torch-pruning cannot cut the network, or what it leaves does not run."""
    network = copy.deepcopy(subject.network).requires_grad_(requires_grad=True)
    last = [module for module in network.modules() if isinstance(module, nn.Linear)][-1]
    try:
        pruner = torch_pruning.pruner.BasePruner(
            network,
            subject.split("validation").inputs[:2],
            importance=CRITERIA[criterion](),
            pruning_ratio=share,
            ignored_layers=[last],
            pruning_ratio_dict={},
            customized_pruners={},
            unwrapped_parameters=[],
            num_heads={},
        )
        pruner.step()
        return _right(network.eval(), subject)
    except (RuntimeError, ValueError, IndexError, KeyError, AttributeError, AssertionError):
        return None


@torch.inference_mode()
def _right(network: nn.Module, subject: Subject) -> Counted:
    """How many items of validation and test together are answered rightly, and of how many."""
    right = total = 0
    for name in ("validation", "test"):
        split = subject.split(name)
        assert split.labels is not None, "samples have labels"
        batches = zip(torch.split(split.inputs, _AT_ONCE), torch.split(split.labels, _AT_ONCE), strict=True)
        right += sum(int((network(inputs).argmax(1) == labels).sum()) for inputs, labels in batches)
        total += len(split)
    return right, total
