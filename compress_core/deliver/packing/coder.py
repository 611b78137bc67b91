"""Entropy coding on whole numbers alone: what was written on one machine reads the same on any other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias

import numpy as np

from compress_core.deliver.packing import range_coding
from compress_core.deliver.packing.range_coding import (
    DONE,
    FIRST,
    HELD,
    LOW,
    MOST_DIGITS,
    POINT,
    SHARE_BITS,
    SPAN,
    STEP,
    TOTAL_BITS,
    CoderState,
    Ints,
    Mixing,
    Words,
)

__all__ = ["SHARE_BITS", "STEP", "TOTAL_BITS", "Ints"]

TOTAL = 2**TOTAL_BITS
EXPANSION = 2**15  # values that a byte may stand for; every value costs at least 0.0003 bits
FREE = 2**62
_SLACK = 16  # bytes; the coder's end
_TAIL = 12  # bytes in which the interval of a stream may be told from others
_WORD_BITS, _FULL = 32, 2**64
_ROOM = 64  # words that a stream begins with


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


Coding: TypeAlias = Callable[[CoderState, Words, bool], bool]
"""Writes or reads with a state and its words; False where the content is damaged."""


class Coder(Protocol):
    """Reads or writes, so that one function says what both do."""

    def flags(self, share: Ints, truth: Ints | None) -> Ints:
        """Flags [n], where share [n] out of 2**16 is how probable a 1 is; truth None while reading."""

    def mixed(self, mixing: Mixing, slowness: int, contexts: Ints, truth: Ints | None) -> Ints:
        """Flags [n] that stand in contexts [kinds, n]; `mixing` learns from them."""

    def sizes(self, mixing: Mixing, slowness: int, contexts: Ints, truth: Ints | None) -> tuple[Ints, int]:
        """Sizes [n] from 1, each in flags that stand in contexts [kinds, n]; and how much work that was."""

    def symbols(self, frequencies: Ints, count: int, truth: Ints | None) -> Ints:
        """Symbols [count] of one distribution; frequencies [alphabet] >= 1 add up to 2**24."""


class Writing:
    """Takes flags and symbols, and gives bytes in the end."""

    def __init__(self) -> None:
        self._state = _beginning()
        self._words: Words = np.empty(_ROOM, dtype=np.uint32)

    def flags(self, share: Ints, truth: Ints | None) -> Ints:
        """Write flags [n]; returns them."""
        flags = self._given(truth)
        range_coding.code_flags(self._state, self._words, True, share, flags)
        return flags

    def mixed(self, mixing: Mixing, slowness: int, contexts: Ints, truth: Ints | None) -> Ints:
        """Write flags [n] in contexts [kinds, n]; returns them."""
        flags = self._given(truth)
        contexts = np.ascontiguousarray(contexts)
        range_coding.code_mixed(self._state, self._words, True, mixing, slowness, contexts, flags)
        return flags

    def sizes(self, mixing: Mixing, slowness: int, contexts: Ints, truth: Ints | None) -> tuple[Ints, int]:
        """Write sizes [n] in contexts [kinds, n]; returns them, and how much work that was."""
        sizes, contexts = self._given(truth, 2 * MOST_DIGITS), np.ascontiguousarray(contexts)
        work = range_coding.code_sizes(self._state, self._words, True, mixing, slowness, contexts, sizes)
        _sound(work >= 0)
        return sizes, work

    def symbols(self, frequencies: Ints, count: int, truth: Ints | None) -> Ints:
        """Write symbols [count]; returns them."""
        _check(frequencies)
        symbols = self._given(truth)
        assert len(symbols) == count
        range_coding.code_alphabet(self._state, self._words, True, frequencies, symbols)
        return symbols

    def run(self, most: int, code: Coding) -> None:
        """Have at most so many flags written by a compiled function."""
        self._make_room(most)
        code(self._state, self._words, True)

    def _given(self, truth: Ints | None, questions: int = 1) -> Ints:
        """What is to be written, in so many symbols each, and room for it."""
        assert truth is not None
        self._make_room(questions * len(truth))
        return np.ascontiguousarray(truth, dtype=np.int64)

    def _make_room(self, symbols: int) -> None:
        """For so many symbols more, each of which takes 24 bits at most."""
        need = int(self._state[DONE]) + int(self._state[HELD]) + symbols + 2
        if need > len(self._words):
            words = np.empty(2 * need, dtype=np.uint32)
            words[: len(self._words)] = self._words
            self._words = words

    def content(self) -> bytes:
        """All that was written: words of 32 bits, the lowest byte first."""
        return self._ended().astype("<u4").tobytes()

    def _ended(self) -> Words:
        """The words of all that was written, with one or two that tell the interval from any other."""
        state, words = self._state.copy(), np.append(self._words, np.zeros(2, dtype=np.uint32))
        low, span = int(state[LOW]), int(state[SPAN])
        if span == _FULL - 1:
            return words[:0]
        point = (low + 2**_WORD_BITS - 1) % _FULL
        range_coding.let_go(state, words, point < low)
        done = int(state[DONE])
        last, end = point >> _WORD_BITS, (low + span) % _FULL >> _WORD_BITS
        words[done : done + 2] = last, 0
        return words[: done + 1 + (last == end)]

    def shortest(self) -> bytes:
        """All that was written in as few bytes as tell it from anything else, the highest first.

        Behind them any number of zeros may be read. What was written is an interval of numbers.
        """
        content: bytes = self._ended().astype(">u4").tobytes()
        start, length, bits = self._interval()
        for count in range(max(0, len(content) - _TAIL), len(content)):
            unit = bits - 8 * count
            first = -(-start >> unit)  # the lowest number of so many bytes that is not below the interval
            if first << unit < start + length:
                return first.to_bytes(count, "big")
        return content

    def _interval(self) -> tuple[int, int, int]:
        """Where the interval begins and how long it is, and the bits that both are told in."""
        done, held = int(self._state[DONE]), int(self._state[HELD])
        number = int.from_bytes(self._words[:done].astype(">u4").tobytes(), "big")
        if held:
            later = _WORD_BITS * (held - 1)
            number = ((number << _WORD_BITS | int(self._state[FIRST])) + 1 << later) - 1
        bits = _WORD_BITS * (done + held) + 64
        return number << 64 | int(self._state[LOW]), int(self._state[SPAN]), bits


class Reading:
    """Gives flags and symbols back; raises Damaged where the content cannot hold them."""

    def __init__(self, content: bytes) -> None:
        if len(content) % 4:
            raise Damaged
        self._words: Words = np.frombuffer(content, "<u4").astype(np.uint32)
        self._state = _beginning()
        first = [*self._words[:2].tolist(), 0, 0][:2]
        self._state[POINT] = first[0] << _WORD_BITS | first[1]
        self._state[DONE] = min(2, len(self._words))

    @classmethod
    def of_shortest(cls, content: bytes) -> Reading:
        """What `Writing.shortest` gave."""
        whole = content + bytes(-len(content) % 4)
        return cls(np.frombuffer(whole, ">u4").astype("<u4").tobytes())

    def flags(self, share: Ints, truth: Ints | None) -> Ints:
        """Read flags [n], as many as there are shares [n]."""
        assert truth is None
        found = np.zeros(len(share), dtype=np.int64)
        _sound(range_coding.code_flags(self._state, self._words, False, share, found))
        return found

    def mixed(self, mixing: Mixing, slowness: int, contexts: Ints, truth: Ints | None) -> Ints:
        """Read flags [n] in contexts [kinds, n]."""
        assert truth is None
        found, contexts = np.zeros(contexts.shape[1], dtype=np.int64), np.ascontiguousarray(contexts)
        _sound(range_coding.code_mixed(self._state, self._words, False, mixing, slowness, contexts, found))
        return found

    def sizes(self, mixing: Mixing, slowness: int, contexts: Ints, truth: Ints | None) -> tuple[Ints, int]:
        """Read sizes [n] in contexts [kinds, n]; and how much work that was."""
        assert truth is None
        found, contexts = np.zeros(contexts.shape[1], dtype=np.int64), np.ascontiguousarray(contexts)
        work = range_coding.code_sizes(self._state, self._words, False, mixing, slowness, contexts, found)
        _sound(work >= 0)
        return found, work

    def symbols(self, frequencies: Ints, count: int, truth: Ints | None) -> Ints:
        """Read symbols [count]."""
        assert truth is None
        _check(frequencies)
        found = np.zeros(count, dtype=np.int64)
        _sound(range_coding.code_alphabet(self._state, self._words, False, frequencies, found))
        return found

    def run(self, most: int, code: Coding) -> None:  # noqa: ARG002 - room is for those who write
        """Have flags read by a compiled function."""
        _sound(code(self._state, self._words, False))


def _beginning() -> CoderState:
    """The state before anything was coded: the interval of all numbers of 64 bits."""
    state = np.zeros(DONE + 1, dtype=np.uint64)
    state[SPAN] = _FULL - 1
    return state


def _sound(is_sound: bool) -> None:
    if not is_sound:
        raise Damaged


def _check(frequencies: Ints) -> None:
    assert int(frequencies.sum()) == TOTAL
    assert int(frequencies.min()) >= 1


def refuse_more_than(content: int, values: int) -> None:
    """Nothing is allocated for more values than `content` bytes can stand for; raises Damaged."""
    if values > EXPANSION * (content + _SLACK):
        raise Damaged
