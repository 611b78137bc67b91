"""A sparse network in the best form of each layer, beside the same network with dense layers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor, nn

from benchmarks.clock import Case, Limit, Side
from benchmarks.networks import FULL, Size
from compress_core.apply import compress
from compress_core.measure.forms import choose_forms, layers_alone, with_forms
from compress_core.measure.timing import Effort, this_machine
from compress_core.progress import result_of
from compress_core.recipe import parse_recipe
from compress_core.store import Store
from compress_core.subject.samples import load_sample

SPARSITY, BATCH, GOAL = 0.95, 64, 2.5
TIMES = 20  # batches in one run, so that it is not the first of them that is timed
_PATTERNS = ("unstructured", "1x8", "column")
_QUICK = Effort(2, 2, 0.0, 0.0)
_THOROUGH = Effort(9, 25, 2.0, 0.004)


def cases(size: Size) -> Iterator[Case | Limit]:
    """LeNet-300-100 at 95 % zeros of several patterns: its linear layers alone, then all of it."""
    for pattern in _PATTERNS:
        dense, chosen, items = _networks(pattern, _THOROUGH if size == FULL else _QUICK)
        name = f"lenet300, {SPARSITY:.0%} zeros ({pattern}), {TIMES} batches of {BATCH}"
        goal = GOAL if pattern == "unstructured" else None
        yield _case(f"{name}: linear layers", _layers(dense, items), _layers(chosen, items), goal)
        whole = (partial(_forward, network, items) for network in (dense, chosen))
        yield _case(f"{name}: whole network", next(whole), next(whole))


def _networks(pattern: str, effort: Effort) -> tuple[nn.Module, nn.Module, Tensor]:
    subject = load_sample("lenet300")
    steps = [{"technique": "magnitude", "sparsity": SPARSITY, "pattern": pattern}]
    model = compress(subject, parse_recipe({"layers": [{"match": "*", "steps": steps}]}), Store())
    network, items = model.network(), subject.split("validation").inputs[:BATCH]
    table = result_of(choose_forms(network, items, this_machine(), effort=effort))
    return network, with_forms(network, table.choice), items


def _layers(network: nn.Module, items: Tensor) -> Callable[[], object]:
    return layers_alone(network, ["fc1", "fc2", "fc3"], items)


@torch.inference_mode()
def _forward(network: nn.Module, items: Tensor) -> Tensor:
    outputs: Tensor = network(items)
    return outputs


def _case(
    interaction: str, dense: Callable[[], object], chosen: Callable[[], object], goal: float | None = None
) -> Case:
    return Case(
        interaction,
        Side("the same weights in dense layers", lambda _: _repeated(dense)),
        Side("best form of each layer", lambda _: _repeated(chosen)),
        _agree,
        goal,
    )


def _repeated(run: Callable[[], object]) -> object:
    """The last of several equal results."""
    for _ in range(TIMES - 1):
        run()
    return run()


def _agree(one: object, other: object) -> bool:
    """Outputs, or lists of them, equal up to the rounding of another order of sums."""
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return torch.allclose(one, other, rtol=1e-4, atol=1e-4)
    assert isinstance(one, list)
    assert isinstance(other, list)
    return all(_agree(a, b) for a, b in zip(one, other, strict=True))
