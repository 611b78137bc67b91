"""Plain constants of a file, read from its text: nothing of the file is run."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path


def declared_constants(file: Path) -> Mapping[str, object]:
    """The constants of a file by name; N_ around a text says that it is translated."""
    return dict(_constants(ast.parse(file.read_text(encoding="utf-8"))))


def _constants(module: ast.Module) -> Iterator[tuple[str, object]]:
    for node in module.body:
        match node:
            case ast.Assign(
                targets=[ast.Name(id=name)],
                value=ast.Constant(value=value)
                | ast.Call(func=ast.Name(id="N_"), args=[ast.Constant(value=value)]),
            ):
                yield name, value
