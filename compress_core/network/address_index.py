"""Stretches of memory, asked which of them meet another one: in as many steps as do, not as there are."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from itertools import accumulate

AddressRange = tuple[int, int]


class AddressIndex:
    """Ranges of addresses, each from its first to the one behind its last."""

    def __init__(self, ranges: Iterable[AddressRange]) -> None:
        self._ranges = sorted((span, place) for place, span in enumerate(ranges))
        self._starts = [start for (start, _), _ in self._ranges]
        self._furthest = list(accumulate((end for (_, end), _ in self._ranges), max))

    def meeting(self, span: AddressRange) -> Iterator[int]:
        """The places, among the given ranges, of those that have an address in common with this one."""
        start, end = span
        at = bisect_left(self._starts, end)
        while at and self._furthest[at - 1] > start:
            at -= 1
            (_, last), place = self._ranges[at]
            if last > start:
                yield place

    def meets(self, span: AddressRange) -> bool:
        """Whether any of them has."""
        return next(self.meeting(span), None) is not None
