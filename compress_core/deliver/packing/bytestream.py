"""Numbers, texts and byte runs in a row: what a header consists of."""

from __future__ import annotations

import numpy as np

from compress_core.deliver.packing.coder import Damaged

_LONGEST_NUMBER = 9  # bytes of seven bits


class Writer:
    """Collects the bytes."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def number(self, value: int) -> None:
        """A number from 0, seven bits a byte, the lowest first."""
        assert 0 <= value < 2 ** (7 * _LONGEST_NUMBER)
        while value >= 128:
            self._bytes.append(value & 127 | 128)
            value >>= 7
        self._bytes.append(value)

    def signed(self, value: int) -> None:
        """A number of either sign; small ones stay short."""
        self.number(2 * value if value >= 0 else -2 * value - 1)

    def run(self, content: bytes) -> None:
        """Bytes with their count before them."""
        self.number(len(content))
        self._bytes += content

    def raw(self, content: bytes) -> None:
        """Bytes whose count the reader knows."""
        self._bytes += content

    def content(self) -> bytes:
        return bytes(self._bytes)


class Reader:
    """Gives back what a Writer took; raises Damaged where the content ends too soon."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0

    def raw(self, count: int) -> bytes:
        """The next `count` bytes."""
        if not 0 <= count <= len(self._content) - self._at:
            raise Damaged
        self._at += count
        return self._content[self._at - count : self._at]

    def number(self) -> int:
        """A number from 0."""
        value = 0
        for place in range(_LONGEST_NUMBER):
            (byte,) = self.raw(1)
            value |= (byte & 127) << (7 * place)
            if byte < 128:
                return value
        raise Damaged

    def signed(self) -> int:
        """A number of either sign."""
        value = self.number()
        return value // 2 if value % 2 == 0 else -(value + 1) // 2

    def run(self) -> bytes:
        """Bytes with their count before them."""
        return self.raw(self.number())

    def rest(self) -> bytes:
        """All that is left."""
        return self.raw(len(self._content) - self._at)

    def at_end(self) -> None:
        """Raises Damaged where something is left."""
        if self._at != len(self._content):
            raise Damaged


def bits_to_bytes(flags: np.ndarray) -> bytes:
    """Flags [n], eight a byte."""
    return np.packbits(flags.astype(np.uint8)).tobytes()


def bytes_to_bits(content: bytes, count: int) -> np.ndarray:
    """The reverse: flags [count] uint8."""
    if len(content) != (count + 7) // 8:
        raise Damaged
    return np.unpackbits(np.frombuffer(content, np.uint8), count=count)
