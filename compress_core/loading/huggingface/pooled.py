"""An embedding of a text: the mean of its words, as sentence-transformers folders ask for it."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import normalize


class MeanPooled(nn.Module):
    """The mean over the words that are there, scaled to length 1 if it is normalized.

    Reimers and Gurevych 2019, Sentence-BERT, arXiv:1908.10084, section 3.
    """

    def __init__(self, network: nn.Module, *, normalized: bool) -> None:
        super().__init__()
        self.network = network
        self.normalized = normalized

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Words and which of them are there, both [N, T] -> vectors [N, width]."""
        words = self.network(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        there = attention_mask.unsqueeze(2).to(words.dtype)
        mean: Tensor = (words * there).sum(1) / there.sum(1).clamp_min(1e-9)
        return normalize(mean, dim=1) if self.normalized else mean
