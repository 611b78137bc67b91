"""What the small tensors of a file share: one stream of bytes, and what was learned from those before."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from compress_core.deliver.packing.coder import STEP, Allowance, Coder, Damaged, Ints
from compress_core.deliver.packing.integers import Integers
from compress_core.deliver.packing.range_coding import Mixing


class Metered:
    """A coder that pays for each of its steps and for each flag; raises TooMuch where that is not left."""

    def __init__(self, coder: Coder, allowance: Allowance) -> None:
        self._coder, self._allowance = coder, allowance

    def flags(self, share: Ints, truth: Ints | None) -> Ints:
        """Flags [n] of shares [n], as the coder's own."""
        self._allowance.take(work=STEP + len(share))
        return self._coder.flags(share, truth)

    def mixed(self, mixing: Mixing, slowness: int, contexts: Ints, truth: Ints | None) -> Ints:
        """Flags [n] in contexts [kinds, n], as the coder's own."""
        self._allowance.take(work=STEP + contexts.shape[1])
        return self._coder.mixed(mixing, slowness, contexts, truth)

    def sizes(self, mixing: Mixing, slowness: int, contexts: Ints, truth: Ints | None) -> tuple[Ints, int]:
        """Sizes [n] in contexts [kinds, n], as the coder's own; their number bounds what they may cost."""
        sizes, work = self._coder.sizes(mixing, slowness, contexts, truth)
        self._allowance.take(work=work)
        return sizes, work

    def symbols(self, frequencies: Ints, count: int, truth: Ints | None) -> Ints:
        """Symbols [count] of one distribution, frequencies [alphabet]."""
        self._allowance.take(work=STEP + count)
        return self._coder.symbols(frequencies, count, truth)


class JointStream:
    """Reads or writes one tensor after the other.

    rows [out]: how many weights of each row of the weight before are not zero; None where there is none.
    """

    def __init__(self, coder: Coder, allowance: Allowance | None = None) -> None:
        self._allowance = allowance or Allowance()
        self.coder = Metered(coder, self._allowance)
        self.rows: Ints | None = None
        self._named: defaultdict[str, Integers] = defaultdict(Integers)

    def take(self, values: int) -> None:
        """Raises TooMuch where no room is left for so many values."""
        self._allowance.take(values=values)

    def number(self, name: str, truth: int | None, low: int, high: int) -> int:
        """Write or read one number; those of a name resemble each other. Raises Damaged beyond its ends."""
        usual = max(low, 0)
        known = None if truth is None else np.array([truth - usual], dtype=np.int64)
        found = usual + int(self._named[name].code(self.coder, 1, known)[0])
        if not low <= found <= high:
            raise Damaged
        return found
