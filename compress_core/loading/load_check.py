"""What a network is asked once, when it is loaded: each question is a function in a file of its own.

A check looks at the network with its layers and a few items. It yields what people should know
(`NetworkWarning`), the layers that must not be compressed (`LockedLayer`) and what the answers are
(`AnswersWith`), or raises Refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import torch
from torch import Tensor, nn

from compress_core.foundation.cached import cached_property
from compress_core.foundation.one_file_each import OneFileEach
from compress_core.network.forward import running_on
from compress_core.network.shared_copy import shared_copy
from compress_core.numerics.drawing import draw_from
from compress_core.subject.answer_kind import AnswerKind
from compress_core.subject.made_up_items import made_up_items
from compress_core.subject.subject import Subject, are_costly, with_locked

_SEED = 5
_PROBED, _LARGE = 8, 2**13
"""Items that a check looks at, fewer where one has more values than this or takes long."""
_ORDER_OF_SPLITS = ("validation", "calibration", "test")


@dataclass(frozen=True)
class NetworkWarning:
    """What people should know before they trust a number of this network: a phrase, in one sentence."""

    text: str


@dataclass(frozen=True)
class LockedLayer:
    """A layer that must not be compressed: its name, and why, as a phrase behind its name and a colon."""

    layer: str
    reason: str


@dataclass(frozen=True)
class AnswersWith:
    """What the answers of the network are."""

    kind: AnswerKind


Finding = NetworkWarning | LockedLayer | AnswersWith


@dataclass(frozen=True, eq=False)
class LoadedNetwork:
    """A network that is being loaded, as a check sees it. What is asked of it more than once is kept."""

    subject: Subject

    @property
    def name(self) -> str:
        return self.subject.title

    def copy(self) -> nn.Module:
        """A copy to run: what a forward leaves behind in it stays there."""
        return shared_copy(self.subject.network)

    @cached_property
    def probe(self) -> Tensor:
        """A few of its items [n, ...]; made up where it came without any."""
        splits, is_large = self.subject.splits, self.subject.input.baseline.numel() > _LARGE
        count = _PROBED // 4 if is_large or are_costly(self.subject.layers) else _PROBED
        for name in (*_ORDER_OF_SPLITS, *splits):
            if name in splits and len(splits[name]):
                return splits[name].inputs[:count].clone()
        return made_up_items(self.subject, count // 2, _SEED)

    def answer(self, network: nn.Module, seed: int = 0) -> object:
        """What a copy answers to the probe, with torch's chance beginning at this seed."""
        with torch.random.fork_rng(devices=[]), torch.inference_mode(), running_on(self.probe):
            draw_from(seed)
            answer: object = network(self.probe.clone())
            return answer

    @cached_property
    def answers(self) -> object:
        """What it answers to the probe."""
        return self.answer(self.copy())


CheckFunction = Callable[[LoadedNetwork], Iterable[Finding]]


@dataclass(frozen=True)
class LoadCheck:
    """One question to a network that is loaded; checks of small order are asked first."""

    name: str
    order: int
    ask: CheckFunction


_FILES: OneFileEach[LoadCheck] = OneFileEach(
    "compress_core.loading.load_checks", lambda check: (check.order, check.name)
)


def load_check(*, order: int) -> Callable[[CheckFunction], CheckFunction]:
    """Register a function of a loaded network as a check; it stays a function."""

    def register(ask: CheckFunction) -> CheckFunction:
        name = getattr(ask, "__name__")  # noqa: B009 - a Callable has no __name__ for mypy
        _FILES.declare(ask.__module__, name, LoadCheck(name, order, ask))
        return ask

    return register


def load_checks() -> Mapping[str, LoadCheck]:
    """Every check by name, in the order in which they are asked."""
    return _FILES.found()


def checked(subject: Subject) -> Subject:
    """The subject with its warnings, and without the layers that must be left alone; raises Refused."""
    loaded = LoadedNetwork(subject)
    findings = [finding for check in load_checks().values() for finding in check.ask(loaded)]
    warnings = dict.fromkeys(found.text for found in findings if isinstance(found, NetworkWarning))
    locked = {found.layer: found.reason for found in reversed(findings) if isinstance(found, LockedLayer)}
    kinds = [found.kind for found in findings if isinstance(found, AnswersWith)]
    unlocked = with_locked(subject, MappingProxyType(locked))
    return replace(unlocked, network_warnings=tuple(warnings), answers=kinds[0] if kinds else subject.answers)
