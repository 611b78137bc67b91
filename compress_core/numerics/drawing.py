"""Where what a network draws begins."""

from __future__ import annotations

import torch


def draw_from(seed: int) -> None:
    """Seed what is drawn on the processor, where all networks run.

    `torch.manual_seed` would also note down, for a device that is not there, every frame of the caller: a
    tenth of a millisecond, and one or two where the stack is deep.
    """
    torch.default_generator.manual_seed(seed)
