"""One word for one thing: docs/glossary.md and the names in use say the same, and no name stands twice."""

from __future__ import annotations

import ast
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

from scripts.arrows import room_of, sources, statements

ROOT = Path(__file__).resolve().parent.parent
GLOSSARY = ROOT / "docs" / "glossary.md"
ARCHITECTURE = ROOT / "docs" / "architecture.md"
ENTRY = re.compile(r"^\| `(?P<name>\w+)` \| (?P<meaning>[^|]+) \| `(?P<path>[\w/.]+)` \|$", re.MULTILINE)
PATH = re.compile(r"`((?:[\w.-]+/)+(?:[\w.-]+)?|[\w-]+\.(?:py|md|toml|txt|yaml|json))`")
MADE_HERE = ("docs/reference/",)

# Files of one family answer the same question under the same name: that is what their caller relies on.
FAMILIES: Mapping[str, set[str]] = {
    "compress_core.tasks": {"run", "pack", "unpack"},
    "dashboard": {"draw"},
}
COMMANDS = ("compress_core.cli", "compress_core.face")  # called as the functions that they call
# What the project once called these things; the words of today stand in the glossary.
FORMER = {
    "Agreement", "Answer", "Caution", "Coded", "Form", "Made", "Muted", "Proof", "Quantised", "Setting",
    "Skeleton", "Standing", "answer_of", "cautions", "coded", "forms", "own_model", "proof", "proven",
    "setting", "settings", "standing",
}  # fmt: skip
MASK_ROOMS = ("compress_core.techniques", "compress_core.selection")  # a mask is not called what it keeps


@cache
def _modules() -> dict[str, ast.Module]:
    """Every module of the product, read once, and only where these tests run."""
    return {module: ast.parse(path.read_text(encoding="utf-8")) for module, path in sources(ROOT)}


def _classes(tree: ast.Module) -> Iterator[str]:
    """The public classes and the names of types that a module defines; type variables are no concepts."""
    for node in tree.body:
        match node:
            case ast.ClassDef(name=name):
                yield name
            case ast.AnnAssign(target=ast.Name(id=name), annotation=ast.Name(id="TypeAlias")):
                yield name
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Subscript() | ast.BinOp()) if _is_type(
                name
            ):
                yield name


def _is_type(name: str) -> bool:
    return name[0].isupper() and not name.isupper()


def _functions(tree: ast.Module) -> Iterator[str]:
    """The functions of a module; an argument of techniques serves several kinds of place under one name."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and not any(
            "argument" in ast.unparse(d) for d in node.decorator_list
        ):
            yield node.name


def _twice(names: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Public names that more than one module defines; names: (name, module)."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for name, module in names:
        if not name.startswith("_"):
            found[name].append(module)
    return {name: modules for name, modules in found.items() if len(modules) > 1}


def _in_a_family(name: str, module: str) -> bool:
    return any(name in shared and module.startswith(family) for family, shared in FAMILIES.items())


def _imported_by(tree: ast.Module) -> set[str]:
    found = (node for node in statements(tree) if isinstance(node, ast.ImportFrom))
    return {alias.name for node in found for alias in node.names}


def _rooms_using() -> dict[str, set[str]]:
    """Name -> the rooms that import it."""
    rooms: defaultdict[str, set[str]] = defaultdict(set)
    for module, tree in _modules().items():
        for name in _imported_by(tree):
            rooms[name].add(room_of(module))
    return rooms


def _concepts() -> set[str]:
    """The classes of the core that at least two rooms beside their own speak of."""
    using = _rooms_using()
    return {
        node.name
        for module, tree in _modules().items()
        if module.startswith("compress_core")
        for node in tree.body
        if isinstance(node, ast.ClassDef)
        and not node.name.startswith("_")
        and len(using[node.name] - {room_of(module)}) >= 2
    }


def _identifiers(tree: ast.AST) -> Iterator[str]:
    """What a module names itself: classes, functions, arguments, fields and variables."""
    for node in ast.walk(tree):
        match node:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.arg(arg=name):
                yield name
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield name


def _entries() -> list[re.Match[str]]:
    return list(ENTRY.finditer(GLOSSARY.read_text(encoding="utf-8")))


def _missing(text: str) -> list[str]:
    """Paths that a text names and that are not there, from the root, from a wing or from a room."""
    bases = (ROOT, ROOT / "compress_core", ROOT / "dashboard")
    return [
        said
        for said in PATH.findall(text)
        if not said.startswith(MADE_HERE) and not any((base / said).exists() for base in bases)
    ]


@pytest.mark.slow
def test_every_concept_stands_in_the_glossary_once() -> None:
    listed = Counter(entry["name"] for entry in _entries())
    assert not _concepts() - set(listed), "give them a row"
    assert not [name for name, times in listed.items() if times > 1]


def test_every_entry_of_the_glossary_is_a_class_that_others_use() -> None:
    used = {name for tree in _modules().values() for name in _imported_by(tree)}
    defined = {(name, module) for module, tree in _modules().items() for name in _classes(tree)}
    module_of = {path.relative_to(ROOT).as_posix(): module for module, path in sources(ROOT)}
    wrong = [e["name"] for e in _entries() if (e["name"], module_of.get(e["path"])) not in defined]
    assert not wrong, "not defined where the glossary says"
    assert not [e["name"] for e in _entries() if e["name"] not in used]


def test_every_row_of_the_glossary_is_read() -> None:
    rows = [x for x in GLOSSARY.read_text(encoding="utf-8").splitlines() if x.startswith("| ")]
    assert len(rows) == len(_entries()) + 1  # its head


@pytest.mark.parametrize("page", [ARCHITECTURE, GLOSSARY], ids=lambda page: page.stem)
def test_every_path_that_a_page_names_is_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert PATH.findall(text)
    assert not _missing(text)


def test_a_path_that_is_not_there_is_seen() -> None:
    assert _missing("see `compress_core/cautions.py` and `app.py`") == ["compress_core/cautions.py"]


def test_every_class_has_one_place() -> None:
    product = [
        (name, m)
        for m, tree in _modules().items()
        if not m.startswith("sample_models")
        for name in _classes(tree)
    ]
    assert not _twice(product), "give one of them another name"


def test_every_function_of_the_core_has_one_place() -> None:
    core = [
        (name, module)
        for module, tree in _modules().items()
        if module.startswith("compress_core") and not module.startswith(COMMANDS)
        for name in _functions(tree)
        if not _in_a_family(name, module)
    ]
    assert not _twice(core), "give one of them another name"


def test_every_module_has_a_name_of_its_own() -> None:
    modules = [(m.rpartition(".")[2], m) for m, path in sources(ROOT) if path.stem != "__init__"]
    assert not _twice(modules), "give one of them another name"


def test_no_name_speaks_the_old_dialect() -> None:
    said = re.compile("|".join(FORMER))  # a text that says none of them needs no look at its names
    old = (m for m, path in sources(ROOT) if said.search(path.read_text(encoding="utf-8")))
    found = {m: FORMER & set(_identifiers(_modules()[m])) for m in old}
    assert not {m: names for m, names in found.items() if names}


def test_a_mask_is_not_called_what_it_keeps() -> None:
    found = [
        f"{module}: {node.name}"
        for module, tree in _modules().items()
        if module.startswith(MASK_ROOMS)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
        for argument in (*node.args.args, *node.args.kwonlyargs)
        if argument.arg == "kept" and argument.annotation and "Tensor" in ast.unparse(argument.annotation)
    ]
    assert not found


def test_a_name_that_stands_twice_and_an_old_one_are_seen() -> None:
    assert _twice([("Cut", "a"), ("Cut", "b"), ("Group", "a"), ("_cut", "a"), ("_cut", "b")]) == {
        "Cut": ["a", "b"]
    }
    assert FORMER & set(_identifiers(ast.parse("def f(self, setting): self.proof = Made()"))) == {
        "proof",
        "setting",
    }
