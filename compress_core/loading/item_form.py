"""The form in which items are shown to a network whose card is not known."""

from __future__ import annotations

import math

from compress_core.foundation.errors import Refused
from compress_core.loading.preprocessing import AS_IT_IS, Preprocessing
from compress_core.subject.input_form import IMAGE, TABLE, InputForm

ItemShape = tuple[int, ...]


def form_of(
    shape: ItemShape, preprocessing: Preprocessing = AS_IT_IS, features: tuple[str, ...] = ()
) -> InputForm:
    """How items of this shape are shown to a network whose card is not known: as they are, but for a scale.

    features: of a table. Raises Refused for what is done to pictures where there are none, or a scale of
    other channels.
    """
    mean, std = preprocessing.mean or (0.0,), preprocessing.std or (1.0,)
    if len(shape) != 3:
        if preprocessing != AS_IT_IS:
            raise Refused(
                "Preprocessing says {how}, but the items of shape {shape} are no images [channels, height, "
                "width]: leave it out.",
                how=preprocessing.as_text(),
                shape=list(shape),
            )
        return InputForm(TABLE, shape, features=features if len(features) == math.prod(shape) else ())
    if not {len(mean), len(std)} <= {1, shape[0]}:
        raise Refused(
            "Preprocessing gives {got} numbers for mean and std, but the network takes {channels} channels: "
            "give one for each, or one for all.",
            got=max(len(mean), len(std)),
            channels=shape[0],
        )
    return InputForm(IMAGE, shape, mean, std)
