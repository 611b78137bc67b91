"""Which parts of an input speak for an answer: one signed map for each item, computed by Captum.

A method is one function with a decorator, in a file of its own in `methods/`. Captum hangs hooks on what
it explains, and networks are shared between sessions; so every call works on a skeleton of its own:
modules copied, weights shared. Of a network that reads words the inputs are the vectors of its words.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity, pad

from compress_core.foundation.errors import Refused
from compress_core.foundation.one_file_each import OneFileEach
from compress_core.foundation.texts import N_
from compress_core.measure.explain.feature_place import last_spatial_place
from compress_core.measure.explain.word_reading import (
    FromVectors,
    FromWords,
    Noise,
    WordReading,
    reading_of,
)
from compress_core.network.copied_tree import copied_tree
from compress_core.network.forward import running_on
from compress_core.network.input_guard import guarded
from compress_core.network.layers.word_tables import has_tables
from compress_core.network.living_memory import rows_at_once
from compress_core.network.word_row import word_row
from compress_core.subject.answer_kind import AnswerKind

ROWS_AT_ONCE = 256
VALUES_AT_ONCE = 2**20
"""What goes through a network in one pass: at most so many inputs, and so many input values."""


@dataclass(frozen=True)
class Question:
    """What a map answers: which inputs speak for the target, one of the scores, seen from the baseline.

    inputs [N, C, *size] or [N, F], targets [N], baseline [1, ...]; rows: inputs allowed in one pass;
    refine: whether more work is done where a map is not exact enough; place: the name of the part whose
    feature maps are looked at, None for the last. beside: what the network is given with the inputs, each
    [N, ...]: the rows in which the words of items stand, and the vectors that its own are held against.
    """

    inputs: Tensor
    targets: Tensor
    baseline: Tensor
    rows: int
    refine: bool = True
    place: str | None = None
    beside: tuple[Tensor, ...] = ()


@dataclass(frozen=True)
class Attributed:
    """Maps of some items [N, ...] and what there is to say of how they were made.

    gap [N]: the share of the score's change that a map leaves out; steps [N]: points it took; NaN and 0 for
    methods that add up to nothing. place: the name of the part that was looked at, else empty.
    """

    maps: Tensor
    gap: Tensor
    steps: Tensor
    place: str = ""


MethodFunction = Callable[[nn.Module, Question], Tensor | Attributed]
Refusal = Callable[[nn.Module, Tensor], Refused | None]


@dataclass(frozen=True)
class AttributionMethod:
    """A way to explain a prediction; `refusal(network, example [1, ...])` is None where it is on offer.

    hides: whether it looks at what happens when a part of the input is hidden, so that it needs no gradient;
    at_a_point: whether at nothing but how the score changes where the input stands.
    """

    name: str
    summary: str
    source: str
    order: int
    rows_per_item: int
    run: MethodFunction
    refusal: Refusal
    hides: bool = False
    at_a_point: bool = False


_FILES: OneFileEach[AttributionMethod] = OneFileEach(
    "compress_core.measure.explain.methods", lambda method: (method.order, method.name)
)


def attribution_method(
    *,
    order: int,
    refusal: Refusal,
    rows_per_item: int = 1,
    hides: bool = False,
    at_a_point: bool = False,
) -> Callable[[MethodFunction], MethodFunction]:
    """Register a function as a method; its docstring begins with the summary and ends with the source.

    order: its place among the methods on offer; rows_per_item: how many inputs it makes of one; hides,
    at_a_point: see `AttributionMethod`.
    """

    def register(run: MethodFunction) -> MethodFunction:
        paragraphs = (inspect.getdoc(run) or "").split("\n\n")
        summary, source = paragraphs[0], paragraphs[-1].replace("\n", " ")
        name = getattr(run, "__name__")  # noqa: B009 - a Callable has no __name__ for mypy
        method = AttributionMethod(
            name, summary, source, order, rows_per_item, run, refusal, hides, at_a_point
        )
        _FILES.declare(run.__module__, name, method)
        return run

    return register


def attribution_methods() -> Mapping[str, AttributionMethod]:
    """Every method by name, in the order that their files declare."""
    return _FILES.found()


def offered_methods(
    network: nn.Module, example: Tensor, answers: AnswerKind = AnswerKind.SCORES
) -> tuple[AttributionMethod, ...]:
    """The methods that can explain this network and the answers that it gives; example [1, ...]."""
    return tuple(
        method
        for method in attribution_methods().values()
        if not (method.at_a_point and answers is AnswerKind.VECTORS)
        and method.refusal(network, example) is None
    )


def method_named(name: str) -> AttributionMethod:
    """The method of that name.

    Raises Refused for a name that is not registered.
    """
    known = attribution_methods()
    if name not in known:
        text = N_("There is no attribution method {name!r}; choose one of {names}.")
        raise Refused(text, name=name, names=", ".join(known))
    return known[name]


def attribute(
    network: nn.Module, inputs: Tensor, targets: Tensor, method: AttributionMethod, baseline: Tensor
) -> Tensor:
    """One signed map for each item: positive speaks for its target, negative against it.

    inputs [N, C, *size] -> maps [N, *size], channels summed; inputs [N, F] -> maps [N, F]; rows of T words
    -> maps [N, T], the numbers of a vector summed.
    targets [N] which score, baseline [1, ...] the input that says nothing. Weights, flags and hooks of
    the network are left as they are, so threads may share it.

    Raises Refused where the method cannot explain this network, or shapes do not fit together.
    """
    maps = list(attribute_in_batches(network, inputs, targets, method, baseline))
    return torch.cat(maps)


def attribute_in_batches(
    network: nn.Module, inputs: Tensor, targets: Tensor, method: AttributionMethod, baseline: Tensor
) -> Iterator[Tensor]:
    """The same maps [n, ...], a few items at a time: memory stays bounded and progress can be shown."""
    return (found.maps for found in attributed_in_batches(network, inputs, targets, method, baseline))


def attributed_in_batches(
    network: nn.Module,
    inputs: Tensor,
    targets: Tensor,
    method: AttributionMethod,
    baseline: Tensor,
    *,
    refine: bool = True,
    place: str | None = None,
    at: Tensor | None = None,
    noise: Noise | None = None,
    toward: Tensor | None = None,
) -> Iterator[Attributed]:
    """The same maps [n, ...] with what there is to say of how they were made; see `Question`.

    at [N]: the word of which a network that answers at each of them is asked, else the last that is there;
    noise: on the vectors of words; toward [N, width]: the score is the cosine of an answer with these.
    """
    _check_shapes(inputs, targets, baseline)
    refusal = None if toward is None or not method.at_a_point else _at_its_largest(method)
    refusal = refusal or method.refusal(network, inputs[:1])
    if refusal is not None:
        raise refusal
    own = skeleton(network)
    rows = rows_at_once(own, inputs, rows_of_size(inputs), gradient=True)
    size = max(1, rows // method.rows_per_item)
    row = word_row(own, inputs)
    words = None if row is None else _Words(reading_of(own, row, inputs, place), at, noise)
    for start in range(0, len(inputs), size):
        part = slice(start, start + size)
        near = () if toward is None else (toward[part],)
        asked = Question(inputs[part], targets[part], baseline, rows, refine, place, near)
        together = min(rows, len(asked.inputs) * method.rows_per_item)
        with running_on(inputs[:1].expand(together, *inputs.shape[1:])):
            found = (
                _attributed(own, method, asked, near=toward is not None)
                if words is None
                else words.attributed(method, asked, start)
            )
        yield found


@dataclass(frozen=True, eq=False)
class _Words:
    """Rows of words, explained by their vectors; at [N] and noise as in `attributed_in_batches`."""

    reading: WordReading
    at: Tensor | None
    noise: Noise | None

    def attributed(self, method: AttributionMethod, question: Question, start: int) -> Attributed:
        """Maps [n, T] of rows [n, R], the first of which is item `start`."""
        row, rows, near = self.reading.row, question.inputs, bool(question.beside)
        at = row.last(rows) if self.at is None else self.at[start : start + len(rows)]
        there, words = row.there(rows), row.words(rows)
        vectors = self.reading.vectors(words)
        noise = torch.zeros(()) if self.noise is None else self.noise.on(start, vectors.shape)
        noise = noise * there.unsqueeze(1)
        if method.hides:
            longest = int(row.last(rows).max()) + 1
            covers = torch.full((1, longest), row.cover)
            asked = replace(
                question,
                inputs=words[:, :longest],
                baseline=covers,
                beside=(rows, at, noise.expand_as(vectors), *question.beside),
            )
            found = _attributed(FromWords(self.reading), method, asked, near=near)
            maps = pad(found.maps, (0, row.length - longest))
            return replace(found, maps=torch.where(there, maps, 0.0), place=self.reading.place)
        blank = self.reading.vectors(torch.full((1, row.length), row.blank))
        asked = replace(question, inputs=vectors + noise, baseline=blank, beside=(rows, at, *question.beside))
        found = _attributed(FromVectors(self.reading), method, asked, near=near)
        return replace(found, place=self.reading.place)


class RowsOfScores(nn.Module):
    """A network whose answers are rows of scores: its own, or the cosine with vectors it is given as well.

    near: whether the last of what it is given are those vectors [n, width].
    """

    def __init__(self, network: nn.Module, *, near: bool = False) -> None:
        super().__init__()
        self.network, self.near = network, near

    def forward(self, *given: Tensor) -> Tensor:
        """Scores [n, C]; of one number [n, 1], as of a cosine."""
        if self.near:
            *given_to_it, vectors = given
            return cosine_similarity(self.network(*given_to_it), vectors, dim=1).unsqueeze(1)
        answer: Tensor = self.network(*given)
        return answer if answer.ndim > 1 else answer.unsqueeze(1)


def skeleton(network: nn.Module) -> nn.Module:
    """A copy of the module tree in evaluation mode that shares every weight with the original.

    It works on copies of its inputs: what asks for a gradient may not be written to.
    """
    return guarded(with_tensors(network, _differentiable))


@torch.inference_mode(mode=False)
def with_tensors(network: nn.Module, replacement: Callable[[Tensor], Tensor]) -> nn.Module:
    """A copy of the module tree, in evaluation mode, with replacement(t) for each parameter and buffer t.

    A tensor that two layers share is replaced once; a parameter that is returned unchanged stays shared.
    """
    tensors = {id(buffer): replacement(buffer).clone() for buffer in network.buffers()}
    for parameter in network.parameters():
        new = replacement(parameter)
        tensors[id(parameter)] = new if new is parameter else nn.Parameter(new, requires_grad=False)
    return copied_tree(network, tensors).eval()


def rows_of_size(inputs: Tensor) -> int:
    """How many inputs of the size of these [N, ...] go through a network together at most."""
    return max(1, min(ROWS_AT_ONCE, VALUES_AT_ONCE // max(1, inputs[0].numel())))


def _differentiable(tensor: Tensor) -> Tensor:
    # Autograd refuses tensors that were made under inference_mode; their clones are ordinary.
    return tensor.clone() if tensor.is_inference() else tensor


def _check_shapes(inputs: Tensor, targets: Tensor, baseline: Tensor) -> None:
    if len(inputs) == 0:
        raise Refused("There is nothing to explain: no item was chosen; choose at least one.")
    if targets.shape != inputs.shape[:1]:
        text = N_("There must be one target for each of the {items} items, got shape {shape}.")
        raise Refused(text, items=len(inputs), shape=list(targets.shape))
    if baseline.shape != (1, *inputs.shape[1:]):
        text = N_("The baseline must have the shape of one input, {expected}, got {shape}.")
        raise Refused(text, expected=[1, *inputs.shape[1:]], shape=list(baseline.shape))


@torch.inference_mode(mode=False)
@torch.enable_grad()
def _attributed(
    own: nn.Module, method: AttributionMethod, question: Question, *, near: bool = False
) -> Attributed:
    """Maps for one batch, channels summed; near: as `RowsOfScores` has it."""
    inputs = question.inputs.detach().clone()
    if inputs.is_floating_point():
        inputs.requires_grad_()
    asked = replace(
        question,
        inputs=inputs,
        targets=question.targets.clone(),
        baseline=question.baseline.clone(),
        beside=tuple(each.clone() for each in question.beside),
    )
    found = method.run(RowsOfScores(own, near=near), asked)
    if isinstance(found, Tensor):
        found = Attributed(found, torch.full((len(found),), torch.nan), torch.zeros(len(found)))
    maps = found.maps.detach().to(inputs.dtype if inputs.is_floating_point() else torch.float32)
    return replace(found, maps=maps if maps.ndim == 2 else maps.sum(dim=1))


# What stands in the way of a method


def _at_its_largest(method: AttributionMethod) -> Refused:
    return Refused(
        "{method} asks how the score changes where the input stands. Of a vector the score is the cosine "
        "with the original's own, which is at its largest there, so that every change is zero: choose "
        "integrated_gradients or occlusion.",
        method=method.name,
    )


@torch.inference_mode(mode=False)
@torch.enable_grad()
def needs_gradient(network: nn.Module, example: Tensor) -> Refused | None:
    """Why the network's output cannot be differentiated by its input [1, ...], or None if it can."""
    unfit = needs_scores(network, example)
    if unfit is not None:
        return unfit
    own = skeleton(network)
    row = word_row(own, example)
    if row is None:
        output = own(example.detach().clone().requires_grad_())
    else:
        reading = reading_of(own, row, example)
        vectors = reading.vectors(row.words(example)).requires_grad_()
        output = reading.scores(example.clone(), row.last(example), instead=vectors)
    if not output.requires_grad:
        return Refused("The output of this network does not follow its input smoothly; choose occlusion.")
    return None


@torch.no_grad()
def needs_scores(network: nn.Module, example: Tensor) -> Refused | None:
    """Why the network does not give real-valued inputs, or words, a row of scores, or None if it does.

    example [1, ...].
    """
    own = skeleton(network)
    row = word_row(own, example) if has_tables(own) else None
    if row is None and (not example.is_floating_point() or example.ndim < 2):
        text = N_(
            "Only inputs of real numbers, [items, ...], or words that an embedding reads can be explained; "
            "these are {dtype} {shape}."
        )
        return Refused(text, dtype=str(example.dtype), shape=list(example.shape))
    output = own(example)
    if not isinstance(output, Tensor) or output.ndim not in ({1, 2} if row is None else {1, 2, 3}):
        return Refused(
            "Only networks that answer with a row of numbers for each item, [items, numbers], are explained."
        )
    if row is None:
        return None
    try:
        reading_of(own, row, example)
    except Refused as refused:
        return refused
    return None


def needs_convolution(network: nn.Module, example: Tensor) -> Refused | None:
    """Why there is no layer of feature maps to look at, or None if there is one.

    example [1, ...].
    """
    unfit = needs_gradient(network, example)
    if unfit is not None:
        return unfit
    if word_row(network, example) is not None or last_spatial_place(skeleton(network), example) is None:
        return Refused(
            "GradCAM needs a convolution on images, and this network has none; choose another method."
        )
    return None
