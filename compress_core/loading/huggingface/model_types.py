"""Which types of networks are read from a folder, by their names in config.json. Needs no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

from compress_core.loading.huggingface import config_numbers as numbers


class Head(Enum):
    """What a network of a folder answers."""

    CLASSES = "ForSequenceClassification"
    PICTURES = "ForImageClassification"
    TAGS = "ForTokenClassification"
    NEXT_WORD = "ForCausalLM"
    HIDDEN_WORD = "ForMaskedLM"
    VECTOR = "Model"

    @property
    def names_classes(self) -> bool:
        """Whether the answers are the classes that config.json names."""
        return self in {Head.CLASSES, Head.PICTURES, Head.TAGS}


OF_TEXT = (Head.CLASSES, Head.TAGS, Head.HIDDEN_WORD, Head.VECTOR)
OF_SPEECH = (Head.CLASSES, Head.TAGS, Head.NEXT_WORD, Head.VECTOR)


@dataclass(frozen=True)
class ModelType:
    """A type: how its classes begin, how a network without its head is called in another, what it is read by.

    heads: by the names of their classes. positions: the number that bounds the words of an item, empty for
    pictures.
    """

    classes: str
    base: str
    numbers: type[numbers.Numbers]
    heads: Mapping[str, Head]
    positions: str = ""

    @property
    def is_of_words(self) -> bool:
        """Whether it reads words."""
        return bool(self.positions)


def _type(
    classes: str,
    base: str,
    read_by: type[numbers.Numbers],
    heads: tuple[Head, ...],
    positions: str = "",
    **other_names: Head,
) -> ModelType:
    named = {f"{classes}{head.value}": head for head in heads if head not in other_names.values()}
    return ModelType(classes, base, read_by, MappingProxyType({**named, **other_names}), positions)


_LENGTH = "max_position_embeddings"
_PICTURES = (Head.PICTURES,)
MODEL_TYPES: Mapping[str, ModelType] = MappingProxyType(
    {
        "bert": _type("Bert", "bert", numbers.Bert, OF_TEXT, _LENGTH),
        "distilbert": _type("DistilBert", "distilbert", numbers.DistilBert, OF_TEXT, _LENGTH),
        "roberta": _type("Roberta", "roberta", numbers.Bert, OF_TEXT, _LENGTH),
        "gpt2": _type(
            "GPT2", "transformer", numbers.Gpt2, OF_SPEECH, "n_positions", GPT2LMHeadModel=Head.NEXT_WORD
        ),
        "llama": _type("Llama", "model", numbers.LlamaItself, OF_SPEECH, _LENGTH),
        "mistral": _type("Mistral", "model", numbers.Mistral, OF_SPEECH, _LENGTH),
        "qwen2": _type("Qwen2", "model", numbers.Qwen2, OF_SPEECH, _LENGTH),
        "vit": _type("ViT", "vit", numbers.VisionTransformer, (Head.PICTURES, Head.VECTOR)),
        "resnet": _type("ResNet", "resnet", numbers.ResNet, _PICTURES),
        "convnext": _type("ConvNext", "convnext", numbers.ConvNext, _PICTURES),
        "mobilenet_v2": _type("MobileNetV2", "mobilenet_v2", numbers.MobileNetV2, _PICTURES),
    }
)
