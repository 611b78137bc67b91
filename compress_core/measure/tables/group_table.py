"""What cutting coupled groups would leave at each place of their knob: looked up, nothing is built."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from compress_core.apply.base import cutting_of
from compress_core.apply.prepare import prepared
from compress_core.foundation.store import Store, digest
from compress_core.network.layers.kinds import Layer
from compress_core.numerics.arrays import Floats
from compress_core.recipe.edit import with_group
from compress_core.recipe.values import ResolvedRecipe, Step
from compress_core.structure.remaining import remaining
from compress_core.subject.subject import Subject

MOST_ROWS = 100


@dataclass(frozen=True, eq=False)
class GroupTable:
    """Rows for the share that some groups lose together, the other groups staying as the recipe has them.

    share [rows], ascending from 0; units that are left of these groups; weights and MACs that are left of
    the whole network, MACs None where some layer's are not known.
    """

    share: Floats
    units: Floats
    weights: Floats
    macs: Floats | None


def group_table(
    subject: Subject, recipe: ResolvedRecipe, units: Sequence[tuple[str, int]], step: Step, store: Store
) -> GroupTable:
    """What is left when these groups lose a share by this criterion; raises Refused where it cannot serve.

    units: the groups' names with how many units each has.
    """
    names = [name for name, _ in units]
    others = tuple((name, steps) for name, steps in recipe.groups if name not in names)
    rest = ResolvedRecipe((), others, recipe.prepare, calibration=recipe.calibration)
    key = digest("group table", subject.key, rest.sha, *names, *sorted(map(str, _own(step).items())))

    def make() -> GroupTable:
        layers = prepared(subject, recipe.prepare, store).layers
        share = _places([count for _, count in units])
        rows = [_row(subject, _at(rest, names, step, float(s)), layers, store) for s in share]
        kept, weights, macs = zip(*rows, strict=True)
        left = [sum(row.get(name, count) for name, count in units) for row in kept]
        known = None if None in macs else np.array(macs, float)
        return GroupTable(share, np.array(left, float), np.array(weights, float), known)

    return store.get(key, make, lambda table: 4 * table.share.nbytes)


def _own(step: Step) -> dict[str, object]:
    return {"technique": step.technique, **{k: v for k, v in step.knobs if k != "share_removed"}}


def _places(units: Sequence[int]) -> Floats:
    """One place for each number of units that can go, as long as they can be told apart."""
    if len(units) == 1 and units[0] <= MOST_ROWS:
        return (np.arange(units[0]) / units[0]).round(6)
    return np.arange(MOST_ROWS) / MOST_ROWS


def _at(rest: ResolvedRecipe, names: Sequence[str], step: Step, share: float) -> ResolvedRecipe:
    if share == 0:
        return rest
    knobs = {k: v for k, v in step.knobs if k != "share_removed"}
    own = Step.of_group(step.technique, **knobs, share_removed=share)
    recipe = rest
    for name in names:
        recipe = with_group(recipe, name, own)
    return recipe


def _row(
    subject: Subject, recipe: ResolvedRecipe, layers: Sequence[Layer], store: Store
) -> tuple[dict[str, int], int, int | None]:
    """Units of the groups that are cut, weights and MACs that are left."""
    found = cutting_of(subject, recipe, store)
    left = remaining(layers, found.cuts, found.dropped)
    counts = [layer.macs for layer in left]
    macs = None if None in counts else sum(count for count in counts if count is not None)
    kept = {name: int(mask.count_nonzero()) for name, mask in found.kept.items()}
    return kept, sum(layer.weights for layer in left), macs
