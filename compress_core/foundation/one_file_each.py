"""Kinds of things that are one file each: the files of a package are found, and each declares one thing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import import_module
from pkgutil import iter_modules
from types import MappingProxyType
from typing import Any, Generic, TypeVar

Thing = TypeVar("Thing")


class OneFileEach(Generic[Thing]):
    """What the files of a package declare, by name; adding a file edits no other one.

    order says how what was found is sorted. A file is called like what it declares; one that declares
    nothing, several things or another name is our own mistake.
    """

    def __init__(self, package: str, order: Callable[[Thing], Any]) -> None:
        self.package = package
        self._order = order
        self._declared: dict[str, dict[str, Thing]] = {}
        self._found: dict[tuple[str, ...], Mapping[str, Thing]] = {}

    def declare(self, module: str, name: str, thing: Thing) -> None:
        """Note what a file declares while it is imported."""
        self._declared.setdefault(module, {})[name] = thing

    def found(self) -> Mapping[str, Thing]:
        """Everything by name; the files are read once for each path that the package has."""
        path = tuple(import_module(self.package).__path__)
        if path not in self._found:
            self._found[path] = self._read(path)
        return self._found[path]

    def _read(self, path: tuple[str, ...]) -> Mapping[str, Thing]:
        found = {name: self._of(name) for name in _files(path)}
        return MappingProxyType(dict(sorted(found.items(), key=lambda named: self._order(named[1]))))

    def _of(self, name: str) -> Thing:
        file = f"{self.package}.{name}"
        import_module(file)
        declared = self._declared.get(file, {})
        assert list(declared) == [name], f"{file} must declare {name}, but it declares {sorted(declared)}"
        return declared[name]


def names_in(package: str) -> tuple[str, ...]:
    """What the files of a package declare, by name alone: none of them is imported."""
    return tuple(_files(import_module(package).__path__))


def _files(path: Iterable[str]) -> Iterator[str]:
    return (file.name for file in iter_modules(path) if not file.ispkg)
