"""What a runtime is: a function that makes a network run, declared once in its own file."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Literal

import torch
from torch import Tensor, nn

from compress_core.apply.model import Model
from compress_core.foundation.errors import Refused
from compress_core.foundation.number import Number
from compress_core.foundation.one_file_each import OneFileEach
from compress_core.foundation.progress import Progress
from compress_core.foundation.store import Store
from compress_core.measure.speed.facts import Facts
from compress_core.measure.speed.kernel_variants import KernelVariantTable
from compress_core.measure.speed.rounds import Watch

REFERENCE = "torch"
"""The runtime in which a model is evaluated."""

Whose = Literal["original", "compressed"]
BatchFunction = Callable[[Tensor], Tensor]
Reason = Callable[[Number, int, Facts], str]


@dataclass(frozen=True, eq=False)
class TimedModel:
    """One of the two models that are timed: whose it is, and where its files are kept."""

    whose: Whose
    model: Model
    network: nn.Module
    store: Store


@dataclass(frozen=True, eq=False)
class Tuned:
    """What a runtime made for one batch size: make() -> run(batch [N, ...]) -> outputs, and its choice."""

    make: Callable[[], BatchFunction]
    table: KernelVariantTable | None = None


class Who(Enum):
    """Whom a runtime runs; BOTH: of a model that is not compressed there is only the original."""

    BOTH = auto()
    COMPRESSED = auto()


@dataclass(frozen=True)
class Runtime:
    """What runs networks; the name stands in files, the title on a page.

    base: the runtime in whose time the original is the natural rival. writes_file: whether it needs a file
    first, which takes a while. for_each_batch: make(side, items, watch) is a generator that ends with Tuned,
    asked anew at each batch size; otherwise make(side) is a BatchFunction. Both raise Refused where it
    does not take the model. reason(times faster, batch, facts) says why a compressed model takes this long.
    """

    name: str
    title: str
    base: str
    order: int
    who: Who
    writes_file: bool
    for_each_batch: bool
    reason: Reason
    make: Callable[..., Any]

    def takes(self, sides: Sequence[TimedModel]) -> tuple[TimedModel, ...]:
        """Whom of the original and, where there is one, the compressed model it runs."""
        match self.who:
            case Who.BOTH:
                return tuple(sides)
            case Who.COMPRESSED:
                return tuple(side for side in sides if side.whose == "compressed")

    def ready(self, side: TimedModel) -> Runnable:
        """A network that runs here at every batch size; raises Refused."""
        return Runnable(self, side.whose, self.make(side), lambda: self.make(side))

    def tuned(
        self, side: TimedModel, items: Tensor, watch: Watch
    ) -> Generator[Progress, None, tuple[Runnable, KernelVariantTable | None]]:
        """A network that runs here on batches like items [N, ...], and what was chosen; raises Refused."""
        made: Tuned = yield from self.make(side, items, watch)
        return Runnable(self, side.whose, made.make(), made.make), made.table


@dataclass(frozen=True, eq=False)
class Runnable:
    """A network in a runtime: run(batch [N, ...]) -> outputs [N, classes].

    make: how it is made ready once more, from the network as it lies in memory by then.
    """

    runtime: Runtime
    whose: Whose
    run: BatchFunction
    make: Callable[[], BatchFunction] | None = None

    @property
    def name(self) -> str:
        """How it is told apart in a measurement."""
        return f"{self.runtime.name}:{self.whose}"

    def made_anew(self) -> BatchFunction:
        """What runs it, made once more."""
        return self.run if self.make is None else self.make()


_FILES: OneFileEach[Runtime] = OneFileEach(
    "compress_core.measure.speed.runtimes", lambda runtime: (runtime.order, runtime.name)
)


def runtime(
    *, title: str, base: str, order: int, who: Who, reason: Reason, writes_file: bool = False
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a function as a runtime; a generator function is asked anew for each batch size."""

    def register(make: Callable[..., Any]) -> Callable[..., Any]:
        each = inspect.isgeneratorfunction(make)
        declared = Runtime(make.__name__, title, base, order, who, writes_file, each, reason, make)
        _FILES.declare(make.__module__, make.__name__, declared)
        return make

    return register


def runtimes() -> Mapping[str, Runtime]:
    """Every runtime by name, in the order that their files declare."""
    return _FILES.found()


def runtime_named(name: str) -> Runtime:
    """The runtime of that name; raises Refused for one that is not registered."""
    if name not in runtimes():
        raise Refused(
            "There is no runtime {name!r}; there are {known}: measure again.",
            name=name,
            known=", ".join(runtimes()),
        )
    return runtimes()[name]


def in_torch(network: nn.Module) -> BatchFunction:
    """The network as a function that keeps nothing for gradients."""

    @torch.inference_mode()
    def run(batch: Tensor) -> Tensor:
        outputs: Tensor = network(batch)
        return outputs

    return run
