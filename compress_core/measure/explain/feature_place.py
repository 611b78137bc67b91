"""Where GradCAM looks: the same place before and after compression, known by its name."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from itertools import chain

import torch
from torch import Tensor, nn

from compress_core.network.layers.norms import batch_norms


def last_spatial_place(own: nn.Module, example: Tensor) -> str | None:
    """The last part with a convolution kernel in it to answer with feature maps of more than one pixel.

    Found by one forward pass of example [1, C, H, W], so that blocks count with what they add up to. A batch
    norm that reads this very answer belongs to it: folding it away leaves its output where the convolution's
    own was. -> its name; None where there is none.
    """
    watch = _Watch(frozenset(batch_norms(own)))
    with ExitStack() as hooks, torch.no_grad():
        for name, module in own.named_modules():
            if module is not own:
                hooks.enter_context(module.register_forward_hook(watch.hook(name), with_kwargs=True))
        own(example)
    return watch.place


def feature_place_in(own: nn.Module, example: Tensor, known: str | None) -> str | None:
    """The same place in a compressed network: the part of that name, else the last one as ever.

    example [1, C, H, W]. The name of a folded norm stands for the value that it passes on, that of a factored
    layer for the output of its last factor. None where there is no such part.
    """
    if known is not None and _answers_with_maps(own, example, known):
        return known
    return last_spatial_place(own, example)


def _answers_with_maps(own: nn.Module, example: Tensor, name: str) -> bool:
    module = dict(own.named_modules()).get(name)
    seen: list[bool] = []
    if module is not None:
        with torch.no_grad(), module.register_forward_hook(lambda _m, _i, made: seen.append(_is_maps(made))):
            own(example)
    return bool(seen) and all(seen)


def _is_maps(output: object) -> bool:
    return isinstance(output, Tensor) and output.ndim == 4 and output[0, 0].numel() > 1


class _Watch:
    """Notes the last place while a network runs."""

    def __init__(self, norms: frozenset[str]) -> None:
        self.place: str | None = None
        self._norms = norms
        self._answer: Tensor | None = None

    def hook(self, name: str) -> Callable[..., None]:
        def note(
            module: nn.Module, given: tuple[object, ...], named: dict[str, object], made: object
        ) -> None:
            if _is_maps(made) and (
                any(t.ndim == 4 for t in chain(module.parameters(), module.buffers()))
                or (name in self._norms and self._is_answer(next(iter((*given, *named.values())), None)))
            ):
                assert isinstance(made, Tensor)
                self.place, self._answer = name, made

        return note

    def _is_answer(self, given: object) -> bool:
        """Whether a norm reads what the place answered, and not a sum or an activation of it."""
        if not isinstance(given, Tensor) or self._answer is None:
            return False
        return given.data_ptr() == self._answer.data_ptr() and given.shape == self._answer.shape
