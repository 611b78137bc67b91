"""Recipes of version 1, told in the words of version 2.

Version 1 called the granularity of a scale or a table of levels by another name in each technique, and
what the field calls per channel a row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

NAMES: Mapping[str, str] = MappingProxyType(
    {
        "affine": "scale_per",
        "clipped": "scale_per",
        "dynamic_range": "per",
        "gptq": "scale_per",
        "kmeans": "table_per",
        "normal_float": "scale_per",
        "power_of_two": "scale_per",
        "uniform": "scale_per",
    }
)
WORDS: Mapping[str, str] = MappingProxyType(
    {"tensor": "per_tensor", "row": "per_channel", "batch": "per_tensor", "item": "per_item"}
)
_GROUP = "group:"


def in_version_2(content: Mapping[str, object]) -> dict[str, object]:
    """The plain values of a recipe with the words of version 2; what is no recipe stays as it is."""
    return {**content, "layers": _each(content.get("layers"), _rule)}


def _each(values: object, change: Callable[[object], object]) -> object:
    if not isinstance(values, Sequence) or isinstance(values, str):
        return values
    return [change(value) for value in values]


def _rule(rule: object) -> object:
    if not isinstance(rule, Mapping):
        return rule
    return {key: _each(value, _step) if key in {"steps", "inputs"} else value for key, value in rule.items()}


def _step(step: object) -> object:
    """A step that has the new knob as well is left alone: the old one is then refused."""
    if not isinstance(step, Mapping) or "granularity" in step:
        return step
    old = NAMES.get(str(step.get("technique")))
    return {
        "granularity" if key == old else key: _word(value) if key == old else value
        for key, value in step.items()
    }


def _word(value: object) -> object:
    if not isinstance(value, str):
        return value
    return f"per_{value}" if value.startswith(_GROUP) else WORDS.get(value, value)
