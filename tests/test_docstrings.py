"""A function that takes or gives tensors says of what shape they are."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ARRAYS = {"Tensor", "ndarray", "NDArray", "Bools", "Floats", "Ints", "Reals"}
NAMED = {
    "Mapping",
    "MutableMapping",
    "dict",
    "Callable",
}  # by name they are of many shapes; a function says its own
ANY_SHAPE = "any shape"


def _arrays_in(annotation: ast.expr | None) -> bool:
    """Whether an annotation holds a tensor whose shape can be said."""
    match annotation:
        case None:
            return False
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name in ARRAYS
        case ast.Subscript(value=ast.Name(id=name)) if name in NAMED:
            return False
        case ast.Subscript(value=ast.Name(id=name)) if name in ARRAYS:
            return True
        case _:
            return any(
                _arrays_in(child) for child in ast.iter_child_nodes(annotation) if isinstance(child, ast.expr)
            )


def _public(body: list[ast.stmt], owner: str = "") -> Iterator[tuple[str, ast.FunctionDef]]:
    for node in body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            yield owner + node.name, node
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from _public(node.body, f"{node.name}.")


def _without_shape(source: str) -> list[str]:
    """The public functions on tensors whose docstring names no shape such as [out, in]."""
    if not any(kind in source for kind in ARRAYS):
        return []  # no parser needed
    found = []
    for name, function in _public(ast.parse(source).body):
        given = function.args
        annotations = [a.annotation for a in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
        said = " ".join((ast.get_docstring(function) or "").split())
        speaks = "[" in said or ANY_SHAPE in said
        if any(map(_arrays_in, (*annotations, function.returns))) and not speaks:
            found.append(name)
    return found


def test_every_public_function_on_tensors_says_their_shapes() -> None:
    found = {
        path.relative_to(ROOT).as_posix(): names
        for path in sorted((ROOT / "compress_core").rglob("*.py"))
        if (names := _without_shape(path.read_text(encoding="utf-8")))
    }
    assert not found, "write the shape as [out, in], or `any shape`, into the docstring"


@pytest.mark.parametrize(
    ("signature", "said", "names"),
    [
        ("f(x: Tensor) -> int", "Counts.", ["f"]),
        ("f(x: int) -> tuple[Tensor, int]", "Counts.", ["f"]),
        ("f(x: NDArray[np.bool_] | None) -> int", "Counts.", ["f"]),
        ("f(x: Tensor) -> int", "Counts x [out, in].", []),
        ("f(x: Tensor) -> int", "Counts x of any shape.", []),
        ("f(x: Mapping[str, Tensor]) -> int", "Counts.", []),
        ("_f(x: Tensor) -> int", "Counts.", []),
    ],
)
def test_a_function_without_a_shape_is_seen(signature: str, said: str, names: list[str]) -> None:
    assert _without_shape(f'def {signature}:\n    """{said}"""') == names
