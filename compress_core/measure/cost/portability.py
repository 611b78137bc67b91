"""Which runtime or chip can use which step of a recipe, and what would be lost: data with sources."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Literal, assert_never

from pydantic import BaseModel, ConfigDict

from compress_core.apply.model import Model
from compress_core.levels.exponential import Exponential
from compress_core.levels.grid import Grid
from compress_core.levels.scaled_table import ScaledTable
from compress_core.levels.table import Table
from compress_core.recipe.values import Step
from compress_core.selection.patterns import SINGLE, NOfM, Pattern
from compress_core.techniques.contract.encoded import EncodedWeight
from compress_core.techniques.contract.input_rules import (
    DynamicGrid,
    InputRule,
    KeepAbove,
    KeepLargest,
    StaticGrid,
)
from compress_core.techniques.contract.technique import Stage

Use = Literal["used", "partly", "lost"]
Trait = Literal[
    "channels",
    "low_rank",
    "prepared",
    "zeros",
    "zeros_2_4",
    "zeros_structured",
    "grid",
    "grid_grouped",
    "grid_affine",
    "power_of_two",
    "codebook",
    "inputs_int8",
    "inputs_sparse",
]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PortabilityVerdict(_Frozen):
    """What a target makes of one trait; source where it is another than the target's."""

    use: Use
    why: str
    source: str = ""


class Target(_Frozen):
    """A runtime or a family of chips."""

    id: str
    title: str
    source: str
    verdicts: Mapping[Trait, PortabilityVerdict]


class _Table(_Frozen):
    targets: tuple[Target, ...]


@dataclass(frozen=True)
class PortableStep:
    """A technique of the recipe with what it makes of the layers it is used on."""

    technique: str
    stage: Stage
    trait: Trait
    layers: tuple[str, ...]


@dataclass(frozen=True)
class PortabilityRow:
    """One step on one target."""

    target: Target
    step: PortableStep
    use: Use
    why: str
    source: str


@lru_cache(maxsize=1)
def targets() -> tuple[Target, ...]:
    """Every target of the table, in its order."""
    text = resources.files(__package__).joinpath("portability.json").read_text(encoding="utf-8")
    return _Table.model_validate_json(text).targets


def portability_texts() -> Iterator[tuple[str, str]]:
    """(target, text) of all that is shown, for the catalog."""
    for target in targets():
        yield target.id, target.title
        yield from ((target.id, verdict.why) for verdict in target.verdicts.values())


def usable(model: Model) -> tuple[PortabilityRow, ...]:
    """What each target can use of a model's recipe: a row for every target and step, targets together."""
    return tuple(_row(target, step) for target in targets() for step in steps_of(model))


def _row(target: Target, step: PortableStep) -> PortabilityRow:
    verdict = target.verdicts[step.trait]
    return PortabilityRow(target, step, verdict.use, verdict.why, verdict.source or target.source)


def steps_of(model: Model) -> tuple[PortableStep, ...]:
    """The steps of a recipe by what they make, in the order of the stages; equal ones are one."""
    found: dict[tuple[Stage, str, Trait], list[str]] = {}
    for step, trait, layer in _traits(model):
        found.setdefault((step.stage, step.technique, trait), []).append(layer)
    ordered = sorted(found.items(), key=lambda item: item[0][0])
    return tuple(
        PortableStep(technique, stage, trait, tuple(name for name in layers if name))
        for (stage, technique, trait), layers in ordered
    )


def _traits(model: Model) -> Iterator[tuple[Step, Trait, str]]:
    recipe = model.recipe
    for step in (*recipe.prepare, *recipe.correct):
        yield step, "prepared", ""
    for name, steps in recipe.groups:
        yield from ((step, "channels", name) for step in steps)
    encoded = {
        part.name: weight for compressed in model.compressed.values() for part, weight in compressed.parts
    }
    for name, steps in recipe.layers:
        for step in steps:
            yield from ((step, trait, name) for trait in _traits_of(step, name, model, encoded))


def _traits_of(step: Step, name: str, model: Model, encoded: Mapping[str, EncodedWeight]) -> Iterator[Trait]:
    match step.stage:
        case Stage.FACTOR:
            yield "low_rank"
        case Stage.PRUNE:
            yield _pattern(step.pattern)
        case Stage.QUANTIZE if name in encoded:
            yield _levels(encoded[name])
        case Stage.INPUTS if name in model.inputs:
            yield _inputs(model.inputs[name][model.recipe.inputs_of(name).index(step)])


def _pattern(pattern: Pattern | None) -> Trait:
    if pattern == NOfM(2, 4):
        return "zeros_2_4"
    return "zeros" if pattern in (None, SINGLE) or isinstance(pattern, NOfM) else "zeros_structured"


def _levels(encoded: EncodedWeight) -> Trait:
    match encoded.quantized.levels if encoded.quantized is not None else None:
        case Grid(group=int()):
            return "grid_grouped"
        case Grid(zero_point=None):
            return "grid"
        case Grid():
            return "grid_affine"
        case Exponential():
            return "power_of_two"
        case Table() | ScaledTable():
            return "codebook"
        case levels:
            assert levels is not None, "a quantizer leaves levels"
            assert_never(levels)


def _inputs(rule: InputRule) -> Trait:
    match rule:
        case StaticGrid() | DynamicGrid():
            return "inputs_int8"
        case KeepAbove() | KeepLargest():
            return "inputs_sparse"
        case _:
            assert_never(rule)
