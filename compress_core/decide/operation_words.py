"""What was done to a model, read off the plain values of its history: in one line, and by name.

Plain values, so that what an older release wrote is told too, although it may not be done again.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from compress_core.apply.lineage import Compress, Train
from compress_core.foundation.store import digest
from compress_core.foundation.workspace.json_text import as_text

_NAMED = ("technique", "method")
ORIGINAL, PREPARE = "original", "prepare"
ARROW, AND, BAR, _TIMES = " → ", " + ", "|", "×"
_SHORT = 8
_NOT_IN_A_FILE_NAME, _MOST_IN_A_FILE_NAME = re.compile(r"[^\w]+", re.ASCII), 80


def kind_of_operation(operation: Any) -> str:
    """What an operation is in one word: original, prepare (where nothing else is done), compress, train."""
    if not isinstance(operation, Mapping):
        return ORIGINAL
    if operation.get("operation") == Compress.name:
        sections = _sections(operation.get("recipe"))
        changes = any(places for name, places in sections.items() if name != PREPARE)
        return PREPARE if sections[PREPARE] and not changes else Compress.name
    return str(operation.get("operation"))


def what_was_done(operations: Iterable[Any]) -> str:
    """One line of the techniques with their knobs and for how many layers, without words to translate."""
    return ARROW.join(_operation_words(operation) for operation in operations)


def name_of(operations: Sequence[Any]) -> str:
    """What a model is called wherever it stands: digits of recipes, and how it was trained, in order.

    Such as `1a2b3c4d + distill 9f0e`, the same in every language. operations: as plain values or as a
    `Lineage` has them.
    """
    return AND.join(_short_name(operation) for operation in operations) or ORIGINAL


def name_in_file_name(operations: Sequence[Any]) -> str:
    """The same where only letters, digits, `-` and `_` may stand, not too long; empty for the original."""
    if not operations:
        return ""
    said = _NOT_IN_A_FILE_NAME.sub("-", name_of(operations))
    if len(said) <= _MOST_IN_A_FILE_NAME:
        return said
    return f"{said[: _MOST_IN_A_FILE_NAME - _SHORT - 1]}-{digest(said)[:_SHORT]}"


def recipe_sha(operation: Any) -> str:
    """The digest of the recipe of an operation, as files are named by it; empty where it is none."""
    if kind_of_operation(operation) not in {Compress.name, PREPARE}:
        return ""
    return hashlib.sha256(json.dumps(operation["recipe"], sort_keys=True).encode()).hexdigest()


def seed_of(operation: Any) -> int | None:
    """The seed that stands in an operation; None where there is none, or several that differ."""
    if kind_of_operation(operation) == Train.name:
        return int(operation.get("plan", {}).get("seed", 0))
    if kind_of_operation(operation) == ORIGINAL:
        return None
    steps = (s for places in _sections(operation["recipe"]).values() for _, ss in places for s in ss)
    seeds = {int(step["seed"]) for step in steps if "seed" in step}
    return seeds.pop() if len(seeds) == 1 else None


def _short_name(operation: Any) -> str:
    match operation:
        case Compress():
            return operation.recipe.sha[:_SHORT]
        case Train():
            return _short_name(operation.as_json())
    if kind_of_operation(operation) != Train.name:
        return recipe_sha(operation)[:_SHORT]
    methods = ", ".join(str(step["method"]) for step in operation["plan"]["methods"])
    return f"{methods} {digest(as_text(operation))[:4]}"


def _operation_words(operation: Any) -> str:
    if kind_of_operation(operation) == Train.name:
        methods = [[("*", step)] for step in operation["plan"]["methods"]]
        return f"{AND.join(map(_technique_words, methods))} epochs={operation['epochs']}"
    sections = _sections(operation["recipe"])
    found: dict[tuple[str, str], list[tuple[str, Mapping[str, Any]]]] = {}
    for section, places in sections.items():
        for place, step in ((place, step) for place, steps in places for step in steps):
            found.setdefault((section, _name(step)), []).append((place, step))
    return AND.join(map(_technique_words, found.values()))


def _sections(recipe: Any) -> dict[str, list[tuple[str, list[Mapping[str, Any]]]]]:
    """Places and their steps by section, of both forms of a recipe."""
    whole: Mapping[str, Any] = recipe if isinstance(recipe, Mapping) else {"layers": recipe}
    return {
        PREPARE: [("*", list(whole.get("prepare", [])))] if whole.get("prepare") else [],
        "groups": [(name, list(steps)) for name, steps in whole.get("groups", [])],
        "layers": [(name, list(steps)) for name, steps in whole.get("layers", [])],
        "correct": [("*", list(whole.get("correct", [])))] if whole.get("correct") else [],
    }


def _name(step: Mapping[str, Any]) -> str:
    return str(next((step[word] for word in _NAMED if word in step), "?"))


def _technique_words(places: Sequence[tuple[str, Mapping[str, Any]]]) -> str:
    """One technique at all its places: knobs that differ from place to place stand there with their range."""
    names = dict.fromkeys(knob for _, step in places for knob in step if knob not in _NAMED)
    knobs = [f"{knob}={_range([step[knob] for _, step in places if knob in step])}" for knob in names]
    where = places[0][0] if len(places) == 1 else f"{_TIMES}{len(places)}"
    return " ".join([_name(places[0][1]), *knobs, *([] if where == "*" else [where])])


def _range(values: Sequence[Any]) -> str:
    different = list(dict.fromkeys(as_text(value) for value in values))
    if len(different) > 1 and all(type(value) in {int, float} for value in values):
        return f"{as_text(min(values))}..{as_text(max(values))}"
    return BAR.join(str(json.loads(text)) if text[0] == '"' else text for text in different)
