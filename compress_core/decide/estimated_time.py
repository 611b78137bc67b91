"""How long one item takes: two networks are timed, and what lies between them is on a line over their MACs.

Pruning and rounding save no multiplication, so they save no time in torch; a lower rank and fewer channels
do. What is chosen so is timed in the end.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from compress_core.apply.model import Model
from compress_core.decide.chosen_recipe import chosen_model
from compress_core.decide.option_table import OptionTable, cost_of
from compress_core.decide.options import Resource
from compress_core.foundation.errors import Refused
from compress_core.foundation.number import Number
from compress_core.foundation.store import Store
from compress_core.measure.speed.rounds import Effort, Watch, finished, in_turns, one_thread
from compress_core.subject.split import Split

EFFORT = Effort(rounds_most=15, seconds=2.0)


@dataclass(frozen=True)
class TimeLine:
    """(MACs, milliseconds) of the network with the fewest multiplications and of the one as it is."""

    small: tuple[float, float]
    whole: tuple[float, float]

    def macs_within(self, milliseconds: float) -> float:
        """So many multiplications are estimated to take so long; raises Refused where nothing is so fast."""
        (few, fast), (many, slow) = self.small, self.whole
        if milliseconds >= slow:
            return many
        if milliseconds < fast or slow <= fast:
            raise Refused(
                "{wanted:.3g} ms for one item are not reached, as measured: the network with the fewest "
                "multiplications takes {least:.3g} ms here, the one as it is {now:.3g} ms. Allow more.",
                wanted=milliseconds,
                least=min(fast, slow),
                now=slow,
            )
        return few + (milliseconds - fast) / (slow - fast) * (many - few)


def time_line(parent: Model, table: OptionTable, split: Split, watch: Watch, store: Store) -> TimeLine:
    """Time a model as it is and with the options of the fewest multiplications, in turns.

    table: with the smallest options. Raises Refused where its multiplications cannot be counted.
    """
    if not table.original.macs:
        raise Refused("The MACs of this model cannot be counted: limit its bytes or weights instead.")
    fewest = [min(place.options, key=lambda option: option.cost.macs) for place in table.places]
    small = chosen_model(parent, table.places, fewest, store)
    taken = timed({"small": small, "whole": parent}, split, watch)
    macs = {
        name: cost_of(model, Resource.MACS, store) for name, model in (("small", small), ("whole", parent))
    }
    small_ms, whole_ms = (taken[name].value or 0.0 for name in ("small", "whole"))
    return TimeLine((macs["small"], small_ms), (macs["whole"], whole_ms))


def timed(models: Mapping[str, Model], split: Split, watch: Watch) -> Mapping[str, Number]:
    """Milliseconds of one item in torch on one thread, measured in turns."""
    item = split.inputs[:1]
    networks = {name: model.network() for name, model in models.items()}
    with one_thread(), torch.inference_mode():
        sides = {name: lambda network=network: network(item) for name, network in networks.items()}
        rounds = finished(in_turns(sides, watch, EFFORT))
    return {name: rounds.milliseconds(name) for name in networks}
