"""Entropy coding on integers alone: what was written on one machine reads the same on any other.

The coder of `constriction` takes probabilities as floating-point numbers and turns them into frequencies
out of 2**24. It is given whole numbers below 2**24 that add up to 2**24 minus their count: every step of
that turning (a sum, a product with exactly 1.0, adding 1 each) is then exact in float32, so that the
frequencies are those integers plus one, whatever the processor does with fractions.
"""

from __future__ import annotations

from typing import Protocol

import constriction
import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

TOTAL_BITS = 24
TOTAL = 2**TOTAL_BITS
SHARE_BITS = 16
EXPANSION = 2**15  # values that a byte may stand for; every value costs at least 0.0003 bits
STEP = 512  # flags that take as long as the fixed cost of one step
FREE = 2**62
_SLACK = 16  # bytes; the coder's end
_TAIL = 12  # bytes in which the interval of a stream may be told from others

_ANY = constriction.stream.model.Categorical(perfect=False)


class Damaged(ValueError):
    """The content is not what a writer of ours made."""


class TooMuch(Damaged):
    """The content claims more than so few bytes of ours ever stand for."""


class Allowance:
    """What a file may still claim while it is read: values to make, and work to decode them.

    A unit of work is a flag; a step of a scan costs STEP of them, however short it is.
    """

    def __init__(self, values: int = FREE, work: int = FREE) -> None:
        self._values, self._work = values, work

    def take(self, values: int = 0, work: int = 0) -> None:
        """Raises TooMuch where that is not left, before anything is made."""
        self._values -= values
        self._work -= work
        if self._values < 0 or self._work < 0:
            raise TooMuch


class Coder(Protocol):
    """Reads or writes, so that one function says what both do."""

    def flags(self, share: Ints, truth: Ints | None) -> Ints:
        """Flags [n], where share [n] out of 2**16 is how probable a 1 is; truth None while reading."""

    def symbols(self, frequencies: Ints, count: int, truth: Ints | None) -> Ints:
        """Symbols [count] of one distribution; frequencies [alphabet] >= 1 add up to 2**24."""


class Writing:
    """Takes flags and symbols, and gives bytes in the end."""

    def __init__(self) -> None:
        self._encoder = constriction.stream.queue.RangeEncoder()

    def flags(self, share: Ints, truth: Ints | None) -> Ints:
        """Write flags [n]; returns them."""
        assert truth is not None
        self._encoder.encode(truth.astype(np.int32), _ANY, _pairs(share))
        return truth

    def symbols(self, frequencies: Ints, count: int, truth: Ints | None) -> Ints:
        """Write symbols [count]; returns them."""
        assert truth is not None
        assert len(truth) == count
        self._encoder.encode(truth.astype(np.int32), _model(frequencies))
        return truth

    def content(self) -> bytes:
        """All that was written: words of 32 bits, the lowest byte first."""
        content: bytes = self._encoder.get_compressed().astype("<u4").tobytes()
        return content

    def shortest(self) -> bytes:
        """All that was written in as few bytes as tell it from anything else, the highest first.

        Behind them any number of zeros may be read. What was written is an interval of numbers: the coder
        gives one that lies in it, and the interval's lowest 64 bits and length.
        """
        content: bytes = self._encoder.get_compressed().astype(">u4").tobytes()
        words, (low, length) = self._encoder.pos()
        bits = 32 * words + 64
        given = int.from_bytes(content, "big") << (bits - 8 * len(content))
        start = given - (given - low) % 2**64
        for count in range(max(0, len(content) - _TAIL), len(content)):
            unit = bits - 8 * count
            first: int = -(
                -start >> unit
            )  # the lowest number of so many bytes that is not below the interval
            if first << unit < start + length:
                return first.to_bytes(count, "big")
        return content


class Reading:
    """Gives flags and symbols back; raises Damaged where the content cannot hold them."""

    def __init__(self, content: bytes) -> None:
        if len(content) % 4:
            raise Damaged
        self._decoder = constriction.stream.queue.RangeDecoder(
            np.frombuffer(content, "<u4").astype(np.uint32)
        )

    @classmethod
    def of_shortest(cls, content: bytes) -> Reading:
        """What `Writing.shortest` gave."""
        whole = content + bytes(-len(content) % 4)
        return cls(np.frombuffer(whole, ">u4").astype("<u4").tobytes())

    def flags(self, share: Ints, truth: Ints | None) -> Ints:
        """Read flags [n], as many as there are shares [n]."""
        assert truth is None
        return self._read(_ANY, _pairs(share))

    def symbols(self, frequencies: Ints, count: int, truth: Ints | None) -> Ints:
        """Read symbols [count]."""
        assert truth is None
        return self._read(_model(frequencies), count)

    def _read(self, model: constriction.stream.model.Categorical, amount: NDArray[np.float32] | int) -> Ints:
        try:
            return np.asarray(self._decoder.decode(model, amount), dtype=np.int64)
        except AssertionError:  # what constriction raises where no symbol can stand
            raise Damaged from None


def _pairs(share: Ints) -> NDArray[np.float32]:
    """Weights [n, 2] of 0 and 1; one less than the frequencies, since the coder adds one."""
    ones = share << (TOTAL_BITS - SHARE_BITS)
    pairs = np.empty((len(share), 2), dtype=np.float32)
    pairs[:, 0] = TOTAL - 1 - ones
    pairs[:, 1] = ones - 1
    return pairs


def _model(frequencies: Ints) -> constriction.stream.model.Categorical:
    assert int(frequencies.sum()) == TOTAL
    assert int(frequencies.min()) >= 1
    return constriction.stream.model.Categorical((frequencies - 1).astype(np.float32), perfect=False)


def refuse_more_than(content: int, values: int) -> None:
    """Nothing is allocated for more values than `content` bytes can stand for; raises Damaged."""
    if values > EXPANSION * (content + _SLACK):
        raise Damaged
