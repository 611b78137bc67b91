"""What the page Explain says to somebody who sees such a map for the first time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dashboard.text import _, literal

if TYPE_CHECKING:
    from compress_core.measure.explain.explanation import Explanation


def what_a_map_says(asked: str, *, is_image: bool) -> str:
    """How to read a map, in two sentences; asked is what both models are asked about."""
    if is_image:
        said = _(
            "Each pixel is colored by how much it speaks for (purple) or against (orange) {asked}. Both maps "
            "have the same scale: a fainter map is weaker evidence."
        )
    else:
        said = _(
            "Each bar is how much a feature speaks for (right) or against (left) {asked}. Both models are "
            "asked about the same, on the same scale."
        )
    return said.format(asked=asked)


def what_words_say(asked: str) -> str:
    """The same of a text."""
    return _(
        "Each word is colored by how much it speaks for (purple) or against (orange) {asked}. All three "
        "texts have the same scale: a fainter color is weaker evidence."
    ).format(asked=asked)


def what_a_wave_says(asked: str) -> str:
    """The same of a wave."""
    return _(
        "The wave is colored by how much each moment speaks for (purple) or against (orange) {asked}. Both "
        "models have the same scale: a fainter color is weaker evidence."
    ).format(asked=asked)


def what_bounds_say() -> str:
    """What the noise ceiling and the random floor are for, in two sentences."""
    return _(
        "1 means the same map. The noise ceiling is the original against itself after tiny noise on the "
        "input: no more likeness can be expected. The random floor is the original against networks with "
        "shuffled weights, the median of several with their range: that much likeness is chance."
    )


def how_it_was_made(found: Explanation, *, of_words: bool = False) -> str:
    """Which part was looked at, and how much of the score's change the maps leave out; empty for the rest."""
    said = []
    if of_words and found.place_before:
        said.append(
            _("A word counts by the vector that {layer} makes of it, all its numbers together.").format(
                layer=literal(found.place_before)
            )
        )
    elif found.place_before:
        said.append(
            _("The feature maps are those that {layer} puts out in the original, and {other} after.").format(
                layer=literal(found.place_before), other=literal(found.place_after)
            )
        )
    gaps = found.items[["gap_before", "gap_after"]].to_numpy(np.float64)
    if np.isfinite(gaps).any():
        largest, steps = np.nanmax(gaps, axis=0), found.items[["steps_before", "steps_after"]].max()
        said.append(
            _(
                "The maps should add up to the change of the score from the baseline; what is missing is at "
                "most {before:.1f} % in the original (with up to {steps} points) and {after:.1f} % after "
                "(with up to {more} points)."
            ).format(
                before=100 * largest[0],
                after=100 * largest[1],
                steps=int(steps["steps_before"]),
                more=int(steps["steps_after"]),
            )
        )
    return " ".join(said)


def verdict(median: float, noise: float, random: float) -> str:
    """Where a median lies between noise ceiling and random floor, in words; the numbers stand beside it."""
    if median >= noise:
        return _("As alike as the original is to itself under noise: it looks at the same things.")
    if median <= random:
        return _("No more alike than chance: it looks at other things.")
    place = (median - random) / (noise - random)
    if place >= 0.75:
        return _("Closer to the noise ceiling than to chance: it mostly looks at the same things.")
    if place >= 0.25:
        return _("Between the noise ceiling and chance: part of what it looks at has changed.")
    return _("Closer to chance than to the noise ceiling: it mostly looks at other things.")
