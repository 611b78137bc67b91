"""From what was typed to a model, a recipe and items."""

from __future__ import annotations

import json
import os
import sys
import typing
from collections.abc import Iterable, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass, fields, replace
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

from compress_core.cli.arguments import ModelOptions
from compress_core.foundation.errors import Refused
from compress_core.loading.cards import card_of, cards

if TYPE_CHECKING:
    from torch import Tensor

    from compress_core.apply.model import Model
    from compress_core.foundation.store import Store
    from compress_core.loading.items import Items
    from compress_core.recipe import Recipe
    from compress_core.subject.split import Split
    from compress_core.subject.subject import Subject

WEIGHTS_FILES = (".safetensors", ".pt", ".pth", ".bin")
_LARGEST_FILE = 8 * 2**30
_MOST_TENSORS = 2**16
_MOST_VALUES = 2 * 10**9
_MOST_ITEMS = 10**7


@dataclass(frozen=True)
class Case:
    """A model as it was asked for, where its results are kept, and what of it is looked at."""

    model: Model
    chosen: ModelOptions
    store: Store

    @property
    def subject(self) -> Subject:
        return self.model.subject

    @property
    def split(self) -> Split:
        """The items asked for; raises Refused where there are none."""
        return self.subject.split(self.chosen.split)


def open_case(chosen: ModelOptions) -> Case:
    """The model with its recipe applied; raises Refused."""
    from compress_core.apply import compress
    from compress_core.foundation.store import Store

    recipe = read_recipe_of(chosen)
    subject = open_subject(chosen)
    store = Store()
    return Case(compress(subject, recipe, store), chosen, store)


def open_subject(chosen: ModelOptions) -> Subject:
    """The model as loaded; raises Refused."""
    _one_thread()
    if chosen.model is None and chosen.weights is None:
        raise Refused(
            "No model was named: give a sample ({samples}), package.module:factory or a file of weights.",
            samples=", ".join(cards()),
        )
    if chosen.model is None or _is_weights_file(chosen.model):
        return _from_weights(chosen)
    items = None if chosen.items is None else _items(chosen.items)
    if chosen.model not in cards() and ":" in chosen.model:
        return _from_factory(chosen, chosen.model, items)
    return _from_sample(chosen, chosen.model, items)


def _one_thread() -> None:
    """One thread gives the page's bits and does not spin on a busy machine; OMP_NUM_THREADS overrides."""
    if "OMP_NUM_THREADS" not in os.environ:
        import torch

        torch.set_num_threads(1)


def _is_weights_file(model: str) -> bool:
    if model in cards():
        return False
    try:
        return Path(model).suffix in WEIGHTS_FILES or Path(model).is_file()
    except OSError:  # no file can have such a name
        return False


def _from_weights(chosen: ModelOptions) -> Subject:
    from compress_core.loading.user_model import user_subject

    if chosen.model is not None and chosen.weights is not None:
        raise Refused(
            "{model} and --weights are both files of weights: give one of them, or a network as MODEL.",
            model=chosen.model,
        )
    path = Path(chosen.model) if chosen.weights is None and chosen.model is not None else chosen.weights
    assert path is not None, "one of the two names a file"
    items = None if chosen.items is None else _items(chosen.items)
    return user_subject(_state(path), items, name=path.stem, input_shape=_input_shape(chosen))


def _from_sample(chosen: ModelOptions, name: str, items: Items | None) -> Subject:
    card = card_of(name)
    if chosen.weights is not None:
        from compress_core.loading.user_model import sample_with

        return sample_with(card.name, _state(chosen.weights), items, name=chosen.weights.stem)
    from compress_core.loading.samples import load_sample

    if items is None:
        return load_sample(card.name)
    from compress_core.loading.user_model import with_items

    return with_items(load_sample(card.name), items)


def _from_factory(chosen: ModelOptions, factory: str, items: Items | None) -> Subject:
    """A network of the visitor's own code; what that code prints must not get among our lines."""
    from compress_core.loading.user_model import loaded, network_from, subject_from_network

    if (here := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, here)
    with redirect_stdout(StringIO()):
        network = network_from(factory)
        if chosen.weights is not None:
            network = loaded(network, _state(chosen.weights), chosen.weights.stem)
        return subject_from_network(network, items, factory, _input_shape(chosen))


def _state(path: Path) -> dict[str, Tensor]:
    from compress_core.loading.upload import read_state_dict

    return read_state_dict(
        _content(path),
        path.name,
        max_bytes=_LARGEST_FILE,
        max_tensors=_MOST_TENSORS,
        max_elements=_MOST_VALUES,
    )


def _items(path: Path) -> Items:
    from compress_core.loading.items import DEFAULT_CAPS, read_items

    caps = replace(
        DEFAULT_CAPS, file_bytes=_LARGEST_FILE, unpacked_bytes=2 * _LARGEST_FILE, items=_MOST_ITEMS
    )
    return read_items(_content(path), path.name, caps=caps)


def _input_shape(chosen: ModelOptions) -> tuple[int, ...] | None:
    if chosen.input_shape is None:
        return None
    sizes = chosen.input_shape.replace(",", "x").split("x")
    if not all(size.isdecimal() and 0 < int(size) < 2**31 for size in sizes):
        raise Refused(
            "--input-shape is written as in 1x28x28 or 30, but got {got!r}: correct it.",
            got=chosen.input_shape,
        )
    return tuple(int(size) for size in sizes)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Refused(
            "{path} cannot be read ({reason}): give a file that exists.", path=path, reason=error.strerror
        ) from None


def read_recipe_of(chosen: ModelOptions) -> Recipe:
    """The steps on the command line, then the rules of the file; raises Refused."""
    from compress_core.recipe import parse_recipe, read_recipe

    typed = parse_recipe(_sections(chosen.steps))
    if chosen.recipe is None:
        return typed
    read = read_recipe(_recipe_text(chosen.recipe))
    both = {f.name: getattr(typed, f.name) + getattr(read, f.name) for f in fields(read)}
    for whole in ("prepare", "correct"):  # a technique stands there once: as it was typed
        both[whole] = tuple({step.technique: step for step in reversed(both[whole])}.values())[::-1]
    return replace(read, **both)


def _sections(steps: Iterable[str]) -> dict[str, object]:
    """Typed steps as a recipe file has them: where each belongs follows from its technique and knobs."""
    whole: dict[str, list[dict[str, object]]] = {"prepare": [], "correct": []}
    layers: dict[str, dict[str, object]] = {}
    groups: dict[str, dict[str, object]] = {}
    for typed in steps:
        match, step = _parse_step(typed)
        section = _section_of(step)
        if section in whole:
            _refuse_unless_whole(section, match, step)
            whole[section].append(step)
            continue
        rules, key = (groups, "steps") if section == "groups" else (layers, section)
        rule = rules.setdefault(match, {"match": match})
        rule[key] = [*typing.cast("list[object]", rule.get(key, [])), step]
    return {**whole, "groups": list(groups.values()), "layers": list(layers.values())}


def _refuse_unless_whole(section: str, match: str, step: Mapping[str, object]) -> None:
    """What speaks of the whole network is not written as if it were about one layer."""
    if match not in {section, "*"}:
        raise Refused(
            "{technique} is about the whole network, not about {match}: write '{section}: {technique}'.",
            technique=step["technique"],
            match=match,
            section=section,
        )


def _section_of(step: Mapping[str, object]) -> str:
    from compress_core.techniques.contract.technique import Stage, technique_named

    stage = technique_named(str(step["technique"])).stage
    if "share_removed" in step:
        return "groups"
    names = {
        Stage.PREPARE: "prepare",
        Stage.GROUPS: "groups",
        Stage.INPUTS: "inputs",
        Stage.CORRECT: "correct",
    }
    return names.get(stage, "steps")


def _recipe_text(recipe: str) -> str:
    content = sys.stdin.buffer.read() if recipe == "-" else _content(Path(recipe))
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Refused(
            "{recipe} is no text in UTF-8: a recipe is a YAML or JSON file, see slimscope apply --help.",
            recipe="Standard input" if recipe == "-" else recipe,
        ) from None


def _parse_step(step: str) -> tuple[str, dict[str, object]]:
    """Split 'fc1: magnitude sparsity=0.9' into the pattern of the layer and the step as in a file."""
    match, colon, rest = step.partition(":")
    technique, *knobs = rest.split() or [""]
    names = [knob.partition("=")[0] for knob in knobs]
    unclear = len(set(names)) < len(names) or any("=" not in knob for knob in knobs)
    if not (colon and match.strip() and technique) or unclear:
        raise Refused(
            "A step is written 'LAYER: TECHNIQUE KNOB=VALUE ...', as in 'fc1: magnitude sparsity=0.9', "
            "but got {got!r}: correct it.",
            got=step,
        )
    pairs = (knob.partition("=") for knob in knobs)
    return match.strip(), {"technique": technique} | {name: _value(text) for name, _, text in pairs}


def _value(text: str) -> object:
    """0.9, 8, true and null are themselves, everything else is text."""
    try:
        return json.loads(text)
    except ValueError:
        return text
