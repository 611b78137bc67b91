"""Add a file to a package of the product for the length of a test, as if somebody had just written it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

import pytest

Plant = Callable[[str, str, str], None]


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[Plant]:
    """Call it with a package, a name and a source: the package has one more file until the test ends."""
    planted: list[tuple[str, str]] = []

    def add(package: str, name: str, source: str) -> None:
        folder = tmp_path / package
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.py").write_text(source, encoding="utf-8")
        path = import_module(package).__path__
        if str(folder) not in path:
            path.append(str(folder))
        planted.append((package, name))

    yield add
    for package, name in planted:
        module = import_module(package)
        folder = str(tmp_path / package)
        if folder in module.__path__:
            module.__path__.remove(folder)
        sys.modules.pop(f"{package}.{name}", None)
        vars(module).pop(name, None)
