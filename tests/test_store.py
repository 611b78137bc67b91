"""The store: bounded in bytes, equal requests computed once, a folder that outlives the process."""

from __future__ import annotations

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

from compress_core.foundation.atomic_file import write_whole
from compress_core.foundation.store import Store, digest

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
        assert go_on.wait(10)
        return make()

    def ask(factory: object) -> object:
        try:
            return store.get(key, factory, lambda _: 10**12)
        except ValueError as error:
            return error

    with ThreadPoolExecutor(others + 1) as pool:
        maker = pool.submit(ask, first)
        assert started.wait(10)
        waiting = [pool.submit(ask, make) for _ in range(others)]
        go_on.set()
        return [maker.result(10), *(w.result(10) for w in waiting)]


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


def test_digests_tell_apart_what_their_parts_tell_apart() -> None:
    assert len({digest("a", "b"), digest("ab"), digest("b", "a"), digest("a", "b", ""), digest()}) == 5
    assert digest("a", 1) == digest("a", "1")


# --- the folder --------------------------------------------------------------------------------------

WRITE = """
import sys, torch
from pathlib import Path
from compress_core.foundation.store import Store
Store(folder=Path(sys.argv[1])).tensors("key", lambda: {"a": torch.arange(5), "b": torch.ones(2, 3).t()})
"""


def _fail() -> dict[str, torch.Tensor]:
    raise AssertionError("it is in the folder")


def test_named_tensors_survive_the_process(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", WRITE, str(tmp_path)], check=True, cwd=ROOT)
    kept = Store(folder=tmp_path).tensors("key", _fail)
    assert torch.equal(kept["a"], torch.arange(5))
    assert torch.equal(kept["b"], torch.ones(3, 2))


@pytest.mark.parametrize("length", [0, 7, 8, 60, -1])
def test_half_a_file_is_ignored_and_written_anew(tmp_path: Path, length: int) -> None:
    Store(folder=tmp_path).tensors("key", lambda: {"a": torch.arange(5)})
    (file,) = tmp_path.iterdir()
    whole = file.read_bytes()
    file.write_bytes(whole[:length])
    assert torch.equal(
        Store(folder=tmp_path).tensors("key", lambda: {"a": torch.arange(6)})["a"], torch.arange(6)
    )
    assert torch.equal(Store(folder=tmp_path).tensors("key", _fail)["a"], torch.arange(6))


def test_without_a_folder_tensors_stay_in_memory_and_are_counted() -> None:
    store = Store()
    store.tensors("key", lambda: {"a": torch.zeros(10)})
    assert store.tensors("key", _fail)["a"].shape == (10,)
    assert store.bytes_held == 40


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
