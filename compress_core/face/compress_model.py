"""compress: a recipe in whatever form it is at hand."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from compress_core.apply import run
from compress_core.apply.model import Model
from compress_core.face.checked_arguments import checked_model, kind_of
from compress_core.face.shared_store import shared_store
from compress_core.foundation.errors import Refused
from compress_core.foundation.store import Store
from compress_core.loading.own_file import content_of_file
from compress_core.recipe.reading import parse_recipe, read_recipe
from compress_core.recipe.values import Recipe, ResolvedRecipe
from compress_core.subject.subject import Subject

AnyRecipe = Recipe | ResolvedRecipe | Mapping[str, Any] | str | Path


def compress(model: Model | Subject, recipe: AnyRecipe, *, store: Store | None = None) -> Model:
    """The model that a recipe makes of a loaded one, or of one that was compressed or trained, which stays.

    recipe: YAML text, the path of a file, a dict of the same form, or a Recipe. The same recipe gives the
    same bytes. `.network()` of what comes back is an ordinary torch network, `.file_bytes` its size in bytes.

    Raises Refused with what to change where the recipe names a layer, a technique or a value that is not
    there, or a step cannot be done with this model.

        small = compress(model, "layers: [{match: fc1, steps: [{technique: uniform, bits: 4}]}]")
    """
    parent = checked_model(model, "compress")
    return run.compressed_further(parent, recipe_from(recipe), store or shared_store())


def recipe_from(recipe: AnyRecipe) -> Recipe | ResolvedRecipe:
    """A recipe from any of its forms; text on one line that names a file is its path. Raises Refused."""
    match recipe:
        case Recipe() | ResolvedRecipe():
            return recipe
        case Mapping():
            return parse_recipe(recipe)
        case Path():
            return read_recipe(_text(recipe))
        case str():
            return read_recipe(_text(Path(recipe)) if _names_a_file(recipe) else recipe)
    raise Refused(
        "A recipe is YAML text, the path of a file, a dict or a Recipe, but got {got}: give one of these.",
        got=kind_of(recipe),
    )


def _names_a_file(text: str) -> bool:
    """Whether text on one line is a path: by its ending, or because there is such a file."""
    if not text.strip() or "\n" in text:
        return False
    try:
        return Path(text).suffix in {".yaml", ".yml", ".json"} or Path(text).is_file()
    except OSError:  # no file can have such a name
        return False


def _text(path: Path) -> str:
    try:
        return content_of_file(path).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Refused(
            "{path} is no text in UTF-8, but a recipe is a YAML or JSON file: give one that is.", path=path
        ) from None
