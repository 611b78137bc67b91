"""What a model is called: digests of its recipes and how it was trained, in the order of what was done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dashboard.text import _, label

if TYPE_CHECKING:
    from compress_core.apply.lineage import Lineage, Operation, Train


def lineage_name(lineage: Lineage) -> str:
    """For people, such as `1a2b3c4d + Distill 9f0e`: what was done, and digits that tell it from others."""
    from compress_core.apply.lineage import Compress

    named = [_operation_name(operation) for operation in lineage]
    begins = bool(lineage) and isinstance(lineage[0], Compress)
    return " + ".join(named if begins else [_("unchanged"), *named])


def _operation_name(operation: Operation) -> str:
    from compress_core.apply.lineage import Train

    if isinstance(operation, Train):
        return f"{methods_text(operation)} {operation.key[:4]}"
    return operation.recipe.sha[:8]


def methods_text(training: Train) -> str:
    """How a model was trained, such as `Distill, Gradual`."""
    return ", ".join(label(name) for name in training.methods)


def recipe_sha(lineage: Lineage) -> str:
    """The digest of the recipe that stands on a page; empty where there is none."""
    from compress_core.apply.lineage import recipe_of

    recipe = recipe_of(lineage)
    return recipe.sha if recipe else ""


def history_sha(lineage: Lineage) -> str:
    """What tells all that was done from other ways to the same recipe; empty where the recipe says it all."""
    from compress_core.apply.lineage import compressed_by, recipe_of
    from compress_core.foundation.store import digest

    alone = lineage == compressed_by(recipe_of(lineage))
    return "" if alone else digest(*(operation.key for operation in lineage))


def lineage_in_file_name(lineage: Lineage) -> str:
    """The same for the name of a file: digests of recipe and history; empty for the original."""
    recipe, history = recipe_sha(lineage), history_sha(lineage)
    return "".join([f"-{recipe[:8]}" if recipe else "", f"-history-{history[:8]}" if history else ""])
