"""How much a search for groups may cost: steps and multiplications, which are the same everywhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from compress_core.foundation.number import about
from compress_core.foundation.progress import Progress
from compress_core.foundation.texts import Phrase
from compress_core.foundation.told_progress import TellProgress, told_to_nobody


@dataclass(frozen=True)
class SearchLimits:
    """What one search may use up; what is not decided by then is locked with that reason.

    steps: channels at places that the walk looks at (a ResNet-50 has half a million); products:
    multiplications of all checks together (a ResNet-50 needs 0.1e12); bytes: memory of one check;
    seconds: processor time of the thread, only behind the others, because it differs from run to run.
    """

    steps: int = 30_000_000
    products: float = 5e12
    bytes: int = 8 * 2**30
    seconds: float = 900
    clock: Callable[[], float] = time.thread_time


@dataclass
class Spent:
    """What a search has used up so far, and who hears how far it is; it belongs to that search.

    groups: how many there are, and sure: how many of them are locked without a check.
    """

    limits: SearchLimits
    tell: TellProgress = told_to_nobody
    products: float = 0
    groups: int = 1
    sure: int = 0
    started: float = field(init=False)

    def __post_init__(self) -> None:
        self.started = self.limits.clock()

    def say(self, note: str, share: float = 0.0) -> None:
        """TellProgress what is being done; share: how much of the proof of all open groups there is."""
        self.tell(Progress(self.sure + int(share * (self.groups - self.sure)), self.groups, note))

    def refusal(self, products: float) -> str | None:
        """Why no more multiplications are allowed; None where they are, and then they count."""
        if self.products + products > self.limits.products:
            return Phrase(
                "it was not decided: the checks so far took {spent:.1e} multiplications, and the limit of a "
                "search is {limit:.1e}",
                spent=self.products,
                limit=self.limits.products,
            )
        if self.limits.clock() - self.started > self.limits.seconds:
            return Phrase(
                "it was not decided: the checks so far took {limit} seconds, the limit of a search",
                limit=round(self.limits.seconds),
            )
        self.products += products
        return None

    def refused_memory(self, needed: int) -> str | None:
        """Why a check that needs so many bytes is not made; None where it is."""
        if needed <= self.limits.bytes:
            return None
        return Phrase(
            "it was not decided: a check would take about {needed:,} MB, and the limit of a search is "
            "{limit:.0f} MB",
            needed=about(needed / 1e6),
            limit=self.limits.bytes / 1e6,
        )
