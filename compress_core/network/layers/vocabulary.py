"""How many words a network knows."""

from __future__ import annotations

from torch import nn


def words_known(network: nn.Module) -> int | None:
    """The rows of its smallest table, which may be all that it is given; None where it has none."""
    tables = [m.num_embeddings for m in network.modules() if isinstance(m, nn.Embedding | nn.EmbeddingBag)]
    return min(tables, default=None)
