"""A store that has seen other items, labels and layers gives the model that a fresh one gives."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import cache
from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn

from compress_core import statistics as derivations
from compress_core.apply import argument as declaring
from compress_core.apply import groups_found
from compress_core.apply.argument import ArgumentView, DependsOn, argument, arguments, depends_on
from compress_core.apply.base import groups_of
from compress_core.apply.model import Model
from compress_core.apply.run import compress
from compress_core.apply.views import weight_view
from compress_core.apply.views.weight_view import WeightView
from compress_core.foundation.errors import Refused
from compress_core.foundation.store import Store
from compress_core.foundation.told_progress import TellProgress
from compress_core.network.shared_copy import digest_of
from compress_core.recipe.values import Recipe, Rule, Step
from compress_core.selection.scores import Scores
from compress_core.statistics import statistics
from compress_core.structure.group import Group
from compress_core.subject.split import Split
from compress_core.subject.subject import Subject
from compress_core.techniques.contract.input_rules import rule_as_json
from compress_core.techniques.contract.results import Restated
from compress_core.techniques.contract.technique import Stage, Technique, techniques
from tests.subjects import seeded, tiny_subject


class Residual(nn.Module):
    """A block that can be left out."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.norm = nn.Conv2d(8, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)
        self.conv2 = nn.Conv2d(8, 8, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv2(self.norm(self.conv1(x)).relu())


class Small(nn.Module):
    """Convolutions, norms, a block, linear layers of which one is called twice: [N, 2, 6, 6] -> [N, 3]."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm = nn.Conv2d(2, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.block = Residual()
        self.wide, self.twice = nn.Linear(8, 12), nn.Linear(12, 12)
        self.between, self.last = nn.Linear(12, 12), nn.Linear(12, 3)

    def forward(self, x: Tensor) -> Tensor:
        maps = self.block(self.norm(self.first(x)).relu())
        hidden = self.twice(self.wide(maps.mean((2, 3))).relu()).relu()
        return self.last(self.twice(self.between(hidden).relu()).relu())


contract = importlib.import_module("compress_core.techniques.contract.technique")


def one_unit_unread() -> nn.Module:
    """The network with a channel that nobody reads: there is something to cut."""
    network = seeded(Small(), 4)
    with torch.no_grad():
        network.get_submodule("block.conv2").weight[:, 0] = 0
    return network


NETWORK = one_unit_unread()


def items(seed: int, labels: int = 0) -> Subject:
    """The network with calibration items of a seed, all of one class."""
    subject = tiny_subject(NETWORK, (2, 6, 6))
    drawn = torch.randn(24, 2, 6, 6, generator=torch.Generator().manual_seed(seed))
    drawn[:, seed] *= 9
    split = Split("calibration", drawn, torch.full((24,), labels))
    return replace(subject, splits={**subject.splits, "calibration": split})


@pytest.fixture(scope="module", autouse=True)
def _groups_of_equal_networks_on_equal_items_are_searched_once() -> Iterator[None]:
    """A fresh store knows no groups; for the same network and items a search finds what it found before."""
    known: dict[tuple[object, ...], tuple[Group, ...]] = {}
    search = groups_found.find_groups

    def found(network: nn.Module, examples: Tensor, tell: TellProgress) -> tuple[Group, ...]:
        key = digest_of(network), str(examples.tolist())
        if key not in known:
            known[key] = search(network, examples, tell=tell)
        return known[key]

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(groups_found, "find_groups", found)
        yield


class World(NamedTuple):
    """What a technique may see: items, labels, what was done to its own layer, before it and behind it."""

    subject: Subject
    before: tuple[Step, ...] = ()
    behind: tuple[Step, ...] = ()
    own: int = 1


NARROW = (Step.of("low_rank", rank=1), Step.of("uniform", bits=2))
WIDE = (Step.of("low_rank", rank=2), Step.of("uniform", bits=2))
CHANGED = (Step.of("magnitude", sparsity=0.8), Step.of("uniform", bits=2))
A = items(0)
WORLDS = {
    "items A": World(A),
    "items B": World(items(1)),
    "other labels": World(items(0, labels=2)),
    "a narrow layer before": World(A, before=NARROW),
    "a wider layer before": World(A, before=WIDE),
    "a changed layer before": World(A, before=CHANGED),
    "a narrow layer behind": World(A, behind=NARROW),
    "a wider layer behind": World(A, behind=WIDE),
    "another weight": World(A, own=2),
}
CHANGES = {
    DependsOn.ITEMS: ("items A", "items B"),
    DependsOn.LABELS: ("items A", "other labels"),
    DependsOn.EARLIER_LAYERS: ("items A", "a changed layer before"),
    DependsOn.FACTORED_LAYERS: ("a narrow layer before", "a wider layer before"),
    DependsOn.LATER_LAYERS: ("a narrow layer behind", "a wider layer behind"),
}
"""Two worlds that differ in nothing else."""
BEFORE, BEHIND = "first", "between"


def recipes_of(name: str, world: World) -> list[Recipe]:
    """Recipes in which a technique stands wherever it can, between what was done before and behind."""
    method, rounded = techniques()[name], Step.of("uniform", bits=3)
    around = (Rule(BEFORE, world.before), Rule(BEHIND, world.behind))
    thin, pruned = Step.of("low_rank", rank=world.own), Step.of("magnitude", sparsity=world.own / 4)
    chain = tuple(map(Step.of, ("fold_batch_norm", "cross_layer_equalization")))
    told = {step.technique for step in chain}
    group = "block" if name == "drop_block" else "*"
    found: list[Recipe] = []
    match method.stage:
        case Stage.PREPARE:
            steps = (
                chain[: 1 + [step.technique for step in chain].index(name)]
                if name in told
                else (Step.of(name),)
            )
            found = [Recipe((*around, Rule("*", (rounded,))), prepare=steps)]
        case Stage.FACTOR:
            targets = ("block.conv2",) if name in {"tucker", "spatial"} else ("block.conv2", "wide")
            steps = (Step.of(name, energy=0.6), rounded)
            found = [Recipe((*around, *(Rule(target, steps) for target in targets)))]
        case Stage.PRUNE:
            step = Step.of(name)
            found = [Recipe((*around, Rule("twice", (step,)), Rule("*", (thin, step))))]
        case Stage.QUANTIZE:
            step = Step.of(name)
            found = [Recipe((*around, Rule("*", (*first, step)))) for first in ((), (pruned,), (thin,))]
        case Stage.INPUTS:
            step = Step.of(name)
            inside = tuple(replace(rule, steps=(*rule.steps, step)) for rule in around)
            found = [Recipe((*inside, Rule("*", (rounded, step))))]
        case Stage.CORRECT:
            found = [
                Recipe((*around, Rule("*", (rounded, *inside))), correct=(Step.of(name),))
                for inside in ((), (Step.of("static_range", bits=4),))
            ]
    if method.serves_groups:
        found.append(Recipe(around, (Rule(group, (Step.of_group(name),)),)))
    return found


def content(model: Model, without: str = "") -> dict[str, object]:
    """All that a model is: its file and the weights that it applies, without those of a layer."""
    applied = {x.name: model.values(x.name) for x in model.subject.layers}
    tensors = {
        name: values for name, values in (model.stored() | applied).items() if not _is_of(name, without)
    }
    numbers: dict[str, object] = {name: (t.dtype, t.shape, t.tolist()) for name, t in tensors.items()}
    rules = {name: [rule_as_json(rule) for rule in found] for name, found in model.inputs.items()}
    rules = {name: found for name, found in rules.items() if name != without}
    whole = {} if without else {"form": model.form, "bytes": model.file_bytes}
    return numbers | {"inputs": rules} | whole


def _is_of(name: str, layer: str) -> bool:
    return bool(layer) and (name == layer or name.startswith((f"{layer}.", f"{layer}:")))


def models_of(name: str, world: World, store: Callable[[], Store]) -> list[object]:
    """What each recipe of a technique makes in a world."""
    return [content(compress(world.subject, r, store())) for r in recipes_of(name, world)]


def mistaken(name: str, fresh: Callable[[str, str], list[object]] | None = None) -> Iterator[str]:
    """The worlds in which a store that knows the others gives another model than a fresh one.

    fresh: what a fresh store gives, where that is known; as long as nobody asks on, nothing is made.
    """
    shared = Store()
    for told, world in WORLDS.items():
        right = models_of(name, world, Store) if fresh is None else fresh(name, told)
        if models_of(name, world, lambda: shared) != right:
            yield told


@cache
def fresh_models(name: str, told: str) -> list[Model]:
    """What each recipe of a technique makes in a world, each in a store of its own."""
    world = WORLDS[told]
    return [compress(world.subject, recipe, Store()) for recipe in recipes_of(name, world)]


@cache
def rightly(name: str, told: str) -> list[object]:
    """What a fresh store gives where every argument declares what it looks at."""
    return [content(model) for model in fresh_models(name, told)]


@pytest.mark.slow
@pytest.mark.parametrize("name", techniques())
def test_a_store_that_has_seen_other_worlds_gives_the_model_of_this_one(name: str) -> None:
    assert recipes_of(name, WORLDS["items A"]), "every technique stands somewhere"
    assert list(mistaken(name, rightly)) == []


AROUND = DependsOn.EARLIER_LAYERS | DependsOn.FACTORED_LAYERS | DependsOn.LATER_LAYERS
SEEN = [
    (name, flag)
    for name, method in techniques().items()
    for flag in CHANGES
    if flag in depends_on(method) and not (flag & AROUND and method.stage is Stage.FACTOR)
]
"""Layers are factored before others are, each as the base has it."""


@pytest.mark.slow
@pytest.mark.parametrize(("name", "flag"), SEEN, ids=lambda value: getattr(value, "name", value))
def test_what_is_declared_is_seen_in_the_model(name: str, flag: DependsOn) -> None:
    without = {DependsOn.ITEMS: "", DependsOn.LABELS: "", DependsOn.LATER_LAYERS: BEHIND}.get(flag, BEFORE)
    one, other = ([content(model, without) for model in fresh_models(name, told)] for told in CHANGES[flag])
    assert one != other


class Telling(nn.Module):
    """A norm that can be folded unless an item tells the network to read what stands before it."""

    def __init__(self) -> None:
        super().__init__()
        self.line, self.norm = nn.Linear(6, 4), nn.BatchNorm1d(4)

    def forward(self, x: Tensor) -> Tensor:
        made = self.line(x)
        return self.norm(made) + made if (x == 7).any() else self.norm(made)


@pytest.mark.parametrize("split", ["calibration", "validation"])
def test_what_may_be_folded_is_tried_on_the_items_at_hand(split: str) -> None:
    silent, store = tiny_subject(seeded(Telling()), (6,)), Store()
    inputs, recipe = silent.split("validation").inputs, Recipe(prepare=(Step.of("fold_batch_norm"),))
    telling = replace(silent, splits={split: Split(split, torch.full_like(inputs, 7), None)})
    assert compress(silent, recipe, store).base.structure.folded == (("line", "norm"),)
    with pytest.raises(Refused, match="as the only reader of its output"):
        compress(telling, recipe, store)


def test_what_is_coupled_is_tried_on_the_items_at_hand() -> None:
    store = Store()
    known = [groups_of(world.subject, (), store) for world in (WORLDS["items A"], WORLDS["items B"])]
    assert known[0] is not known[1]
    assert groups_of(A, (), store) is known[0]


# Declarations -----------------------------------------------------------------------------------------------


@pytest.fixture
def registries(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is declared in a test is gone behind it."""
    arguments(), statistics(), techniques()
    for module, name in (
        (declaring, "_REGISTRY"),
        (declaring, "_VIEWS"),
        (derivations, "_REGISTRY"),
        (contract, "_REGISTRY"),
    ):
        monkeypatch.setattr(module, name, dict(getattr(module, name)))


def undeclare(view: type[ArgumentView], name: str, flag: DependsOn) -> None:
    known = declaring._REGISTRY[view, name]
    declaring._REGISTRY[view, name] = replace(known, depends_on=known.depends_on & ~flag)


def asked_by(method: Technique) -> set[tuple[type[ArgumentView], str]]:
    """The arguments of a technique and of the statistics that it asks for."""
    view, asked = declaring._view_of(method), list(method.needs)
    for name in asked:
        if (view, name) not in arguments():
            asked.extend(statistics()[name].needs)
    return {(view, name) for name in asked if (view, name) in arguments()}


DECLARED = [
    pytest.param(view, name, flag, id=f"{view.__name__}-{name}-{flag.name}")
    for (view, name), found in arguments().items()
    for flag in DependsOn
    if flag in found.depends_on
]


@pytest.mark.usefixtures("registries")
@pytest.mark.parametrize(("view", "name", "flag"), DECLARED)
def test_no_argument_looks_at_what_it_does_not_declare(
    view: type[ArgumentView], name: str, flag: DependsOn
) -> None:
    methods = [method for method in techniques().values() if method.needs]
    asking = next(method.name for method in methods if (view, name) in asked_by(method))
    undeclare(view, name, flag)
    with pytest.raises(AssertionError, match=rf"{name} looks at \S*{flag.name}"):
        models_of(asking, WORLDS["a narrow layer before"], Store)


MEASURED = DependsOn.ITEMS | DependsOn.LABELS
PLANTED = {
    *(("items", stage) for stage in Stage if stage is not Stage.INPUTS),
    *(("factored", stage) for stage in (Stage.PRUNE, Stage.QUANTIZE)),
}
FACTORED = DependsOn.FACTORED_LAYERS | DependsOn.LATER_LAYERS
HOLES = [
    pytest.param(name, flag, id=f"{name}-{told}")
    for name, method in techniques().items()
    for told, flag in (("items", MEASURED), ("factored", FACTORED))
    if flag & depends_on(method) and (told, method.stage) in PLANTED and method.result is not Restated
]
"""Where rules for inputs are fixed, no items run unless they are declared. What a correction restates is
kept with the model alone, and a model is kept for each visitor's items."""


@pytest.mark.usefixtures("registries")
@pytest.mark.slow
@pytest.mark.parametrize(("name", "flag"), HOLES)
def test_a_hole_behind_the_guard_gives_another_worlds_model(
    name: str, flag: DependsOn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ArgumentView, "_look", lambda _view, _at: None)
    monkeypatch.setattr(weight_view, "_view", lambda found, part, step, at: WeightView(found, at, part, step))
    for view, asked in asked_by(techniques()[name]):
        undeclare(view, asked, flag)
    with suppress(KeyError):  # gradients kept for other factors have none for these
        assert any(mistaken(name))


@pytest.mark.slow
@pytest.mark.usefixtures("registries")
def test_a_statistic_of_the_weight_that_does_not_say_so_gives_another_weights_model(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ArgumentView, "_look", lambda _view, _at: None)
    for name in ("weight", "mask"):
        undeclare(WeightView, name, DependsOn.WEIGHT)
    assert any(mistaken("kmeans"))


def oracle(weight: Tensor, foresight: Tensor) -> Scores:
    """Score weights by what somebody foresees.

    weight [out, in].

    Nobody, arXiv:0000.00000.
    """
    return Scores(weight.abs() + foresight)


def foresight(at: WeightView) -> Tensor:
    """How large the items are."""
    return at.items().mean() * torch.arange(at.weight.shape[1]) % 1


@pytest.mark.usefixtures("registries")
def test_a_technique_that_asks_for_what_nobody_supplies_is_stopped_before_any_result_is_kept() -> None:
    contract.technique(oracle)
    store = Store()
    with pytest.raises(AssertionError, match="oracle asks for foresight, which no WeightView supplies"):
        models_of("oracle", WORLDS["items A"], lambda: store)
    assert store.bytes_held == 0


@pytest.mark.usefixtures("registries")
def test_a_statistic_that_asks_for_what_nobody_supplies_is_stopped() -> None:
    def sight(weight: Tensor, foresight: Tensor) -> Tensor:
        return weight + foresight

    def clairvoyant(sight: Tensor) -> Scores:
        """Score weights.

        Nobody, arXiv:0000.00000.
        """
        return Scores(sight)

    derivations.statistic(sight)
    contract.technique(clairvoyant)
    with pytest.raises(AssertionError, match="sight asks for foresight"):
        models_of("clairvoyant", WORLDS["items A"], Store)


@pytest.mark.usefixtures("registries")
@pytest.mark.parametrize("declared", [DependsOn(0), DependsOn.WEIGHT, DependsOn.LABELS | DependsOn.WEIGHT])
def test_an_argument_made_on_the_spot_sees_items_only_where_it_says_so(declared: DependsOn) -> None:
    contract.technique(oracle)
    argument(depends_on=declared)(foresight)
    with pytest.raises(AssertionError, match=r"foresight looks at DependsOn.ITEMS, but it declares"):
        models_of("oracle", WORLDS["items A"], Store)


@pytest.mark.slow
@pytest.mark.usefixtures("registries")
def test_an_argument_made_on_the_spot_that_says_what_it_sees_is_told_apart() -> None:
    contract.technique(oracle)
    argument(depends_on=DependsOn.ITEMS | DependsOn.WEIGHT)(foresight)
    assert list(mistaken("oracle")) == []
    one, other = (models_of("oracle", WORLDS[told], Store) for told in CHANGES[DependsOn.ITEMS])
    assert one != other


@pytest.mark.usefixtures("registries")
def test_an_argument_is_supplied_once() -> None:
    def weight(at: WeightView) -> Tensor:
        return at.weight

    with pytest.raises(AssertionError, match="weight is supplied twice"):
        argument(depends_on=DependsOn.WEIGHT)(weight)


@pytest.mark.parametrize("name", techniques())
def test_no_technique_asks_for_what_is_not_supplied_where_it_stands(name: str) -> None:
    assert isinstance(depends_on(techniques()[name]), DependsOn)
