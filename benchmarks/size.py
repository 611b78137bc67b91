"""What each step costs at the size that models have: `python -m benchmarks size` prints a row for a network.

A network is measured in a process of its own, whose memory is read step by step; times are CPU seconds of one
thread. A family in which only the number of equal layers grows says how each step grows with the weights.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.networks import FULL, TINY, Size, bert, encoder_of, masked_bert, resnet18, resnet50, vit
from benchmarks.visitor import decode, moved
from compress_core.apply.base import groups_of
from compress_core.apply.model import Model
from compress_core.apply.run import compress
from compress_core.decide.family import Family
from compress_core.decide.scan import scan
from compress_core.decide.scan_plan import ScanPlan
from compress_core.deliver.packed_file import pack_bytes
from compress_core.foundation.store import Store
from compress_core.loading.items import Items, checked_items
from compress_core.loading.user_model import subject_from_network
from compress_core.measure.cost.cost import layer_costs
from compress_core.measure.tables.prune_rows import sparsity_table
from compress_core.network.layers.kinds import Layer
from compress_core.network.layers.places import read_matrix
from compress_core.recipe.values import ResolvedRecipe, Step
from compress_core.subject.subject import Subject
from dashboard.caretaker import give_back_memory

T = TypeVar("T")

LAYERS = 4  # of the smallest of the family
TIMES = (1, 2, 4, 8)
TO_THE_SLIDER = ("load", "layer table", "first slider")
QUICK = {"release", "second value", "global value", "copy of all"}  # told in milliseconds
PER_MILLION = "pack, a million"
STEPS = (
    *TO_THE_SLIDER,
    "release",
    "second value",
    "first global",
    "global value",
    "copy of all",
    "groups",
    "first scan point",
    "next scan point",
    PER_MILLION,
)
GOALS = {
    "ResNet-18": 10,
    "ResNet-50": 20,
    "BERT-base": 30,
    "BERT-base with a mask": 30,
}  # seconds until the first slider
RELEASE_MS, MOST_MEMORY = 300, 4.0  # times the weights
_FIRST, _SECOND = 0.5, 0.7  # shares to which a slider is moved


@dataclass
class Steps:
    """CPU seconds of each step, and the most bytes while it ran, beyond those before there were weights.

    weights: how many there are; only: the steps to go, all of them where it is empty.
    """

    before: int
    only: Sequence[str] = ()
    weights: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    peak: dict[str, int] = field(default_factory=dict)

    def wanted(self, step: str) -> bool:
        return not self.only or step in self.only

    def timed(self, step: str, run: Callable[[], T]) -> T:
        """Run one step; what was free before goes back to the system, as a server gives it back."""
        give_back_memory()
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak begins anew
        began = time.process_time()
        found = run()
        self.seconds[step] = time.process_time() - began
        self.peak[step] = bytes_of_process("VmHWM") - self.before
        return found


Made = tuple[nn.Module, Tensor | Mapping[str, Tensor]]  # several inputs by name


def networks(size: Size) -> Mapping[str, Callable[[Size], Made]]:
    """What is measured, by name: a family, and the three networks of the goals."""
    family = {
        f"{LAYERS * times} layers": partial(encoder_of, layers=_layers(size) * times) for times in TIMES
    }
    shapes = {"ResNet-18": resnet18, "ResNet-50": _resnet50, "ViT-B": vit, "BERT-base": bert}
    return {**family, **shapes, "BERT-base with a mask": masked_bert}


def _layers(size: Size) -> int:
    return LAYERS if size == FULL else 1


def _resnet50(size: Size) -> Made:
    subject = resnet50(size)
    return subject.network, subject.split("validation").inputs


def lines(size: Size) -> Iterator[str]:
    """A line for each network, then how the family grows."""
    heads = ("network", "weights", *STEPS, "to the slider", "most memory", "goals")
    yield _row(heads)
    yield _row(["---"] * len(heads))
    found: dict[str, Steps] = {}
    for name in networks(size):
        found[name] = measured(name, size)
        yield _row(_cells(name, found[name]))
    family = [found[f"{LAYERS * times} layers"] for times in TIMES]
    for times, steps in zip(TIMES[1:], family[1:], strict=True):
        ratios = (steps.seconds[step] / max(family[0].seconds[step], 1e-9) for step in STEPS)
        grown = steps.weights / family[0].weights
        yield _row([f"{times}x the layers, times as much", f"{grown:.1f}", *(f"{r:.1f}" for r in ratios)])


def measured(name: str, size: Size, only: Sequence[str] = ()) -> Steps:
    """All steps of one network, in a process of its own where its memory matters."""
    if size != FULL:
        return walked(*networks(size)[name](size), Steps(bytes_of_process("VmRSS"), only))
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_measure, args=(theirs, name, size, only))
    process.start()
    theirs.close()
    steps: Steps = ours.recv()
    process.join()
    return steps


def _measure(answer: Any, name: str, size: Size, only: Sequence[str]) -> None:
    torch.set_num_threads(1)
    walked(*networks(TINY)[name](TINY), Steps(0))  # what is imported and compiled once is there then
    steps = Steps(bytes_of_process("VmRSS"), only)
    walked(*networks(size)[name](size), steps)
    answer.send(steps)


def walked(network: nn.Module, items: Tensor | Mapping[str, Tensor], steps: Steps) -> Steps:
    """Go through all steps with one network as somebody would who brings it."""
    subject = steps.timed("load", lambda: _loaded(network, items))
    store, steps.weights = Store(), sum(layer.weights for layer in subject.layers)
    original = Model.original(subject)
    steps.timed("layer table", lambda: layer_costs(original, store))
    _sliders(subject, store, steps)
    if steps.wanted("groups"):
        steps.timed("groups", lambda: groups_of(subject, (), store))
    if steps.wanted("first scan point"):
        _scan_points(subject, steps)
    if steps.wanted(PER_MILLION):
        model = _in_eight_bits(subject)
        steps.timed(PER_MILLION, lambda: pack_bytes(model))
        steps.seconds[PER_MILLION] /= steps.weights / 1e6
    return steps


def _loaded(network: nn.Module, items: Tensor | Mapping[str, Tensor]) -> Subject:
    named = {"": items} if isinstance(items, Tensor) else items
    labels = np.arange(len(next(iter(named.values())))) % 2
    arrays = {name: values.numpy() for name, values in named.items()}
    brought = Items(arrays[""], labels) if "" in arrays else checked_items(arrays, labels)
    return subject_from_network(network, brought, "brought")


def _sliders(subject: Subject, store: Store, steps: Steps) -> None:
    """The prune slider of the largest layer, then one for all layers together."""
    layer, nothing = max(subject.layers, key=lambda layer: layer.weights), ResolvedRecipe(())
    steps.timed(
        "first slider", lambda: sparsity_table(subject, nothing, layer.name, Step.of("magnitude"), store)
    )
    buffers = {one.name: read_matrix(subject.network, one).clone() for one in subject.layers}

    def let_go(layers: Sequence[Layer], sparsity: float, **knobs: object) -> None:
        names = [one.name for one in layers]
        decode(moved(subject, store, names, "magnitude", sparsity=sparsity, **knobs), buffers)

    steps.timed("release", lambda: let_go([layer], _FIRST))
    steps.timed("second value", lambda: let_go([layer], _SECOND))
    if steps.wanted("global value"):
        steps.timed("first global", lambda: let_go(subject.layers, _FIRST, scope="network"))
        steps.timed("global value", lambda: let_go(subject.layers, _SECOND, scope="network"))
        steps.timed("copy of all", lambda: _copied(subject, buffers))


def _copied(subject: Subject, buffers: Mapping[str, Tensor]) -> None:
    for layer in subject.layers:
        buffers[layer.name].copy_(read_matrix(subject.network, layer))


def _scan_points(subject: Subject, steps: Steps) -> None:
    """Two points of a scan on the sample; the first has the noted pass of the original beside it."""
    middle = subject.layers[len(subject.layers) // 2].name
    others = tuple(layer.name for layer in subject.layers if layer.name != middle)
    plan = ScanPlan(families=(Family.PRUNE,), points=2, locked=others)
    work, names = scan(Model.original(subject), plan, Store()), ["first scan point", "next scan point"]
    progress = next(work, None)
    while names and progress is not None:
        is_there = str(progress.note).startswith(middle)
        progress = steps.timed(names.pop(0), lambda: next(work, None)) if is_there else next(work, None)
    work.close()


def _in_eight_bits(subject: Subject) -> Model:
    names = [layer.name for layer in subject.layers]
    eight = (Step.of("uniform", bits=8),)
    return compress(subject, ResolvedRecipe(tuple((name, eight) for name in names)), Store())


def bytes_of_process(entry: str) -> int:
    """What Linux says of this process; getrusage would count what the parent held."""
    said = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in said if line.startswith(f"{entry}:"))


def _cells(name: str, steps: Steps) -> Iterator[str]:
    yield name
    yield f"{steps.weights / 1e6:.1f}M"
    for step in STEPS:
        seconds = steps.seconds[step]
        yield f"{1000 * seconds:.0f} ms" if step in QUICK else f"{seconds:.2f} s"
    until = sum(steps.seconds[step] for step in TO_THE_SLIDER)
    worst = max(steps.peak, key=lambda step: steps.peak[step])
    memory = steps.peak[worst] / (4 * steps.weights)
    yield f"{until:.1f} s"
    yield f"{memory:.1f}x ({worst})"
    held = [until <= GOALS.get(name, float("inf")), 1000 * steps.seconds["release"] <= RELEASE_MS]
    words = ("to the slider", "release", "memory")
    missed = [
        word for word, is_held in zip(words, [*held, memory <= MOST_MEMORY], strict=True) if not is_held
    ]
    yield f"missed: {', '.join(missed)}" if missed else "held"


def _row(cells: Sequence[str] | Iterator[str]) -> str:
    return "| " + " | ".join(cells) + " |"
