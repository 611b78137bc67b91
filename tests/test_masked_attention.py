"""Attention in which a position may look nowhere: torch answers finitely, and so does what replaces it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from compress_core.apply.model import Model
from compress_core.apply.run import compress
from compress_core.deliver.onnx_export import model_onnx
from compress_core.deliver.onnx_session import OnnxSession
from compress_core.foundation.store import Store
from compress_core.network.attention import PlainAttention
from compress_core.network.layers.cut import attention_names, open_attention
from compress_core.network.shared_copy import shared_copy
from compress_core.recipe.reading import read_recipe
from tests.subjects import seeded, tiny_subject, with_calibration

NOWHERE = torch.tensor([[True] * 5, [False, True, False, False, True], [False] * 5, [True] * 4 + [False]])
HIDDEN = torch.tensor([[True] * 5, [False] * 5, [False, False, False, True, True]])
CAUSAL = torch.ones(4, 5, dtype=torch.bool).triu(1)


def as_numbers(mask: Tensor) -> Tensor:
    """The same mask as numbers to add."""
    return torch.zeros(mask.shape).masked_fill(mask, -torch.inf)


CALLS = {
    "bool": {"attn_mask": NOWHERE},
    "added": {"attn_mask": as_numbers(NOWHERE)},
    "bool for each head": {"attn_mask": NOWHERE.expand(6, 4, 5)},
    "padding": {"key_padding_mask": HIDDEN},
    "padding added": {"key_padding_mask": as_numbers(HIDDEN)},
    "only both together leave nothing": {
        "attn_mask": NOWHERE[[2, 1, 2, 3]],
        "key_padding_mask": ~NOWHERE[[2, 1, 3]],
    },
    "causal and padding": {"attn_mask": CAUSAL, "key_padding_mask": HIDDEN.flip(1), "is_causal": True},
    "a hint that replaces the mask": {"attn_mask": NOWHERE, "is_causal": True},
}


@pytest.mark.parametrize("need_weights", [False, True])
@pytest.mark.parametrize("call", CALLS)
def test_a_row_that_may_look_nowhere_gets_what_torch_gives_it(call: str, need_weights: bool) -> None:
    attention = seeded(nn.MultiheadAttention(8, 2, batch_first=True))
    generator = torch.Generator().manual_seed(2)
    query, key = (torch.randn(3, n, 8, generator=generator) for n in (4, 5))
    expected, _ = attention(query, key, key, need_weights=need_weights, **CALLS[call])
    got, _ = PlainAttention.taking_over(attention, "a")(
        query, key, key, need_weights=need_weights, **CALLS[call]
    )
    assert need_weights or expected.isfinite().all()
    torch.testing.assert_close(got, expected, equal_nan=True)


def test_a_row_that_may_look_nowhere_sends_no_gradient_that_is_not_finite() -> None:
    plain = PlainAttention.taking_over(seeded(nn.MultiheadAttention(8, 2, batch_first=True)), "a")
    query = torch.randn(3, 4, 8, generator=torch.Generator().manual_seed(2), requires_grad=True)
    key = torch.randn(3, 5, 8, generator=torch.Generator().manual_seed(3))
    plain(query, key, key, need_weights=False, attn_mask=NOWHERE)[0].sum().backward()
    assert query.grad is not None
    assert query.grad.isfinite().all()
    assert not query.grad[:, 0].any()


class Padded(nn.Module):
    """Reads tokens of which those of nothing but zeros are padding; some items are padding altogether."""

    def __init__(self, make: Callable[[], nn.Module]) -> None:
        super().__init__()
        self.embed, self.body, self.head = nn.Linear(3, 8), make(), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        hidden, tokens = (x <= 0).all(2), self.embed(x)
        if isinstance(self.body, nn.TransformerDecoderLayer):
            return self.head(self.body(tokens, tokens, memory_key_padding_mask=hidden).mean(1))
        return self.head(self.body(tokens, src_key_padding_mask=hidden).mean(1))


BODIES: dict[str, Callable[[], nn.Module]] = {
    "encoder layer": lambda: nn.TransformerEncoderLayer(8, 2, 10, batch_first=True),
    "encoder layer, norm first": lambda: nn.TransformerEncoderLayer(
        8, 2, 10, batch_first=True, norm_first=True
    ),
    "encoder": lambda: nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 10, batch_first=True), 2),
    "decoder layer": lambda: nn.TransformerDecoderLayer(8, 2, 10, batch_first=True),
}


@pytest.mark.parametrize("body", BODIES)
def test_items_of_padding_alone_are_answered_alike_once_attention_is_opened(body: str) -> None:
    network = seeded(Padded(BODIES[body]))
    items = torch.randn(6, 4, 3, generator=torch.Generator().manual_seed(4)).abs()
    items[1], items[2, 2:] = -1, -1
    opened = shared_copy(network)
    open_attention(opened, attention_names(network))
    with torch.no_grad():
        expected = network(items)
        assert expected.isfinite().all()
        torch.testing.assert_close(opened(items), expected)


@pytest.mark.parametrize("technique", ["wanda", "taylor"])
def test_as_many_weights_go_as_were_asked_for_where_an_item_is_padding(technique: str) -> None:
    subject = with_calibration(tiny_subject(seeded(Padded(BODIES["encoder layer"])), (4, 3)))
    subject.splits["calibration"].inputs[::4] = -1
    text = f"layers: [{{match: body.self_attn.out_proj, steps: [{{technique: {technique}, sparsity: 0.5}}]}}]"
    model = compress(subject, read_recipe(text), Store())
    assert int((model.values("body.self_attn.out_proj") == 0).sum()) == 32


@pytest.mark.slow
def test_the_onnx_file_answers_finitely_where_an_item_is_padding() -> None:
    subject = tiny_subject(seeded(Padded(BODIES["encoder layer"])), (4, 3))
    items = subject.splits["validation"].inputs
    items[1] = -1
    answers = torch.from_numpy(OnnxSession(model_onnx(Model.original(subject)))(items.numpy()))
    torch.testing.assert_close(answers, subject.network(items), rtol=1e-4, atol=1e-5)
