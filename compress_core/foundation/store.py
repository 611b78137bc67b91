"""Results kept by what they were made of: a memory bounded in bytes, with an optional folder behind it."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from compress_core.foundation.atomic_file import write_whole

T = TypeVar("T")


def digest(*parts: object) -> str:
    """One key for the values it was made of, in hexadecimal."""
    joined = "\x1f".join(str(part) for part in parts)
    return hashlib.sha256(joined.encode()).hexdigest()


class Store:
    """Values by key; equal requests are computed once, the least used go first when memory is full.

    Thread-safe. What it hands out is shared: nobody writes to it.
    """

    def __init__(self, max_bytes: int = 2**30, folder: Path | None = None) -> None:
        self._max_bytes = max_bytes
        self._folder = folder
        self._values: OrderedDict[str, tuple[Any, int]] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()
        self._under_way: dict[str, Future[Any]] = {}

    @property
    def bytes_held(self) -> int:
        return self._bytes

    def get(self, key: str, make: Callable[[], T], size: Callable[[T], int] = lambda _: 1024) -> T:
        """The value of a key, made on first use; size says how many bytes it holds on to."""
        while True:
            with self._lock:
                if key in self._values:
                    self._values.move_to_end(key)
                    return self._values[key][0]  # type: ignore[no-any-return]
                under_way = self._under_way.get(key)
                if under_way is None:
                    mine: Future[T] = Future()
                    self._under_way[key] = mine
                    break
            with suppress(CancelledError):
                return under_way.result()  # type: ignore[no-any-return]
        return self._make(key, mine, make, size)

    def _make(self, key: str, mine: Future[T], make: Callable[[], T], size: Callable[[T], int]) -> T:
        """Compute a value for all who wait for it; when that fails, the next of them tries."""
        try:
            value = make()
            self._keep(key, value, size(value))
            mine.set_result(value)
        finally:
            with self._lock:
                del self._under_way[key]
            mine.cancel()  # does nothing to one that is done
        return value

    def has(self, key: str) -> bool:
        """Whether the value of a key is in memory."""
        with self._lock:
            return key in self._values

    def tensors(self, key: str, make: Callable[[], Mapping[str, Tensor]]) -> Mapping[str, Tensor]:
        """Named tensors of a key; they also go to the folder and outlive the process."""

        def from_folder_or_made() -> Mapping[str, Tensor]:
            kept = self._read(key)
            if kept is not None:
                return kept
            made = make()
            self._write(key, made)
            return made

        return self.get(key, from_folder_or_made, lambda ts: sum(t.nbytes for t in ts.values()))

    def _keep(self, key: str, value: object, size: int) -> None:
        if size > self._max_bytes:
            return
        with self._lock:
            assert key not in self._values, "one thread at a time makes a key"
            self._values[key] = (value, size)
            self._bytes += size
            while self._bytes > self._max_bytes:
                _, (_, dropped) = self._values.popitem(last=False)
                self._bytes -= dropped

    def _path(self, key: str) -> Path | None:
        return None if self._folder is None else self._folder / f"{digest(key)}.safetensors"

    def _read(self, key: str) -> Mapping[str, Tensor] | None:
        path = self._path(key)
        if path is None or not path.exists():
            return None
        try:
            return load_file(path)
        except SafetensorError:
            path.unlink(missing_ok=True)  # half a file from another release is made anew
            return None

    def _write(self, key: str, tensors: Mapping[str, Tensor]) -> None:
        path = self._path(key)
        if path is not None:
            write_whole(path, save({name: t.contiguous() for name, t in tensors.items()}))
