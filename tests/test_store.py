"""The store: bounded in bytes, equal requests computed once, a workspace that outlives the process."""

from __future__ import annotations

import itertools
import json
import os
import stat
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save

from compress_core.foundation.atomic_file import write_whole
from compress_core.foundation.store import Store, digest
from compress_core.foundation.stored_value import from_bytes, to_bytes
from compress_core.foundation.texts import Phrase
from compress_core.foundation.workspace.workspace import Workspace
from compress_core.statistics.singular_vectors import singular_vectors
from tests.served import LONGEST_S

ROOT = Path(__file__).resolve().parent.parent


def test_a_value_is_made_once_and_handed_out_as_it_is() -> None:
    store, made = Store(), []
    values = [store.get("key", lambda: made.append(1) or object()) for _ in range(3)]
    assert len(made) == 1
    assert values[0] is values[1] is values[2]


def test_the_least_used_goes_first_when_memory_is_full() -> None:
    store = Store(max_bytes=100)
    for key in "abc":
        store.get(key, str, lambda _: 30)
    store.get("a", str, lambda _: 30)
    store.get("d", str, lambda _: 30)
    assert [key for key in "abcd" if store.has(key)] == ["a", "c", "d"]
    assert store.bytes_held == 90


def test_what_nobody_asked_for_in_a_while_goes_as_long_as_much_is_held() -> None:
    times = iter([0.0, 1.0, 2.0, 50.0, 100.0, 100.0, 100.0, 100.0])
    store = Store(clock=lambda: next(times))
    for key in "abc":
        store.get(key, str, lambda _: 30)
    store.get("a", str)
    store.forget_unused(60.0, down_to=70)
    assert [key for key in "abc" if store.has(key)] == ["a", "c"]
    store.forget_unused(60.0, down_to=0)
    assert [key for key in "abc" if store.has(key)] == ["a"]
    assert store.bytes_held == 30


def test_what_is_larger_than_the_memory_is_handed_out_but_not_kept() -> None:
    store = Store(max_bytes=100)
    store.get("small", str, lambda _: 100)
    assert store.get("large", lambda: 5, lambda _: 101) == 5
    assert store.has("small")
    assert not store.has("large")


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 60)), max_size=40))
def test_the_bytes_held_are_those_of_what_is_kept_and_never_above_the_bound(
    asked: list[tuple[int, int]],
) -> None:
    store, sizes = Store(max_bytes=100), {}
    for key, size in asked:
        if not store.has(str(key)):
            sizes[key] = size
        assert store.get(str(key), lambda key=key: key, lambda _, size=size: size) == key
        assert store.bytes_held == sum(sizes[k] for k in sizes if store.has(str(k))) <= 100


def test_equal_keys_are_computed_once_under_sixteen_threads() -> None:
    store, made = Store(), []
    together = threading.Barrier(16)

    def ask(_: int) -> list[object]:
        together.wait()
        return [store.get(str(key), lambda key=key: made.append(key) or object()) for key in range(50)]

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(ask, range(16)))
    assert sorted(made) == list(range(50))
    assert all(a is b for answer in answers for a, b in zip(answer, answers[0], strict=True))


def _waiting(store: Store, key: str, make: object, others: int) -> list[object]:
    """One thread makes a value while others ask for it; their answers or errors."""
    started, go_on = threading.Event(), threading.Event()

    def first() -> object:
        started.set()
        assert go_on.wait(LONGEST_S)
        return make()

    def ask(factory: object) -> object:
        try:
            return store.get(key, factory, lambda _: 10**12)
        except ValueError as error:
            return error

    with ThreadPoolExecutor(others + 1) as pool:
        maker = pool.submit(ask, first)
        assert started.wait(LONGEST_S)
        waiting = [pool.submit(ask, make) for _ in range(others)]
        go_on.set()
        return [maker.result(LONGEST_S), *(w.result(LONGEST_S) for w in waiting)]


def test_those_who_wait_get_a_value_that_is_too_large_to_keep() -> None:
    answers = _waiting(Store(max_bytes=1), "key", lambda: 5, others=3)
    assert answers == [5] * 4


def test_a_failure_releases_the_key_and_the_next_one_tries() -> None:
    store, tries = Store(), []

    def fails_once() -> int:
        tries.append(1)
        if len(tries) == 1:
            raise ValueError("first")
        return 5

    answers = _waiting(store, "key", fails_once, others=3)
    assert sum(isinstance(a, ValueError) for a in answers) == 1
    assert answers.count(5) == 3
    assert not store._under_way


def test_a_failure_is_not_kept() -> None:
    store = Store()
    with pytest.raises(ZeroDivisionError):
        store.get("key", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        store.get("key", lambda: 5, lambda value: value // 0)
    assert not store.has("key")
    assert store.get("key", lambda: 5) == 5


def test_a_key_may_need_other_keys_of_the_same_store() -> None:
    store = Store()
    assert store.get("a", lambda: store.get("b", lambda: store.get("c", lambda: 1) + 1) + 1) == 3


def test_what_is_made_together_is_what_nobody_has_or_makes_and_the_rest_waits_for_nobody() -> None:
    store, asked = Store(), []
    started, go_on = threading.Event(), threading.Event()

    def slow() -> str:
        started.set()
        assert go_on.wait(LONGEST_S)
        return "by another"

    store.get("known", lambda: "known")
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(store.get, "under way", slow)
        assert started.wait(LONGEST_S)
        for _ in range(2):
            store.make_together(
                "kind",
                ["known", "under way", "a", "b"],
                lambda keys: asked.append(keys) or dict.fromkeys(keys, "together"),
                len,
            )
        go_on.set()
        assert other.result(LONGEST_S) == "by another"
    assert asked == [("a", "b")]
    found = [store.get(key, _never) for key in ("known", "under way", "a", "b")]
    assert found == ["known", "by another", "together", "together"]
    assert store.bytes_held == 2 * 1024 + 2 * len("together")


def _never() -> str:
    raise AssertionError("it is there")


def test_what_is_left_out_or_fails_together_is_made_by_who_asks_for_it() -> None:
    store = Store()
    store.make_together("kind", ["a", "b"], lambda _: {"a": 1}, lambda _: 8)
    assert (store.get("a", lambda: 2), store.get("b", lambda: 2)) == (1, 2)
    with pytest.raises(ValueError, match="together"):
        store.make_together("kind", ["c"], _raises, lambda _: 8)
    assert store.is_nobodys("c")
    assert store.get("c", lambda: 3) == 3


def _raises(_: object) -> dict[str, int]:
    raise ValueError("together")


def test_who_waits_for_what_is_made_together_gets_it_or_makes_what_was_left_out() -> None:
    store, started, go_on = Store(), threading.Event(), threading.Event()

    def make(_: object) -> dict[str, str]:
        started.set()
        assert go_on.wait(LONGEST_S)
        return {"a": "together"}

    with ThreadPoolExecutor(3) as pool:
        maker = pool.submit(store.make_together, "kind", ["a", "b"], make, lambda _: 100)
        assert started.wait(LONGEST_S)
        assert not store.is_nobodys("a")
        waiting = [pool.submit(store.get, key, lambda: "alone") for key in "ab"]
        go_on.set()
        maker.result(LONGEST_S)
        assert [future.result(LONGEST_S) for future in waiting] == ["together", "alone"]


def test_what_is_made_together_lasts_by_the_time_that_all_of_it_took(tmp_path: Path) -> None:
    for seconds, lasts in ((0.4, False), (0.6, True)):
        times = itertools.cycle([0.0, seconds])
        store = Store(workspace=Workspace.at(tmp_path / str(seconds)), clock=lambda times=times: next(times))
        made = {"a": torch.ones(2), "b": torch.zeros(2)}
        store.make_together("kind", made, lambda _, made=made: made, lambda _: 8, least_seconds=0.5)
        assert [store.lasts(key) for key in made] == [lasts, lasts]
        assert store.computed["kind"] == 2


def test_digests_tell_apart_what_their_parts_tell_apart() -> None:
    assert len({digest("a", "b"), digest("ab"), digest("b", "a"), digest("a", "b", ""), digest()}) == 5
    assert digest("a", 1) == digest("a", "1")


# --- what outlives the process -----------------------------------------------------------------------

WRITE = """
import sys, torch
from pathlib import Path
from compress_core.foundation.store import Store
from compress_core.foundation.workspace.workspace import Workspace
store = Store(workspace=Workspace.at(Path(sys.argv[1])))
store.lasting("kind", "key", lambda: {"a": torch.arange(5), "b": torch.ones(2, 3).t()})
"""


def _fail() -> dict[str, torch.Tensor]:
    raise AssertionError("it is in the workspace")


def _store(folder: Path) -> Store:
    return Store(workspace=Workspace.at(folder))


@pytest.mark.slow
def test_a_lasting_value_survives_the_process(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", WRITE, str(tmp_path)], check=True, cwd=ROOT)
    store = _store(tmp_path)
    assert store.lasts("key")
    kept = store.lasting("kind", "key", _fail)
    assert torch.equal(kept["a"], torch.arange(5))
    assert torch.equal(kept["b"], torch.ones(3, 2))
    assert (store.found["kind"], store.computed["kind"]) == (1, 0)


def test_another_release_computes_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _store(tmp_path).lasting("kind", "key", lambda: 1)
    monkeypatch.setattr("compress_core.foundation.release.release", lambda: "a later one")
    store = _store(tmp_path)
    assert not store.lasts("key")
    assert store.lasting("kind", "key", lambda: 2) == 2
    assert (store.found["kind"], store.computed["kind"]) == (0, 1)


def test_a_damaged_file_is_made_anew(tmp_path: Path) -> None:
    _store(tmp_path).lasting("kind", "key", lambda: 1)
    (file,) = (tmp_path / "files").glob("??/*")
    file.write_bytes(file.read_bytes()[:-1])
    assert _store(tmp_path).lasting("kind", "key", lambda: 2) == 2
    assert _store(tmp_path).lasting("kind", "key", _fail) == 2


def test_what_is_made_in_no_time_is_not_worth_a_file(tmp_path: Path) -> None:
    for seconds, lasts in ((0.04, False), (0.06, True)):
        ticks = iter([10.0, 10.0 + seconds])
        store = Store(workspace=Workspace.at(tmp_path), clock=lambda ticks=ticks: next(ticks))
        store.lasting("kind", "key", lambda: 1, least_seconds=0.05)
        assert store.lasts("key") is lasts


def test_without_a_folder_nothing_lasts() -> None:
    for store in (Store(), Store(workspace=Workspace.in_memory())):
        assert store.lasting("kind", "key", lambda: 1) == 1
        assert store.lasting("kind", "key", lambda: 2) == 2
        assert not store.lasts("key")
        assert store.computed["kind"] == 2


def test_a_full_disk_does_not_stop_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = _store(tmp_path)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert store.lasting("kind", "key", lambda: 1) == 1
    assert not store.lasts("key")


# --- values on the disk ------------------------------------------------------------------------------

_NUMBERS = st.integers() | st.booleans() | st.none() | st.text() | st.floats(allow_nan=False)


@given(st.recursive(_NUMBERS, lambda v: st.tuples(v, v) | st.dictionaries(st.text(), v), max_leaves=8))
def test_a_plain_value_comes_back_as_it_was(value: object) -> None:
    again = from_bytes(to_bytes(value))
    assert again == value
    assert repr(again) == repr(value)


@pytest.mark.parametrize(
    "tensor",
    [
        torch.arange(24).view(2, 3, 4).permute(2, 0, 1),
        torch.arange(24.0)[::3],
        torch.ones(1, 1).expand(3, 4),
        torch.tensor(float("nan")),
        torch.zeros(0, 5),
        torch.arange(6, dtype=torch.float64).view(2, 3)[:, :2],
        torch.tensor([True, False]),
    ],
    ids=["permuted", "every third", "expanded", "scalar", "empty", "slice", "bool"],
)
def test_a_tensor_comes_back_with_its_bits_and_its_strides(tensor: torch.Tensor) -> None:
    again = from_bytes(to_bytes((tensor, tensor)))[1]
    assert again.dtype == tensor.dtype
    assert again.stride() == tensor.stride()
    torch.testing.assert_close(again, tensor, rtol=0, atol=0, equal_nan=True)


def test_a_dataclass_of_ours_comes_back_and_a_stranger_does_not() -> None:
    vectors = singular_vectors(torch.arange(12.0).view(4, 3), 1)
    again = from_bytes(to_bytes(vectors))
    assert type(again) is type(vectors)
    torch.testing.assert_close(again.right, vectors.right, rtol=0, atol=0)
    for stranger in ({1: 2}, object(), Path(), Phrase("text")):
        with pytest.raises(TypeError):
            to_bytes(stranger)


def test_a_file_can_name_nothing_but_a_dataclass_of_ours() -> None:
    for name in ("os:system", "compress_core.foundation.store:digest", "compress_core.foundation.store:os"):
        with pytest.raises(TypeError, match="no type of ours"):
            from_bytes(save({}, {"facts": json.dumps({"made": name, "of": {}})}))


# --- files -------------------------------------------------------------------------------------------


def test_a_failed_write_leaves_the_old_file_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    write_whole(path, b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_whole(path, b"new")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
    assert path.read_bytes() == b"old"


def test_a_written_file_may_be_read_by_whom_the_umask_allows(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        write_whole(tmp_path / "made" / "file", b"content")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "made" / "file").stat().st_mode) == 0o644


def test_a_store_without_its_workspace_shares_the_memory_and_writes_nothing(tmp_path: Path) -> None:
    store = Store(workspace=Workspace.at(tmp_path))
    passing = store.without_workspace()
    assert passing.get("seen", lambda: 1) == store.get("seen", lambda: 2) == 1
    assert passing.bytes_held == store.bytes_held > 0
    passing.lasting("kind", "key", lambda: torch.ones(2))
    assert not store.lasts("key")
    store.lasting("kind", "key", lambda: torch.ones(2))
    assert store.lasts("key")
