"""The prune slider: one layer, its numbers only, the whole network."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import prune

from benchmarks.clock import Case, Side
from benchmarks.networks import Size, one_convolution, resnet50
from benchmarks.visitor import buffers_for, decode, moved, sparsity_of, weight_of
from compress_core.foundation.store import Store
from compress_core.measure.tables.prune_rows import sparsity_table
from compress_core.recipe.values import ResolvedRecipe, Step
from compress_core.selection.patterns import SINGLE, LayerShape
from compress_core.selection.scores import Scores
from compress_core.selection.select import Selection, rank_boxes, select
from compress_core.subject.subject import Subject


def _pruned_by_torch(module: nn.Module, sparsity: float) -> Tensor:
    prune.l1_unstructured(module, "weight", sparsity)  # type: ignore[no-untyped-call]  # torch has no types here
    return _weight(module)


def _weight(module: nn.Module) -> Tensor:
    weight = module.weight
    assert isinstance(weight, Tensor)
    return weight.detach().flatten(1)


def _same_weights(peer: Tensor, ours: Tensor) -> bool:
    """The same number of weights stay and they are the largest: peers may choose others among equals."""
    return torch.equal(peer.abs().view(-1).sort().values, ours.abs().view(-1).sort().values)


def _fresh(module: nn.Module) -> nn.Module:
    return copy.deepcopy(module)


def cases(size: Size) -> Iterator[Case]:
    """One layer three ways, then the network."""
    subject, store = one_convolution(size), Store()
    yield from _one_layer(subject, store)
    yield _numbers(subject, store)
    yield _network(resnet50(size), Store())


def _one_layer(subject: Subject, store: Store) -> Iterator[Case]:
    module, buffers = subject.network.get_submodule("conv"), buffers_for(subject)
    torch_side = Side(
        "torch.nn.utils.prune.l1_unstructured",
        lambda given: _pruned_by_torch(*given),
        lambda turn: (_fresh(module), sparsity_of(turn)),
    )

    def as_the_app(sparsity: float) -> Tensor:
        return decode(moved(subject, store, ["conv"], "magnitude", sparsity=sparsity), buffers)["conv"]

    weight = weight_of(subject, "conv")
    shape = LayerShape("conv", subject.layer("conv").kernel_shape)
    scores, target = [Scores(weight, absolute=True)], weight.clone()
    ranked = rank_boxes(scores, [shape], SINGLE)

    def bare(sparsity: float) -> Tensor:
        choice = Selection(sparsity=sparsity)
        mask = select(scores, [shape], choice, ranked)[0]
        return mask.prune_into(weight, buffers["conv"])

    app = Side("slimscope", as_the_app, sparsity_of)
    bare_side = Side("slimscope, bare", bare, sparsity_of)
    of = f"one layer of {weight.numel():,} weights"
    yield Case(f"prune slider, {of}", torch_side, app, _same_weights, 40)
    yield Case("  the same without the recipe", torch_side, bare_side, _same_weights)
    copied = Side("a copy of the weights", lambda _: target.copy_(weight))
    yield Case("  the same against a copy", copied, app, lambda copy, _: torch.equal(copy, weight), 1 / 1.5)
    yield Case(
        "  without the recipe against a copy", copied, bare_side, lambda copy, _: torch.equal(copy, weight)
    )


def _numbers(subject: Subject, store: Store) -> Case:
    module = subject.network.get_submodule("conv")
    before, weights = weight_of(subject, "conv"), subject.layer("conv").weights

    def agree(after: Tensor, ours: tuple[float, float, float]) -> bool:
        removed, lost = after == 0, (before - after).double().square().sum()
        error = float(lost / before.double().square().sum())
        numbers = (float(removed.double().mean()), float(before[removed].abs().max()), error)
        return bool(np.allclose(numbers, ours, rtol=1e-3))

    step = Step.of("magnitude")

    def looked_up(row: int) -> tuple[float, float, float]:
        table = sparsity_table(subject, ResolvedRecipe(()), "conv", step, store)
        return 1 - float(table.kept[row]) / weights, float(table.threshold[row]), float(table.error[row])

    return Case(
        "  numbers only (sparsity, threshold, error)",
        Side(
            "torch.nn.utils.prune.l1_unstructured",
            lambda given: _pruned_by_torch(*given),
            lambda turn: (_fresh(module), (10 + turn % 80) / 100),
        ),
        Side("slimscope", looked_up, lambda turn: 10 + turn % 80),
        agree,
        1000,
    )


def _network(subject: Subject, store: Store) -> Case:
    names, buffers = list(subject.by_name), buffers_for(subject)

    def by_torch(given: tuple[nn.Module, float]) -> Tensor:
        network, sparsity = given
        weights = [(network.get_submodule(name), "weight") for name in names]
        prune.global_unstructured(weights, prune.L1Unstructured, amount=sparsity)
        return torch.cat([_weight(module).view(-1) for module, _ in weights])

    def as_the_app(sparsity: float) -> dict[str, Tensor]:
        return decode(moved(subject, store, names, "magnitude", sparsity=sparsity, scope="network"), buffers)

    count = sum(layer.weights for layer in subject.layers)
    return Case(
        f"global prune slider, {len(names)} layers, {count:,} weights",
        Side(
            "torch.nn.utils.prune.global_unstructured",
            by_torch,
            lambda turn: (_fresh(subject.network), sparsity_of(turn)),
        ),
        Side("slimscope", as_the_app, sparsity_of),
        lambda peer, ours: _same_weights(peer, torch.cat([ours[n].view(-1) for n in names])),
        100,
    )
