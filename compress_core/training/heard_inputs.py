"""What layers are given while a network trains, noted where a method asks for it."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor


@dataclass(eq=False)
class HeardInputs:
    """The inputs of layers in the last pass, [n, ...] each time a layer ran, and their zeros in this epoch.

    listens: whether a pass is one to learn from. Whole numbers, such as those of an embedding, are nothing
    that could become smaller and are not noted.
    """

    inputs: dict[str, tuple[Tensor, ...]] = field(default_factory=dict)
    outputs: dict[str, tuple[Tensor, ...]] = field(default_factory=dict)
    zeros: dict[str, int] = field(default_factory=dict)
    values: dict[str, int] = field(default_factory=dict)
    listens: bool = True

    def note(self, values: Tensor, *, layer: str) -> Tensor:
        """Take down what a layer is given, of any shape, and hand it on."""
        if self.listens and values.is_floating_point():
            self.inputs[layer] = (*self.inputs.get(layer, ()), values)
            self.values[layer] = self.values.get(layer, 0) + values.numel()
            self.zeros[layer] = self.zeros.get(layer, 0) + int((values.detach() == 0).count_nonzero())
        return values

    def note_output(self, values: Tensor, *, layer: str) -> None:
        """Take down what a layer gives, of any shape."""
        if self.listens:
            self.outputs[layer] = (*self.outputs.get(layer, ()), values)

    def share_of_zeros(self) -> dict[str, float]:
        """The zeros among what each layer was given since the last time this was asked."""
        found = {name: self.zeros[name] / max(1, count) for name, count in self.values.items()}
        self.zeros.clear()
        self.values.clear()
        return found
