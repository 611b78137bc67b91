"""Attention written with four ordinary layers, so that each of them can be replaced."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from compress_core.foundation.errors import Refused

# The fused kernels of attention and of the transformer layers give other bits than their parts, are left
# as soon as somebody watches, and read weights that a factored layer does not have.
torch.backends.mha.set_fastpath_enabled(value=False)


def is_hooked(module: nn.Module) -> bool:
    """Whether somebody's hook watches or changes what goes in or comes out."""
    return bool(module._forward_hooks or module._forward_pre_hooks)  # noqa: SLF001 - asked nowhere else


class PlainAttention(nn.Module):
    """Computes what nn.MultiheadAttention computes, calling q_proj, k_proj, v_proj and out_proj.

    It knows how wide a head is, not how many there are, so that heads can be taken away.

    in_proj_bias is None on purpose: nn.TransformerEncoderLayer then keeps off its fused kernel,
    which would read weights that a factored projection does not have.
    """

    in_proj_bias = None
    in_proj_weight = None
    _qkv_same_embed_dim = False

    def __init__(self, embed_dim: int, head_width: int, *, batch_first: bool) -> None:
        super().__init__()
        self.embed_dim, self.head_width, self.batch_first = embed_dim, head_width, batch_first
        self.q_proj: nn.Module = nn.Identity()
        self.k_proj: nn.Module = nn.Identity()
        self.v_proj: nn.Module = nn.Identity()
        self.out_proj: nn.Module = nn.Identity()

    @classmethod
    def taking_over(cls, attention: nn.MultiheadAttention, name: str) -> PlainAttention:
        """The same function with layers of its own; raises Refused for the rarer variants."""
        if type(attention).forward is not nn.MultiheadAttention.forward or is_hooked(attention):
            raise Refused(
                "{layer} is a {kind} with a computation of its own, which our attention would lose: "
                "prune or quantize its projections by their weights alone.",
                layer=name,
                kind=type(attention).__name__,
            )
        if attention.bias_k is not None or attention.add_zero_attn:
            raise Refused(
                "{layer} adds a learned or a zero key (add_bias_kv, add_zero_attn), which our attention "
                "does not: prune or quantize its projections by their weights alone.",
                layer=name,
            )
        plain = cls(attention.embed_dim, attention.head_dim, batch_first=attention.batch_first)
        packed, bias = attention.in_proj_weight, attention.in_proj_bias
        for index, projection in enumerate(("q_proj", "k_proj", "v_proj")):
            rows = slice(index * attention.embed_dim, (index + 1) * attention.embed_dim)
            weight = getattr(attention, f"{projection}_weight") if packed is None else packed[rows]
            setattr(plain, projection, _linear(weight, None if bias is None else bias[rows]))
        plain.out_proj = _linear(attention.out_proj.weight, attention.out_proj.bias)
        return plain.eval()

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """query [L, N, E] or [N, L, E] with batch_first, or [L, E]; returns output and weights.

        As in torch, a position that may look nowhere mixes 0 where no weights are asked for, NaN where they
        are; and the hint is_causal replaces attn_mask where nothing else hides a position.
        """
        batched = query.dim() == 3
        if not batched:
            query, key, value = (t.unsqueeze(0 if self.batch_first else 1) for t in (query, key, value))
            key_padding_mask = None if key_padding_mask is None else key_padding_mask[None]
        if not self.batch_first:
            query, key, value = (t.transpose(0, 1) for t in (query, key, value))
        if is_causal and attn_mask is not None and key_padding_mask is None and not need_weights:
            attn_mask = torch.ones(query.shape[1], key.shape[1], dtype=torch.bool).triu_(1)
        heads, masks = self._scores(query, key, attn_mask, key_padding_mask)
        weights = _softmax(heads + masks) if masks.dim() and not need_weights else (heads + masks).softmax(-1)
        mixed = weights @ self._split(self.v_proj(value))
        output = self.out_proj(mixed.transpose(1, 2).flatten(2))
        output = output if self.batch_first else output.transpose(0, 1)
        if average_attn_weights:
            weights = weights.mean(dim=1)
        if not batched:
            output, weights = output.squeeze(0 if self.batch_first else 1), weights[0]
        return output, weights if need_weights else None

    def _split(self, tokens: Tensor) -> Tensor:
        heads: Tensor = torch.unflatten(tokens, -1, (-1, self.head_width))
        return heads.transpose(1, 2)

    def _scores(
        self, query: Tensor, key: Tensor, attn_mask: Tensor | None, padding: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        split = self._split(self.q_proj(query))
        scores = split / math.sqrt(split.shape[-1]) @ self._split(self.k_proj(key)).transpose(-2, -1)
        mask = torch.zeros((), dtype=scores.dtype)
        if attn_mask is not None:
            shaped = (
                torch.unflatten(attn_mask, 0, (-1, scores.shape[1])) if attn_mask.dim() == 3 else attn_mask
            )
            mask = mask + _additive(shaped, scores.dtype)
        if padding is not None:
            mask = mask + _additive(padding, scores.dtype)[:, None, None, :]
        return scores, mask


def _softmax(scores: Tensor) -> Tensor:
    """Shares [..., L, S] that add up to 1 along the last axis; 0 where nothing may be looked at.

    The scores of such a row are replaced before the softmax too, or its gradient would be NaN.
    """
    nowhere = (scores == -torch.inf).all(dim=-1, keepdim=True)
    return scores.masked_fill(nowhere, 0.0).softmax(dim=-1).masked_fill(nowhere, 0.0)


def _additive(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """A boolean mask (True = do not look) as numbers to add to the scores."""
    if mask.dtype != torch.bool:
        return mask.to(dtype)
    return torch.zeros_like(mask, dtype=dtype).masked_fill_(mask, float("-inf"))


def _linear(weight: Tensor, bias: Tensor | None) -> nn.Linear:
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None)
    layer.weight = nn.Parameter(weight.detach(), requires_grad=False)
    if bias is not None:
        layer.bias = nn.Parameter(bias.detach(), requires_grad=False)
    return layer.eval()
