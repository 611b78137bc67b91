"""The rules of docs/architecture.md that a reader cannot check at a glance."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from scripts.arrows import circle, imported, module_graph, room_of, sources, upward, with_packages

ROOT = Path(__file__).resolve().parent.parent
PRODUCT = dict(sources(ROOT))
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


@cache
def _graph() -> dict[str, set[str]]:
    """Who imports whom, read once for all tests."""
    return module_graph(ROOT)


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
    if "nn." not in source:
        return []  # no parser needed
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


def test_imports_run_downwards_only() -> None:
    graph = _graph()
    found = [
        f"{module} imports {other}"
        for module, others in graph.items()
        for other in others
        if upward(room_of(module), room_of(other))
    ]
    assert not found, "move the code down, or give its room a place in LAYERS of scripts/arrows.py"


def test_no_module_reaches_itself() -> None:
    assert not circle(_graph())


def test_no_package_imports_what_lies_in_it_so_that_threads_may_import_at_once() -> None:
    assert not circle(with_packages(_graph()))


def test_a_package_that_imports_what_lies_in_it_is_seen() -> None:
    assert circle(
        with_packages({"wing.room": {"wing.room.module"}, "wing.room.module": set(), "wing": set()})
    )


@pytest.mark.parametrize(
    ("module", "other"),
    [
        ("compress_core.network.layers", "dashboard.text"),
        ("dashboard.state", "pages.tune"),
        ("compress_core.recipe.values", "compress_core.apply.run"),
        ("compress_core.measure.behavior.compare", "compress_core.deliver.packed_file"),
        ("compress_core.measure.cost.sizes", "compress_core.measure.tables.knob_tables"),
        ("compress_core.techniques.contract.technique", "compress_core.techniques.magnitude"),
    ],
)
def test_an_upward_import_is_seen(module: str, other: str) -> None:
    assert upward(room_of(module), room_of(other))
    assert not upward(room_of(other), room_of(module))


def test_a_room_without_a_place_and_one_beside_it_are_seen() -> None:
    assert upward("tasks", "annex")
    assert upward("measure.speed", "measure.explain")


def test_a_circle_is_seen() -> None:
    assert circle({"text": {"values"}, "values": {"patterns", "text"}, "patterns": set()})


def test_only_the_dashboard_imports_streamlit_and_its_figures_do_not() -> None:
    pure = ("compress_core", "sample_models", "dashboard.figures")
    texts = {m: path.read_text(encoding="utf-8") for m, path in PRODUCT.items() if m.startswith(pure)}
    named = {
        module: text for module, text in texts.items() if "streamlit" in text
    }  # all others need no parser
    found = [m for m, text in named.items() if any(n.split(".")[0] == "streamlit" for n in imported(text))]
    assert not found


@pytest.mark.slow
def test_importing_all_of_the_core_loads_no_streamlit_and_no_page() -> None:
    command = [sys.executable, "-c", IMPORT_ALL]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    finished = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=ROOT)
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.strip() == "[]"


def test_layer_types_are_told_apart_in_one_folder_only() -> None:
    found = {
        module: lines
        for module, path in PRODUCT.items()
        if not module.startswith("compress_core.network.layers")
        and (lines := _asks_for_a_layer_type(path.read_text(encoding="utf-8")))
    }
    assert not found


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
    found = [m for m, path in PRODUCT.items() if "unsafe_allow_html" in path.read_text(encoding="utf-8")]
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
