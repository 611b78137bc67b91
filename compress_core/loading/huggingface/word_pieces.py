"""Texts become the numbers of words by the tokenizer that lies in a folder, read by the tokenizers library.

Needs no torch. What Python code a folder names for its tokenizer is never looked at.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compress_core.foundation.errors import Refused
from compress_core.loading.huggingface.config_file import FolderConfig, object_in
from compress_core.loading.huggingface.folder_files import FolderFiles
from compress_core.loading.stored import shown
from compress_core.loading.text_items import Label, TextItems
from compress_core.network.input_field import InputField

MOST_BYTES = 32 * 2**20
USUAL_LENGTH = 128
MOST_LENGTH = 2048
EXTRA = "slimscope[huggingface]"
_TOKENIZER, _CONFIG, _SPECIAL = "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"
_READ = (_TOKENIZER, "vocab.txt")
_WORD_BEGINS = ("Ġ", "▁")
_GOES_ON = "##"


@dataclass(frozen=True, eq=False)
class WordPieces:
    """The tokenizer of a folder: what stands for no word and what hides one, and how many words fit in."""

    tokenizer: Any
    blank: int
    cover: int | None
    most: int

    def rows(self, items: TextItems, length: int | None) -> Tokenized:
        """Texts as numbers of words, each as many as length says; by itself as long as the longest text.

        What is longer than that is cut off at its end. Raises Refused for a length that does not fit.
        """
        if length is not None and not 1 <= length <= self.most:
            raise Refused(
                "A text may have 1 to {most:,} tokens for this network, but {got:,} were asked for: choose a "
                "length in between.",
                most=self.most,
                got=length,
            )
        limit = min(self.most, USUAL_LENGTH) if length is None else length
        every = self._encoded(items)
        counts = np.array([len(ids) for ids, _ in every])
        wide = limit if length is not None else int(min(limit, counts.max()))
        cut = self._encoded(items, wide)
        ids = np.full((len(cut), wide), self.blank, dtype=np.int64)
        mask, kinds = np.zeros_like(ids), np.zeros_like(ids)
        for place, (words, kind) in enumerate(cut):
            ids[place, : len(words)], kinds[place, : len(kind)] = words, kind
            mask[place, : len(words)] = 1
        return Tokenized(ids, mask, kinds, int((counts > wide).sum()), items.labels, items.lines)

    def words(self, count: int) -> tuple[str, ...]:
        """What the numbers from 0 stand for; a space before a word that begins one."""
        signs = self.tokenizer.get_vocab(with_added_tokens=True)
        marked = any(sign.startswith(_WORD_BEGINS) for sign in signs)
        of_bytes, added = _is_of_bytes(self.tokenizer), self.tokenizer.get_added_tokens_decoder()
        found = [""] * count
        for sign, number in signs.items():
            if number < count:
                spelled = of_bytes and number not in added
                found[number] = _text_of_bytes(sign) if spelled else _shown(sign, marked=marked)
        return tuple(found)

    def _encoded(self, items: TextItems, length: int | None = None) -> list[tuple[list[int], list[int]]]:
        self.tokenizer.no_padding()
        if length is None:
            self.tokenizer.no_truncation()
        else:
            self.tokenizer.enable_truncation(length)
        given: Any = items.texts if items.pairs is None else tuple(zip(items.texts, items.pairs, strict=True))
        try:
            found = self.tokenizer.encode_batch(list(given))
        except Exception as error:
            raise _not_read(_TOKENIZER, error) from error
        return [(one.ids, one.type_ids) for one in found]


@dataclass(frozen=True, eq=False)
class Tokenized:
    """Texts as numbers of words [N, T], which of them are there, to which text of a pair they belong.

    cut: how many texts were longer; labels, lines: as they came with the texts.
    """

    ids: NDArray[np.int64]
    mask: NDArray[np.int64]
    kinds: NDArray[np.int64]
    cut: int
    labels: tuple[Label, ...] | None = None
    lines: tuple[int, ...] | None = None

    def arrays(self, *, kinds: bool) -> Mapping[str, NDArray[np.int64]]:
        """By the names that networks give them; kinds: whether it tells the texts of a pair apart."""
        found = {"input_ids": self.ids, "attention_mask": self.mask}
        return {**found, "token_type_ids": self.kinds} if kinds and self.kinds.any() else found


@dataclass(frozen=True, eq=False)
class SentPieces:
    """What another process read of a tokenizer: the same numbers, and what the words are."""

    blank: int
    cover: int | None
    most: int
    vocabulary: tuple[str, ...]

    def words(self, count: int) -> tuple[str, ...]:
        """What the numbers from 0 stand for."""
        return self.vocabulary[:count]


def word_fields(
    names: Sequence[str], length: int, count: int, blank: int, cover: int | None
) -> tuple[InputField, ...]:
    """The inputs of a network that reads so many words of a vocabulary of so many."""
    made = {
        "input_ids": InputField("input_ids", (length,), "whole", count, blank, cover),
        "attention_mask": InputField("attention_mask", (length,), "whole", 2, 1),
        "token_type_ids": InputField("token_type_ids", (length,), "whole", 2),
    }
    return tuple(made[name] for name in names)


WORD_INPUTS = ("input_ids", "attention_mask", "token_type_ids")
"""The names of the inputs that networks of words take here."""


def read_word_pieces(files: FolderFiles, config: FolderConfig) -> WordPieces:
    """The tokenizer of a folder; raises Refused where there is none, or one that is not read."""
    said = object_in(files.read(_CONFIG, MOST_BYTES), _CONFIG) if _CONFIG in files.sizes else {}
    special = object_in(files.read(_SPECIAL, MOST_BYTES), _SPECIAL) if _SPECIAL in files.sizes else {}
    tokenizer = _tokenizer(files, said)
    count = config.vocabulary
    assert count is not None, "of a network that reads words"
    _refuse_beyond(tokenizer, count)
    pad = _number(tokenizer, _named("pad_token", said, special))
    blank = next(
        (n for n in (pad, config.numbers.get("pad_token_id"), config.end, 0) if isinstance(n, int)), 0
    )
    cover = _number(tokenizer, _named("mask_token", said, special))
    assert config.length is not None, "of a network that reads words"
    offset = blank + 1 if config.model_type == "roberta" else 0
    return WordPieces(
        tokenizer, min(blank, count - 1), cover, max(1, min(config.length - offset, MOST_LENGTH))
    )


def has_tokenizer(files: FolderFiles) -> bool:
    """Whether there is something in a folder that makes numbers of texts."""
    return any(name in files.sizes for name in _READ)


def _refuse_beyond(tokenizer: Any, count: int) -> None:
    beyond = [number for number in tokenizer.get_vocab(with_added_tokens=True).values() if number >= count]
    if beyond:
        raise Refused(
            "The tokenizer has words up to number {high:,}, but the network reads {count:,} of them: the two "
            "do not belong together.",
            high=max(beyond),
            count=count,
        )


def _tokenizer(files: FolderFiles, said: Mapping[str, Any]) -> Any:
    try:
        import tokenizers
    except ImportError as error:
        raise Refused(
            "Texts need {extra}, which is not installed ({reason}): pip install '{extra}', or give the "
            "numbers of words as .npz.",
            extra=EXTRA,
            reason=str(error),
        ) from error
    makers: tuple[tuple[str, Callable[[], Any]], ...] = (
        (_TOKENIZER, lambda: tokenizers.Tokenizer.from_str(_text_of(files, _TOKENIZER))),
        ("vocab.txt", lambda: _of_word_pieces(tokenizers, _text_of(files, "vocab.txt"), said)),
    )
    for name, make in makers:
        if name in files.sizes:
            try:
                return make()
            except Refused:
                raise
            except Exception as error:
                raise _not_read(name, error) from error
    raise AssertionError("asked only where there is one")


def _text_of(files: FolderFiles, name: str) -> str:
    return files.read(name, MOST_BYTES).decode("utf-8")


def _of_word_pieces(tokenizers: Any, content: str, said: Mapping[str, Any]) -> Any:
    """BERT's tokenizer from its plain list of words."""
    words = {word: number for number, word in enumerate(content.splitlines())}
    made = tokenizers.BertWordPieceTokenizer(words, lowercase=bool(said.get("do_lower_case", True)))
    return made._tokenizer  # noqa: SLF001 - the plain tokenizer, as tokenizer.json holds it


def _named(name: str, *places: Mapping[str, Any]) -> str | None:
    """What a special word is called: a text, or an object with its content."""
    for place in places:
        value = place.get(name)
        word = value.get("content") if isinstance(value, dict) else value
        if isinstance(word, str):
            return word
    return None


def _number(tokenizer: Any, word: str | None) -> int | None:
    found: int | None = None if word is None else tokenizer.token_to_id(word)
    return found


def _is_of_bytes(tokenizer: Any) -> bool:
    """Whether each sign of a word stands for a byte of UTF-8."""
    made = json.loads(tokenizer.to_str())
    found = (made.get("pre_tokenizer") or {}, made.get("decoder") or {})
    parts = (
        part for each in found for part in (each, *each.get("pretokenizers", ()), *each.get("decoders", ()))
    )
    return any(part.get("type") == "ByteLevel" for part in parts)


def _byte_signs() -> Mapping[str, int]:
    """The sign for each byte: a letter or sign of Latin-1 for itself, from U+0100 on for what is unseen."""
    unseen = [byte for byte in range(256) if not _is_seen(byte)]
    signs = {chr(256 + place): byte for place, byte in enumerate(unseen)}
    return MappingProxyType({chr(byte): byte for byte in range(256) if _is_seen(byte)} | signs)


def _is_seen(byte: int) -> bool:
    return 0x21 <= byte <= 0x7E or (byte >= 0xA1 and byte != 0xAD)


_BYTE_OF_SIGN = _byte_signs()


def _text_of_bytes(sign: str) -> str:
    """What a word that is spelled in bytes stands for; bytes that are no character alone as escapes."""
    if not set(sign) <= _BYTE_OF_SIGN.keys():
        return sign
    return bytes(_BYTE_OF_SIGN[each] for each in sign).decode(errors="backslashreplace")


def _shown(sign: str, *, marked: bool) -> str:
    """A word of a vocabulary as it is read: a space before what begins one."""
    if sign.startswith(_GOES_ON) and len(sign) > len(_GOES_ON):
        return sign[len(_GOES_ON) :]
    if marked:
        return f" {sign[1:]}" if sign.startswith(_WORD_BEGINS) else sign
    return f" {sign}"


def _not_read(name: str, error: BaseException) -> Refused:
    return Refused(
        "{file} is no tokenizer that is read here ({reason}): save it anew with save_pretrained.",
        file=name,
        reason=shown(f"{type(error).__name__}: {' '.join(str(error).split())}"),
    )
