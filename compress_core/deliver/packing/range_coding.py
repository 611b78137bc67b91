"""Range coding and logistic mixing as machine code, on whole numbers of 64 bits alone.

The range coder (Martin 1979, "Range encoding") keeps an interval of 64 bits, its end behind its beginning
or wrapped around. What is sure of it leaves as words of 32 bits; words that a carry may still change are
held back: the first as it is, the others all ones. Its bytes are those of `constriction`'s queue.

Logistic mixing as in the PAQ family (Mahoney 2005, "Adaptive weighing of context models"): a whole column
of flags is predicted in one go before any of it is learned from.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from compress_core.foundation.machine_code import compiled

Ints = NDArray[np.int64]
CoderState = NDArray[np.uint64]
Words = NDArray[np.uint32]

LOW, SPAN, POINT, HELD, FIRST, DONE = range(6)  # of a state: interval, what is read, words held, words done
TOTAL_BITS, SHARE_BITS = 24, 16
STEP_OF_LOGIT, LIMIT = 256, 2047  # units of a logit; the largest logit, 8.0: a share of 0.0003
MOST_DIGITS = 40  # binary digits of a size below its highest
KNOWN_DIGITS = 32  # of the digits of a size these beginnings are told apart
NODES = MOST_DIGITS + (MOST_DIGITS + 1) * KNOWN_DIGITS  # questions that are asked of a size
STEP = 512  # flags that take as long as the fixed cost of one column of them
SHARES = 4096  # cells of the table from shares to logits
SEEN, MOST = 16, 255 * 16  # what an observation counts; older ones fade beyond 255
WIDEST_WEIGHT = 2**20

_NOTHING, _ONE, _WORD = np.uint64(0), np.uint64(1), np.uint64(32)
_FULL_WORD, _LEAST = np.uint64(2**32 - 1), np.uint64(2**32)
_TOTAL_BITS, _TOTAL = np.uint64(TOTAL_BITS), np.uint64(2**TOTAL_BITS)


class Mixing(NamedTuple):
    """What is known of contexts [n], and of the weights [kinds + 1] that mix them.

    offsets [kinds]: where the contexts of each kind begin; tables: logits [4096] of shares, and shares
    [4095] of logits from the lowest.
    """

    ones: Ints
    seen: Ints
    logits: Ints
    weights: Ints
    offsets: Ints
    all_logits: Ints
    all_shares: Ints


@compiled
def _put(state: CoderState, words: Words, word: np.uint64) -> None:
    words[state[DONE]] = np.uint32(word)
    state[DONE] += _ONE


@compiled
def let_go(state: CoderState, words: Words, carried: bool) -> None:
    """Write the words that were held back, with the carry if there was one."""
    if state[HELD] > _NOTHING:
        _put(state, words, state[FIRST] + (_ONE if carried else _NOTHING))
        for _ in range(np.int64(state[HELD]) - 1):
            _put(state, words, _NOTHING if carried else _FULL_WORD)
        state[HELD] = _NOTHING


@compiled
def _write(state: CoderState, words: Words, start: np.uint64, width: np.uint64) -> None:
    """Narrow the interval to what begins at `start` and is so wide, both out of 2**24."""
    scale = state[SPAN] >> _TOTAL_BITS
    low, span = state[LOW] + scale * start, scale * width
    if state[HELD] > _NOTHING and low + span > low:
        let_go(state, words, low < state[LOW])
    if span < _LEAST:
        word = low >> _WORD
        low, span = low << _WORD, span << _WORD
        if state[HELD] > _NOTHING:
            state[HELD] += _ONE
        elif low + span > low:
            _put(state, words, word)
        else:
            state[HELD], state[FIRST] = _ONE, word
    state[LOW], state[SPAN] = low, span


@compiled
def _told(state: CoderState) -> np.uint64:
    """Where the content stands in the interval, out of 2**24; 2**24 and more where no writer leads."""
    return np.uint64((state[POINT] - state[LOW]) // (state[SPAN] >> _TOTAL_BITS))


@compiled
def _read(state: CoderState, words: Words, start: np.uint64, width: np.uint64) -> None:
    """Narrow the interval as `_write` does; behind the end there are zeros."""
    scale = state[SPAN] >> _TOTAL_BITS
    state[LOW] += scale * start
    state[SPAN] = scale * width
    if state[SPAN] < _LEAST:
        state[LOW] <<= _WORD
        state[SPAN] <<= _WORD
        state[POINT] <<= _WORD
        if state[DONE] < np.uint64(len(words)):
            state[POINT] |= np.uint64(words[state[DONE]])
            state[DONE] += _ONE


@compiled
def _code_flag(state: CoderState, words: Words, is_writing: bool, share: int, flag: int) -> int:
    """The flag that is written, or the one that is read, where a 1 has this share of 2**16; -1 for none."""
    ones = np.uint64(share << (TOTAL_BITS - SHARE_BITS))
    zeros = _TOTAL - ones
    if is_writing:
        if flag:
            _write(state, words, zeros, ones)
        else:
            _write(state, words, _NOTHING, zeros)
        return flag
    told = _told(state)
    if told >= _TOTAL:
        return -1
    if told >= zeros:
        _read(state, words, zeros, ones)
        return 1
    _read(state, words, _NOTHING, zeros)
    return 0


@compiled
def code_flags(state: CoderState, words: Words, is_writing: bool, shares: Ints, flags: Ints) -> bool:
    """Write or read flags [n] of shares [n] out of 2**16; False where the content is damaged."""
    for at in range(len(flags)):
        flag = _code_flag(state, words, is_writing, shares[at], flags[at])
        if flag < 0:
            return False
        flags[at] = flag
    return True


@compiled
def code_alphabet(
    state: CoderState, words: Words, is_writing: bool, frequencies: Ints, symbols: Ints
) -> bool:
    """Write or read symbols [n]; frequencies [alphabet] add up to 2**24. False where damaged."""
    starts = np.zeros(len(frequencies) + 1, dtype=np.int64)
    for symbol in range(len(frequencies)):
        starts[symbol + 1] = starts[symbol] + frequencies[symbol]
    for at in range(len(symbols)):
        if not is_writing:
            told = _told(state)
            if told >= _TOTAL:
                return False
            symbols[at] = np.searchsorted(starts, np.int64(told), side="right") - 1
        start, width = np.uint64(starts[symbols[at]]), np.uint64(frequencies[symbols[at]])
        if is_writing:
            _write(state, words, start, width)
        else:
            _read(state, words, start, width)
    return True


@compiled
def code_mixed(
    state: CoderState,
    words: Words,
    is_writing: bool,
    mixing: Mixing,
    slowness: int,
    contexts: Ints,
    flags: Ints,
) -> bool:
    """Write or read flags [n] that stand in contexts [kinds, n]; False where the content is damaged.

    The more flags there are, the shorter is the step that is learned from each. Sums stay within 64 bits:
    logits are below 2**11, weights below 2**21 and errors below 2**17, which allows for 2**35 flags.
    """
    ones, seen, logits, weights, offsets, all_logits, all_shares = mixing
    kinds, count = contexts.shape
    places, touched = np.empty(kinds, dtype=np.int64), np.empty(kinds * count, dtype=np.int64)
    slopes = np.zeros(kinds + 1, dtype=np.int64)
    low, span, places_touched = state[LOW], state[SPAN], 0
    for at in range(count):
        mixed = int(weights[kinds]) * STEP_OF_LOGIT
        for kind in range(kinds):
            places[kind] = contexts[kind, at] + offsets[kind]
            mixed += int(weights[kind] * logits[places[kind]])
        share = int(all_shares[min(max(mixed >> 16, -LIMIT), LIMIT) + LIMIT])
        flag = int(flags[at])
        ones_of_span = np.uint64(share << (TOTAL_BITS - SHARE_BITS))
        scale = span >> _TOTAL_BITS
        narrower = scale * (ones_of_span if flag else _TOTAL - ones_of_span)
        if is_writing and narrower >= _LEAST and state[HELD] == _NOTHING:  # no word is done: most are so
            low += scale * (_TOTAL - ones_of_span) if flag else _NOTHING
            span = narrower
        else:
            state[LOW], state[SPAN] = low, span
            flag = _code_flag(state, words, is_writing, share, flag)
            if flag < 0:
                return False
            low, span = state[LOW], state[SPAN]
            flags[at] = flag
        error = (flag << SHARE_BITS) - share
        slopes[kinds] += error * STEP_OF_LOGIT
        for kind in range(kinds):
            place = places[kind]
            slopes[kind] += error * int(logits[place])
            ones[place] += flag * SEEN
            if seen[place] > 0:  # the sign tells that it was touched in this column
                touched[places_touched] = place
                places_touched += 1
                seen[place] = -seen[place]
            seen[place] -= SEEN
    state[LOW], state[SPAN] = low, span
    _learn(slopes, slowness * int(np.sqrt(16 + count)), weights)
    _count(touched[:places_touched], ones, seen, logits, all_logits)
    return True


@compiled
def _learn(slopes: Ints, slowness: int, weights: Ints) -> None:
    """One step of the weights [kinds + 1] down the coding cost, whose slopes [kinds + 1] are added up."""
    for kind in range(len(weights)):
        moved = int(weights[kind]) + int(slopes[kind]) // slowness
        weights[kind] = min(max(moved, -WIDEST_WEIGHT), WIDEST_WEIGHT)


@compiled
def _count(touched: Ints, ones: Ints, seen: Ints, logits: Ints, all_logits: Ints) -> None:
    """What the contexts [n] that a column touched expect now; one that has seen too much is halved."""
    for place in touched:
        number, of_them = -seen[place], ones[place]
        if number > MOST:
            number = (number + 1) >> 1
            of_them >>= 1
            ones[place] = of_them
        seen[place] = number
        logits[place] = all_logits[min(int(of_them) * SHARES // int(number), SHARES - 1)]


@compiled
def code_sizes(
    state: CoderState,
    words: Words,
    is_writing: bool,
    mixing: Mixing,
    slowness: int,
    contexts: Ints,
    sizes: Ints,
) -> int:
    """Write or read sizes [n] from 1: how many digits each has, then those from the highest to the lowest.

    contexts [kinds, n]: each stands for NODES contexts of the mixer. Returns how much work it was, -1 where
    the content is damaged.
    """
    lengths = _lengths(sizes)
    first = _code_lengths(state, words, is_writing, mixing, slowness, contexts, lengths)
    if first < 0:
        return -1
    second = _code_digits(state, words, is_writing, mixing, slowness, contexts, lengths, sizes)
    return -1 if second < 0 else first + second


@compiled
def _lengths(sizes: Ints) -> Ints:
    """How many binary digits each size [n] has below its highest."""
    lengths = np.zeros(len(sizes), dtype=np.int64)
    for at in range(len(sizes)):
        while sizes[at] >> (lengths[at] + 1):
            lengths[at] += 1
    return lengths


@compiled
def _code_lengths(
    state: CoderState,
    words: Words,
    is_writing: bool,
    mixing: Mixing,
    slowness: int,
    contexts: Ints,
    lengths: Ints,
) -> int:
    """Write or read lengths [n] below MOST_DIGITS: whether there is one digit more, and one more."""
    found, alive = np.zeros(len(lengths), dtype=np.int64), np.arange(len(lengths))
    nodes, flags = np.empty(len(lengths), dtype=np.int64), np.empty(len(lengths), dtype=np.int64)
    work = length = 0
    while len(alive):
        if length == MOST_DIGITS:
            return -1
        for index, at in enumerate(alive):
            nodes[index] = length
            flags[index] = lengths[at] > length
        asked, some = _asked(contexts, alive, nodes), flags[: len(alive)]
        if not code_mixed(state, words, is_writing, mixing, slowness, asked, some):
            return -1
        work += STEP + len(alive)
        length += 1
        alive = _kept(alive, some)
        for at in alive:
            found[at] += 1
    lengths[:] = found
    return work


@compiled
def _code_digits(
    state: CoderState,
    words: Words,
    is_writing: bool,
    mixing: Mixing,
    slowness: int,
    contexts: Ints,
    lengths: Ints,
    sizes: Ints,
) -> int:
    """Write or read the digits of sizes [n] below their highest, which are so many [n]."""
    begun, alive = np.ones(len(sizes), dtype=np.int64), np.arange(len(sizes))
    nodes, flags = np.empty(len(sizes), dtype=np.int64), np.empty(len(sizes), dtype=np.int64)
    work = place = 0
    while True:
        for index, at in enumerate(alive):
            flags[index] = lengths[at] > place
        alive = _kept(alive, flags[: len(alive)])
        if not len(alive):
            break
        for index, at in enumerate(alive):
            known = begun[at] if begun[at] < KNOWN_DIGITS else 0
            nodes[index] = MOST_DIGITS + lengths[at] * KNOWN_DIGITS + known
            flags[index] = (sizes[at] >> (lengths[at] - 1 - place)) & 1
        asked, some = _asked(contexts, alive, nodes), flags[: len(alive)]
        if not code_mixed(state, words, is_writing, mixing, slowness, asked, some):
            return -1
        work += STEP + len(alive)
        place += 1
        for index, at in enumerate(alive):
            begun[at] = 2 * begun[at] + flags[index]
    sizes[:] = begun
    return work


@compiled
def _kept(places: Ints, flags: Ints) -> Ints:
    """Those of the places [n] whose flag [n] is 1."""
    found, count = np.empty(len(places), dtype=np.int64), 0
    for index, place in enumerate(places):
        if flags[index]:
            found[count] = place
            count += 1
    return found[:count]


@compiled
def _asked(contexts: Ints, alive: Ints, nodes: Ints) -> Ints:
    """The contexts [kinds, m] of questions `nodes` [m] that are put to some [m] of those in `contexts`."""
    asked = np.empty((len(contexts), len(alive)), dtype=np.int64)
    for kind in range(len(contexts)):
        for index in range(len(alive)):
            asked[kind, index] = NODES * contexts[kind, alive[index]] + nodes[index]
    return asked
