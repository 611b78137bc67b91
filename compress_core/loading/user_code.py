"""Code of somebody's own: from package.module:function to a network, and from a live network to its code."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from torch import nn

from compress_core.foundation.errors import Refused
from compress_core.loading.fitting_weights import loaded
from compress_core.loading.samples import build
from compress_core.loading.stored import shown
from compress_core.network.forward import RAISED_BY_OTHERS
from compress_core.network.layers.wrappers import refuse_without_layers
from compress_core.network.shared_copy import digest_of, own_copy, unwrapped
from compress_core.subject.origin import Origin


def network_from(origin: Origin) -> nn.Module:
    """The network that package.module:function makes; raises Refused whatever goes wrong in there."""
    if origin.folder and origin.folder not in sys.path:
        sys.path.insert(0, origin.folder)
    try:
        return unwrapped(build(origin.factory))
    except Refused:
        raise
    except RAISED_BY_OTHERS as error:
        raise Refused(
            "{factory} failed ({reason}): it must be callable without arguments and return the network.",
            factory=origin.factory,
            reason=in_one_line(error),
        ) from error


def copied(network: nn.Module) -> nn.Module:
    """A network like this one that shares nothing with it; raises Refused where it cannot be copied."""
    refuse_without_layers(network, type(network).__name__)
    try:
        return own_copy(network)
    except RAISED_BY_OTHERS as error:
        raise Refused(
            "{name} cannot be copied ({reason}): give package.module:function that builds it instead.",
            name=type(network).__name__,
            reason=in_one_line(error),
        ) from error


def origin_of(network: nn.Module, factory: str | None = None) -> Origin:
    """How another process builds a live network: by a factory, or by its class without arguments.

    Raises Refused where the factory that was given builds another network; a class that will not do is
    no error, and the origin holds the reason.
    """
    if factory is not None:
        origin = Origin(factory, _folder_of(factory.partition(":")[0]))
        _check_builds(origin, network)
        return origin
    kind = type(network)
    name = f"{kind.__module__}:{kind.__qualname__}"
    if kind.__module__ == "__main__" or not kind.__qualname__.isidentifier():
        return Origin(problem=_not_elsewhere(name, "it is defined in a notebook, a script or a function"))
    origin = Origin(name, _folder_of(kind.__module__))
    try:
        _check_builds(origin, network)
    except Refused as refused:
        return Origin(problem=_not_elsewhere(name, str(refused)))
    return origin


def _not_elsewhere(name: str, reason: str) -> Refused:
    return Refused(
        "Jobs run in a process of their own, and that cannot build {name} ({reason}): put the class into a "
        "module and give factory='package.module:function', which builds the network without arguments.",
        name=shown(name),
        reason=reason,
    )


def _check_builds(origin: Origin, network: nn.Module) -> None:
    """Equal weights in another skeleton would be another network, so the whole digest is compared."""
    built = loaded(network_from(origin), network.state_dict(), origin.factory)
    if digest_of(_alike(built)) != digest_of(_alike(network)):
        raise Refused(
            "{factory} builds another network than the one that was given: name the function that built it.",
            factory=origin.factory,
        )


def _alike(network: nn.Module) -> nn.Module:
    """A copy in the state in which networks are looked at here."""
    return copied(network).to("cpu").eval().requires_grad_(requires_grad=False).float()


def _folder_of(module: str) -> str:
    """The folder from which a module is imported; empty where it lies in none."""
    try:
        found = importlib.util.find_spec(module.partition(".")[0])
    except (ImportError, ValueError):
        return ""
    if found is None:
        return ""
    places = list(found.submodule_search_locations or [])
    if not places and found.has_location and found.origin is not None:
        places = [found.origin]
    return str(Path(places[0]).resolve().parent) if places else ""


@contextmanager
def explained(name: str, shape: tuple[int, ...]) -> Iterator[None]:
    """Turn what a network of somebody else raises on its first item into one sentence."""
    try:
        yield
    except Refused:
        raise
    except RAISED_BY_OTHERS as error:
        raise Refused(
            "{name} does not run on an item of shape {shape} ({reason}): "
            "give items, or an input shape, as the network takes them.",
            name=name,
            shape=list(shape),
            reason=in_one_line(error),
        ) from error


def in_one_line(error: BaseException) -> str:
    """What was raised, in a line."""
    return shown(f"{type(error).__name__}: {' '.join(str(error).split())}")
