"""In which types the numbers of a network came."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from compress_core.foundation.texts import Phrase
from compress_core.loading.load_check import LoadedNetwork, NetworkWarning, load_check
from compress_core.subject.number_types import SIXTEEN_BITS, calculated_type


@load_check(order=60)
def types_of_numbers(loaded: LoadedNetwork) -> Iterator[NetworkWarning]:
    """Says what is calculated in another type than it came in, and what that means for sizes."""
    came_as = loaded.subject.came_as
    for kind in dict.fromkeys(came_as.values()):
        names = [name for name, other in came_as.items() if other == kind]
        told = {
            "count": len(names),
            "first": names[0],
            "kind": str(kind).removeprefix("torch."),
            "calculated": str(calculated_type(kind)).removeprefix("torch."),
        }
        if kind in SIXTEEN_BITS:
            yield NetworkWarning(
                Phrase(
                    "{count} tensors came in {kind}, the first of them {first}: they are calculated in "
                    "{calculated}, so answers may differ in the last digits from those in {kind}; sizes "
                    "count their 16 bits.",
                    **told,
                )
            )
        elif kind in {torch.float64, torch.complex128}:
            yield NetworkWarning(
                Phrase(
                    "{count} tensors came in {kind}, the first of them {first}: they are rounded to "
                    "{calculated}, in which everything is calculated, stored and counted.",
                    **told,
                )
            )
        else:
            yield NetworkWarning(
                Phrase(
                    "{count} tensors came in {kind}, the first of them {first}: they are calculated, stored "
                    "and counted in {calculated}.",
                    **told,
                )
            )
