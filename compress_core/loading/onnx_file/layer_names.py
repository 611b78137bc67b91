"""Names for the layers of an ONNX file, as they stood in the network that was exported, where it tells."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain, count

TAKEN_BY_TORCH = frozenset(
    [
        "T_destination",
        "add_module",
        "apply",
        "bfloat16",
        "buffers",
        "call_super_init",
        "children",
        "compile",
        "cpu",
        "cuda",
        "double",
        "dump_patches",
        "eval",
        "extra_repr",
        "float",
        "forward",
        "get_buffer",
        "get_extra_state",
        "get_parameter",
        "get_submodule",
        "half",
        "ipu",
        "load_state_dict",
        "modules",
        "mtia",
        "named_buffers",
        "named_children",
        "named_modules",
        "named_parameters",
        "parameters",
        "register_backward_hook",
        "register_buffer",
        "register_forward_hook",
        "register_forward_pre_hook",
        "register_full_backward_hook",
        "register_full_backward_pre_hook",
        "register_load_state_dict_post_hook",
        "register_load_state_dict_pre_hook",
        "register_module",
        "register_parameter",
        "register_state_dict_post_hook",
        "register_state_dict_pre_hook",
        "requires_grad_",
        "set_extra_state",
        "set_submodule",
        "share_memory",
        "state_dict",
        "to",
        "to_empty",
        "train",
        "training",
        "type",
        "xpu",
        "zero_grad",
    ]
)
"""What a module of torch has under its own name, so that no layer in it can be called so."""
_SUFFIXES = re.compile(r"([._](weight|bias|W))?([._](quantized|codes|int8|q|DequantizeLinear.*))?$")
_MADE_UP = re.compile(r"^(onnx::|val_|const|Constant|_|\d+$)|^/|::")
_SIGNS = re.compile(r"[^0-9A-Za-z_]+")
_LONGEST_PART, _MOST_PARTS = 40, 12
_NAMELESS = "layer"


class LayerNames:
    """Gives every layer and constant a path of its own, such that none lies inside another."""

    def __init__(self) -> None:
        self._paths: set[str] = set()
        self._containers: set[str] = set()
        self._next: Counter[str] = Counter()

    def for_layer(self, own: Sequence[str], nodes: Iterable[str], shared: Iterable[str]) -> str:
        """A path from the name of its weight, of its node, or from what it is: the first that tells.

        own: tensors that it alone holds, the matrix first; shared: those that others hold too.
        """
        scopes = [name for name in nodes if "/" in name.strip("/")]
        candidates = chain(
            map(_from_weight, own[:1]),
            map(self._from_node, scopes),
            map(_from_weight, own[1:]),
            map(self._from_node, nodes),
            map(_from_weight, shared),
        )
        return self._free(next((path for path in candidates if path), _NAMELESS))

    def for_constant(self, source: str) -> str:
        """A path for a tensor beside the layers."""
        made_up = not source or bool(_MADE_UP.search(source))
        return self._free("constant" if made_up else _path(source) or "constant")

    def _from_node(self, name: str) -> str:
        """/layer1/layer1.0/conv1/Conv is layer1.0.conv1; /block/Relu is block.relu, as block holds others."""
        if not name.startswith("/"):
            return _path(name.removeprefix("node_"))
        *scopes, operator = name.strip("/").split("/")
        path = ""
        for scope in scopes:
            path = scope if not path or scope.startswith(f"{path}.") else f"{path}.{scope}"
        found = _path(path)
        return found if found and found not in self._containers else _path(f"{path}.{operator.lower()}")

    def _free(self, path: str) -> str:
        parts = path.split(".")
        if _containers(parts) & self._paths:  # a layer cannot lie in another
            parts = ["_".join(parts)]
        plain = ".".join(parts)
        for number in count(max(1, self._next[plain])):
            found = plain if number == 1 else f"{plain}_{number}"
            if found not in self._paths and found not in self._containers:
                break
        self._next[plain] = number + 1
        self._paths.add(found)
        self._containers |= _containers(parts)
        return found


def _containers(parts: list[str]) -> set[str]:
    """The paths in which one of these parts lies."""
    return {".".join(parts[:n]) for n in range(1, len(parts))}


def _from_weight(name: str) -> str:
    return "" if not name or _MADE_UP.search(name) else _path(_SUFFIXES.sub("", name))


def _path(name: str) -> str:
    """A name as a path of modules: letters, digits and _ between single dots."""
    parts = [_SIGNS.sub("_", part).strip("_")[:_LONGEST_PART] for part in re.split(r"[./]", name)]
    kept = [f"{part}_" if part in TAKEN_BY_TORCH else part for part in parts if part]
    return ".".join(kept[-_MOST_PARTS:])
