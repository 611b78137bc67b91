"""The rules of docs/architecture.md that a reader cannot check at a glance."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
WINGS = {"sample_models": 0, "compress_core": 1, "dashboard": 2, "pages": 3, "app": 4}
# Modules of the core that stand in no row speak the language of the core: rank 0.
CORE = {
    "subject": 1,
    "apply": 2,
    "model": 2,
    "measure": 3,
    "training": 4,
    "decide": 5,
    "deliver": 6,
    "worker": 7,
    "cli": 8,
}
PRODUCT = [
    path
    for wing in WINGS
    for path in ([ROOT / "app.py"] if wing == "app" else sorted((ROOT / wing).rglob("*.py")))
    if path.exists()
]
MACHINE_PATH = re.compile(rb"(?<![\w.~/])/(?:root|Users/\w+|home/\w+|work/\w+|opt/\w+|tmp/\w+)\b")
REGISTRY_HOST = re.compile(
    rb"\b(?:pypi\.(?:org|python\.org)|pythonhosted\.org|download\.pytorch\.org|registry\.npmjs\.org|cdn\.jsdelivr\.net)\b"
)

IMPORT_ALL = """
import importlib, pkgutil, sys
import compress_core
for found in pkgutil.walk_packages(compress_core.__path__, "compress_core."):
    if not found.name.endswith("__main__"):
        importlib.import_module(found.name)
print(sorted(name for name in sys.modules if name.split(".")[0] in {"streamlit", "dashboard", "pages"}))
"""


def _name(path: Path) -> str:
    """The dotted name of a module from its file."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imports(source: str) -> Iterator[str]:
    """Every dotted name that a source imports, wherever the import stands."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports name the whole module"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _wing(module: str) -> int | None:
    return WINGS.get(module.split(".", maxsplit=1)[0])


def _core(module: str) -> int:
    wing, _, rest = module.partition(".")
    return CORE.get(rest.split(".", maxsplit=1)[0], 0) if wing == "compress_core" else -1


def _upward(module: str, imported: str) -> bool:
    here, there = _wing(module), _wing(imported)
    if here is None or there is None:
        return False
    return there > here or (here == there == WINGS["compress_core"] and _core(imported) > _core(module))


def _is_layer_type(node: ast.expr) -> bool:
    """nn.Linear, torch.nn.Linear, and tuples or unions of such; nn.Module is what they have in common."""
    return any(
        isinstance(part, ast.Attribute)
        and part.attr != "Module"
        and re.search(r"(^|\.)nn$", ast.unparse(part.value))
        for part in ast.walk(node)
    )


def _asks_for_a_layer_type(source: str) -> list[int]:
    """The lines that tell layers apart, by isinstance or by a case."""
    lines = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(func=ast.Name(id="isinstance"), args=[_, types]) if _is_layer_type(types):
                lines.append(node.lineno)
            case ast.MatchClass(cls=types) if _is_layer_type(types):
                lines.append(node.lineno)
            case _:
                pass
    return lines


def _published() -> list[Path]:
    """The files that a checkout consists of: what git knows or would add."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    if (ROOT / ".git").exists():
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True).stdout
        return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]
    return [p for p in ROOT.rglob("*") if p.is_file() and not _is_made_here(p.relative_to(ROOT))]


def _is_made_here(path: Path) -> bool:
    made = {"__pycache__", "build", "dist"}
    return any(part in made or part.endswith(".egg-info") for part in path.parts) or (
        path.parts[0].startswith(".") and path.parts[0] not in {".ci", ".streamlit", ".gitignore"}
    )


@pytest.mark.parametrize("path", PRODUCT, ids=_name)
def test_imports_run_downwards_only(path: Path) -> None:
    found = [name for name in _imports(path.read_text(encoding="utf-8")) if _upward(_name(path), name)]
    assert not found, f"{_name(path)} imports {found}: move the code down, or give it a place in CORE"


@pytest.mark.parametrize(
    ("module", "imported"),
    [
        ("compress_core.subject.layers", "dashboard.text._"),
        ("dashboard.state", "pages.tune.show"),
        ("compress_core.recipe", "compress_core.apply.applied"),
        ("compress_core.measure.compare", "compress_core.deliver.pack"),
        ("sample_models.train", "compress_core.errors.Refused"),
    ],
)
def test_an_upward_import_is_seen(module: str, imported: str) -> None:
    assert _upward(module, imported)
    assert not _upward(imported, module)


def test_only_the_dashboard_imports_streamlit_and_its_figures_do_not() -> None:
    pure = [
        p for p in PRODUCT if _name(p).startswith(("compress_core", "sample_models", "dashboard.figures"))
    ]
    found = [
        _name(path)
        for path in pure
        if any(name.split(".")[0] == "streamlit" for name in _imports(path.read_text(encoding="utf-8")))
    ]
    assert not found


def test_importing_all_of_the_core_loads_no_streamlit_and_no_page() -> None:
    command = [sys.executable, "-c", IMPORT_ALL]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    finished = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=ROOT)
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.strip() == "[]"


def test_layer_types_are_told_apart_in_one_folder_only() -> None:
    inside = [p for p in PRODUCT if not _name(p).startswith("compress_core.subject.layers")]
    found = {_name(p): _asks_for_a_layer_type(p.read_text(encoding="utf-8")) for p in inside}
    assert not {name: lines for name, lines in found.items() if lines}


@pytest.mark.parametrize(
    "source",
    [
        "isinstance(m, nn.Linear)",
        "isinstance(m, torch.nn.Conv2d | nn.Linear)",
        "isinstance(m, (int, nn.Linear))",
        "match m:\n    case nn.Linear():\n        pass",
    ],
)
def test_a_question_for_a_layer_type_is_seen(source: str) -> None:
    assert _asks_for_a_layer_type(source)


def test_a_question_for_any_module_tells_no_layers_apart() -> None:
    assert not _asks_for_a_layer_type("isinstance(m, nn.Module)")


def test_no_page_lets_raw_html_through() -> None:
    found = [_name(p) for p in PRODUCT if "unsafe_allow_html" in p.read_text(encoding="utf-8")]
    assert not found


def test_published_files_name_no_path_of_a_machine_and_no_registry() -> None:
    here = Path(__file__).resolve()
    found = {
        path.relative_to(ROOT).as_posix(): match.group().decode()
        for path in _published()
        if path != here
        for pattern in (MACHINE_PATH, REGISTRY_HOST)
        if (match := pattern.search(path.read_bytes())) is not None
    }
    assert not found


@pytest.mark.parametrize(
    "text",
    [b'open("/root/x")', b"see /home/ann/data", b"--find-links /opt/files", b"https://pypi.org/simple"],
)
def test_a_path_of_a_machine_is_seen(text: bytes) -> None:
    assert MACHINE_PATH.search(text) or REGISTRY_HOST.search(text)
