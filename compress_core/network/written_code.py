"""The code that somebody's own modules run: it changes answers, and no weight and no name tells of it."""

from __future__ import annotations

import hashlib
import types
from pathlib import Path

from torch import nn

_TOLD_BY_THE_RELEASE = ("torch.", "compress_core.", "builtins.", "typing.", "abc.")


def code_of(network: nn.Module) -> str:
    """sha-256 of the files in which the methods of a network stand, in hexadecimal.

    Those of torch and our own do not count: the release tells of them. A method without a file, as in a
    notebook, counts by what it compiles to; so do functions that modules hold.
    """
    classes = {kind for module in network.modules() for kind in type(module).__mro__}
    strange = [kind for kind in classes if not f"{kind.__module__}.".startswith(_TOLD_BY_THE_RELEASE)]
    held = [value for module in network.modules() for value in vars(module).values()]
    methods = [value for kind in strange for value in vars(kind).values()]
    codes = [f.__code__ for f in [*methods, *held] if isinstance(f, types.FunctionType)]
    files = {code.co_filename for code in codes if Path(code.co_filename).is_file()}
    found = {hashlib.sha256(Path(file).read_bytes()).digest() for file in files}
    found |= {_compiled(code) for code in codes if code.co_filename not in files}
    return hashlib.sha256(b"".join(sorted(found))).hexdigest()


def _compiled(code: types.CodeType) -> bytes:
    """Digest of what a function does: its instructions, names and constants, and its inner functions."""
    content = hashlib.sha256(code.co_code)
    content.update(repr(code.co_names).encode())
    for constant in code.co_consts:
        inner = isinstance(constant, types.CodeType)
        content.update(_compiled(constant) if inner else repr(constant).encode())
    return content.digest()
