"""One visitor's view of a model: what was done to it, the way there and back, locks."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from compress_core.apply.lineage import Lineage, Train
    from compress_core.recipe.values import ResolvedRecipe

MOST_STEPS_BACK = 200


@dataclass(frozen=True)
class View:
    """Frozen, replaced as a whole.

    version counts changes that did not come from a widget, so that widgets start afresh; trials counts what
    was tried, which ways back and forth are not.
    """

    model: str
    lineage: Lineage
    layer: str
    seed: int = 0
    past: tuple[Lineage, ...] = ()
    future: tuple[Lineage, ...] = ()
    locked: frozenset[str] = frozenset()
    version: int = 0
    trials: int = field(default=0, compare=False)

    @property
    def recipe(self) -> ResolvedRecipe:
        """The recipe that Tune edits: the one of the latest compression."""
        from compress_core.apply.lineage import recipe_of

        return recipe_of(self.lineage)

    @property
    def trainings(self) -> tuple[Train, ...]:
        """How it was trained since; an edit of the recipe begins before that."""
        from compress_core.apply.lineage import trainings_of

        return trainings_of(self.lineage)

    @property
    def stands_on(self) -> Lineage:
        """What was done before the recipe that Tune edits; empty where it is the first."""
        from compress_core.apply.lineage import Compress

        recipes = [place for place, done in enumerate(self.lineage) if isinstance(done, Compress)]
        return self.lineage[: recipes[-1]] if recipes else ()

    def moved(self, lineage: Lineage, *, by_widget: bool = False) -> View:
        """The view of another model of the same tree; the way back leads to this one."""
        if lineage == self.lineage:
            return self
        return replace(
            self,
            lineage=lineage,
            past=(*self.past, self.lineage)[-MOST_STEPS_BACK:],
            future=(),
            version=self.version + (not by_widget),
            trials=self.trials + 1,
        )
