"""Does the compressed model still look at the same things? Maps before and after, over many items.

Both models are asked about the same: the class that the parent predicts, or what `asked_answer` has. Two
bounds stand beside every number: *noise*, the parent against itself on inputs that were hardly changed, and
*random*, the parent against networks whose weights were shuffled within each layer: several, because one
shuffle may happen to look alike.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from compress_core.foundation.progress import Progress
from compress_core.foundation.texts import N_
from compress_core.measure.explain.asked_answer import AskedAnswer, AskedKind, asked_answer
from compress_core.measure.explain.attribution import (
    Attributed,
    AttributionMethod,
    attributed_in_batches,
    skeleton,
    with_tensors,
)
from compress_core.measure.explain.random_floor import Chance, chance_of, draws_for
from compress_core.measure.explain.similarity import (
    MEASURES,
    NotMeasured,
    similarity_frame,
    support_of,
)
from compress_core.measure.explain.word_reading import Noise, reading_of, support_of_words
from compress_core.network.word_row import word_row
from compress_core.numerics.arrays import Bools
from compress_core.subject.answer_kind import AnswerKind

NOISE_STRENGTH = 0.02
"""Standard deviation of the noise behind the noise ceiling, as a share of that of the inputs."""

Maps = NDArray[np.float32]
_SOME_ITEMS = 256


@dataclass(frozen=True)
class ItemMaps:
    """The maps of one item on one scale, from -limit to limit; difference = after - before."""

    before: Maps
    after: Maps
    difference: Maps
    limit: float


@dataclass(frozen=True, eq=False)
class Explanation:
    """What two models look at on the same items, and how alike it is.

    before, after, support [N, *size]; `items` has a row for each item: item, what both say of what is asked
    (as `AskedAnswer.frame` has it), the measures of `similarity.MEASURES`, reason (why not measured, else
    None), and for methods that add up to the score's change gap_before, gap_after (the share of it that a map
    leaves out, else NaN) and steps_before, steps_after; `noise` and `random` hold the measures of the two
    bounds, the floor's for each draw. noise_deviation is in the unit of the inputs. place_before,
    place_after: the part whose feature maps were looked at, empty for methods that look at the inputs.
    asked: what is explained, and of real numbers which one, value.
    """

    method: str
    seed: int
    noise_deviation: float
    before: Maps
    after: Maps
    support: Bools
    items: pd.DataFrame
    noise: pd.DataFrame
    random: pd.DataFrame
    place_before: str = ""
    place_after: str = ""
    asked: AskedKind = AskedKind.CLASS
    value: int = 0

    def chance(self, measure: str) -> Chance:
        """The random floor of a measure, with its range over the draws."""
        return chance_of(self.random, measure)

    def maps(self, item: int) -> ItemMaps:
        """The two maps of an item and their difference, with the limit of a scale that fits both."""
        before, after = self.before[item], self.after[item]
        limit = float(np.nanmax(np.abs([before, after])))
        return ItemMaps(before, after, after - before, limit)

    def worst(self, count: int, measure: str = "spearman") -> pd.DataFrame:
        """The items whose maps changed most, worst first; what was not measured is left out."""
        measured = self.items.dropna(subset=[measure])
        return measured.sort_values([measure, "item"]).head(count)

    def summary(self) -> pd.DataFrame:
        """One row for each measure and group of items, ceiling and floor last.

        Columns: measure, group (all, kept and flipped where one is chosen of several, noise ceiling, random
        floor), median, low_quartile,
        high_quartile, n, not_measured (items), reason (the most frequent one, or None), draws, lowest,
        highest: the random floor is the median of the draws' medians, which reach from lowest to highest.
        """
        groups = {"all": self.items, **self._by_choice(), "noise ceiling": self.noise}
        rows = [
            row
            for measure in MEASURES
            for row in (
                *(_summarized(measure, group, frame) for group, frame in groups.items()),
                _of_chance(measure, self.random, self.chance(measure)),
            )
        ]
        reasons = pd.Series([row["reason"] for row in rows], dtype=object)
        return pd.DataFrame(rows).assign(reason=reasons)

    def _by_choice(self) -> dict[str, pd.DataFrame]:
        if not self.asked.is_chosen:
            return {}
        flipped = self.items["flipped"]
        return {"kept": self.items[~flipped], "flipped": self.items[flipped]}


def explain(
    before: nn.Module,
    after: nn.Module,
    inputs: Tensor,
    method: AttributionMethod,
    baseline: Tensor,
    *,
    seed: int,
    at: Tensor | None = None,
    answers: AnswerKind = AnswerKind.SCORES,
    value: int | None = None,
) -> Generator[Progress, None, Explanation]:
    """Explain both models on the same items, with noise ceiling and random floor; yields how far it is.

    inputs [N, ...], baseline [1, ...]; the seed makes the noise and the shuffled weights. at [N]: which word
    is asked about where a network answers at each of them, else the last that is there. answers: how they are
    meant; value: which of several real numbers is explained, else the first.

    Raises Refused where the method cannot explain these networks, or the original answers none of the items.
    """
    asked = asked_answer(before, inputs, answers, at=at, value=value)
    support = support_in(before, inputs, baseline)
    shaken_by = noise_on(before, inputs, seed)
    draws = draws_for(method.rows_per_item)
    passes = _Passes(inputs, asked, method, baseline, (3 + draws) * len(inputs), at)
    first = yield from passes.maps_of(before, N_("before compression"))
    second = yield from passes.maps_of(after, N_("after compression"), place=first.place)
    shaken = yield from passes.maps_of(before, N_("noise ceiling"), noise=shaken_by, place=first.place)
    random = []
    for draw in range(draws):
        shuffled = with_shuffled_weights(before, seed + draw)
        found = yield from passes.maps_of(shuffled, N_("random floor"), refine=False, place=first.place)
        similar = similarity_frame(first.maps, found.maps, support)
        random.append(pd.concat([pd.Series(draw, similar.index, name="draw"), similar], axis=1))
    made = {
        "gap_before": first.gap,
        "gap_after": second.gap,
        "steps_before": first.steps,
        "steps_after": second.steps,
    }
    similar = similarity_frame(first.maps, second.maps, support)
    return Explanation(
        method=method.name,
        seed=seed,
        noise_deviation=shaken_by.deviation,
        before=first.maps,
        after=second.maps,
        support=support,
        items=_items(asked.frame(before, after, inputs, at), pd.DataFrame(made).join(similar)),
        noise=similarity_frame(first.maps, shaken.maps, support),
        random=pd.concat(random, ignore_index=True),
        place_before=first.place,
        place_after=second.place,
        asked=asked.kind,
        value=value or 0,
    )


@dataclass
class _Passes:
    """Passes over the same items asking for the same, one after another, which know how far they are."""

    inputs: Tensor
    asked: AskedAnswer
    method: AttributionMethod
    baseline: Tensor
    total: int
    at: Tensor | None = None
    done: int = 0

    def maps_of(
        self,
        network: nn.Module,
        note: str,
        *,
        noise: Noise | None = None,
        refine: bool = True,
        place: str = "",
    ) -> Generator[Progress, None, _Mapped]:
        """The maps of a network on the items, or on those with noise on them."""
        batches = attributed_in_batches(
            network,
            self.inputs if noise is None else with_noise(network, self.inputs, self.baseline, noise),
            self.asked.targets.clamp(min=0),
            self.method,
            self.baseline,
            refine=refine,
            place=place or None,
            at=self.at,
            noise=noise,
            toward=self.asked.vectors,
        )
        yield Progress(self.done, self.total, note)
        parts = []
        for batch in batches:
            parts.append(batch)
            self.done += len(batch.maps)
            yield Progress(self.done, self.total, note)
        return _mapped(parts)


@dataclass(frozen=True, eq=False)
class _Mapped:
    """The maps of all items by one network, and how they were made."""

    maps: Maps
    gap: NDArray[np.float64]
    steps: NDArray[np.int64]
    place: str


def _mapped(parts: Sequence[Attributed]) -> _Mapped:
    maps, gap, steps = (
        torch.cat([getattr(part, name) for part in parts]).numpy() for name in ("maps", "gap", "steps")
    )
    return _Mapped(maps, gap.astype(np.float64), steps.astype(np.int64), parts[0].place)


def support_in(network: nn.Module, inputs: Tensor, baseline: Tensor) -> Bools:
    """Where inputs [N, ...] say something, [N, *size]: as `support_of`, or which words are there, [N, T]."""
    there = support_of_words(network, inputs)
    if there is None:
        return support_of(inputs, baseline)
    found: Bools = there.numpy()
    return found


def noise_on(network: nn.Module, inputs: Tensor, seed: int) -> Noise:
    """The noise of the noise ceiling: a small share of the deviation of inputs [N, ...] or vectors."""
    row = word_row(network, inputs)
    if row is None:
        return Noise(NOISE_STRENGTH * float(inputs.std()), seed)
    some = inputs[:_SOME_ITEMS]
    vectors = reading_of(skeleton(network), row, some).vectors(row.words(some))
    spoken = vectors.transpose(1, 2)[row.there(some)]
    return Noise(NOISE_STRENGTH * float(spoken.std()) if spoken.numel() > 1 else 0.0, seed)


def with_noise(network: nn.Module, inputs: Tensor, baseline: Tensor, noise: Noise) -> Tensor:
    """Inputs [N, ...] with this noise on their support; words as they are: their vectors get it."""
    if word_row(network, inputs) is not None:
        return inputs
    return noisy(inputs, support_of(inputs, baseline), noise.deviation, noise.seed)


def noisy(inputs: Tensor, support: Bools, deviation: float, seed: int) -> Tensor:
    """The inputs with Gaussian noise on their support only, so that the background stays the baseline.

    inputs [N, ...], support [N, *size].
    """
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(inputs.shape, generator=generator, dtype=inputs.dtype) * deviation
    where = torch.from_numpy(support)
    return inputs + noise * (where if inputs.ndim == 2 else where.unsqueeze(1))


def with_shuffled_weights(network: nn.Module, seed: int) -> nn.Module:
    """A copy of the network with every weight of two or more dimensions in random order.

    Each layer keeps its values and forgets what it learned; biases and norms stay. The original is
    not touched.

    Adebayo et al. 2018, arXiv:1810.03292, section 3 (model parameter randomization).
    """
    generator = torch.Generator().manual_seed(seed)
    weights = {id(p) for p in network.parameters() if p.ndim >= 2}

    def in_random_order(tensor: Tensor) -> Tensor:
        if id(tensor) not in weights:
            return tensor
        order = torch.randperm(tensor.numel(), generator=generator)
        return tensor.detach().flatten()[order].reshape(tensor.shape)

    return with_tensors(network, in_random_order)


def _items(said: pd.DataFrame, similarities: pd.DataFrame) -> pd.DataFrame:
    numbers = pd.DataFrame({"item": np.arange(len(said))})
    return pd.concat([numbers, said, similarities], axis=1)


def _summarized(measure: str, group: str, frame: pd.DataFrame) -> dict[str, object]:
    values = frame[measure].dropna()
    low, median, high = values.quantile([0.25, 0.5, 0.75])
    missing = frame[frame[measure].isna()]
    reasons = missing["reason"].fillna(NotMeasured.NO_NEIGHBORS.value).mode()
    return {
        "measure": measure,
        "group": group,
        "median": median,
        "low_quartile": low,
        "high_quartile": high,
        "n": len(values),
        "not_measured": len(missing),
        "reason": reasons.iloc[0] if len(reasons) else None,
        "draws": 1,
        "lowest": median,
        "highest": median,
    }


def _of_chance(measure: str, random: pd.DataFrame, chance: Chance) -> dict[str, object]:
    return _summarized(measure, "random floor", random) | {
        "median": chance.median,
        "n": chance.n,
        "not_measured": chance.not_measured,
        "draws": chance.draws,
        "lowest": chance.low,
        "highest": chance.high,
    }
