"""Small networks on sequences, tables and several inputs, with every kind of sharing and attention."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Mlp(nn.Module):
    """Two hidden layers, batch norm between."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.bn, self.fc2 = nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Linear(8, 7)
        self.fc3 = nn.Linear(7, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc3(F.relu(self.fc2(F.relu(self.bn(self.fc1(x))))))


class Shared(nn.Module):
    """One layer is used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.twice, self.fc2 = nn.Linear(6, 8), nn.Linear(8, 8), nn.Linear(8, 5)
        self.fc3 = nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc3(F.relu(self.fc2(F.relu(self.twice(F.relu(self.twice(F.relu(self.fc1(x)))))))))


class Tied(nn.Module):
    """Two layers hold one weight."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.mix, self.out = nn.Embedding(11, 8), nn.Linear(8, 8), nn.Linear(8, 11, bias=False)
        self.hidden, self.back = nn.Linear(8, 9), nn.Linear(9, 8)
        self.out.weight = self.embed.weight

    def forward(self, tokens: Tensor) -> Tensor:
        mixed = F.relu(self.mix(self.embed(tokens)))
        return self.out(self.back(F.relu(self.hidden(mixed))))


class Words(nn.Module):
    """The mean of embedded words."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.fc1, self.fc2 = nn.Embedding(11, 8), nn.Linear(8, 6), nn.Linear(6, 3)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.fc2(F.relu(self.fc1(self.embed(tokens).mean(1))))


class Lstm(nn.Module):
    """Embedding, LSTM, two linear layers."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.rnn = nn.Embedding(11, 6), nn.LSTM(6, 8, batch_first=True)
        self.fc1, self.fc2 = nn.Linear(8, 5), nn.Linear(5, 3)

    def forward(self, tokens: Tensor) -> Tensor:
        states, _ = self.rnn(self.embed(tokens))
        return self.fc2(F.relu(self.fc1(states[:, -1])))


class Gru(nn.Module):
    """Linear, GRU in both directions, two linear layers."""

    def __init__(self) -> None:
        super().__init__()
        self.fc0, self.rnn = nn.Linear(4, 6), nn.GRU(6, 4, batch_first=True, bidirectional=True)
        self.fc1, self.fc2 = nn.Linear(8, 5), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        states, _ = self.rnn(F.relu(self.fc0(x)))
        return self.fc2(F.relu(self.fc1(states.mean(1))))


class Attending(nn.Module):
    """nn.MultiheadAttention between two linear layers."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(4, 12)
        self.attention = nn.MultiheadAttention(12, 3, batch_first=True)
        self.head = nn.Linear(12, 3)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.embed(x)
        mixed, _ = self.attention(tokens, tokens, tokens, need_weights=False)
        return self.head(mixed.mean(1))


class AddedKeys(Attending):
    """Attention with a learned key, which we cannot open."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(12, 3, batch_first=True, add_bias_kv=True)


class Encoder(nn.Module):
    """Two layers of nn.TransformerEncoder, norm first."""

    def __init__(self, norm_first: bool = True) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(8, 2, 10, batch_first=True, norm_first=norm_first)
        self.embed, self.head = nn.Linear(4, 8), nn.Linear(8, 3)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.encoder(self.embed(x)).mean(1))


class EncoderLayer(nn.Module):
    """A single nn.TransformerEncoderLayer, norm first."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(8, 2, 10, batch_first=True, norm_first=True)
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.layer(x).mean(1))


class FusedAttention(nn.Module):
    """Queries, keys and values from one layer, the number of heads written down."""

    def __init__(self, by_width: bool = False) -> None:
        super().__init__()
        self.qkv, self.out, self.head = nn.Linear(8, 24), nn.Linear(8, 6), nn.Linear(6, 3)
        self.heads, self.by_width = 2, by_width

    def forward(self, x: Tensor) -> Tensor:
        items, length, _ = x.shape
        form = (3, -1, 4) if self.by_width else (3, self.heads, 4)
        q, k, v = self.qkv(x).reshape(items, length, *form).permute(2, 0, 3, 1, 4)
        mixed = (q @ k.transpose(-2, -1) / 2).softmax(-1) @ v
        return self.head(F.relu(self.out(mixed.transpose(1, 2).flatten(2))).mean(1))


class CountedHeads(nn.Module):
    """Attention that counts on its own numbers: so many heads, and so many channels of all of them."""

    def __init__(self) -> None:
        super().__init__()
        self.heads, self.all_channels = 4, 12
        self.query, self.key, self.value = nn.Linear(8, 12), nn.Linear(8, 12), nn.Linear(8, 12)
        self.out, self.head = nn.Linear(12, 6), nn.Linear(6, 3)

    def _headed(self, x: Tensor) -> Tensor:
        return x.view(*x.shape[:2], self.heads, 3).transpose(1, 2)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (self._headed(layer(x)) for layer in (self.query, self.key, self.value))
        mixed = ((q @ k.transpose(-2, -1)).softmax(-1) @ v).transpose(1, 2)
        return self.head(F.relu(self.out(mixed.reshape(*x.shape[:2], self.all_channels))).mean(1))


class SplitByWidth(nn.Module):
    """Queries, keys and values cut from one layer at a width that is written down; heads by their width."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.out, self.head = nn.Linear(8, 24), nn.Linear(8, 6), nn.Linear(6, 3)
        self.split_size, self.head_width = 8, 2

    def forward(self, x: Tensor) -> Tensor:
        parts = self.qkv(x).split(self.split_size, -1)
        q, k, v = (part.view(*part.shape[:2], -1, self.head_width).transpose(1, 2) for part in parts)
        mixed = ((q @ k.transpose(-2, -1)).softmax(-1) @ v).transpose(1, 2)
        return self.head(F.relu(self.out(mixed.reshape(*mixed.shape[:2], -1))).mean(1))


class ChunkedAttention(nn.Module):
    """Queries, keys and values cut from one layer along the last axis; a single head."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.out, self.head = nn.Linear(8, 24), nn.Linear(8, 6), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).chunk(3, -1)
        return self.head(F.relu(self.out((q @ k.transpose(-2, -1)).softmax(-1) @ v)).mean(1))


class Glu(nn.Module):
    """A gated linear unit halves the width."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.glu, self.fc2 = nn.Linear(6, 16), nn.GLU(), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(self.glu(self.fc1(x)))


class SwiGlu(nn.Module):
    """Two layers gate one another, as in language models, behind an RMS norm."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.norm = nn.Linear(6, 8), nn.RMSNorm(8)
        self.gate, self.up, self.down = nn.Linear(8, 10), nn.Linear(8, 10), nn.Linear(10, 8)
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x)
        normed = self.norm(x)
        return self.head(x + self.down(F.silu(self.gate(normed)) * self.up(normed)))


class LayerNormed(nn.Module):
    """Layer norm over the hidden width."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.norm, self.fc2 = nn.Linear(6, 8), nn.LayerNorm(8), nn.Linear(8, 5)
        self.fc3 = nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc3(F.relu(self.fc2(F.relu(self.norm(self.fc1(x))))))


class Deciding(nn.Module):
    """Takes one of two ways, as the items say."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.left, self.right = nn.Linear(6, 8), nn.Linear(8, 3), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        hidden = F.relu(self.fc1(x))
        return self.left(hidden) if hidden.mean() > 0.5 else self.right(hidden)


class TwoAnswers(nn.Module):
    """Answers a mapping."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.kind, self.place = nn.Linear(6, 8), nn.Linear(8, 3), nn.Linear(8, 2)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        hidden = F.relu(self.body(x))
        return {"kind": self.kind(hidden), "place": self.place(hidden)}


class TwoInputs(nn.Module):
    """Joins an image and a table."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc1 = nn.Conv2d(3, 4, 3), nn.Linear(6, 5)
        self.fc2, self.fc3 = nn.Linear(9, 7), nn.Linear(7, 3)

    def forward(self, image: Tensor, row: Tensor) -> Tensor:
        seen, read = F.relu(self.conv(image)).mean((2, 3)), F.relu(self.fc1(row))
        return self.fc3(F.relu(self.fc2(torch.cat([seen, read], 1))))


class Untraced(nn.Module):
    """A part of it leaves the gradient's sight."""

    def __init__(self) -> None:
        super().__init__()
        self.fixed, self.fc1, self.fc2 = nn.Linear(6, 8), nn.Linear(8, 5), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.relu(self.fc1(F.relu(self.fixed(x)).detach())))


class Bilinear(nn.Module):
    """Two layers meet in one that multiplies."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Linear(6, 4), nn.Linear(6, 5)
        self.meet, self.fc = nn.Bilinear(4, 5, 6), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(F.relu(self.meet(self.left(x), self.right(x))))
