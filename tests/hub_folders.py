"""Small folders as the Hugging Face libraries write them, made here: random weights, a trained tokenizer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

transformers = pytest.importorskip(
    "transformers", reason="needs the extra: pip install 'slimscope[huggingface]'"
)
tokenizers = pytest.importorskip("tokenizers", reason="needs the extra: pip install 'slimscope[huggingface]'")

CLASSES = ("bad", "good", "neither")
TEXTS = [
    "the film was good and the music was very good",
    "a bad plot, a bad ending, and nothing good in it",
    "neither good nor bad: a film like many others",
    "i liked the music but the story was slow",
    "very slow, very long, and very bad",
    "good",
    "the ending made up for a slow beginning",
    "many others liked it, i did not",
]
WORDS = 160
_TABLES = ("word_embeddings.weight", "wte.weight", "embed_tokens.weight")
_OF_WORDS = 30
"""How much larger than usual, so that texts are told apart whatever words a tokenizer was trained to."""
_LABELED: Mapping[str, Any] = {
    "id2label": dict(enumerate(CLASSES)),
    "label2id": {name: number for number, name in enumerate(CLASSES)},
}
_TEXT = {
    "vocab_size": WORDS, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
    "intermediate_size": 24, "max_position_embeddings": 40,
}  # fmt: skip
NUMBERS: Mapping[str, Mapping[str, Any]] = {
    "Bert": _TEXT,
    "Roberta": {**_TEXT, "pad_token_id": 1, "type_vocab_size": 1},
    "DistilBert": {
        "vocab_size": WORDS, "dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 24,
        "max_position_embeddings": 40,
    },
    "GPT2": {
        "vocab_size": WORDS, "n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 40, "pad_token_id": 0,
        "bos_token_id": 0, "eos_token_id": 0,
    },
    "Llama": {**_TEXT, "num_attention_heads": 4, "num_key_value_heads": 2, "pad_token_id": 0},
    "Mistral": {**_TEXT, "num_attention_heads": 4, "num_key_value_heads": 2, "pad_token_id": 0},
    "Qwen2": {**_TEXT, "num_attention_heads": 4, "num_key_value_heads": 2, "pad_token_id": 0},
    "ViT": {
        "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24,
        "image_size": 16, "patch_size": 4,
    },
    "ResNet": {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1]},
    "ConvNext": {"num_stages": 2, "hidden_sizes": [8, 16], "depths": [1, 1], "image_size": 32},
    "MobileNetV2": {"depth_multiplier": 0.2, "image_size": 32},
}  # fmt: skip


def network_of(architecture: str, **numbers: Any) -> nn.Module:
    """A small network with random weights, of which also norms say something."""
    prefix = next(name for name in NUMBERS if architecture.startswith(name))
    config = getattr(transformers, f"{prefix}Config")(**{**NUMBERS[prefix], **_LABELED, **numbers})
    torch.manual_seed(3)
    network: nn.Module = getattr(transformers, architecture)(config).eval()
    with torch.no_grad():
        for name, values in network.named_parameters():
            if values.ndim == 1 or "position" in name:
                values.add_(0.1 * torch.randn(values.shape))
            else:
                values.mul_(_OF_WORDS if name.endswith(_TABLES) else 4)
    return network


def save_folder(folder: Path, architecture: str, *, tokenizer: str = "", **numbers: Any) -> nn.Module:
    """Write a network, and a tokenizer of a kind, as the libraries do; gives the network."""
    network = network_of(architecture, **numbers)
    network.save_pretrained(folder)
    if tokenizer:
        save_tokenizer(folder, tokenizer)
    return network


def save_tokenizer(folder: Path, kind: str) -> None:
    """Train a tokenizer on a few sentences: word pieces as BERT has them, or pairs of bytes."""
    if kind == "pieces":
        made = tokenizers.Tokenizer(tokenizers.models.WordPiece(unk_token="[UNK]"))
        made.normalizer = tokenizers.normalizers.BertNormalizer(lowercase=True)
        made.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
        special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
        trainer = tokenizers.trainers.WordPieceTrainer(vocab_size=WORDS - 20, special_tokens=special)
        made.train_from_iterator(TEXTS, trainer)
        made.post_processor = tokenizers.processors.TemplateProcessing(
            single="[CLS] $A [SEP]",
            pair="[CLS] $A [SEP] $B:1 [SEP]:1",
            special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
        )
        said = {"pad_token": "[PAD]", "mask_token": {"content": "[MASK]"}, "tokenizer_class": "BertTokenizer"}
    else:
        made = tokenizers.Tokenizer(tokenizers.models.BPE())
        made.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
        made.decoder = tokenizers.decoders.ByteLevel()
        trainer = tokenizers.trainers.BpeTrainer(vocab_size=WORDS - 20, special_tokens=["<|end|>"])
        made.train_from_iterator(TEXTS, trainer)
        said = {"pad_token": "<|end|>", "tokenizer_class": "GPT2Tokenizer"}
    made.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps(said), encoding="utf-8")


def lines_of(folder: Path, labels: list[Any] | None) -> Path:
    """The texts as a file of JSON lines."""
    rows = [{"text": text} for text in TEXTS]
    if labels is not None:
        rows = [{**row, "label": label} for row, label in zip(rows, labels, strict=True)]
    path = folder / "texts.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return path


def change_config(folder: Path, **changes: Any) -> None:
    """Set names of a config.json; None takes one out."""
    path = folder / "config.json"
    said = {**json.loads(path.read_text(encoding="utf-8")), **changes}
    path.write_text(json.dumps({k: v for k, v in said.items() if v is not None}), encoding="utf-8")
