"""What must shrink together: coupled channels, heads, and blocks that can be left out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from compress_core.foundation.errors import Refused
from compress_core.foundation.texts import N_, Phrase
from compress_core.foundation.told_progress import TellProgress, told_to_nobody
from compress_core.network.course import Course, watching
from compress_core.network.double_casts import try_network
from compress_core.network.forward import (
    Example,
    doubled,
    in_short,
    shuffled_example,
    some_items,
    tensors_in,
)
from compress_core.network.layers.cut import (
    attention_names,
    is_producer,
    open_attention,
    reason_to_keep_whole,
)
from compress_core.network.named_inputs import border_of, inputs_by_name
from compress_core.network.private_copy import private_copy, with_random_weights
from compress_core.structure.blocks import find_blocks
from compress_core.structure.coupling import Coupling, trace
from compress_core.structure.equivalence import ANSWER, EquivalenceCheck
from compress_core.structure.equivalence_batch import (
    ALL_COUNTS,
    WITHOUT_HALF,
    UnitCounts,
    checked_groups,
    gives_answers,
    half_fails,
    together,
)
from compress_core.structure.group import Group, GroupKind, Member
from compress_core.structure.group_building import GroupBuilder, named_apart
from compress_core.structure.less_input import less_input
from compress_core.structure.local_checks import charging
from compress_core.structure.search_limits import SearchLimits, Spent
from compress_core.structure.sure_locks import SureLocks
from compress_core.structure.unit_choice import UnitChoice
from compress_core.structure.verdicts import Verdicts

__all__ = ["Group", "Member", "find_groups"]

_SEED = 5
_FEWEST_ITEMS = 2  # one alone would hide what confuses items with channels
_EASY = 1e9  # multiplications of a pass that may have more items
_NOTED = 2**26
_PARTS_OF_LESS = 2  # that all hold together, the proof on a whole input says
_DEFAULT = SearchLimits()
_NOTHING = Coupling((), (), frozenset())


def find_groups(
    network: nn.Module, example: Example, limits: SearchLimits = _DEFAULT, tell: TellProgress = told_to_nobody
) -> tuple[Group, ...]:
    """All groups of a network, free or locked with the reason, in the order of their first producers.

    example: real items as the network takes them, a tensor, a tuple of arguments or a mapping of keywords;
    as few of them are used as a large network allows. Every free group was tried in float64: the
    smaller network gave the outputs of the masked one. Every layer is in a group; blocks that can be left
    out stand at the end. Where passes take long, groups are found on the smallest input that the network
    takes, and all that are free are proven on a whole one. tell hears how many of all are proven.
    """
    with torch.inference_mode(mode=False):
        whole = _Finder.of(network, example, Spent(limits, tell))
        less = whole.on_less()
        if less is not None:
            found = less.groups()
            if whole.proves(found):
                return whole.on_each_course(found)
        return whole.on_each_course(whole.groups())


@dataclass(eq=False)
class _Finder:
    """One search on one input: a private copy of the network, and what one pass showed."""

    network: nn.Module
    given: Example
    spent: Spent
    counts: UnitCounts = ALL_COUNTS
    course: Course = field(default_factory=Course)
    shapes: list[torch.Size] = field(default_factory=list)
    coupling: Coupling = _NOTHING

    @classmethod
    def of(cls, network: nn.Module, example: Example, spent: Spent) -> _Finder:
        """A search whose network and example are its own; attention is opened."""
        network = private_copy(network)
        for name in attention_names(network):
            with suppress(Refused):  # the rarer variants stay whole: `reason_to_keep_whole` says so
                open_attention(network, (name,))
        if not _is_single(network.parameters()):
            network, example = network.double(), doubled(example)
        return cls(network, _by_name(network, example), spent)

    def on_less(self) -> _Finder | None:
        """The same search on the smallest input that the network takes; None where a pass is cheap anyway."""
        try:
            self._watched(private_copy(self.network), 1)
        except Exception:  # noqa: BLE001 - whoever traces the network says so
            return None
        if self.course.cost() < _EASY:
            return None
        items, axes = self._items(_FEWEST_ITEMS), [len(shape) for shape in self.shapes]
        less = less_input(self.network, items, self.course, axes)
        is_less = _values(less) < _values(items)
        if not is_less:
            return None
        return _Finder(self.network, less, self.spent, WITHOUT_HALF)  # half is what `proves` tries

    def proves(self, found: Sequence[Group]) -> bool:
        """Whether all that is free of these groups holds on this input too, at once.

        On one item: that several are kept apart was seen on less of them.
        """
        self.spent.say(N_("all of them on a whole input"), 1)
        channels, blocks = _free_channels(found), [g for g in found if g.kind is GroupKind.BLOCK]
        free = [group.name for group in blocks if group.locked is None]
        if free and not set(free) <= set(find_blocks(self.network, self._items(1), free)):
            return False
        if not channels:
            return True
        network, example = with_random_weights(self.network), doubled(self._items(1))
        charged = charging(self.spent, self.course.cost())
        random = shuffled_example(example, torch.Generator().manual_seed(_SEED))
        checks = (EquivalenceCheck(network, given, charged=charged) for given in (random, example))
        return any(half_fails(check, channels) is None for check in checks)

    def on_each_course(self, found: tuple[Group, ...]) -> tuple[Group, ...]:
        """The groups, of which those are locked that do not hold on an item of each way; such blocks go."""
        if not self.course.decisions or self.course.depends_on_values:
            return found
        free, blocks = _free_channels(found), {g.name for g in found if g.kind is GroupKind.BLOCK}
        locked: dict[Group, str | None] = {}
        network, charged = with_random_weights(self.network), charging(self.spent, self.course.cost())
        for item in self._items_of_each_course():
            left = [group for group in free if locked.get(group) is None]
            check = EquivalenceCheck(network, doubled(item), charged=charged)
            locked |= zip(left, checked_groups(check, left), strict=True)
            blocks &= set(find_blocks(self.network, item, blocks))
        kept = (group for group in found if group.kind is not GroupKind.BLOCK or group.name in blocks)
        return tuple(replace(group, locked=locked[group]) if locked.get(group) else group for group in kept)

    def _items_of_each_course(self) -> Iterator[Example]:
        """The first item of each way that the network goes with the items."""
        courses: list[Course] = []
        for at in range(_count_of(self.given)):
            item = some_items(self.given, slice(at, at + 1))
            copy = private_copy(self.network)
            with watching(copy, item) as course:
                try_network(copy, item)
            if not any(course.is_as(other) for other in courses):
                courses.append(course)
                yield item

    def groups(self) -> tuple[Group, ...]:
        """Coupled channels, and blocks at the end."""
        return (*self.channel_groups(), *self.blocks())

    def channel_groups(self) -> tuple[Group, ...]:
        """Coupled channels; a layer that the trace did not reach is a locked group of its own."""
        self.spent.say(N_("what is coupled with what"))
        unreached: str = N_("the trace did not reach it: it did not run, or its gradient is cut off")
        try:
            self.coupling = trace(private_copy(self.network), self._watched, self.spent.limits.steps)
        except Exception as error:  # noqa: BLE001 - neither the network nor the library is ours
            unreached = Phrase("the network could not be traced ({error})", error=in_short(error))
        self.builder = GroupBuilder(self.network, self.coupling.edges)
        found = named_apart(self._free_or_locked()) if self.coupling.units else []
        reached = {name for group in found for name in group.producers}
        found += [self._whole(name, unreached) for name in self._producers() if name not in reached]
        order = {name: index for index, (name, _) in enumerate(self.network.named_modules())}
        return tuple(sorted(found, key=lambda group: order[group.producers[0]]))

    def blocks(self) -> tuple[Group, ...]:
        """Residual blocks; one that the network cannot run without is locked."""
        cost = self.course.cost()
        if self.course.depends_on_values or not self.course.calls or self.spent.refusal(2 * cost):
            return ()
        self.spent.say(N_("which blocks can be left out"), 1)
        example = self._items(self._count())
        check = EquivalenceCheck(self.network, example, charged=charging(self.spent, cost))
        found = [Group(name, GroupKind.BLOCK, 1) for name in find_blocks(self.network, example)]
        locked = checked_groups(check, found)
        return tuple(replace(group, locked=reason) for group, reason in zip(found, locked, strict=True))

    def _watched(self, network: nn.Module, count: int = _FEWEST_ITEMS) -> list[Tensor]:
        """Run once on so many items, and keep the course if it came to its end."""
        items = self._items(count)
        with watching(network, items) as course:
            answers = list(tensors_in(try_network(network, items)))
        self.course, self.shapes = course, [answer.shape for answer in answers]
        return answers

    def _items(self, count: int) -> Example:
        return some_items(self.given, slice(count))

    def _count(self) -> int:
        """How many items a check takes: all where a pass is cheap, few where it is not."""
        return max(_FEWEST_ITEMS, int(_EASY * _FEWEST_ITEMS / max(1, self.course.cost())))

    def _producers(self) -> Iterator[str]:
        return (name for name, module in self.network.named_modules() if is_producer(module))

    def _whole(self, name: str, reason: str) -> Group:
        return self.builder.whole(name, reason_to_keep_whole(self.network.get_submodule(name)) or reason)

    def _verdicts(self) -> Verdicts | str:
        """The checks with random weights, or why none can be made."""
        values = sum(p.numel() for p in self.network.parameters())
        refused = self.spent.refused_memory(16 * values + 64 * self.course.largest)
        if refused is not None:
            return refused
        network, example = with_random_weights(self.network), doubled(self._items(self._count()))
        other = shuffled_example(example, torch.Generator().manual_seed(_SEED))
        charged = charging(self.spent, self.course.cost())
        random, real = (EquivalenceCheck(network, given, charged=charged) for given in (other, example))
        parts = 1 if self.counts is ALL_COUNTS else _PARTS_OF_LESS
        return Verdicts(random, real, self.course, self.spent, 4 * values + _NOTED, self.counts, parts)

    def _free_or_locked(self) -> list[Group]:
        """All that the trace found, in the smallest units that hold.

        What groups of one kind have in common is tried on two of them; all that is then called free is tried
        at once, and only where that fails, every group by itself.
        """
        locks = SureLocks(self.network, self.course, self.coupling, self.spent.limits.steps)
        choice = UnitChoice.of(self.network, self.coupling, self.builder, locks)
        self.spent.groups, self.spent.sure = len(choice.sure), sum(map(bool, choice.sure.values()))
        verdicts = self._verdicts() if None in choice.sure.values() else ""
        if not isinstance(verdicts, Verdicts):
            return [replace(group, locked=reason or verdicts) for group, reason in choice.sure.items()]
        locked = {**choice.sure, **self._unread(choice.sure, verdicts)}
        open_ones = _free(locked)
        if verdicts.all_at_once(open_ones):
            chosen = choice.made(locked, verdicts, by_kinds=True)
            if {g for g in chosen if g.locked is None} == set(open_ones):
                return chosen
        else:
            read = [group for group in open_ones if group.consumers]
            chosen = choice.made(locked | verdicts.by_kinds(self.network, read), verdicts, by_kinds=True)
        if verdicts.all_at_once([group for group in chosen if group.locked is None]):
            return chosen
        locked |= verdicts.apart([group for group in open_ones if group.consumers])
        return together(verdicts.whole, choice.made(locked, verdicts, by_kinds=False))

    def _unread(self, sure: Mapping[Group, str | None], verdicts: Verdicts) -> dict[Group, str | None]:
        """Why groups that no layer reads are locked; most of them are what the network answers."""
        unread = [group for group in _free(sure) if not group.consumers]
        answers = [group for group in unread if gives_answers(self._as_it_is(), group)]
        others = [group for group in unread if group not in answers]
        return {**dict.fromkeys(answers, ANSWER), **verdicts.apart(others)}

    def _as_it_is(self) -> EquivalenceCheck:
        """A check with the network's own weights, in its own precision."""
        check = EquivalenceCheck(
            self.network, self._items(_FEWEST_ITEMS), charged=charging(self.spent, self.course.cost())
        )
        vars(check)["shapes"] = self.shapes
        return check


def _by_name(network: nn.Module, example: Example) -> Example:
    """The inputs of a network that takes them by name, where they come as rows of all of them."""
    border = border_of(network)
    if border is None or not border.fields or not border.fields[0].name or not isinstance(example, Tensor):
        return example
    return inputs_by_name(border.fields, example)


def _free_channels(found: Iterable[Group]) -> list[Group]:
    return [group for group in found if group.locked is None and group.kind is not GroupKind.BLOCK]


def _values(example: Example) -> int:
    return sum(tensor.numel() for tensor in tensors_in(example))


def _count_of(example: Example) -> int:
    """How many items an example holds; one where its tensors do not say so."""
    counts = {len(tensor) if tensor.dim() else 1 for tensor in tensors_in(example)}
    return counts.pop() if len(counts) == 1 else 1


def _free(locked: Mapping[Group, str | None]) -> list[Group]:
    return [group for group, reason in locked.items() if reason is None]


def _is_single(parameters: Iterable[Tensor]) -> bool:
    """Whether all of them are of single precision, in which every layer runs."""
    return all(values.dtype == torch.float32 for values in parameters if values.is_floating_point())
