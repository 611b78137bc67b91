"""What stands in a folder beside its weights, and what task that says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from compress_core.foundation.errors import Refused
from compress_core.foundation.workspace.json_text import Json
from compress_core.loading.asked_answers import TaskName
from compress_core.loading.huggingface.config_file import CONFIG, MOST_BYTES, FolderConfig, read_config
from compress_core.loading.huggingface.folder_files import FolderFiles
from compress_core.loading.huggingface.model_types import Head
from compress_core.loading.huggingface.picture_form import picture_form
from compress_core.loading.huggingface.pooling_folder import Pooling, pooling_of
from compress_core.loading.huggingface.word_pieces import (
    SentPieces,
    WordPieces,
    has_tokenizer,
    read_word_pieces,
)
from compress_core.subject.input_form import InputForm


@dataclass(frozen=True, eq=False)
class OpenedFolder:
    """What was read of a folder beside its weights.

    pooling: how the vectors of words become one, None for other heads; pieces: its tokenizer, None where it
    has none or reads pictures; picture: the form of its pictures, None where it reads words.
    """

    name: str
    config: FolderConfig
    pooling: Pooling | None
    pieces: WordPieces | SentPieces | None
    picture: InputForm | None

    @property
    def values(self) -> Mapping[str, Json]:
        """What another process builds the network from."""
        numbers = dict(self.config.numbers)
        if self.config.kind.is_of_words and numbers.get("pad_token_id") is None:
            numbers["pad_token_id"] = self.blank
        return {
            "model_type": self.config.model_type,
            "architecture": self.config.architecture,
            "numbers": numbers,
            "labels": len(self.config.classes),
            "pooled": self.pooling is not None,
            "normalized": self.pooling is not None and self.pooling.normalized,
        }

    @property
    def untied(self) -> OpenedFolder:
        """The same folder for a network whose words have one weight on the way in, another on the way out."""
        numbers = {**self.config.numbers, "tie_word_embeddings": False}
        return replace(self, config=replace(self.config, numbers=numbers))

    @property
    def blank(self) -> int:
        """The number that stands for no word."""
        known = self.config.numbers.get("pad_token_id")
        if self.pieces is not None:
            return self.pieces.blank
        return known if isinstance(known, int) else 0


_TASKS: Mapping[Head, TaskName] = {
    Head.TAGS: "tokens",
    Head.HIDDEN_WORD: "tokens",
    Head.NEXT_WORD: "next_token",
    Head.VECTOR: "embedding",
}


def open_folder(files: FolderFiles, sent: SentPieces | None = None) -> OpenedFolder:
    """What stands in a folder beside its weights; raises Refused for what is not read.

    sent: what another process read of its tokenizer.
    """
    if CONFIG not in files.sizes:
        raise Refused("{folder} has no config.json: save it with save_pretrained.", folder=files.name)
    config = read_config(files.read(CONFIG, MOST_BYTES), files.name)
    words = config.kind.is_of_words
    pieces = read_word_pieces(files, config) if words and has_tokenizer(files) else sent
    picture = None if words else picture_form(files, config)
    pooling = pooling_of(files) if words and config.head is Head.VECTOR else None
    return OpenedFolder(files.name, config, pooling, pieces, picture)


def task_of_folder(config: FolderConfig) -> TaskName:
    """What a network is asked, as its head and config.json say."""
    if config.head in _TASKS:
        return _TASKS[config.head]
    if config.problem == "multi_label_classification":
        return "labels"
    return "regression" if config.problem == "regression" or len(config.classes) == 1 else "classification"
