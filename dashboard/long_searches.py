"""Models of a page whose coupled groups nobody knows yet: no page waits for a search that takes long.

A model in which groups are cut needs them. `made` is how pages make one: it makes what is quick to make, and
refuses what would first be searched for seconds to minutes. That is done as a job (`dashboard.group_search`).
Needs no torch to be imported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from compress_core.foundation.errors import Refused
from compress_core.foundation.texts import N_
from dashboard import engine

if TYPE_CHECKING:
    from compress_core.apply.groups_needed import NeededGroups
    from compress_core.apply.lineage import Lineage
    from compress_core.apply.model import Model
    from compress_core.recipe.values import Recipe, ResolvedRecipe
    from compress_core.subject.subject import Subject


class GroupsNotFoundError(Refused):
    """What was asked for needs groups that a job has to find first; it can be done once that is over."""

    def __init__(self, needed: NeededGroups) -> None:
        self.needed = needed
        super().__init__(
            N_(
                "It is not known yet which channels of this network shrink together, and to find out takes a "
                "while: it is done as a job, and what you asked for follows by itself."
            )
        )


def made(subject: Subject, lineage: Lineage) -> Model:
    """The model at the end of a lineage; raises Refused, GroupsNotFoundError where that would take long."""
    from compress_core.apply.lineage import Compress
    from compress_core.apply.model import Model
    from compress_core.apply.run import derived, is_made

    model = Model.original(subject)
    for operation in lineage:
        if isinstance(operation, Compress) and not is_made(model, operation, engine.store()):
            refuse_long_search(model, operation.recipe)
        model = derived(model, operation, engine.store())
    return model


def refuse_long_search(parent: Model, recipe: Recipe | ResolvedRecipe) -> None:
    """Raises GroupsNotFoundError where a recipe needs groups that nobody knows and that take long to find."""
    from compress_core.apply.groups_needed import needed_groups

    for needed in needed_groups(parent, recipe, engine.store()):
        if is_left(needed):
            raise GroupsNotFoundError(needed)


def is_left(needed: NeededGroups) -> bool:
    """Whether a job has to find these groups: nobody knows them, they take long, and another process can."""
    from compress_core.apply.groups_found import are_found
    from compress_core.measure.cost.search_estimate import search_takes_long

    base, store = needed.base, engine.store()
    return (
        not are_found(base, store)
        and search_takes_long(base, store)
        and _is_built_elsewhere(needed.subject, needed.lineage)
    )


def _is_built_elsewhere(subject: Subject, lineage: Lineage) -> bool:
    """Whether another process can build the model: else the page waits, as it does for a small one.

    It finds the weights of a training on the disk alone.
    """
    from compress_core.apply.lineage import Train

    if engine.workspace().folder is None and any(isinstance(done, Train) for done in lineage):
        return False
    try:
        return subject.origin is None or bool(subject.origin.required())
    except Refused:
        return False
