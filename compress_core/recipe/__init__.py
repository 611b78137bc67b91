"""A recipe: which techniques, with which knobs, on which layers. Frozen data with a canonical form."""

from compress_core.recipe.reading import parse_recipe, read_plain, read_recipe, read_resolved
from compress_core.recipe.resolving import resolve
from compress_core.recipe.values import Named, Recipe, ResolvedRecipe, Rule, Step

__all__ = [
    "Named",
    "Recipe",
    "ResolvedRecipe",
    "Rule",
    "Step",
    "parse_recipe",
    "read_plain",
    "read_recipe",
    "read_resolved",
    "resolve",
]
