"""Small networks with one operation through which no tracer follows channels, and layers around it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Around(nn.Module):
    """Two convolutions, the operation [N, 8, H, W] -> [N, given, H, W], two layers."""

    def __init__(self, operation: Callable[[Tensor], Tensor], given: int = 8) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, padding=1)
        self.mid = nn.Conv2d(6, 8, 1)
        self.operation = operation
        self.next = nn.Conv2d(given, 7, 1)
        self.fc = nn.Linear(7, 3)

    def forward(self, x: Tensor) -> Tensor:
        y = self.operation(self.mid(self.stem(x).relu()).relu())
        answer: Tensor = self.fc(self.next(y).relu().mean((2, 3)))
        return answer


def shuffled(x: Tensor) -> Tensor:
    n, c, h, w = x.shape
    return x.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)


def after_a_constant(x: Tensor) -> Tensor:
    place = torch.linspace(-1, 1, x.shape[-1], dtype=x.dtype).expand(len(x), 1, *x.shape[2:])
    return torch.cat([place, x, place.transpose(2, 3)], 1)


def picked_and_joined(x: Tensor) -> Tensor:
    return torch.cat([x[:, [3, 1, 2, 0]], x[:, 4:]], 1)


def masked(x: Tensor) -> Tensor:
    return x * (torch.arange(8, dtype=x.dtype) % 2)[:, None, None]


def overwritten(x: Tensor) -> Tensor:
    y = x.clone()
    y[:, [1, 3]] = 0
    return y


def in_frequencies_of_channels(x: Tensor) -> Tensor:
    return torch.fft.fft(x, dim=1).real


class _Rolled(torch.autograd.Function):
    @staticmethod
    def forward(_: object, x: Tensor) -> Tensor:
        return x.roll(1, 1) + x

    @staticmethod
    def backward(_: object, gradient: Tensor) -> Tensor:
        return gradient.roll(-1, 1) + gradient


def by_a_function_of_its_own(x: Tensor) -> Tensor:
    rolled: Tensor = _Rolled.apply(x)
    return rolled


OPERATIONS: Mapping[str, tuple[Callable[[Tensor], Tensor], int]] = {
    "shuffle": (shuffled, 8),
    "concatenation with a constant": (after_a_constant, 10),
    "picked and joined": (picked_and_joined, 8),
    "mask": (masked, 8),
    "overwritten": (overwritten, 8),
    "fft over channels": (in_frequencies_of_channels, 8),
    "autograd function": (by_a_function_of_its_own, 8),
    "pixel shuffle": (nn.PixelShuffle(2), 2),
    "pixel unshuffle": (nn.PixelUnshuffle(2), 32),
    "sorted": (lambda x: x.sort(1)[0], 8),
    "summed up": (lambda x: x.cumsum(1), 8),
}


class ShuffledUnit(nn.Module):
    """Half of the channels pass by, half go through a branch; then they are dealt out anew."""

    def __init__(self, half: int) -> None:
        super().__init__()
        self.into = nn.Conv2d(half, half, 1)
        self.apart = nn.Conv2d(half, half, 3, padding=1, groups=half)
        self.back = nn.Conv2d(half, half, 1)

    def forward(self, x: Tensor) -> Tensor:
        passes, taken = x.chunk(2, 1)
        return shuffled(torch.cat([passes, self.back(self.apart(self.into(taken).relu())).relu()], 1))


class ShuffledUnits(nn.Module):
    """Units one after the other, as in ShuffleNet: the library's own indices run out at the third."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, padding=1)
        self.one, self.two = nn.Conv2d(6, 4, 1), nn.Conv2d(6, 4, 1)
        self.units = nn.Sequential(*(ShuffledUnit(4) for _ in range(3)))
        self.fc = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x).relu()
        joined = shuffled(torch.cat([self.one(x), self.two(x)], 1))
        answer: Tensor = self.fc(self.units(joined).mean((2, 3)))
        return answer


class FrequencyBranch(nn.Module):
    """A branch that goes through frequencies of the plane, channel by channel, beside an ordinary one."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, padding=1)
        self.plain = nn.Conv2d(6, 5, 1)
        self.into, self.back = nn.Conv2d(6, 8, 1), nn.Conv2d(8, 5, 1)
        self.fc = nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x).relu()
        waves = torch.fft.ifft2(0.5 * torch.fft.fft2(self.into(x).relu())).real
        answer: Tensor = self.fc((self.plain(x) + self.back(waves)).relu().mean((2, 3)))
        return answer


class SpatialGate(nn.Module):
    """One channel that is spread over all the others."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.gate = nn.Conv2d(3, 6, 3, padding=1), nn.Conv2d(6, 1, 1)
        self.fc = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x).relu()
        answer: Tensor = self.fc((x * self.gate(x).sigmoid()).mean((2, 3)))
        return answer


class RootMeanSquare(nn.Module):
    """A norm written by hand."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return self.weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6))


def _half_turned(x: Tensor) -> Tensor:
    half = x.shape[-1] // 2
    return torch.cat((-x[..., half:], x[..., :half]), -1)


class Grouped(nn.Module):
    """Attention with rotary embedding in which several heads of queries share one of keys and values."""

    def __init__(self, width: int, heads: int, shared: int) -> None:
        super().__init__()
        self.head_dim, self.repeats = width // heads, heads // shared
        self.q_proj, self.o_proj = (nn.Linear(width, width, bias=False) for _ in range(2))
        self.k_proj, self.v_proj = (nn.Linear(width, shared * self.head_dim, bias=False) for _ in range(2))

    def _turned(self, x: Tensor) -> Tensor:
        places = torch.arange(x.shape[2], dtype=x.dtype)[:, None]
        speed = 0.1 ** torch.arange(self.head_dim // 2, dtype=x.dtype)
        angle = torch.cat((places * speed, places * speed), -1)
        return x * angle.cos() + _half_turned(x) * angle.sin()

    def _repeated(self, x: Tensor) -> Tensor:
        n, heads, length, width = x.shape
        if heads == 1:  # is spread over all of them
            return x
        wide = x[:, :, None].expand(n, heads, self.repeats, length, width)
        return wide.reshape(n, heads * self.repeats, length, width)

    def forward(self, x: Tensor) -> Tensor:
        n, length, _ = x.shape
        q, k, v = (
            layer(x).view(n, length, -1, self.head_dim).transpose(1, 2)
            for layer in (self.q_proj, self.k_proj, self.v_proj)
        )
        q, k, v = self._turned(q), self._repeated(self._turned(k)), self._repeated(v)
        later = torch.full((length, length), -math.inf, dtype=x.dtype).triu(1)
        seen = (q @ k.transpose(2, 3) / math.sqrt(self.head_dim) + later).softmax(-1) @ v
        answer: Tensor = self.o_proj(seen.transpose(1, 2).reshape(n, length, -1))
        return answer


class LlamaBlock(nn.Module):
    """Norm, grouped attention, norm, gated layers; each half around a shortcut."""

    def __init__(self, width: int, heads: int, shared: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = RootMeanSquare(width), RootMeanSquare(width)
        self.attention = Grouped(width, heads, shared)
        self.gate, self.up = (nn.Linear(width, 12, bias=False) for _ in range(2))
        self.down = nn.Linear(12, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.norm1(x))
        y = self.norm2(x)
        answer: Tensor = x + self.down(F.silu(self.gate(y)) * self.up(y))
        return answer


class Llama(nn.Module):
    """Words in, scores of the next word out."""

    def __init__(self, width: int = 16, heads: int = 4, shared: int = 2, blocks: int = 1) -> None:
        super().__init__()
        self.embed = nn.Embedding(20, width)
        self.layers = nn.ModuleList(LlamaBlock(width, heads, shared) for _ in range(blocks))
        self.norm = RootMeanSquare(width)
        self.head = nn.Linear(width, 20, bias=False)

    def forward(self, words: Tensor) -> Tensor:
        x = self.embed(words)
        for layer in self.layers:
            x = layer(x)
        answer: Tensor = self.head(self.norm(x))[:, -1]
        return answer


class Windowed(nn.Module):
    """Attention within windows of a shifted plane, with a learned bias for each pair of places."""

    def __init__(self, width: int = 8, heads: int = 2) -> None:
        super().__init__()
        self.heads = heads
        self.embed = nn.Conv2d(3, width, 2, 2)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.fc1, self.fc2 = nn.Linear(width, 12), nn.Linear(12, width)
        self.bias = nn.Parameter(torch.randn(heads, 4, 4))
        self.head = nn.Linear(width, 3)

    def _attended(self, x: Tensor) -> Tensor:
        n, places, width = x.shape
        q, k, v = self.qkv(x).reshape(n, places, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        seen = (q @ k.transpose(2, 3) + self.bias).softmax(-1) @ v
        answer: Tensor = self.proj(seen.transpose(1, 2).reshape(n, places, width))
        return answer

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x).permute(0, 2, 3, 1)
        n, h, w, c = x.shape
        y = torch.roll(self.norm1(x), (-1, -1), (1, 2))
        y = y.view(n, h // 2, 2, w // 2, 2, c).permute(0, 1, 3, 2, 4, 5).reshape(-1, 4, c)
        y = self._attended(y).view(n, h // 2, w // 2, 2, 2, c).permute(0, 1, 3, 2, 4, 5)
        x = x + torch.roll(y.reshape(n, h, w, c), (1, 1), (1, 2))
        answer: Tensor = self.head((x + self.fc2(F.gelu(self.fc1(self.norm2(x))))).mean((1, 2)))
        return answer
