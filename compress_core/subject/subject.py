"""The model as loaded: network, items, classes, layers. Read-only, shared by everyone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import torch
from torch import Tensor, nn

from compress_core.foundation.cached import cached_property
from compress_core.foundation.errors import Refused
from compress_core.foundation.printable import printable
from compress_core.foundation.store import digest
from compress_core.foundation.texts import N_, Phrase
from compress_core.network.input_guard import guarded, run_changes
from compress_core.network.layers.find import find_layers
from compress_core.network.layers.kinds import Layer, Untouched
from compress_core.network.layers.macs import count_macs
from compress_core.network.layers.norms import norms_of_each_batch
from compress_core.network.layers.places import read_matrix
from compress_core.network.named_inputs import Border
from compress_core.network.one_memory import values_once
from compress_core.network.shared_copy import digest_of, shared_copy
from compress_core.network.written_code import code_of
from compress_core.recipe.resolving import layer_is_locked
from compress_core.structure.structure import Structure
from compress_core.subject.answer_kind import AnswerKind, PredictionTask
from compress_core.subject.blueprint import Blueprint
from compress_core.subject.input_form import InputForm
from compress_core.subject.number_types import as_it_came, calculating, types_before
from compress_core.subject.origin import Origin
from compress_core.subject.reading_remarks import FileRemarks, ReadingRemarks, in_a_row
from compress_core.subject.split import Split
from compress_core.subject.training_items import TRAINING, TrainingItems

ITEMS_TO_SHARE = 200
_SEED = 5
_SOME_ITEMS, _FEWEST_ITEMS = 8, 2
_COSTLY = 1e9  # multiplications for an item


@dataclass(frozen=True, eq=False)
class Subject:
    """A trained network with all that is needed to feed and judge it.

    splits: calibration, validation and test, as far as they are there; problems: layers with NaN or
    infinite weights, in words; origin: whose code it is, where neither a sample nor its weights tell
    that. code: digest of what modules of somebody's own do, empty where there are none. described: what
    it is, in a sentence; remarks_on: what was done to read its files, and what of them was left aside.
    network_warnings: what else people should know of it, a phrase each; locked: layers that must not be
    compressed, with the reason. They are not among the layers, and stand in `untouched`. answers: whether
    they are scores, or probabilities already. came_as: by their names in the state the types of tensors
    that are calculated in another one. training: what it can be trained on, read when that begins.
    blueprint: what another process builds the network from, where neither of these tells it.
    """

    name: str
    title: str
    network: nn.Module
    input: InputForm
    classes: tuple[str, ...]
    splits: Mapping[str, Split]
    layers: tuple[Layer, ...]
    untouched: tuple[Untouched, ...]
    digest: str
    problems: Mapping[str, int]
    described: str = ""
    factory: str = ""
    structure: Structure = field(default_factory=Structure)
    origin: Origin | None = None
    code: str = ""
    network_warnings: tuple[str, ...] = ()
    locked: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    answers: AnswerKind = AnswerKind.SCORES
    came_as: Mapping[str, torch.dtype] = field(default_factory=lambda: MappingProxyType({}))
    training: TrainingItems | None = None
    blueprint: Blueprint | None = None
    remarks_on: FileRemarks = field(default_factory=FileRemarks)

    @property
    def summary(self) -> str:
        """What it is, and what was done to read it."""
        return in_a_row((self.described, *self.remarks.summary))

    @property
    def remarks(self) -> ReadingRemarks:
        """What was done to read all of its files."""
        return self.remarks_on.together

    @property
    def warnings(self) -> tuple[str, ...]:
        """What people should know: first of how its files were read, then of the network."""
        return (*self.remarks.warnings, *self.network_warnings)

    @cached_property
    def by_name(self) -> Mapping[str, Layer]:
        return MappingProxyType({layer.name: layer for layer in self.layers})

    @property
    def task(self) -> PredictionTask:
        """What is asked of the network."""
        return self.answers.task

    @property
    def choices(self) -> tuple[str, ...]:
        """What an answer chooses from, in words: its classes, or whether a label holds."""
        return (N_("no"), N_("yes")) if self.task is PredictionTask.LABELS else self.classes

    @cached_property
    def parameters(self) -> int:
        """How many values the parameters hold; what several share is counted once."""
        return values_once(self.network.parameters())

    @cached_property
    def shared_weights(self) -> tuple[Phrase, ...]:
        """Which layers read one and the same weight, a sentence for each."""
        names = ([place.module or place.parameter for place in layer.places] for layer in self.layers)
        return tuple(
            Phrase(
                "{layer} and {others} share one weight, which is counted once.",
                layer=n[0],
                others=", ".join(n[1:]),
            )
            for n in (list(dict.fromkeys(found)) for found in names)
            if len(n) > 1
        )

    @cached_property
    def nbytes(self) -> int:
        """Bytes of weights and items together."""
        items = (t for split in self.splits.values() for t in (split.inputs, split.labels) if t is not None)
        weights = self.network.state_dict().values()
        held: int = sum(tensor.nbytes for tensor in (*weights, *items))
        return held if self.training is None else held + self.training.nbytes

    @cached_property
    def key(self) -> str:
        """What its numbers depend on beside the items: weights and structure, and the code that runs them."""
        beside = [self.code, *([] if self.answers is AnswerKind.SCORES else [self.answers.value])]
        beside += [f"{name} {kind}" for name, kind in self.came_as.items()]
        beside += [repr(self.input.border)] if self.input.border != Border() else []
        return digest(self.digest, *beside) if any(beside) else self.digest

    @cached_property
    def identity(self) -> str:
        """What is shown of it beside its numbers, and the items it came with: equal weights may be two's."""
        splits = (f"{name} {split.digest}" for name, split in self.splits.items())
        return digest(
            self.name,
            self.title,
            self.classes,
            self.input,
            self.factory,
            self.origin,
            self.blueprint,
            *splits,
        )

    def type_of_values(self, layer: Layer, weight: Tensor) -> torch.dtype:
        """The type that holds a layer's weight [out, in * k]: the 16 bits in which it came, or float32."""
        place = layer.places[0]
        kind = self.came_as.get(".".join(filter(None, (place.module, place.parameter))))
        return as_it_came(weight, kind).dtype

    def shown_as(self, other: Subject) -> Subject:
        """The same network under the name, the classes and the items of another subject."""
        same = (self.splits is other.splits, self.training is other.training, self.title is other.title)
        if all(same):
            return self
        return replace(
            self,
            name=other.name,
            title=other.title,
            input=other.input,
            classes=other.classes,
            splits=other.splits,
            described=other.described,
            factory=other.factory,
            origin=other.origin,
            blueprint=other.blueprint,
            network_warnings=other.network_warnings,
            answers=other.answers,
            training=other.training,
            remarks_on=other.remarks_on,
        )

    def split(self, name: str) -> Split:
        """The split of that name; raises Refused where the model has none."""
        if name == TRAINING:
            return self.training_items.split
        if name == "calibration" and name not in self.splits:
            raise Refused(
                "{model} has no calibration items, on which some techniques measure: add a data file with "
                "at least {least} items, of which one in ten is set apart for it.",
                model=self.title,
                least=ITEMS_TO_SHARE,
            )
        if name not in self.splits:
            raise Refused(
                "{model} has no {split} items, it has {known}: choose one of them or add labeled data.",
                model=self.title,
                split=name,
                known=", ".join(self.splits) or "none",
            )
        return self.splits[name]

    def digest_of(self, split: str) -> str:
        """What tells the items of a split, without reading those that are only read to train."""
        if split == TRAINING:
            return self.training_items.digest
        return self.split(split).digest

    @property
    def training_items(self) -> TrainingItems:
        """What the model can be trained on; raises Refused with what it needs where there are none."""
        if self.training is None:
            raise Refused(
                "{model} has no training items: add an .npz file with inputs and labels, on Recover or "
                "with --train FILE.npz. What it is judged on is not taken for that.",
                model=self.title,
            )
        return self.training

    def layer(self, name: str) -> Layer:
        """The layer of that name; raises Refused with the names there are, or why it is left alone."""
        if name in self.locked:
            raise layer_is_locked(name, self.locked[name])
        if name not in self.by_name:
            raise Refused(
                "{model} has no layer {name!r}; its layers are {known}: correct the name.",
                model=self.title,
                name=name,
                known=", ".join(self.by_name),
            )
        return self.by_name[name]


def with_locked(subject: Subject, locked: Mapping[str, str]) -> Subject:
    """The subject without these layers, which are left alone for the reasons given."""
    if not locked:
        return subject
    layers, alone = _without(subject.layers, locked)
    return replace(
        subject,
        layers=layers,
        untouched=subject.untouched + alone,
        problems=MappingProxyType({k: v for k, v in subject.problems.items() if k not in locked}),
        locked=MappingProxyType({**subject.locked, **locked}),
    )


def _without(
    layers: tuple[Layer, ...], locked: Mapping[str, str]
) -> tuple[tuple[Layer, ...], tuple[Untouched, ...]]:
    """The layers that stay, and those that are locked."""
    alone = (layer for layer in layers if layer.name in locked)
    left = tuple(Untouched(x.name, x.label, x.weights, locked[x.name]) for x in alone)
    return tuple(layer for layer in layers if layer.name not in locked), left


def make_subject(
    name: str,
    title: str,
    network: nn.Module,
    form: InputForm,
    classes: tuple[str, ...],
    splits: Mapping[str, Split],
    summary: str = "",
    factory: str = "",
    *,
    origin: Origin | None = None,
    came_as: Mapping[str, torch.dtype] | None = None,
) -> Subject:
    """Freeze a network and look at it: layers, MACs, digest, broken weights. The network is ours now.

    came_as: the types that its tensors had, if they were changed before.
    """
    came_as = types_before(network.state_dict()) if came_as is None else came_as
    calculating(network.eval().requires_grad_(requires_grad=False))
    if not next(network.children(), None):
        network = nn.Sequential(network)  # a layer alone has no name
        came_as = {f"0.{name}": kind for name, kind in came_as.items()}
    # In the network's own order: a file has another, and the key is made of it.
    came_as = {name: came_as[name] for name in network.state_dict() if name in came_as}
    probes = _probes(form, splits)
    changes = run_changes(network, (form.baseline, probes[-1][:_FEWEST_ITEMS]))
    if changes.parameters:
        raise _writes_to_parameters(title, changes.parameters)
    if changes.inputs:
        network = guarded(network)
    layers, untouched = find_layers(network)
    layers = _counted(network, layers, form.baseline)
    broken = {layer.name: _not_finite(network, layer) for layer in layers}
    probed = _FEWEST_ITEMS if are_costly(layers) else _SOME_ITEMS
    return Subject(
        name=printable(name),
        title=printable(title),
        network=network,
        input=form,
        classes=tuple(map(printable, classes)),
        splits=MappingProxyType(dict(splits)),
        layers=layers,
        untouched=untouched,
        digest=digest_of(network),
        problems=MappingProxyType({k: v for k, v in broken.items() if v}),
        described=summary,
        factory=factory,
        origin=origin,
        code=code_of(network, [probe[:probed] for probe in probes]),
        came_as=MappingProxyType(came_as),
    )


def are_costly(layers: Iterable[Layer]) -> bool:
    """Whether an item takes so many multiplications that a network is asked about few of them."""
    return sum(layer.macs or 0 for layer in layers) > _COSTLY


def _counted(network: nn.Module, layers: tuple[Layer, ...], example: Tensor) -> tuple[Layer, ...]:
    """The layers with their MACs; raises Refused for a norm that needs several items."""
    try:
        return count_macs(shared_copy(network), layers, example)
    except ValueError as error:
        for norm in norms_of_each_batch(network):
            raise Refused(
                "{norm} has no running statistics and norms no item by itself ({reason}): train it with "
                "track_running_stats, so that an answer is that of one item.",
                norm=norm,
                reason=str(error),
            ) from error
        raise


def _writes_to_parameters(title: str, names: tuple[str, ...]) -> Refused:
    return Refused(
        "{model} writes to its own weights while it answers, to {names}: what is stored would not be what "
        "was evaluated. Take that out of its forward.",
        model=title,
        names=", ".join(names[:4]) + (", ..." if len(names) > 4 else ""),
    )


def _probes(form: InputForm, splits: Mapping[str, Split]) -> list[Tensor]:
    """Inputs whose answers tell networks apart that hold equal weights: noise, and a few items."""
    noise = form.drawn(4, torch.Generator().manual_seed(_SEED))
    return [noise, *(split.inputs[:_SOME_ITEMS] for split in splits.values())]


def restructured(subject: Subject, network: nn.Module, structure: Structure, key: str) -> Subject:
    """The same subject around a network of another structure; key stands in for a digest of its content."""
    found, untouched = find_layers(network)
    layers, alone = _without(found, subject.locked)
    layers = _counted(network, layers, subject.input.baseline)
    broken = {layer.name: _not_finite(network, layer) for layer in layers}
    return replace(
        subject,
        network=network,
        layers=layers,
        untouched=untouched + alone,
        digest=key,
        problems=MappingProxyType({k: v for k, v in broken.items() if v}),
        structure=structure,
        code="",  # the key tells of it
    )


def _not_finite(network: nn.Module, layer: Layer) -> int:
    matrix = read_matrix(network, layer)
    return int((~torch.isfinite(matrix)).count_nonzero())
