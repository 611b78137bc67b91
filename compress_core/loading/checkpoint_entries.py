"""Which of the dicts in a checkpoint holds the weights. Needs no torch.

A checkpoint is whatever a training wrote beside a state dict: the optimizer, the epoch, an average of the
weights, a Namespace of options. What is taken follows from names that trainings use, and is said.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from compress_core.foundation.errors import Refused
from compress_core.foundation.texts import Phrase
from compress_core.loading.state_pickle import Opaque, TensorView, Unpickled
from compress_core.loading.stored import shown
from compress_core.subject.reading_remarks import ReadingRemarks, in_a_row, some_of

_USUAL = ("state_dict", "model_state_dict", "model", "net", "network", "module", "weights", "params")
_AVERAGES = {"ema", "shadow", "swa", "averaged", "average", "polyak"}
_OPTIMIZER = "optim"
_MOST_STEPS_DOWN = 3
_MOST_DICTS = 10_000
_OTHER_TENSORS = (
    "torch._utils._rebuild_sparse",
    "torch._utils._rebuild_qtensor",
    "torch._utils._rebuild_nested",
)


@dataclass(frozen=True, eq=False)
class _Entry:
    """A dict that holds tensors: the names that lead to it, and what it holds."""

    path: tuple[str, ...]
    held: Mapping[object, object]

    @property
    def name(self) -> str:
        """As it is chosen by."""
        return ".".join(self.path)

    @property
    def is_average(self) -> bool:
        """Whether a name says that it is an average over the training."""
        return any(word in _AVERAGES for part in self.path for word in part.lower().split("_"))

    @property
    def is_usual(self) -> bool:
        """Whether a name says that it holds the weights of the model."""
        return self.is_average or self.path[-1] in _USUAL

    @property
    def rank(self) -> tuple[bool, int, int]:
        """What stands first is taken first."""
        place = _USUAL.index(self.path[-1]) if self.path[-1] in _USUAL else len(_USUAL)
        return self.is_average, len(self.path), place


def weights_of(found: Unpickled, entry: str | None) -> tuple[dict[str, TensorView], ReadingRemarks]:
    """The tensors of the model by name, in their order, and what was left aside.

    entry: which dict of the checkpoint is taken. Raises Refused where it holds no weights, several between
    which nothing decides, or something among the weights that is no tensor.
    """
    if not isinstance(found.root, dict):
        raise _no_state_dict(found.root)
    entries = sorted(_entries(found.root), key=lambda one: one.rank)
    if entry is None and not entries:
        return _checked(_meant(found.root)), ReadingRemarks()
    taken = _likeliest(entries) if entry is None else _chosen(entries, entry)
    return _checked(taken.held), _remarks(found, taken, entries, chosen=entry is not None)


def _entries(root: Mapping[object, object]) -> Iterator[_Entry]:
    """The dicts below the root that hold the weights of a model; each dict is looked at once."""
    if root and all(isinstance(value, TensorView) for value in root.values()):
        return
    waiting: list[tuple[tuple[str, ...], Mapping[object, object]]] = [((), root)]
    seen = {id(root)}
    while waiting:
        path, held = waiting.pop(0)
        for name, value in held.items():
            if not isinstance(value, dict) or not isinstance(name, str) or id(value) in seen:
                continue
            if len(seen) > _MOST_DICTS:
                return
            seen.add(id(value))
            one = _Entry((*path, name), value)
            if _holds_weights(one):
                yield one
            elif len(one.path) < _MOST_STEPS_DOWN and _OPTIMIZER not in name.lower():
                waiting.append((one.path, value))


def _holds_weights(entry: _Entry) -> bool:
    """Whether a dict is a state dict: by its name and a tensor, or by tensors alone that are called so."""
    values = entry.held.values()
    if entry.is_usual:
        return any(isinstance(v, TensorView) for v in values) and not any(isinstance(v, dict) for v in values)
    named = any(isinstance(name, str) and name.endswith("weight") for name in entry.held)
    return named and all(isinstance(value, TensorView) for value in values)


def _likeliest(entries: list[_Entry]) -> _Entry:
    usual = [one for one in entries if one.is_usual]
    if usual or len(entries) == 1:
        return usual[0] if usual else entries[0]
    raise Refused(
        "The file holds several state dicts, {entries}, and nothing says which is the model's: name it, "
        "with --entry NAME, entry=NAME in load, or in the field on Start.",
        entries=_names(entries),
    )


def _chosen(entries: list[_Entry], name: str) -> _Entry:
    for one in entries:
        if name == one.name:
            return one
    within = [one for one in entries if name in one.path]
    if len(within) == 1:
        return within[0]
    raise Refused(
        "The file holds no weights under '{entry}'; it holds {entries}: name one of these.",
        entry=shown(name),
        entries=_names(entries) if entries else Phrase("one state dict without a name"),
    )


def _names(entries: list[_Entry]) -> str:
    return some_of(f"'{shown(one.name)}'" for one in entries)


def _meant(root: Mapping[object, object]) -> object:
    """Where the weights would stand, had the file any: to say what is there instead."""
    meant = (root[name] for name in _USUAL if isinstance(root.get(name), dict | Opaque))
    return next(meant, root)


def _checked(held: object) -> dict[str, TensorView]:
    """A dict as names with tensors; raises Refused for the first entry that is none."""
    if not isinstance(held, Mapping):
        raise _no_state_dict(held)
    found: dict[str, TensorView] = {}
    for name, value in held.items():
        if isinstance(value, Opaque):
            raise _not_read(value)
        if not isinstance(name, str) or not isinstance(value, TensorView):
            raise Refused(
                "The entry '{entry}' of the file is no tensor; a state dict holds nothing but tensors "
                "by name. Upload torch.save(model.state_dict(), path).",
                entry=shown(name) if isinstance(name, str) else "?",
            )
        found[name] = value
    return found


def _no_state_dict(root: object) -> Refused:
    if isinstance(root, Opaque):
        return _not_read(root)
    return Refused(
        "The file must hold a state dict, names with tensors, and holds something else. "
        "Upload torch.save(model.state_dict(), path)."
    )


def _not_read(thing: Opaque) -> Refused:
    """Why something is not taken for weights."""
    if thing.name.startswith(_OTHER_TENSORS):
        return Refused(
            "The file holds sparse, nested or quantized tensors; only plain dense tensors are read. "
            "Convert them with .to_dense() or .dequantize() and save again."
        )
    return Refused(
        "The file holds a pickled object that needs '{name}', which could run code; nothing was run. "
        "Upload torch.save(model.state_dict(), path) or safetensors. On your own machine a function of yours "
        "may load it: slimscope open package.module:function.",
        name=shown(thing.name),
    )


def _remarks(found: Unpickled, taken: _Entry, entries: list[_Entry], *, chosen: bool) -> ReadingRemarks:
    assert isinstance(found.root, dict), "looked at before"
    beside = [shown(name) for name in found.root if isinstance(name, str) and name != taken.path[0]]
    said = [Phrase("The weights stand under '{entry}' in a checkpoint.", entry=shown(taken.name))]
    if beside:
        said.append(Phrase("What stands beside them was not read: {names}.", names=some_of(beside)))
    if found.opaque:
        said.append(
            Phrase(
                "Objects of {classes} were skipped: nothing of them was built or run.",
                classes=some_of(map(shown, found.opaque)),
            )
        )
    others = [one for one in entries if one is not taken]
    if chosen or not others:
        return ReadingRemarks((in_a_row(said),))
    return ReadingRemarks((in_a_row(said),), (_choice(taken, others),))


def _choice(taken: _Entry, others: list[_Entry]) -> Phrase:
    return Phrase(
        "The file holds weights more than once: those of '{taken}' were taken, not those of {others}. To "
        "take others name them, with --entry NAME, entry=NAME in load, or in the field on Start.",
        taken=shown(taken.name),
        others=_names(others),
    )
