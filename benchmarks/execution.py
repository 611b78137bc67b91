"""Sparse layers in their best form beside dense ones, and fewer channels beside all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor, nn

from benchmarks.clock import Case, Limit, Side
from benchmarks.networks import FULL, Size
from compress_core.apply.base import cutting_of
from compress_core.apply.run import compress
from compress_core.deliver.onnx_export import onnx_bytes
from compress_core.deliver.onnx_session import OnnxSession
from compress_core.foundation.progress import result_of
from compress_core.foundation.store import Store
from compress_core.loading.samples import load_sample
from compress_core.measure.speed.kernel_variants import (
    choose_kernel_variants,
    layers_alone,
    with_kernel_variants,
)
from compress_core.measure.speed.rounds import Effort, this_machine
from compress_core.recipe.reading import parse_recipe
from compress_core.structure.shrink import preview

SPARSITY, BATCH, GOAL = 0.95, 64, 2.5
CUT_BATCH, CUT_GOAL = 32, 1.8
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
    yield from _cut(size)


def _cut(size: Size) -> Iterator[Case]:
    """Half of the channels of every free group of a small ResNet gone, then as many zeros anywhere."""
    subject, store = load_sample("resnet"), Store()
    halved = {"technique": "magnitude", "share_removed": 0.5}
    model = compress(subject, parse_recipe({"groups": [{"match": "*", "steps": [halved]}]}), store)
    found = cutting_of(subject, model.recipe, store)
    networks = preview(subject.network, found.cuts, found.dropped), model.network()
    items = subject.split("validation").inputs[:CUT_BATCH]
    name, words = f"resnet, half of the channels, {TIMES} batches of {CUT_BATCH}", ("masked", "cut out")
    wide, small = (partial(_forward, network, items) for network in networks)
    yield _case(f"{name}: torch", wide, small, CUT_GOAL, words)
    if size == FULL:  # the exporter takes seconds
        sessions = (OnnxSession(onnx_bytes(network, (items,))) for network in networks)
        wide, small = (partial(_answers, session, items) for session in sessions)
        yield _case(f"{name}: ONNX Runtime", wide, small, CUT_GOAL, words)
    gone = 1 - sum(x.weights for x in model.base.layers) / sum(x.weights for x in subject.layers)
    step = {"technique": "magnitude", "sparsity": round(gone, 3), "scope": "network"}
    zeros = compress(subject, parse_recipe({"layers": [{"match": "*", "steps": [step]}]}), store).network()
    full = Side("as loaded", lambda _: _repeated(partial(_forward, subject.network, items)))
    sparse = Side("zeros in dense layers", lambda _: _repeated(partial(_forward, zeros, items)))
    yield Case(f"  as many zeros anywhere ({gone:.0%}): torch", full, sparse, _same_form)


def _networks(pattern: str, effort: Effort) -> tuple[nn.Module, nn.Module, Tensor]:
    subject = load_sample("lenet300")
    steps = [{"technique": "magnitude", "sparsity": SPARSITY, "pattern": pattern}]
    model = compress(subject, parse_recipe({"layers": [{"match": "*", "steps": steps}]}), Store())
    network, items = model.network(), subject.split("validation").inputs[:BATCH]
    table = result_of(choose_kernel_variants(network, items, this_machine(), effort=effort))
    return network, with_kernel_variants(network, table.choice), items


def _layers(network: nn.Module, items: Tensor) -> Callable[[], object]:
    return layers_alone(network, ["fc1", "fc2", "fc3"], items)


@torch.inference_mode()
def _forward(network: nn.Module, items: Tensor) -> Tensor:
    outputs: Tensor = network(items)
    return outputs


def _answers(session: OnnxSession, items: Tensor) -> Tensor:
    return torch.from_numpy(session(items.numpy()))


def _case(
    interaction: str,
    dense: Callable[[], object],
    chosen: Callable[[], object],
    goal: float | None = None,
    words: tuple[str, str] = ("the same weights in dense layers", "best form of each layer"),
) -> Case:
    return Case(
        interaction,
        Side(words[0], lambda _: _repeated(dense)),
        Side(words[1], lambda _: _repeated(chosen)),
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


def _same_form(one: object, other: object) -> bool:
    """Zeros change the answers, not how many there are."""
    assert isinstance(one, Tensor)
    assert isinstance(other, Tensor)
    return one.shape == other.shape
