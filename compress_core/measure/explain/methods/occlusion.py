"""Occlusion."""

from __future__ import annotations

from torch import Tensor, nn

from compress_core.measure.explain.attribution import Question, attribution_method, needs_scores

WINDOW, STRIDE = 4, 2
"""Side and step of the square that is moved over an image, in pixels."""


@attribution_method(order=5, refusal=needs_scores, rows_per_item=16, hides=True)
def occlusion(network: nn.Module, question: Question) -> Tensor:
    """How much the score falls when a small window is covered by the baseline.

    -> a value for each input value, [N, ...] as the inputs are.

    Images: windows of 4 x 4 pixels, 2 apart, averaged where they overlap. Tables: one feature at a time.
    Text: one word at a time, in whose place the blank one stands, or the one that hides words.

    Zeiler and Fergus 2014, arXiv:1311.2901, section 4.2.
    """
    from captum.attr import Occlusion

    channels, *size = question.inputs.shape[1:]
    window = (channels, *(min(WINDOW, side) for side in size)) if size else (1,)
    stride = (channels, *(min(STRIDE, side) for side in size)) if size else (1,)
    maps: Tensor = Occlusion(network).attribute(
        question.inputs,
        sliding_window_shapes=window,
        strides=stride,
        baselines=question.baseline,
        target=question.targets,
        perturbations_per_eval=max(1, question.rows // len(question.inputs)),
        additional_forward_args=question.beside or None,
    )
    # A window covers all channels together, so each of them carries the whole effect.
    return maps[:, :1] if size else maps
