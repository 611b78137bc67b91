"""The code that somebody's own modules run: it changes answers, and no weight and no name tells of it."""

from __future__ import annotations

import hashlib
import types
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from compress_core.network.forward import run_network, tensors_in
from compress_core.network.shared_copy import shared_copy
from compress_core.numerics.drawing import draw_from

_SEED = 5
_TOLD_BY_THE_RELEASE = ("torch.", "compress_core.", "builtins.", "typing.", "abc.")


def code_of(network: nn.Module, probes: Sequence[Tensor]) -> str:
    """What modules of somebody's own do, in a digest; empty where all are torch's and ours, without hooks.

    The files in which their methods stand, what methods without a file and functions that modules hold
    compile to, and the answers to some inputs [N, ...]: a constant, a buffer that is not saved or an
    imported helper changes those and nothing else. The release tells of torch and of ourselves.
    """
    modules = list(network.modules())
    classes = {kind for module in modules for kind in type(module).__mro__}
    strange = [kind for kind in classes if not f"{kind.__module__}.".startswith(_TOLD_BY_THE_RELEASE)]
    if not strange and not any(m._forward_hooks or m._forward_pre_hooks for m in modules):  # noqa: SLF001 - no other way to ask
        return ""
    held = [value for module in modules for value in vars(module).values()]
    methods = [value for kind in strange for value in vars(kind).values()]
    codes = [f.__code__ for f in [*methods, *held] if isinstance(f, types.FunctionType)]
    files = {code.co_filename for code in codes if Path(code.co_filename).is_file()}
    found = {hashlib.sha256(Path(file).read_bytes()).digest() for file in files}
    found |= {_compiled(code) for code in codes if code.co_filename not in files}
    answers = b"".join(_answers(network, probe) for probe in probes)
    return hashlib.sha256(b"".join(sorted(found)) + answers).hexdigest()


def _answers(network: nn.Module, probe: Tensor) -> bytes:
    """A digest of what a network answers; of its error where it has none. Chance is the same each time."""
    content = hashlib.sha256()
    with torch.random.fork_rng(devices=[]), torch.inference_mode():
        draw_from(_SEED)
        try:
            for answer in tensors_in(run_network(shared_copy(network), probe.clone())):
                content.update(
                    answer.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
                )
        except Exception as error:  # noqa: BLE001 - a forward that is not ours may raise anything
            content.update(type(error).__name__.encode())
    return content.digest()


def _compiled(code: types.CodeType) -> bytes:
    """Digest of what a function does: its instructions, names and constants, and its inner functions."""
    content = hashlib.sha256(code.co_code)
    content.update(repr(code.co_names).encode())
    for constant in code.co_consts:
        inner = isinstance(constant, types.CodeType)
        content.update(_compiled(constant) if inner else repr(constant).encode())
    return content.digest()
