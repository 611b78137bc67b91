"""One step tried on one layer at a time, everything else left as it is: who bears it best."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from compress_core.apply.model import Model
from compress_core.apply.run import compress
from compress_core.apply.views.weight_view import read_together
from compress_core.foundation.errors import Refused
from compress_core.foundation.number import Number
from compress_core.foundation.store import Store
from compress_core.measure.cost.cost import layer_costs
from compress_core.measure.tables.output_errors import error_of_output
from compress_core.network.layers.places import read_matrix
from compress_core.recipe.values import ResolvedRecipe, Step
from compress_core.subject.subject import Subject


@dataclass(frozen=True)
class LayerAlone:
    """What a step makes of one layer while no other is touched.

    output_error: see `error_of_output`, not measured where it was refused; weight_error: share of its squared
    weights that is lost; bytes of the layer before and as it would be stored. None where it was refused.
    """

    layer: str
    output_error: Number
    weight_error: float | None
    bytes_before: int
    bytes: int | None
    refused: Refused | None = None


def each_layer_alone(
    subject: Subject, names: Sequence[str], step: Step, store: Store
) -> Iterator[LayerAlone]:
    """A row for each of these layers in turn; the recipe of nobody is changed.

    subject: the one whose weights are treated; where channels are cut or norms folded, the base.
    """
    before = {row.layer.name: row.bytes for row in layer_costs(Model.original(subject), store)}
    for place, name in enumerate(names):
        read_together(subject, name, step, store, names[place:])
        try:
            model = compress(subject, ResolvedRecipe(((name, (step,)),)), store)
        except Refused as refused:
            missing = Number.missing("share", str(refused))
            yield LayerAlone(name, missing, None, before[name], None, refused)
            continue
        yield LayerAlone(
            name,
            error_of_output(model, name, store, names[place:]),
            store.get(f"weight error:{model.key}", partial(_weight_error, model, name)),
            before[name],
            next(row.bytes for row in layer_costs(model, store) if row.layer.name == name),
        )


def _weight_error(model: Model, name: str) -> float:
    before = read_matrix(model.base.network, model.base.layer(name)).double()
    lost = float((model.values(name).double() - before).square().sum())
    return lost / max(float(before.square().sum()), np.finfo(np.float64).tiny)
