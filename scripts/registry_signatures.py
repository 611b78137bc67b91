"""Write down how the state dicts of torchvision's classifiers look: `python scripts/registry_signatures.py`.

Needs the extra slimscope[torchvision]. Names whose state dicts look alike are left out: which is meant would
be a guess. Run it again where torchvision has new classifiers.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from unittest.mock import patch

from torch.nn import init

from compress_core.loading.network_source import network_sources
from compress_core.loading.registry_names import imported
from compress_core.loading.registry_signatures import SIGNATURES, Shapes, state_signature

CLASSES = (1000, 999)


@contextmanager
def nothing_drawn() -> Iterator[None]:
    """Inside, new layers hold whatever was in memory: only their shapes are looked at."""
    fills = [name for name in dir(init) if name.endswith("_") and not name.startswith("_")]
    with ExitStack() as stack:
        for name in fills:
            stack.enter_context(patch.object(init, name, lambda tensor, *_, **__: tensor))
        yield


def shapes_of(name: str, classes: int) -> Shapes:
    """The shapes of a classifier's tensors by name."""
    with nothing_drawn():
        network = network_sources()["torchvision"].build({"name": name, "classes": classes})
    return {key: tuple(tensor.shape) for key, tensor in network.state_dict().items()}


def main() -> None:
    """Write the file anew."""
    models = imported("torchvision.models")
    found = []
    for name in models.list_models(module=models):
        first, second = (shapes_of(name, classes) for classes in CLASSES)
        head = sorted(key for key in first if first[key] != second[key])
        found.append(
            {"name": name, "tensors": len(first), "head": head, "digest": state_signature(first, head)}
        )
    twice = {digest for digest, times in Counter(one["digest"] for one in found).items() if times > 1}
    alone = [one for one in found if one["digest"] not in twice]
    Path(SIGNATURES).write_text(json.dumps(alone, indent=1) + "\n")
    print(f"{len(alone)} of {len(found)} classifiers are told by their state dicts")


if __name__ == "__main__":
    main()
