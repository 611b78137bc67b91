"""Where a model comes from: what was done to it, one operation after the other, from the model as loaded.

A model is (parent, operation), so the history of all models is a tree whose root is the subject.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from compress_core.foundation.errors import Refused, shortened
from compress_core.foundation.store import digest
from compress_core.recipe.reading import read_resolved
from compress_core.recipe.values import ResolvedRecipe


@dataclass(frozen=True)
class Compress:
    """Compress the parent by a recipe."""

    name: ClassVar[str] = "compress"
    recipe: ResolvedRecipe

    @property
    def key(self) -> str:
        """What the operation is, in a digest; whose operation it is, is not part of it."""
        return digest(self.name, self.recipe.sha)

    def as_json(self) -> dict[str, Any]:
        """Plain values, as files and links hold them."""
        return {"operation": self.name, "recipe": self.recipe.as_json()}


@dataclass(frozen=True)
class Train:
    """Train the parent by a plan, its canonical JSON text; items: digest of all items that it looks at.

    teacher: the key of the model it learns from, empty where that is the one as loaded.

    epochs: how many were done, of which the plan's own rule chose one; fewer than the plan says where
    somebody ended it early.
    """

    name: ClassVar[str] = "train"
    plan: str
    items: str
    epochs: int
    teacher: str = ""

    @property
    def methods(self) -> tuple[str, ...]:
        """The names of the methods, in the order of the plan."""
        return tuple(step["method"] for step in json.loads(self.plan)["methods"])

    @property
    def key(self) -> str:
        """What the operation is, in a digest."""
        return digest(self.name, self.plan, self.items, self.epochs, *filter(None, [self.teacher]))

    def as_json(self) -> dict[str, Any]:
        """Plain values, as files and links hold them."""
        said = {"plan": json.loads(self.plan), "items": self.items, "epochs": self.epochs}
        return {"operation": self.name, **said, **({"teacher": self.teacher} if self.teacher else {})}


Operation = Compress | Train  # a union that grows by what else makes a model of another one
_KNOWN = (Compress.name, Train.name)
MAX_OPERATIONS = 64
Lineage = tuple[Operation, ...]  # the first is done to the model as loaded


def compressed_by(recipe: ResolvedRecipe) -> Lineage:
    """The lineage of what a recipe makes of a model as loaded; empty where the recipe does nothing."""
    return (Compress(recipe),) if recipe else ()


def recipe_of(lineage: Lineage) -> ResolvedRecipe:
    """The recipe of the latest compression; one that does nothing where there is none."""
    recipes = (operation.recipe for operation in reversed(lineage) if isinstance(operation, Compress))
    return next(recipes, ResolvedRecipe(()))


def trainings_of(lineage: Lineage) -> tuple[Train, ...]:
    """The trainings that came after the latest compression, the first one first."""
    latest = max((i for i, done in enumerate(lineage) if isinstance(done, Compress)), default=-1)
    return tuple(done for done in lineage[latest + 1 :] if isinstance(done, Train))


def with_recipe(lineage: Lineage, recipe: ResolvedRecipe) -> Lineage:
    """The lineage with another recipe for its latest compression; what came after it was of the other one."""
    latest = max((i for i, done in enumerate(lineage) if isinstance(done, Compress)), default=0)
    return (*lineage[:latest], *compressed_by(recipe))


def recipe_sha_of(lineage: Lineage) -> str:
    """The digest of the recipe of the latest compression; empty where it does nothing."""
    recipe = recipe_of(lineage)
    return recipe.sha if recipe else ""


def history_sha(lineage: Lineage) -> str:
    """What tells all that was done from other ways to the same recipe; empty where the recipe says it all."""
    alone = lineage == compressed_by(recipe_of(lineage))
    return "" if alone else digest(*(operation.key for operation in lineage))


def canonical_plan(values: Mapping[str, Any]) -> str:
    """The one JSON text of the plain values of a training plan."""
    return json.dumps(values, sort_keys=True, separators=(",", ":"), allow_nan=False)


def lineage_as_json(lineage: Lineage) -> list[dict[str, Any]]:
    """Plain values of a lineage, the first operation first."""
    return [operation.as_json() for operation in lineage]


def lineage_text(lineage: Lineage) -> str:
    """The one JSON text of a lineage."""
    return json.dumps(lineage_as_json(lineage), sort_keys=True, separators=(",", ":"), allow_nan=False)


def read_lineage(values: object) -> Lineage:
    """The reverse of `lineage_as_json`; raises Refused for other values."""
    if not isinstance(values, Sequence) or isinstance(values, str):
        raise _damaged(values)
    if len(values) > MAX_OPERATIONS:
        raise Refused(
            "The history of this model has {got:,} operations; at most {most} are read: get it again.",
            got=len(values),
            most=MAX_OPERATIONS,
        )
    return tuple(_read_operation(value) for value in values)


def _read_operation(value: object) -> Operation:
    match value:
        case {"operation": Compress.name, "recipe": recipe, **others} if not others:
            return Compress(read_resolved(recipe))
        case {"operation": Train.name, **said}:
            return _read_training(said)
        case {"operation": str() as name} if name not in _KNOWN:
            raise Refused(
                "This release knows no operation {name!r}; it knows {known}: use the release that wrote it.",
                name=name[:60],
                known=", ".join(_KNOWN),
            )
    raise _damaged(value)


def _read_training(said: Mapping[Any, object]) -> Train:
    match {"teacher": "", **said}:
        case {
            "plan": dict() as plan,
            "items": str() as items,
            "epochs": int() as epochs,
            "teacher": str() as teacher,
            **others,
        }:
            if not others and type(epochs) is int and epochs > 0:
                return Train(canonical_plan(plan), items, epochs, teacher)
    raise _damaged(said)


def _damaged(value: object) -> Refused:
    return Refused("The history of this model is damaged at {got}: get it again.", got=shortened(value))
