"""From what was typed to a model, a recipe and items."""

from __future__ import annotations

import json
import os
import sys
import typing
from collections.abc import Collection, Iterable, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from compress_core.cli.arguments import ModelOptions
from compress_core.foundation.errors import Refused
from compress_core.foundation.printable import printable
from compress_core.recipe.plain_yaml import MAX_CHARACTERS

if TYPE_CHECKING:
    from compress_core.apply.model import Model
    from compress_core.foundation.store import Store
    from compress_core.recipe.values import Recipe
    from compress_core.subject.split import Split
    from compress_core.subject.subject import Subject

_OF_STEPS = ("layers", "groups", "prepare", "correct")


_MOST_RECIPE = 4 * MAX_CHARACTERS  # bytes: a character of UTF-8 has four at most


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
    from compress_core.apply.run import compress

    if chosen.trained is not None:
        return _open_trained(chosen, chosen.trained)
    recipe = chosen.resolved or read_recipe_of(chosen)
    subject = open_subject(chosen)
    store = open_store()
    return Case(compress(subject, recipe, store), chosen, store)


def _open_trained(chosen: ModelOptions, folder: Path) -> Case:
    """The model that a training left in a folder, and what a recipe makes of it. Raises Refused."""
    from compress_core.apply.run import compressed_further
    from compress_core.deliver.trained_folder import trained_in

    store = open_store()
    trained = trained_in(folder, open_subject(chosen), store)
    return Case(compressed_further(trained, read_recipe_of(chosen), store), chosen, store)


def open_store() -> Store:
    """A store on the user's workspace; one that cannot be used is a sentence on stderr, and work goes on."""
    from compress_core.foundation.store import Store
    from compress_core.foundation.workspace.workspace import open_workspace

    workspace = open_workspace()
    if workspace.warning is not None:
        typer.echo(str(workspace.warning), err=True)
    return Store(workspace=workspace)


def open_subject(chosen: ModelOptions, known: Collection[str] = ()) -> Subject:
    """The model as loaded; raises Refused. How its files were read goes to stderr, but for what is known."""
    from compress_core.loading.asked_answers import checked_task
    from compress_core.loading.file_format import ItemKnobs
    from compress_core.loading.named import named_subject
    from compress_core.loading.preprocessing import read_preprocessing

    _one_thread()
    knobs = ItemKnobs(read_preprocessing(chosen.preprocessing or ""), chosen.label_column)
    with redirect_stdout(StringIO()):  # what a visitor's code prints must not get among our lines
        subject = named_subject(
            chosen.model,
            weights=chosen.weights,
            entry=chosen.entry,
            items=chosen.items,
            training=chosen.train,
            input_shape=input_shape_of(chosen),
            task=checked_task(chosen.task),
            knobs=knobs,
        )
    for sentence in subject.remarks.sentences:
        if sentence not in known:
            typer.echo(printable(str(sentence)), err=True)
    return subject


def _one_thread() -> None:
    """One thread gives the page's bits and does not spin on a busy machine; OMP_NUM_THREADS overrides."""
    if "OMP_NUM_THREADS" not in os.environ:
        import torch

        torch.set_num_threads(1)


def input_shape_of(chosen: ModelOptions) -> tuple[int, ...] | None:
    """The shape of one item as it was typed; raises Refused."""
    if chosen.input_shape is None:
        return None
    sizes = chosen.input_shape.replace(",", "x").split("x")
    if not all(size.isdecimal() and 0 < int(size) < 2**31 for size in sizes):
        raise Refused(
            "--input-shape is written as in 1x28x28 or 30, but got {got!r}: correct it.",
            got=chosen.input_shape,
        )
    return tuple(int(size) for size in sizes)


def read_recipe_of(chosen: ModelOptions) -> Recipe:
    """The steps on the command line, then the rules of the file, and its items; raises Refused."""
    from compress_core.recipe.reading import parse_recipe, read_recipe

    typed = parse_recipe(_sections(chosen.steps))
    if chosen.recipe is None:
        return typed
    read = read_recipe(_recipe_text(chosen.recipe))
    both = {name: getattr(typed, name) + getattr(read, name) for name in _OF_STEPS}
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
    from compress_core.loading.own_file import content_of_file

    content = (
        sys.stdin.buffer.read(_MOST_RECIPE + 1)
        if recipe == "-"
        else content_of_file(Path(recipe), most=_MOST_RECIPE)
    )
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
    return match.strip(), {"technique": technique} | {name: value_of_text(text) for name, _, text in pairs}


def value_of_text(text: str) -> object:
    """0.9, 8, true and null are themselves, everything else is text."""
    try:
        return json.loads(text)
    except ValueError:
        return text
