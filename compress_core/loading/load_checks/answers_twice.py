"""Whether the same network gives the same answers when it is asked again, and what it leaves behind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from compress_core.foundation.errors import Refused
from compress_core.foundation.texts import Phrase
from compress_core.loading.load_check import LoadedNetwork, NetworkWarning, load_check
from compress_core.network.forward import run_network, running_on
from compress_core.network.where_runs_part import digest_of_answers, where_runs_part
from compress_core.numerics.drawing import draw_from

_SEEDS = (1, 2, 3, 4)
_AGAIN = 2
_MOST_NAMED = 4


@load_check(order=0)
def answers_twice(loaded: LoadedNetwork) -> Iterator[NetworkWarning]:
    """Copies with another chance must agree, and one copy with itself; raises Refused.

    What moves a buffer or torch's chance on without another answer is warned of.
    """
    network = loaded.copy()
    before = _buffers(network)
    once, draws = _first_run(loaded, network)
    for seed in _SEEDS if draws else _SEEDS[:1]:
        if digest_of_answers(loaded.answer(loaded.copy(), seed)) != once:
            raise _random(loaded, seed)
    for _ in range(_AGAIN):
        if digest_of_answers(loaded.answer(network)) != once:
            raise _remembering(loaded, _changed(network, before))
    if draws:
        yield NetworkWarning(
            Phrase(
                "{model} draws random numbers while it answers, although a few items had the same answers "
                "each time: its numbers may differ a little from run to run.",
                model=loaded.name,
            )
        )
    changed = _changed(network, before)
    if changed:
        yield NetworkWarning(
            Phrase(
                "{model} writes to {buffers} while it answers, though no answer was seen to follow: every "
                "evaluation begins with the values as they were loaded, and files keep those.",
                model=loaded.name,
                buffers=changed,
            )
        )


def _first_run(loaded: LoadedNetwork, network: nn.Module) -> tuple[bytes, bool]:
    """The answers of a first run, and whether it moved torch's chance on."""
    with torch.random.fork_rng(devices=[]), torch.inference_mode(), running_on(loaded.probe):
        draw_from(0)
        before = torch.get_rng_state()
        answers = digest_of_answers(run_network(network, loaded.probe))
        return answers, not torch.equal(torch.get_rng_state(), before)


def _buffers(network: nn.Module) -> Mapping[str, Tensor]:
    return {name: buffer.clone() for name, buffer in network.named_buffers()}


def _changed(network: nn.Module, before: Mapping[str, Tensor]) -> str:
    """The names of the buffers that have another content now, the first of them."""
    names = [
        name
        for name, buffer in network.named_buffers()
        if name not in before or digest_of_answers(buffer) != digest_of_answers(before[name])
    ]
    return ", ".join(names[:_MOST_NAMED]) + (", ..." if len(names) > _MOST_NAMED else "")


def _random(loaded: LoadedNetwork, seed: int) -> Refused:
    one, other = loaded.copy(), loaded.copy()
    runs = (one, lambda: loaded.answer(one)), (other, lambda: loaded.answer(other, seed))
    return Refused(
        "{model} draws at random while it answers, or remembers outside of itself: two runs on the same "
        "items part in {place}, although it is in evaluation mode. Make it draw only while self.training "
        "is true.",
        model=loaded.name,
        place=_place(one, where_runs_part(*runs)),
    )


def _remembering(loaded: LoadedNetwork, buffers: str) -> Refused:
    network = loaded.copy()
    run = network, lambda: loaded.answer(network)
    return Refused(
        "{model} remembers what it was shown before, in {place}: the same items have another answer the "
        "second time. Make its forward keep nothing from one call to the next in evaluation mode.",
        model=loaded.name,
        place=buffers or _place(network, where_runs_part(run, run)),
    )


def _place(network: nn.Module, name: str) -> str:
    kind = type(network.get_submodule(name)).__name__
    return f"{name} ({kind})" if name else f"{kind}.forward"
