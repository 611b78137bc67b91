"""The network as a file of Python and a file of weights that need torch and safetensors, nothing of ours."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn import Parameter
from torch.utils import _pytree as pytree

from compress_core.apply.model import Model
from compress_core.deliver.input_preprocessing import preprocessing_in_words
from compress_core.deliver.open_border import PREFIX, opened
from compress_core.deliver.parity import is_close, largest_difference
from compress_core.deliver.python_code import ForwardWriter, identifier, value_text
from compress_core.deliver.some_items import few_items
from compress_core.deliver.traced import ExampleInputs, Traced, by_export, by_layer, called_as
from compress_core.foundation.cached import cached_property
from compress_core.foundation.errors import Refused
from compress_core.network.input_guard import fresh
from compress_core.network.layers.written_call import WrittenModule

_WIDTH = 100
CODE_FILE, WEIGHTS_FILE = "model.py", "weights.safetensors"
TOLERANCE = 1e-5  # of the largest output: what the order of additions can do to 32-bit numbers


@dataclass(frozen=True, eq=False)
class Source:
    """A network as text and tensors.

    largest_difference: between its outputs and the network's, on the items that it was made with; 0 where
    by_layer, since the same layers are called. tensors are named as in the class, tied ones once; ties:
    the names under which they stand again, each with the first.
    """

    code: str
    tensors: Mapping[str, Tensor]
    by_layer: bool
    largest_difference: float
    ties: Mapping[str, str]

    def network(self) -> nn.Module:
        """The network that the written code makes, with its weights."""
        return _run(self.code, self.tensors, self.ties)

    @cached_property
    def weights(self) -> bytes:
        """The content of the file of weights; the same network gives the same bytes."""
        whole = {name: tensor.detach().contiguous().clone() for name, tensor in self.tensors.items()}
        content: bytes = save(whole, {"slimscope": "source"})
        return content


@dataclass(frozen=True)
class _Member:
    """One thing that the class holds: its name there, the text that makes it, its tensors by full name."""

    name: str
    made: str
    tensors: Mapping[str, Tensor]


def source_of(
    network: nn.Module,
    inputs: ExampleInputs,
    title: str = "",
    names: Sequence[str] = (),
    about_inputs: str = "",
) -> Source:
    """Write a network as code and weights, run the code, and compare what it answers.

    inputs: a few real items [N, ...] for each input, at least two; names: how they are called where the
    network takes them by name; about_inputs: how items become them. Raises Refused where the network cannot
    be written down with torch alone, or where the written one answers differently.
    """
    try:
        return _source(network, by_layer, inputs, names, (title, about_inputs))
    except Exception as error:  # noqa: BLE001 - the network's own code ran with stand-ins for its inputs
        try:
            return _source(network, by_export, inputs, names, (title, about_inputs))
        except Refused as refused:
            raise refused from error


def _source(
    network: nn.Module,
    way: Callable[[nn.Module, ExampleInputs], Traced],
    inputs: ExampleInputs,
    names: Sequence[str],
    said: tuple[str, str],
) -> Source:
    with torch.no_grad():
        found = called_as(way(network, inputs), names)
        members = tuple(_members(found, PREFIX if names else ""))
        tensors, ties = _without_twins(members)
        code = _code(found, members, ties, inputs, said)
        difference = _difference(network, _run(code, tensors, ties), inputs)
    return Source(code, tensors, way is by_layer, difference, ties)


def model_source(model: Model) -> Source:
    """The source of a compressed model, tried on items of its own; raises Refused."""
    written = opened(model.network(), few_items(model.subject))
    about = preprocessing_in_words(model.subject)
    return source_of(written.network, written.inputs, model.subject.title, written.names, about)


def _members(found: Traced, prefix: str) -> Iterator[_Member]:
    """Layers in the order in which they are called, then bare tensors; their names without a prefix."""
    taken: set[str] = set()
    for target, layer in found.layers.items():
        name = identifier(target.removeprefix(prefix), taken)
        yield _Member(name, _layer_text(layer), {f"{name}.{n}": t for n, t in layer.tensors.items()})
    for target, tensor in found.tensors.items():
        name = identifier(target.removeprefix(prefix), taken)
        yield _Member(name, "", {name: tensor})


def _layer_text(layer: WrittenModule) -> str:
    unnamed = [value_text(value) for value in layer.call.unnamed]
    named = [f"{name}={value_text(value)}" for name, value in layer.call.named]
    return f"nn.{layer.call.kind.__name__}({', '.join(unnamed + named)})"


def _without_twins(members: tuple[_Member, ...]) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Every tensor once, and for the others the name of the one that they are."""
    first: dict[tuple[Any, ...], str] = {}
    tensors: dict[str, Tensor] = {}
    ties: dict[str, str] = {}
    for name, tensor in ((n, t) for member in members for n, t in member.tensors.items()):
        memory = tensor.data_ptr(), tensor.shape, tensor.stride(), tensor.dtype
        if tensor.numel() and memory in first:
            ties[name] = first[memory]
        else:
            first[memory] = name
            tensors[name] = tensor
    return tensors, ties


def _code(
    found: Traced,
    members: tuple[_Member, ...],
    ties: Mapping[str, str],
    inputs: ExampleInputs,
    said: tuple[str, str],
) -> str:
    """The text; said: the title, and how items become inputs."""
    title, about_inputs = said
    attributes = dict(zip([*found.layers, *found.tensors], (m.name for m in members), strict=True))
    writer = ForwardWriter(found.graph, attributes)
    body = list(writer.lines())
    made = [line for member in members for line in _made(member, ties)]
    shapes = ", ".join(
        f"{name} [{', '.join(['N', *map(str, given.shape[1:])])}]"
        for name, given in zip(writer.inputs, inputs, strict=True)
    )
    if any("aten." in line for line in body):
        body = ["aten = torch.ops.aten", *body]
    parts = {
        "title": re.sub(r"[^\w .,:+-]", "", title, flags=re.ASCII) or "A network",
        "about_inputs": _in_docstring(about_inputs),
        "shapes": shapes,
        "imports": _imports(made + body),
        "made": _indented(made or ["pass"]),
        "arguments": ", ".join(("self", *writer.inputs)),
        "body": _indented(body),
        "weights": WEIGHTS_FILE,
    }
    return _TEMPLATE.format_map(parts)


_TEMPLATE = '''"""{title}, as it was evaluated. Needs torch and safetensors.{about_inputs}"""

from pathlib import Path

{imports}
from safetensors.torch import load_model


class Network(nn.Module):
    """{shapes}; any N."""

    def __init__(self):
        super().__init__()
{made}

    def forward({arguments}):
{body}


def load(path=None):
    """The network with its weights, ready to evaluate; path None means {weights} beside this file."""
    network = Network()
    load_model(network, path or Path(__file__).with_name("{weights}"))
    return network.eval().requires_grad_(False)
'''


def _in_docstring(text: str) -> str:
    """Further lines of a docstring; nothing where there is no text."""
    safe = re.sub(r"[^\w .,:;+()\[\]/=-]", "", text, flags=re.ASCII)
    return f"\n\n{textwrap.fill(safe, _WIDTH)}\n" if safe else ""


def _made(member: _Member, ties: Mapping[str, str]) -> Iterator[str]:
    """The lines that give the class one member."""
    if member.made:
        yield f"self.{member.name} = {member.made}"
        yield from (f"self.{n} = self.{ties[n]}" for n in member.tensors if n in ties)
        return
    (tensor,) = member.tensors.values()
    other_type = "" if tensor.dtype == torch.float32 else f", dtype={tensor.dtype}"
    empty = f"torch.empty({value_text(tuple(tensor.shape))}{other_type})"
    if member.name in ties:
        yield f"self.{member.name} = self.{ties[member.name]}"
    elif isinstance(tensor, Parameter):
        yield f"self.{member.name} = nn.Parameter({empty})"
    else:
        yield f'self.register_buffer("{member.name}", {empty})'


def _imports(lines: list[str]) -> str:
    """What the lines use."""
    text = "\n".join(lines)
    known = {
        "operator.": "import operator",
        "torch.": "import torch",
        "F.": "import torch.nn.functional as F",
    }
    used = [line for sign, line in known.items() if re.search(rf"(?<![\w.]){re.escape(sign)}", text)]
    return "\n".join([*used, "from torch import nn"])


def _indented(lines: list[str]) -> str:
    return "\n".join(f"        {line}" for line in lines)


def _run(code: str, tensors: Mapping[str, Tensor], ties: Mapping[str, str]) -> nn.Module:
    """The network that the written code makes."""
    names: dict[str, Any] = {"__name__": "model"}
    exec(compile(code, CODE_FILE, "exec"), names)  # noqa: S102 - our own text, run to be compared
    with torch.random.fork_rng(devices=[]):
        network: nn.Module = names["Network"]()
    keys = network.load_state_dict(dict(tensors), strict=False)
    assert not keys.unexpected_keys, "every tensor has its place"
    assert set(keys.missing_keys) <= ties.keys(), "only what is tied stands under another name"
    return network.eval()


def _difference(network: nn.Module, made: nn.Module, inputs: ExampleInputs) -> float:
    """The largest difference in any output, on all items and on one; raises Refused at more than rounding."""
    largest, before = 0.0, {name: buffer.clone() for name, buffer in network.named_buffers()}
    for given in (inputs, tuple(each[:1] for each in inputs)):
        (expected, form), (got, form_got) = (pytree.tree_flatten(n(*fresh(given))) for n in (network, made))
        pairs = list(zip(expected, got, strict=True)) if form == form_got else []
        if form != form_got or not all(is_close(one, other, TOLERANCE) for one, other in pairs):
            raise Refused(
                "The written network answers differently from the one it was made of: its answers must "
                "depend on nothing but the items, with no randomness and no memory of earlier ones."
            )
        largest = max([largest, *(largest_difference(one, other) for one, other in pairs)])
    if not all(torch.equal(buffer, before[name]) for name, buffer in network.named_buffers()):
        raise Refused(
            "The network writes to its own buffers while it answers, which no file can keep: "
            "take that out of its forward."
        )
    return largest
