"""Where a model comes from: what was done to it, one operation after the other, from the model as loaded.

A model is (parent, operation), so the history of all models is a tree whose root is the subject.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
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


Operation = Compress  # a union that grows by what else makes a model of another one
MAX_OPERATIONS = 64
Lineage = tuple[Operation, ...]  # the first is done to the model as loaded


def compressed_by(recipe: ResolvedRecipe) -> Lineage:
    """The lineage of what a recipe makes of a model as loaded; empty where the recipe does nothing."""
    return (Compress(recipe),) if recipe else ()


def recipe_of(lineage: Lineage) -> ResolvedRecipe:
    """The recipe of the latest compression; one that does nothing where there is none."""
    return lineage[-1].recipe if lineage else ResolvedRecipe(())


def with_recipe(lineage: Lineage, recipe: ResolvedRecipe) -> Lineage:
    """The lineage with another recipe for its latest compression: a sibling of the model it led to."""
    return (*lineage[:-1], *compressed_by(recipe))


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
        case {"operation": str() as name} if name != Compress.name:
            raise Refused(
                "This release knows no operation {name!r}; it knows {known}: use the release that wrote it.",
                name=name[:60],
                known=Compress.name,
            )
    raise _damaged(value)


def _damaged(value: object) -> Refused:
    return Refused("The history of this model is damaged at {got}: get it again.", got=shortened(value))
