"""What a technique or a statistic may ask for by name, and what that depends on: said where it is supplied.

An argument is a function in `arguments/`. It gets a view of the place where the technique stands, and the
view shows nothing that the argument did not declare. Keys are chained from the same declarations, so a
result cannot be kept under a key that forgets what it was made of.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Flag, auto
from functools import lru_cache
from typing import Any, ClassVar, TypeVar

from compress_core.recipe.values import Step
from compress_core.statistics import statistics
from compress_core.techniques.contract.technique import Technique

F = TypeVar("F", bound=Callable[..., Any])


class DependsOn(Flag):
    """What an argument follows from, beside the base, the name of its place and the knobs of the step.

    WEIGHT: the weight at hand as the steps before left it. ITEMS, LABELS: of calibration. EARLIER_LAYERS: as
    they are now. FACTORED_LAYERS: what stands in their place up to this layer; LATER_LAYERS: behind it too,
    from where gradients come back.
    """

    NOTHING = 0
    WEIGHT = auto()
    ITEMS = auto()
    LABELS = auto()
    EARLIER_LAYERS = auto()
    FACTORED_LAYERS = auto()
    LATER_LAYERS = auto()


@dataclass(frozen=True)
class ArgumentView:
    """What the supplier of an argument sees in one kind of place: what it declared, and no more.

    results: of the techniques that stand in such a place. derives: whether statistics are asked for here.
    """

    argument: Argument
    results: ClassVar[tuple[type, ...]] = ()
    derives: ClassVar[bool] = False

    def _look(self, at: DependsOn) -> None:
        """Every access begins with this: the answer would depend on it."""
        declared = self.argument.depends_on
        assert at in declared, f"{self.argument.name} looks at {at}, but it declares {declared}"


@dataclass(frozen=True)
class Argument:
    """A name that can be asked for where a view is had, and what it depends on."""

    name: str
    view: type[ArgumentView]
    depends_on: DependsOn
    supply: Callable[[Any], Any]


_REGISTRY: dict[tuple[type[ArgumentView], str], Argument] = {}
_VIEWS: dict[type, type[ArgumentView]] = {}


def argument(depends_on: DependsOn) -> Callable[[F], F]:
    """Register a function of a view under its name as an argument that depends on so much."""

    def register(function: F) -> F:
        (first,) = inspect.signature(function).parameters
        view = typing.get_type_hints(function)[first]
        declared = Argument(function.__name__, view, depends_on, function)
        known = _REGISTRY.setdefault((view, declared.name), declared)
        assert known.supply.__module__ == function.__module__, f"{declared.name} is supplied twice"
        for result in view.results:
            assert _VIEWS.setdefault(result, view) is view, f"{result.__name__} stands in two places"
        return function

    return register


@lru_cache(maxsize=1)
def _load_all() -> None:
    package = importlib.import_module("compress_core.apply.arguments")
    for found in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{package.__name__}.{found.name}")
    twice = {name for view, name in _REGISTRY if view.derives} & statistics().keys()
    assert not twice, f"{twice} are arguments and statistics"


def arguments() -> Mapping[tuple[type[ArgumentView], str], Argument]:
    """Every argument by the view of its place and its name."""
    _load_all()
    return dict(_REGISTRY)


def argument_named(view: type[ArgumentView], name: str) -> Argument | None:
    """The argument of that name in a place, None if it has none."""
    _load_all()
    return _REGISTRY.get((view, name))


def depends_on(method: Technique) -> DependsOn:
    """What the answer of a technique depends on: all that its arguments do."""
    return (
        depends_together(_view_of(method), method.needs, method.name) if method.needs else DependsOn.NOTHING
    )


def depends_together(view: type[ArgumentView], needs: Iterable[str], asking: str) -> DependsOn:
    """What these arguments depend on; a statistic depends on what it is derived from."""
    together = 0  # a union of flags takes ten times as long, and every moved slider asks for keys
    for name in needs:
        found = argument_named(view, name)
        if found is not None:
            together |= found.depends_on.value
        else:
            derived = statistics().get(name) if view.derives else None
            assert derived is not None, f"{asking} asks for {name}, which no {view.__name__} supplies"
            together |= depends_together(view, derived.needs, name).value
    return DependsOn(together)


def _view_of(method: Technique) -> type[ArgumentView]:
    _load_all()
    view = _VIEWS.get(method.result)
    assert view is not None, f"{method.name} asks for {method.needs}, but where it stands nothing is supplied"
    return view


def result_at(step: Step, look: Callable[[Argument], ArgumentView]) -> Any:
    """Call a technique with what it asks for, each argument from the view that `look` opens for it."""
    view, supplied = _view_of(step.method), []
    for name in step.method.needs:
        found = argument_named(view, name)
        assert found is not None, f"{step.technique} asks for {name}, which no {view.__name__} supplies"
        supplied.append(found.supply(look(found)))
    return called(step, supplied)


def called(step: Step, supplied: Iterable[Any]) -> Any:
    """The answer of a technique, with its own knobs as the step has them."""
    own = {k: v for k, v in step.knobs if k in step.method.own_knobs}
    return step.method.function(*supplied, **own)
