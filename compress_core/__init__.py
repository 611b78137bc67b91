"""Slimscope: compress a trained PyTorch classifier and see, with intervals, what that cost.

    from compress_core import load, compress, compare, pack
    small = compress(load("lenet5"), "recipe.yaml")
    compare(small).frame()
    pack(small, "small.slim")

The names are loaded when somebody asks for them, so that `import compress_core` takes no time; what they
stand on knows no user interface.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from compress_core.foundation.version import __version__

if TYPE_CHECKING:
    from compress_core.face.budget_model import budget
    from compress_core.face.compress_model import compress
    from compress_core.face.explain_model import explain
    from compress_core.face.load_model import load
    from compress_core.face.measure_model import compare, evaluate
    from compress_core.face.open_page import open_dashboard
    from compress_core.face.review_model import review
    from compress_core.face.scan_model import scan
    from compress_core.face.train_compressed import train
    from compress_core.face.write_files import export, pack
    from compress_core.foundation.errors import Refused
    from compress_core.recipe.reading import read_recipe
    from compress_core.recipe.values import Recipe

_FOUND_IN = {
    "Recipe": "recipe.values",
    "Refused": "foundation.errors",
    "budget": "face.budget_model",
    "compare": "face.measure_model",
    "compress": "face.compress_model",
    "evaluate": "face.measure_model",
    "explain": "face.explain_model",
    "export": "face.write_files",
    "load": "face.load_model",
    "open_dashboard": "face.open_page",
    "pack": "face.write_files",
    "read_recipe": "recipe.reading",
    "review": "face.review_model",
    "scan": "face.scan_model",
    "train": "face.train_compressed",
}

__all__ = [
    "Recipe",
    "Refused",
    "__version__",
    "budget",
    "compare",
    "compress",
    "evaluate",
    "explain",
    "export",
    "load",
    "open_dashboard",
    "pack",
    "read_recipe",
    "review",
    "scan",
    "train",
]


def __getattr__(name: str) -> object:
    """A name of the face, loaded on its first use."""
    if name not in _FOUND_IN:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(importlib.import_module(f"{__name__}.{_FOUND_IN[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
