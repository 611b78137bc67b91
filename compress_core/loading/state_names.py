"""The names in a state dict, as the network that is meant has them: what wrappers added is taken off."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from torch import Tensor

from compress_core.foundation.texts import Phrase
from compress_core.loading.stored import shown
from compress_core.subject.reading_remarks import ReadingRemarks, some_of

_PARALLEL = "module."  # nn.DataParallel and torch.optim.swa_utils.AveragedModel hold the network under it
_COUNT_OF_AVERAGES = "n_averaged"
_WRAPPERS = frozenset(
    {
        "_orig_mod",  # torch.compile, of the whole or of a part
        "_forward_module",  # Lightning under DeepSpeed and FSDP
        "_fsdp_wrapped_module",
        "_checkpoint_wrapped_module",
    }
)
_PROBES = 3


@dataclass(frozen=True, eq=False)
class StateDict:
    """A state dict, and what people should know of how it came to be."""

    tensors: Mapping[str, Tensor]
    remarks: ReadingRemarks


@dataclass(frozen=True)
class _Change:
    """A prefix that is taken off the names given, and one that is put before them instead."""

    off: str = ""
    on: str = ""

    def given(self, expected: str) -> str:
        """How the file calls what the network calls so."""
        return self.off + expected.removeprefix(self.on)


def without_wrappers(tensors: Mapping[str, Tensor]) -> StateDict:
    """The state dict without what DataParallel, torch.compile and their like put into names."""
    names = {name: _unwrapped(name) for name in tensors}
    if all(name.startswith(_PARALLEL) for name in names.values() if name != _COUNT_OF_AVERAGES):
        names.pop(_COUNT_OF_AVERAGES, None)
    parts = sorted({part for name in names for part in name.split(".") if part in _WRAPPERS})
    while names and all(name.startswith(_PARALLEL) for name in names.values()):
        parts = [*parts, _PARALLEL.rstrip(".")]
        names = {given: name.removeprefix(_PARALLEL) for given, name in names.items()}
    if not parts or len(set(names.values())) < len(names):
        return StateDict(tensors, ReadingRemarks())
    said = Phrase(
        "What wrappers had put into the names of the file was taken out: {parts}.",
        parts=_quoted(dict.fromkeys(parts)),
    )
    return StateDict({name: tensors[given] for given, name in names.items()}, ReadingRemarks((said,)))


def _unwrapped(name: str) -> str:
    parts = name.split(".")
    return ".".join([part for part in parts[:-1] if part not in _WRAPPERS] + parts[-1:])


def named_as(expected: Collection[str], given: Mapping[str, Tensor]) -> StateDict:
    """The state dict under the names that a network has, where a prefix is all that differs.

    `model.` and its like are taken off, or put before. What stands beside the network under no such prefix,
    as the buffers of a loss in a Lightning module, is left aside. Where no prefix makes them fit, the one
    that comes closest is changed, so that a refusal speaks of what really differs.
    """
    if given.keys() == set(expected) or not expected:
        return StateDict(given, ReadingRemarks())
    changes = [change for change in dict.fromkeys(_changes(list(expected), given)) if change != _Change()]
    fitting = [change for change in changes if _fits(change, expected, given)]
    if not fitting:
        return _closest(changes, expected, given)
    change, *others = fitting
    found = {name: given[change.given(name)] for name in expected}
    twice = [other.off for other in others if other.on == change.on]
    aside = [name for name in given if not name.startswith((change.off, *twice))]
    return StateDict(found, _remarks(change, aside) + _remark_on_choice(change, twice))


def _changes(expected: list[str], given: Collection[str]) -> Iterator[_Change]:
    """Prefixes under which some of the names given end like some that are expected."""
    probes = {expected[at * (len(expected) - 1) // max(_PROBES - 1, 1)] for at in range(_PROBES)}
    for on in _shared_prefixes(expected):
        for probe in sorted(probes):
            rest = probe.removeprefix(on)
            for name in given:
                if name == rest or name.endswith(f".{rest}"):
                    yield _shortest(name.removesuffix(rest), on)


def _shortest(off: str, on: str) -> _Change:
    """The change without the parts in which both prefixes end: those are names of the network itself."""
    given, expected = off.split(".")[:-1], on.split(".")[:-1]
    while given and expected and given[-1] == expected[-1]:
        given.pop()
        expected.pop()
    return _Change("".join(f"{part}." for part in given), "".join(f"{part}." for part in expected))


def _shared_prefixes(names: list[str]) -> Iterator[str]:
    """Nothing, then one part after the other with which all names begin, the last part aside."""
    shared = ""
    while True:
        yield shared
        part, dot, _ = names[0].removeprefix(shared).partition(".")
        if not dot or not all(name.startswith(f"{shared}{part}.") for name in names):
            return
        shared = f"{shared}{part}."


def _fits(change: _Change, expected: Collection[str], given: Mapping[str, Tensor]) -> bool:
    """Whether what the file holds under the prefix is the network, no less and no more."""
    wanted = {change.given(name) for name in expected}
    return wanted <= given.keys() and all(name in wanted for name in given if name.startswith(change.off))


def _closest(changes: list[_Change], expected: Collection[str], given: Mapping[str, Tensor]) -> StateDict:
    """The state dict with the prefix changed that makes most names fit; as it is where none does."""
    known = {change: sum(change.given(name) in given for name in expected) for change in changes}
    best = max(known, key=lambda change: known[change], default=_Change())
    if known.get(best, 0) <= sum(name in given for name in expected):
        return StateDict(given, ReadingRemarks())
    under = {name: tensor for name, tensor in given.items() if name.startswith(best.off)}
    renamed = {best.on + name.removeprefix(best.off): tensor for name, tensor in under.items()}
    return StateDict(renamed, _remarks(best, []))


def _remark_on_choice(taken: _Change, others: list[str]) -> ReadingRemarks:
    if not others:
        return ReadingRemarks()
    said = Phrase(
        "The file holds the network more than once: what begins with {taken} was taken, not what begins with "
        "{others}. To take another save its state dict alone.",
        taken=_quoted([taken.off]),
        others=_quoted(others),
    )
    return ReadingRemarks((), (said,))


def _remarks(change: _Change, aside: list[str]) -> ReadingRemarks:
    said = []
    if change.off:
        said.append(
            Phrase("The names in the file begin with {off}, which was taken off.", off=_quoted([change.off]))
        )
    if change.on:
        said.append(
            Phrase(
                "{on} was put before the names in the file, as the network has it.", on=_quoted([change.on])
            )
        )
    if not aside:
        return ReadingRemarks(tuple(said))
    left = Phrase(
        "Tensors that the file holds beside the network were left aside: {names}.",
        names=some_of(map(shown, aside)),
    )
    return ReadingRemarks(tuple(said), (left,))


def _quoted(parts: Collection[str]) -> str:
    return ", ".join(f"'{shown(part)}'" for part in parts)
