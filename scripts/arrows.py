"""Draw who imports whom: `python scripts/arrows.py [CHECKOUT] [--mermaid]`.

A room is a folder of the project; below `measure`, one folder deeper; a few stand apart inside another
room. The rooms stand in layers, and an import may only go from a layer to one that stands below it.
`tests/test_architecture.py` asks for exactly that. Uses the standard library only, so that any checkout
can be drawn.
"""

from __future__ import annotations

import argparse
import ast
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

# From the ground up. Rooms in one row do not know each other.
LAYERS: tuple[tuple[str, ...], ...] = (
    ("sample_models",),
    ("foundation",),
    ("numerics",),
    ("levels",),
    ("selection", "statistics"),
    ("techniques.contract",),
    ("techniques", "recipe"),
    ("network",),
    ("structure",),
    ("subject",),
    ("loading",),
    ("apply",),
    ("measure.cost",),
    ("measure.behavior",),
    ("measure.explain", "measure.speed", "measure.tables"),
    ("deliver",),
    ("measure.speed.runtimes",),
    ("training",),
    ("decide",),
    ("reviews",),
    ("jobs",),
    ("tasks",),
    ("face",),
    ("compress_core",),  # the door: it opens the face, and nothing of the core comes back through it
    ("cli",),
    ("dashboard",),
    ("pages",),
    ("app",),
)
DEEPER = ("measure",)
NESTED = ("techniques.contract", "measure.speed.runtimes")
BEFORE_THREADS = frozenset({"", "compress_core", "compress_core.cli"})
_INSIDE = ("body", "orelse", "finalbody", "handlers", "cases")  # where statements hold statements
WINGS = ("sample_models", "compress_core", "dashboard", "pages", "app.py")


def sources(root: Path) -> Iterator[tuple[str, Path]]:
    """Every module of the product with its file, by dotted name."""
    for wing in WINGS:
        place = root / wing
        for path in [place] if place.is_file() else sorted(place.rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def statements(tree: ast.Module) -> Iterator[ast.AST]:
    """Every statement of a module, the inner ones too; expressions, most of a tree, are not looked into."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        for part in _INSIDE:
            waiting += getattr(node, part, ())


def imported(source: str) -> Iterator[str]:
    """Every dotted name that a source imports, wherever the import stands."""
    for node in statements(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports name the whole module"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def module_graph(root: Path) -> dict[str, set[str]]:
    """Module -> the modules of the product that it imports."""
    files = dict(sources(root))
    graph: dict[str, set[str]] = {}
    for module, path in files.items():
        names = imported(path.read_text(encoding="utf-8"))
        found = (_module_of(name, files) for name in names)
        graph[module] = {other for other in found if other is not None and other != module}
    return graph


def with_packages(modules: Mapping[str, Iterable[str]]) -> dict[str, set[str]]:
    """The same, and the package of each module, which Python imports before it.

    A package that imports a module of its own is a circle then: two threads that meet there, one from
    either side, see half a module. Only what a program imports before it has threads may do so.
    """
    return {
        module: {
            *others,
            *({package} if (package := module.rpartition(".")[0]) not in BEFORE_THREADS else ()),
        }
        for module, others in modules.items()
    }


def _module_of(name: str, known: Mapping[str, Path]) -> str | None:
    while name and name not in known:
        name = name.rpartition(".")[0]
    return name or None


def room_of(module: str) -> str:
    """The room in which a module stands."""
    wing, *rest = module.split(".")
    if wing != "compress_core" or not rest:
        return wing
    inside = ".".join(rest)
    nested = (room for room in NESTED if f"{inside}.".startswith(f"{room}."))
    return next(nested, ".".join(rest[:2]) if rest[0] in DEEPER else rest[0])


def room_graph(modules: Mapping[str, Iterable[str]]) -> dict[tuple[str, str], int]:
    """(room, room it imports from) -> how many imports that are."""
    arrows: Counter[tuple[str, str]] = Counter()
    for module, others in modules.items():
        for other in others:
            if room_of(module) != room_of(other):
                arrows[room_of(module), room_of(other)] += 1
    return dict(arrows)


def layer_of(room: str) -> int | None:
    """How far above the ground a room stands; None for one that has no place."""
    return next((at for at, row in enumerate(LAYERS) if room in row), None)


def upward(here: str, there: str) -> bool:
    """Whether an import from one room to another breaks the layers."""
    if here == there:
        return False
    below, above = layer_of(here), layer_of(there)
    return below is None or above is None or above >= below


def circle(graph: Mapping[str, Iterable[str]]) -> list[str]:
    """Nodes that lead back to the first of them; empty where there is no way back."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def drawn(root: Path, *, mermaid: bool) -> str:
    """The rooms of a checkout and their arrows, as text or as a Mermaid graph."""
    modules = module_graph(root)
    arrows = room_graph(modules)
    rooms: defaultdict[str, list[str]] = defaultdict(list)
    for here, there in sorted(arrows):
        rooms[here].append(there)
    if mermaid:
        return "\n".join(["graph TD", *(f"  {here} --> {there}" for here, there in sorted(arrows))])
    order = sorted(rooms, key=lambda room: (-(layer_of(room) or 0), room))
    lines = [f"{room:20} -> {', '.join(f'{t} ({arrows[room, t]})' for t in rooms[room])}" for room in order]
    against = [f"{here} -> {there}" for here, there in sorted(arrows) if upward(here, there)]
    placed = all(layer_of(room) is not None for room in rooms)
    lines += [
        "",
        f"{len(modules)} modules, {len(set(map(room_of, modules)))} rooms, {len(arrows)} arrows",
        f"a circle of rooms: {' -> '.join(circle(rooms)) or 'none'}",
        f"a circle of modules: {' -> '.join(circle(modules)) or 'none'}",
    ]
    return "\n".join([*lines, f"against the layers: {against or 'none'}"] if placed else lines)


def main() -> int:
    """Print the picture."""
    parser = argparse.ArgumentParser(description="Draw who imports whom.")
    parser.add_argument("checkout", nargs="?", type=Path, default=Path(__file__).resolve().parent.parent)
    parser.add_argument("--mermaid", action="store_true", help="as a graph for Markdown")
    chosen = parser.parse_args()
    print(drawn(chosen.checkout, mermaid=chosen.mermaid))
    return 0


if __name__ == "__main__":
    sys.exit(main())
