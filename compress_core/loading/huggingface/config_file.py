"""config.json of a folder, read by rules of our own: types and heads from a list, numbers within bounds.

Needs no torch. Nothing that the file names is imported, looked for or fetched.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from compress_core.foundation.errors import Refused, shortened
from compress_core.foundation.strict_json import strictly_read
from compress_core.foundation.workspace.json_text import Json
from compress_core.loading.class_names import refuse_same_names
from compress_core.loading.huggingface.config_numbers import Numbers
from compress_core.loading.huggingface.model_types import MODEL_TYPES, Head, ModelType
from compress_core.loading.stored import shown

CONFIG = "config.json"
MOST_BYTES = 4 * 2**20
MOST_CLASSES = 10_000
_MOST_NAME = 200
_CODE = ("auto_map", "trust_remote_code", "custom_pipelines", "custom_pipeline")
_OTHER_WEIGHTS = ("quantization_config", "compression_config", "sparsity_config", "adapter_config")
_WITHOUT_EFFECT = frozenset(
    {
        "_name_or_path", "architectures", "model_type", "torch_dtype", "dtype", "transformers_version",
        "use_cache", "id2label", "label2id", "num_labels", "_num_labels", "problem_type", "bos_token_id",
        "eos_token_id", "sep_token_id", "decoder_start_token_id", "initializer_range", "initializer_factor",
        "task_specific_params", "gradient_checkpointing", "pretraining_tp", "return_dict", "torchscript",
        "output_hidden_states", "output_attentions", "attn_implementation", "_attn_implementation",
        "_attn_implementation_autoset", "finetuning_task", "semantic_loss_ignore_index", "encoder_stride",
        "drop_path_rate", "classifier_dropout", "classifier_dropout_prob", "attention_probs_dropout_prob",
        "hidden_dropout_prob", "attention_dropout", "dropout", "qa_dropout", "seq_classif_dropout",
        "resid_pdrop", "embd_pdrop", "attn_pdrop", "summary_type", "summary_use_proj", "summary_activation",
        "summary_proj_to_labels", "summary_first_dropout", "n_ctx", "output_past", "directionality",
        "tokenizer_class", "language",
    }
)  # fmt: skip
"""Names that change no answer of a network in evaluation: chances of training, words, notes."""


@dataclass(frozen=True)
class FolderConfig:
    """What a config.json says: the type and the class of the network, its numbers, and what they are called.

    numbers: those that stand in it. length: how many words the network tells apart by their places, and
    vocabulary: how many it knows, both None for pictures. classes: empty where the head has none. problem:
    what is asked of a classifier, empty where it is not said. unread: what else stands in it and might
    change an answer. end: the word of the end.
    """

    model_type: str
    architecture: str
    numbers: Mapping[str, Json]
    length: int | None
    vocabulary: int | None
    classes: tuple[str, ...]
    problem: str
    unread: Mapping[str, Json]
    end: int | None

    @property
    def kind(self) -> ModelType:
        """The type."""
        return MODEL_TYPES[self.model_type]

    @property
    def head(self) -> Head:
        """What the network answers."""
        return self.kind.heads[self.architecture]


def read_config(content: bytes, folder: str) -> FolderConfig:
    """What a config.json says; raises Refused, and nothing else, whatever the bytes are."""
    said = object_in(content, CONFIG)
    for name in _CODE:
        if said.get(name):
            raise Refused(
                "config.json of {folder} asks for code of its own ({name}), which is never run: open it with "
                "package.module:factory, where you trust that code.",
                folder=shown(folder),
                name=name,
            )
    for name in _OTHER_WEIGHTS:
        if said.get(name):
            raise Refused(
                "config.json of {folder} has {name}: its weights are not those of the plain network. Save "
                "the network as it was before that step.",
                folder=shown(folder),
                name=name,
            )
    kind, name = _type_of(said, folder), str(said["model_type"])
    architecture = _architecture(said, kind, name)
    numbers = _numbers(said, kind, name)
    length: int | None = getattr(numbers, kind.positions) if kind.is_of_words else None
    problem = said.get("problem_type")
    read = {*kind.numbers.model_fields, *_WITHOUT_EFFECT}
    unread = {name: value for name, value in said.items() if name not in read}
    classes = _classes(said) if kind.heads[architecture].names_classes else ()
    return FolderConfig(
        name,
        architecture,
        numbers.model_dump(exclude_unset=True),
        length,
        getattr(numbers, "vocab_size", None),
        classes,
        problem if isinstance(problem, str) else "",
        unread,
        _whole(said.get("eos_token_id")),
    )


def object_in(content: bytes, name: str) -> dict[str, Any]:
    """The object of a JSON file of a folder; raises Refused for anything else."""
    try:
        said = strictly_read(content)
    except ValueError as error:
        raise Refused(
            "{file} is no JSON that is read here ({reason}): save the folder anew with save_pretrained.",
            file=name,
            reason=shown(str(error)),
        ) from None
    if not isinstance(said, dict):
        raise Refused("{file} must hold an object: save the folder anew with save_pretrained.", file=name)
    return said


def _type_of(said: Mapping[str, Any], folder: str) -> ModelType:
    name = said.get("model_type")
    if not isinstance(name, str) or name not in MODEL_TYPES:
        raise Refused(
            "config.json of {folder} has the model type {got}; types that are read are {known}. Open it with "
            "package.module:factory instead.",
            folder=shown(folder),
            got=shortened(name),
            known=", ".join(MODEL_TYPES),
        )
    return MODEL_TYPES[name]


def _architecture(said: Mapping[str, Any], kind: ModelType, name: str) -> str:
    listed = said.get("architectures")
    wanted = listed[0] if isinstance(listed, list) and len(listed) == 1 else listed
    if wanted is None and Head.VECTOR in kind.heads.values():
        return f"{kind.classes}{Head.VECTOR.value}"
    if not isinstance(wanted, str) or wanted not in kind.heads:
        raise Refused(
            "config.json names the architecture {got}; of the type {type} these are read: {known}.",
            got=shortened(wanted),
            type=name,
            known=", ".join(kind.heads),
        )
    return wanted


def _numbers(said: Mapping[str, Any], kind: ModelType, name: str) -> Numbers:
    try:
        return kind.numbers.model_validate(_old_names(said))
    except ValidationError as error:
        first = error.errors()[0]
        raise Refused(
            "{field} of config.json is {got}, which is not read for {type}: {reason}.",
            field=".".join(map(str, first["loc"])),
            got=shortened(first["input"]),
            type=name,
            reason=first["msg"],
        ) from None


def _old_names(said: Mapping[str, Any]) -> Mapping[str, Any]:
    """The same with the newer name of what rotary embeddings are scaled by."""
    scaling = said.get("rope_scaling")
    if isinstance(scaling, dict) and "type" in scaling:
        newer = {"rope_type": scaling["type"], **{k: v for k, v in scaling.items() if k != "type"}}
        return {**said, "rope_scaling": newer}
    return said


def _classes(said: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of the classes in their order; two without names where the file tells of none."""
    named = said.get("id2label")
    if named is None:
        count = said.get("num_labels", 2)
        if not isinstance(count, int) or not 1 <= count <= MOST_CLASSES:
            raise _no_classes(count)
        return tuple(map(str, range(count)))
    wanted = list(map(str, range(len(named)))) if isinstance(named, dict) else []
    if not 1 <= len(wanted) <= MOST_CLASSES or set(named) != set(wanted):
        raise _no_classes(named)
    classes = tuple(str(named[number])[:_MOST_NAME] for number in wanted)
    refuse_same_names(classes, "id2label of config.json")
    return classes


def _no_classes(got: object) -> Refused:
    return Refused(
        "id2label of config.json must name 1 to {most:,} classes, numbered from 0, but is {got}: correct it.",
        most=MOST_CLASSES,
        got=shortened(got),
    )


def _whole(value: object) -> int | None:
    """A whole number, or the first of several; None for anything else."""
    first = value[0] if isinstance(value, list) and value else value
    return first if isinstance(first, int) and not isinstance(first, bool) and first >= 0 else None
