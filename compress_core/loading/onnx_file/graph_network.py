"""A network of torch's own layers, from the description of an ONNX file: JSON in, an nn.Module out.

Nothing of the description is code. Layers are of a list of kinds, steps call functions of a table, and what
it says of sizes is bounded before anything is made.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import Parameter

from compress_core.foundation.errors import Refused
from compress_core.loading.fitting_weights import refuse_other_shapes
from compress_core.loading.onnx_file.rounded_values import RoundedValues
from compress_core.loading.onnx_file.step_calls import call_named
from compress_core.loading.stored import check_name

_AXES = ("1d", "2d", "3d")
_BY_AXES = [
    "Conv",
    "ConvTranspose",
    "BatchNorm",
    "InstanceNorm",
    "MaxPool",
    "AvgPool",
    "AdaptiveAvgPool",
    "AdaptiveMaxPool",
]
KINDS: Mapping[str, Callable[..., nn.Module]] = {
    **{f"{kind}{axes}": getattr(nn, f"{kind}{axes}") for kind in _BY_AXES for axes in _AXES},
    **{
        kind: getattr(nn, kind)
        for kind in [
            "Linear",
            "Embedding",
            "LayerNorm",
            "RMSNorm",
            "GroupNorm",
            "LocalResponseNorm",
            "PReLU",
            "ReLU",
            "ReLU6",
            "LeakyReLU",
            "Hardtanh",
            "Sigmoid",
            "SiLU",
            "Hardsigmoid",
            "Hardswish",
            "Tanh",
            "GELU",
            "ELU",
            "CELU",
            "SELU",
            "Softplus",
            "Softsign",
            "Mish",
            "Softmax",
            "LogSoftmax",
            "Upsample",
            "PixelShuffle",
        ]
    },
    "RoundedValues": RoundedValues,
}
"""The layers that a description may name."""
_TYPES = {
    "float32": torch.float32,
    "int64": torch.int64,
    "int32": torch.int32,
    "bool": torch.bool,
    "uint8": torch.uint8,
    "int8": torch.int8,
}
_FORMAT = 1
_MOST_VALUES = 2**31


@dataclass(frozen=True)
class _Step:
    """One call with what it reads, and the values that nobody reads any more behind it."""

    call: str
    made: tuple[int, ...]
    read: tuple[Any, ...]
    is_value: tuple[bool, ...]
    given: Mapping[str, Any]
    done: tuple[int, ...]


class _Steps(tuple[_Step, ...]):
    """Steps are values: a copy of a network goes through the same ones."""

    __slots__ = ()

    def __deepcopy__(self, _: object) -> _Steps:
        return self


class GraphNetwork(nn.Module):
    """Calls its layers and functions of torch in the order of a file; takes one input.

    Layers are looked up by name at every call, so that a replaced one takes effect.
    """

    def __init__(self, told: Mapping[str, Any]) -> None:
        super().__init__()
        self._told = json.dumps(told, sort_keys=True)
        for path, kind, given in told["layers"]:
            _place(self, path, _layer(kind, given))
        for path, shape, kind, learns in told["constants"]:
            _place(self, path, _tensor(path, shape, kind, learns=learns))
        _tie(self, told)
        self._inputs = tuple(str(name) for name, *_ in told["inputs"])
        self._output = int(told["output"])
        self._steps = _Steps(_steps(told, self._output))

    def forward(self, inputs: Tensor) -> Tensor:
        """Items [N, ...] -> what the file gives for each [N, ...]."""
        return self._answer(inputs)

    def _answer(self, *inputs: Tensor) -> Tensor:
        values: dict[int, Any] = dict(enumerate(inputs))
        for step in self._steps:
            read = [
                values[ref] if is_value else self._held(ref)
                for ref, is_value in zip(step.read, step.is_value, strict=True)
            ]
            if step.call == "layer":
                made = self.get_submodule(step.given["at"])(*read)
            else:
                made = call_named(step.call)(*read, **step.given)
            if len(step.made) == 1:
                values[step.made[0]] = made
            else:
                for at, number in enumerate(step.made):
                    values[number] = made[at]
            for number in step.done:
                del values[number]
        found: Tensor = values[self._output]
        return found

    def _held(self, ref: Any) -> Any:
        """A constant by its name; a plain number is itself."""
        if not isinstance(ref, str):
            return ref
        owner, _, last = ref.rpartition(".")
        return getattr(self.get_submodule(owner), last)


class GraphNetworkByName(GraphNetwork):
    """The same with several inputs, which are given by name or in the order of the file."""

    def forward(self, *inputs: Tensor, **named: Tensor) -> Tensor:
        """Inputs [N, ...] -> what the file gives for each item [N, ...]."""
        return self._answer(*inputs, *(named[name] for name in self._inputs[len(inputs) :]))


def graph_network(told: Mapping[str, Any]) -> nn.Module:
    """The network that a description tells, with weights that are still to be filled in.

    Raises Refused where it is no description of this release.
    """
    return _with_memory(_built(told)).requires_grad_(requires_grad=False)


def filled_network(told: Mapping[str, Any], state: Mapping[str, Tensor], name: str) -> nn.Module:
    """The same with these very tensors for its weights, so that they are in memory once; raises Refused."""
    network = _built(told)
    refuse_other_shapes(network, state, name)
    network.load_state_dict(dict(state), assign=True)
    _tie(network, told)
    return network.requires_grad_(requires_grad=False)


def _built(told: Mapping[str, Any]) -> nn.Module:
    """The network of a description without memory for its tensors."""
    try:
        if told["format"] != _FORMAT:
            raise _unknown()
        kind = GraphNetwork if len(told["inputs"]) == 1 else GraphNetworkByName
        return kind(told).eval()
    except Refused:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, AssertionError, RuntimeError) as error:
        raise _unknown() from error


def _tie(network: nn.Module, told: Mapping[str, Any]) -> None:
    """Let tensors that are one in the file be one."""
    for name, first in told["ties"].items():
        owner, _, last = name.rpartition(".")
        setattr(network.get_submodule(owner), last, network.get_parameter(first))


def _with_memory(network: nn.Module) -> nn.Module:
    """The network with memory for its tensors, in which nothing stands yet; one for those that are one.

    Raises Refused where they would be larger than any file that is opened.
    """
    made: dict[int, Tensor] = {}
    places = [
        (module, name, tensor)
        for module in network.modules()
        for held in (module._parameters, module._buffers)  # noqa: SLF001 - torch names what is None nowhere else
        for name, tensor in held.items()
        if tensor is not None
    ]
    if sum({id(tensor): tensor.numel() for _, _, tensor in places}.values()) > _MOST_VALUES:
        raise _unknown()
    for module, name, tensor in places:
        if id(tensor) not in made:
            empty = torch.empty_like(tensor, device="cpu")
            made[id(tensor)] = Parameter(empty) if isinstance(tensor, Parameter) else empty
        setattr(module, name, made[id(tensor)])
    return network


def _unknown() -> Refused:
    return Refused(
        "The description of a network from an ONNX file cannot be used by this release: open the file anew."
    )


def _steps(told: Mapping[str, Any], output: int) -> Iterator[_Step]:
    steps = [(call, made, list(map(_ref, read)), given) for call, made, read, given in told["steps"]]
    last: dict[int, int] = {}
    for at, (_, made, read, _) in enumerate(steps):
        last |= dict.fromkeys(made, at) | {ref: at for ref, is_value in read if is_value}
    last.pop(output, None)
    ends: defaultdict[int, list[int]] = defaultdict(list)
    for number, end in last.items():
        ends[end].append(number)
    for at, (call, made, read, given) in enumerate(steps):
        if call != "layer":
            call_named(call)
        yield _Step(
            call,
            tuple(made),
            tuple(ref for ref, _ in read),
            tuple(is_value for _, is_value in read),
            {name: _given(value) for name, value in given.items()},
            tuple(ends[at]),
        )


def _ref(said: Any) -> tuple[Any, bool]:
    """What a step reads, and whether it is a value by its number."""
    match said:
        case {"number": number}:
            return _given(number), False
        case bool():
            raise _unknown()
        case int():
            return said, True
        case str():
            return said, False
    raise _unknown()


def _given(value: Any) -> Any:
    """A plain argument; a number that JSON has no sign for is a text there."""
    return float(value) if value in ("inf", "-inf", "nan") else value


def _layer(kind: str, given: Mapping[str, Any]) -> nn.Module:
    """A layer without memory for its values yet."""
    if kind not in KINDS:
        raise Refused(
            "The file names a layer '{kind}' that this release does not know: update it.", kind=kind
        )
    arguments = {name: tuple(v) if isinstance(v, list) else _given(v) for name, v in given.items()}
    with torch.device("meta"):
        return KINDS[kind](**arguments)


def _tensor(path: str, shape: Sequence[int], kind: str, *, learns: bool) -> Tensor:
    if kind not in _TYPES or math.prod(shape) > _MOST_VALUES:
        raise Refused(
            "'{tensor}' of the ONNX file holds numbers of type {kind}, which are not opened: export the "
            "network in float32.",
            tensor=path,
            kind=kind,
        )
    empty = torch.empty(tuple(shape), dtype=_TYPES[kind], device="meta")
    return Parameter(empty) if learns else empty


def _place(network: nn.Module, path: str, held: nn.Module | Tensor) -> None:
    """Hang a layer or a tensor in under its dotted name, with plain containers on the way."""
    check_name(path)
    *containers, last = path.split(".")
    owner = network
    for container in containers:
        if not hasattr(owner, container):
            _add(owner, container, nn.Module())
        owner = owner.get_submodule(container)
    _add(owner, last, held)


def _add(owner: nn.Module, name: str, held: nn.Module | Tensor) -> None:
    if hasattr(owner, name):
        raise _unknown()
    if isinstance(held, Parameter):
        owner.register_parameter(name, held)
    elif isinstance(held, Tensor):
        owner.register_buffer(name, held)
    else:
        owner.add_module(name, held)
