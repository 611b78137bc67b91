"""What a model is called: the first digits of its recipe's digest, and how it was trained since."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dashboard.text import _, label

if TYPE_CHECKING:
    from compress_core.apply.lineage import Lineage, Train


def lineage_name(lineage: Lineage) -> str:
    """For people, such as `1a2b3c4d + Distill`."""
    from compress_core.apply.lineage import recipe_of, trainings_of

    recipe = recipe_of(lineage)
    made = recipe.sha[:8] if recipe else _("unchanged")
    return " + ".join([made, *(methods_text(training) for training in trainings_of(lineage))])


def methods_text(training: Train) -> str:
    """How a model was trained, such as `Distill, Gradual`."""
    return ", ".join(label(name) for name in training.methods)


def recipe_sha(lineage: Lineage) -> str:
    """The digest of the recipe that stands on a page; empty where there is none."""
    from compress_core.apply.lineage import recipe_of

    recipe = recipe_of(lineage)
    return recipe.sha if recipe else ""


def training_sha(lineage: Lineage) -> str:
    """What tells the trainings since the latest compression from others; empty where there were none."""
    from compress_core.apply.lineage import trainings_of
    from compress_core.foundation.store import digest

    trained = trainings_of(lineage)
    return digest(*(training.key for training in trained)) if trained else ""


def lineage_in_file_name(lineage: Lineage) -> str:
    """The same for the name of a file: digests of the recipe and of the trainings; empty for the original."""
    recipe, training = recipe_sha(lineage), training_sha(lineage)
    return "".join([f"-{recipe[:8]}" if recipe else "", f"-trained-{training[:8]}" if training else ""])
