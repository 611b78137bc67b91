"""Uploaded items: what is read is exact, and whatever else the bytes are, the answer is one sentence."""

from __future__ import annotations

import io
import os
import random
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from compress_core.foundation.errors import Refused
from compress_core.loading.file_format import ItemCaps
from compress_core.loading.items import Items, check_classes, checked_items, fit_to, read_items

IMAGES = np.arange(5 * 6 * 7, dtype=np.uint8).reshape(5, 6, 7)
LABELS = np.array([0, 1, 2, 1, 0])


def single(array: npt.NDArray[np.generic]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def zipped(**arrays: npt.NDArray[np.generic]) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=True, **arrays)
    return buffer.getvalue()


def squeezed(**arrays: npt.NDArray[np.generic]) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=True, **arrays)
    return buffer.getvalue()


def npy(header: str | bytes, values: bytes = b"", version: int = 1) -> bytes:
    text = header if isinstance(header, bytes) else header.encode()
    return (
        b"\x93NUMPY"
        + bytes([version, 0])
        + len(text).to_bytes(2 if version == 1 else 4, "little")
        + text
        + values
    )


def archive_of(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return buffer.getvalue()


def items(shape: tuple[int, ...]) -> Items:
    return Items(np.random.default_rng(0).random(shape, dtype=np.float32), None)


# What is read


@pytest.mark.parametrize("write", [zipped, squeezed])
@pytest.mark.parametrize("name", ["inputs", "images"])
def test_inputs_and_labels_of_an_npz_are_read_as_they_are(name: str, write: Callable[..., bytes]) -> None:
    found = read_items(write(**{name: IMAGES, "labels": LABELS}), "d.npz")
    assert found.inputs.dtype == np.uint8
    assert found.labels is not None
    assert found.labels.dtype == np.int64
    np.testing.assert_array_equal(found.inputs, IMAGES)
    np.testing.assert_array_equal(found.labels, LABELS)


def test_labels_may_be_missing_and_other_arrays_are_not_read() -> None:
    content = zipped(inputs=IMAGES, more=np.array([object()], dtype=object))
    assert read_items(content, "d.npz").labels is None


def test_an_npy_holds_inputs_without_labels() -> None:
    found = read_items(single(IMAGES), "d.npy")
    np.testing.assert_array_equal(found.inputs, IMAGES)
    assert found.labels is None


@pytest.mark.parametrize("dtype", ["f2", "<f4", ">f4", "f8", ">f8", "i1", "i2", ">i4", "i8", "u2", "u8", "?"])
def test_every_other_number_becomes_float32_with_its_value(dtype: str) -> None:
    values = np.array([[0, 1], [1, 3]]).astype(dtype)
    found = read_items(zipped(inputs=values), "d.npz")
    assert found.inputs.dtype == np.float32
    np.testing.assert_array_equal(found.inputs, values.astype(np.float32))


@pytest.mark.parametrize("dtype", ["u1", "i2", ">i4", "u8"])
def test_labels_of_any_integer_type_become_int64(dtype: str) -> None:
    found = read_items(zipped(inputs=IMAGES, labels=LABELS.astype(dtype)), "d.npz")
    assert found.labels is not None
    assert found.labels.dtype == np.int64
    np.testing.assert_array_equal(found.labels, LABELS)


@given(
    hnp.arrays(
        np.float32,
        hnp.array_shapes(min_dims=2, max_dims=4),
        elements=st.floats(width=32, allow_nan=False, allow_infinity=False),
    )
)
@settings(max_examples=50, deadline=None)
def test_any_finite_array_is_read_as_numpy_reads_it(values: npt.NDArray[np.float32]) -> None:
    for stored in (values, np.asfortranarray(values)):
        found = read_items(zipped(inputs=stored), "d.npz").inputs
        np.testing.assert_array_equal(found, values)
        assert found.flags.c_contiguous
        assert found.flags.writeable


# What is refused


@pytest.mark.parametrize(
    ("arrays", "reason"),
    [
        ({"inputs": np.zeros((3, 2)), "images": np.zeros((3, 2))}, "one of them"),
        ({"labels": np.zeros(3)}, "holds labels.npy; it must hold 'inputs' or 'images'"),
        ({"my x": np.zeros((3, 2))}, "'my x' cannot be an argument of forward"),
        (
            {"ids": np.zeros((3, 2), int), "mask": np.zeros((4, 2), int)},
            "as many items each, but they hold ids 3",
        ),
        ({"ids": np.full((3, 2), -1)}, "ids holds -1; whole numbers go from 0"),
        ({"x": np.zeros((3, 2)), "ids": np.full((3, 2), 2**24)}, "beside inputs of real numbers whole ones"),
        ({"inputs": np.zeros(3)}, "one axis for items"),
        ({"inputs": np.float32(3)}, "0 dimensions"),
        ({"inputs": np.zeros((0, 3))}, "1 to 200,000 items"),
        ({"inputs": np.zeros((3, 0))}, "each with values"),
        ({"inputs": np.zeros((1,) * 6)}, "6 dimensions"),
        ({"inputs": np.array([[1j]])}, "type <c16"),
        ({"inputs": np.array([["a"]])}, "type <U1"),
        ({"inputs": np.array([["2020"]], dtype="M8[D]")}, "type <M8[D]"),
        ({"inputs": np.zeros((2, 2), dtype=[("a", "f4")])}, "type record"),
        ({"inputs": np.array([[1, np.nan], [1, 2], [np.inf, np.nan]])}, "2 of 3 items hold NaN"),
        (
            {"inputs": np.array([[1e300, 1]])},
            "1 of 1 items hold NaN or infinite values (or such beyond float32)",
        ),
        (
            {"inputs": IMAGES, "labels": LABELS[:4]},
            "shape [4]; they must be one whole number for each of the 5",
        ),
        ({"inputs": IMAGES, "labels": LABELS[:, None, None]}, "shape [5, 1, 1]"),
        ({"inputs": IMAGES, "labels": np.full(5, np.nan)}, "5 of 5 labels are NaN or infinite"),
        ({"inputs": IMAGES, "labels": LABELS - 1}, "from -1 to 1"),
        ({"inputs": IMAGES, "labels": LABELS + 10**9}, "to 1000000002"),
        ({"inputs": IMAGES, "labels": (LABELS - 1).astype(np.uint64)}, "to 18446744073709551615"),
    ],
)
def test_arrays_that_are_no_data_set_are_refused_with_the_reason(
    arrays: dict[str, npt.NDArray[np.generic]], reason: str
) -> None:
    with np.errstate(all="ignore"):
        content = zipped(**arrays)
    with pytest.raises(Refused, match=re.escape(reason)):
        read_items(content, "d.npz")


class Malicious:
    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize("name", ["inputs", "labels"])
def test_pickled_objects_are_refused_and_not_run(tmp_path: Path, name: str) -> None:
    trap = np.array([[Malicious(f"{tmp_path}/ran")]], dtype=object)
    with pytest.raises(Refused, match=r"type \|O"):
        read_items(zipped(**{"inputs": IMAGES, name: trap}), "d.npz")
    with pytest.raises(Refused, match=r"type \|O"):
        read_items(single(trap), "d.npy")
    assert not (tmp_path / "ran").exists()


SOUND_HEADER = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }\n"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (npy(SOUND_HEADER.replace("(2, 2)", "(100000, 100000000)"), bytes(16)), "another number of values"),
        (npy(SOUND_HEADER.replace("(2, 2)", "(1000000000000, 1)"), bytes(16)), "1 to 200,000 items"),
        (npy(SOUND_HEADER, bytes(12)), "another number of values"),
        (npy(SOUND_HEADER, bytes(20)), "another number of values"),
        (npy(SOUND_HEADER.replace("2, 2", "-2, -2"), bytes(16)), "no header that numpy writes"),
        (npy(SOUND_HEADER.replace("2, 2", "2.0, 2"), bytes(16)), "no header that numpy writes"),
        (npy(SOUND_HEADER.replace("2, 2", "True, 4"), bytes(16)), "no header that numpy writes"),
        (npy(SOUND_HEADER.replace("(2, 2)", "4"), bytes(16)), "no header that numpy writes"),
        (npy(SOUND_HEADER.replace("False", "0"), bytes(16)), "no header that numpy writes"),
        (npy("(" * 3000, bytes(16)), "no header that numpy writes"),
        (npy("-" * 3000 + "1", bytes(16)), "no header that numpy writes"),
        (npy("__import__('os').system('true')", bytes(16)), "no header that numpy writes"),
        (npy("{'descr': '\\e'}", bytes(16)), "no header that numpy writes"),
        (npy("{[]: 1}", bytes(16)), "no header that numpy writes"),
        (npy("9" * 4001, bytes(16)), "no header that numpy writes"),
        (npy(b"\x00" * 50, bytes(16)), "no header that numpy writes"),
        (npy(" " * 5000 + SOUND_HEADER, bytes(16), version=2), "no header that numpy writes"),
        (npy(SOUND_HEADER, bytes(16), version=9), "no header that numpy writes"),
        (b"\x93NUMPY", "no header that numpy writes"),
        (b"", "is empty (0 bytes)"),
        (b"PK\x03\x04", "cut off or damaged"),
        (b"a b\n1 2\n", "none of these: a .zip of pictures, .npz, .npy"),
    ],
)
def test_headers_are_checked_before_anything_is_made(content: bytes, reason: str) -> None:
    with pytest.raises(Refused, match=re.escape(reason)):
        read_items(content, "d")
    if content.startswith(b"\x93NUMPY"):
        with pytest.raises(Refused, match=re.escape(reason)):
            read_items(archive_of(inputs=content), "d.npz")


@pytest.mark.parametrize("version", [1, 2, 3])
def test_every_version_of_the_header_is_read(version: int) -> None:
    assert read_items(npy(SOUND_HEADER, bytes(16), version), "d.npy").inputs.shape == (2, 2)


def test_a_bomb_is_refused_by_its_directory() -> None:
    content = squeezed(inputs=np.zeros((1000, 1000), dtype=np.uint8))
    assert len(content) < 5000
    with pytest.raises(Refused, match=r"would unpack to 1,000,128 bytes; at most 100,000"):
        read_items(content, "d.npz", caps=ItemCaps(unpacked_bytes=100_000))


def test_a_header_that_does_not_fit_its_member_is_refused_before_the_rest_is_unpacked() -> None:
    content = bytearray(archive_of(inputs=npy(SOUND_HEADER, bytes(100_000))))
    entry = content.index(b"PK\x01\x02")
    content[entry + 16 : entry + 20] = bytes(4)  # with this checksum, reading to the end would fail
    with pytest.raises(Refused, match="another number of values"):
        read_items(bytes(content), "d.npz")


def test_a_directory_that_understates_a_member_is_noticed() -> None:
    content = bytearray(archive_of(inputs=npy(SOUND_HEADER, bytes(16)) + bytes(100_000)))
    entry = content.index(b"PK\x01\x02")
    content[entry + 24 : entry + 28] = len(npy(SOUND_HEADER, bytes(16))).to_bytes(4, "little")
    with pytest.raises(Refused, match="damaged"):
        read_items(bytes(content), "d.npz")


def test_caps_on_bytes_and_items_hold() -> None:
    content = zipped(inputs=IMAGES)
    with pytest.raises(Refused, match="at most 100 are read"):
        read_items(content, "d.npz", caps=ItemCaps(file_bytes=100))
    with pytest.raises(Refused, match="1 to 4 items"):
        read_items(content, "d.npz", caps=ItemCaps(items=4))
    booleans = np.ones((100, 100), dtype=bool)
    with pytest.raises(Refused, match="40,000 bytes as float32"):
        read_items(zipped(inputs=booleans), "d.npz", caps=ItemCaps(float32_bytes=20_000))
    with pytest.raises(Refused, match="40,000 bytes as float32"):
        checked_items(booleans, None, caps=ItemCaps(float32_bytes=20_000))


# Whatever the bytes, Refused and nothing else


def assert_refused_or_read(content: bytes) -> bool:
    """Whether the bytes were read; anything raised but Refused fails the test."""
    try:
        found = read_items(content, "d")
    except Refused:
        return False
    assert np.isfinite(found.inputs).all()
    return True


SOUND = {
    "npz": zipped(inputs=IMAGES.astype(np.float32), labels=LABELS),
    "compressed": squeezed(inputs=IMAGES.astype(np.float32), labels=LABELS),
    "npy": single(IMAGES.astype(np.float32)),
}


@pytest.mark.parametrize("kind", SOUND)
def test_a_file_cut_off_anywhere_is_refused(kind: str) -> None:
    for length in range(0, len(SOUND[kind]), 64):
        assert not assert_refused_or_read(SOUND[kind][:length]), length


@pytest.mark.parametrize("kind", SOUND)
def test_mutations_of_a_sound_file_are_read_or_refused(kind: str) -> None:
    chance = random.Random(0)
    refused = 0
    for _ in range(300):
        changed = bytearray(SOUND[kind])
        for _ in range(chance.randint(1, 8)):
            place = chance.randrange(200 if kind == "npy" else len(changed))
            changed[place : place + chance.randint(0, 4)] = chance.randbytes(chance.randint(0, 4))
        refused += not assert_refused_or_read(bytes(changed))
    assert refused > 100


@given(
    st.binary(max_size=300),
    st.sampled_from([b"", b"PK\x03\x04", b"\x93NUMPY\x01\x00", b"\x93NUMPY\x01\x00\x40\x00"]),
)
@settings(max_examples=300, deadline=None)
def test_random_bytes_are_refused(content: bytes, start: bytes) -> None:
    assert not assert_refused_or_read(start + content)


@given(st.text(max_size=80))
@settings(max_examples=200, deadline=None)
def test_random_headers_are_refused(header: str) -> None:
    assert not assert_refused_or_read(npy("{" + header + "}", bytes(16)))


# Fitting to the network


@pytest.mark.parametrize(
    ("got", "wanted"),
    [
        ((4, 3, 8, 9), (3, 8, 9)),
        ((4, 30), (30,)),
        ((4, 8, 9), (1, 8, 9)),
        ((4, 1, 8, 9), (8, 9)),
        ((4, 8, 9), (72,)),
        ((4, 1, 8, 9), (72,)),
        ((4, 8, 9, 1), (72,)),
        ((4, 72), (1, 8, 9)),
        ((4, 8, 9, 1), (1, 8, 9)),
    ],
)
def test_items_of_one_channel_keep_the_order_of_their_values(
    got: tuple[int, ...], wanted: tuple[int, ...]
) -> None:
    given_items = items(got)
    fitted = fit_to(given_items, wanted).inputs
    assert fitted.shape == (4, *wanted)
    np.testing.assert_array_equal(fitted.reshape(-1), given_items.inputs.reshape(-1))


def test_channels_that_come_last_are_put_first() -> None:
    given_items = items((4, 8, 9, 3))
    fitted = fit_to(given_items, (3, 8, 9)).inputs
    for channel in range(3):
        np.testing.assert_array_equal(fitted[:, channel], given_items.inputs[..., channel])


def test_where_both_orders_would_fit_channels_are_first() -> None:
    given_items = items((4, 3, 3, 3))
    assert fit_to(given_items, (3, 3, 3)).inputs is given_items.inputs


def test_labels_stay_with_their_items() -> None:
    found = fit_to(Items(IMAGES, LABELS), (1, 6, 7))
    assert found.labels is LABELS


@pytest.mark.parametrize(
    ("got", "wanted"),
    [
        ((4, 8, 9), (1, 9, 8)),
        ((4, 8, 9), (1, 6, 12)),
        ((4, 8, 9, 3), (216,)),
        ((4, 3, 8, 9), (216,)),
        ((4, 216), (3, 8, 9)),
        ((4, 9, 8, 3), (3, 8, 9)),
        ((4, 30), (31,)),
        ((4, 1, 1, 8, 9), (1, 8, 9)),
    ],
)
def test_shapes_that_leave_a_choice_are_refused_with_both(
    got: tuple[int, ...], wanted: tuple[int, ...]
) -> None:
    both = f"shape {list(got[1:])}, but the network takes {list(wanted)}"
    with pytest.raises(Refused, match=re.escape(both)):
        fit_to(items(got), wanted)


def test_labels_beyond_the_networks_classes_are_refused() -> None:
    check_classes(Items(IMAGES, LABELS), 3)
    check_classes(Items(IMAGES, None), 2)
    with pytest.raises(Refused, match="go up to 2, but the network has 2 classes"):
        check_classes(Items(IMAGES, LABELS), 2)
