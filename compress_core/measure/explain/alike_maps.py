"""How alike the maps of many models are to the original's: its own are made once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from compress_core.foundation.number import Number
from compress_core.foundation.texts import N_, Phrase
from compress_core.measure.behavior.predictions import NO_CLASS
from compress_core.measure.explain.asked_answer import asked_answer
from compress_core.measure.explain.attribution import AttributionMethod, attributed_in_batches
from compress_core.measure.explain.explanation import (
    Maps,
    noise_on,
    support_in,
    with_noise,
)
from compress_core.measure.explain.similarity import pair, spearman
from compress_core.measure.explain.word_reading import Noise
from compress_core.numerics.arrays import Bools
from compress_core.numerics.median_interval import of_median
from compress_core.subject.answer_kind import AnswerKind

UNIT = N_("rank correlation")
LEAST = 6  # items, from which on a median has an interval


@dataclass(frozen=True, eq=False)
class OriginalMaps:
    """The original's maps [N, *size] of some items, for what it answers itself.

    place: the part whose feature maps were looked at, empty for methods that look at the inputs; at [N]:
    which word is asked about where a network answers at each of them, else the last that is there; toward
    [N, width]: its vectors, where answers are such.
    """

    method: AttributionMethod
    inputs: Tensor
    targets: Tensor
    baseline: Tensor
    maps: Maps
    support: Bools
    place: str
    at: Tensor | None = None
    toward: Tensor | None = None

    def alike(self, network: nn.Module, noise: Noise | None = None) -> Number:
        """The median over the items of the rank correlation of another network's maps with these.

        noise: on the items. Raises Refused where the method cannot do it.
        """
        found = _maps(network, self, noise)
        values = spearman(pair(self.maps, found, self.support))
        return median_number(values[np.isfinite(values)], len(values))

    def noise_ceiling(self, network: nn.Module, seed: int) -> Number:
        """The same of the original itself on inputs that were hardly changed: more alike no model can be."""
        return self.alike(network, noise_on(network, self.inputs, seed))


def original_maps(
    network: nn.Module,
    inputs: Tensor,
    method: AttributionMethod,
    baseline: Tensor,
    *,
    at: Tensor | None = None,
    answers: AnswerKind = AnswerKind.SCORES,
) -> OriginalMaps:
    """The original's maps of items [N, ...]; those it gives no finite answer are left out.

    at [N]: as `OriginalMaps` has it; answers: how they are meant.

    Raises Refused where the method cannot explain it, or no answer is finite.
    """
    asked = asked_answer(network, inputs, answers, at=at)
    answered = asked.targets != NO_CLASS
    inputs, targets = inputs[answered], asked.targets[answered]
    at, toward = (None if t is None else t[answered] for t in (at, asked.vectors))
    parts = list(attributed_in_batches(network, inputs, targets, method, baseline, at=at, toward=toward))
    maps = torch.cat([part.maps for part in parts]).numpy()
    support = support_in(network, inputs, baseline)
    return OriginalMaps(method, inputs, targets, baseline, maps, support, parts[0].place, at, toward)


def _maps(network: nn.Module, of: OriginalMaps, noise: Noise | None) -> Maps:
    shown = of.inputs if noise is None else with_noise(network, of.inputs, of.baseline, noise)
    batches = attributed_in_batches(
        network,
        shown,
        of.targets,
        of.method,
        of.baseline,
        place=of.place or None,
        at=of.at,
        noise=noise,
        toward=of.toward,
    )
    maps: Maps = torch.cat([batch.maps for batch in batches]).numpy()
    return maps


def median_number(values: np.ndarray, asked: int) -> Number:
    """The median of what was measured on some of the items that were asked, values [n]."""
    if not values.size:
        return Number.missing(UNIT, N_("No map of these items could be compared."), asked)
    bounds = of_median(values)
    if bounds is None:
        why = Phrase("An interval needs N >= {least:,}.", least=LEAST)
        return Number(float(np.median(values)), UNIT, "measured", n=values.size, no_interval=why)
    return Number(
        float(np.median(values)), UNIT, "measured", float(bounds.low), float(bounds.high), values.size
    )
