"""Whether a network that runs also runs while somebody watches what it does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from compress_core.foundation.errors import Refused
from compress_core.loading.load_check import LoadedNetwork, NetworkWarning, load_check
from compress_core.network.forward import RAISED_BY_OTHERS


@load_check(order=-1)
def runs_watched(loaded: LoadedNetwork) -> Iterator[NetworkWarning]:
    """Every number comes of watching the operations of a run; raises Refused where that stops it."""
    try:
        loaded.answer(loaded.copy())
        with _Functions(), _Operations():  # type: ignore[no-untyped-call]  # torch gives it no types
            loaded.answer(loaded.copy())
    except RAISED_BY_OTHERS as error:
        cause = error.__cause__ or error
        if not type(cause).__module__.startswith("torch._dynamo") and not isinstance(
            cause, NotImplementedError
        ):
            raise
        raise Refused(
            "{model} runs, but not while its operations are watched ({reason}), which everything here does: "
            "torch.cond, while_loop and the like compile themselves. Write them as an if, or as torch.where.",
            model=loaded.name,
            reason=type(cause).__name__,
        ) from error
    yield from ()


class _Functions(TorchFunctionMode):
    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return func(*args, **(kwargs or {}))


class _Operations(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch gives it no types
    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Else torch imports its compiler, 800 modules, before it calls us for the first time."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return func(*args, **(kwargs or {}))
