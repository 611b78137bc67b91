"""Which coupled groups have to be known before a model can be made: told before anybody searches for them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from compress_core.apply.kept_forms import ground_of
from compress_core.apply.lineage import Compress, Lineage
from compress_core.apply.model import Model
from compress_core.apply.prepare import prepared
from compress_core.foundation.store import Store
from compress_core.recipe.values import Recipe, ResolvedRecipe, Step
from compress_core.subject.subject import Subject
from compress_core.techniques.contract.results import KeptUnits


@dataclass(frozen=True, eq=False)
class NeededGroups:
    """The groups of a base: of what a lineage made of a subject, once these steps have prepared it."""

    subject: Subject
    lineage: Lineage
    prepare: tuple[Step, ...]
    base: Subject

    @property
    def searched(self) -> Lineage:
        """The lineage of a model to which nothing else was done, from which `searched_base` has the base."""
        if not (self.lineage or self.prepare):
            return ()
        return (*self.lineage, Compress(ResolvedRecipe((), prepare=self.prepare)))


def needed_groups(parent: Model, recipe: Recipe | ResolvedRecipe, store: Store) -> Iterator[NeededGroups]:
    """The groups without which a recipe makes nothing of a parent, in the order in which it asks for them.

    To ask for the next one is to have those before it searched: its base is made with them.
    """
    ends = [place for place, step in enumerate(recipe.prepare) if step.method.result is KeptUnits]
    ends += [len(recipe.prepare)] if recipe.groups else []
    for end in ends:
        steps = recipe.prepare[:end]
        base = prepared(ground_of(parent, store), steps, store)
        yield NeededGroups(parent.subject, parent.lineage, steps, base)


def searched_base(model: Model, store: Store) -> Subject:
    """The network whose groups are searched for `NeededGroups.searched`."""
    if model.parent is None or not isinstance(model.operation, Compress):
        return ground_of(model, store)
    return prepared(ground_of(model.parent, store), model.operation.recipe.prepare, store)
