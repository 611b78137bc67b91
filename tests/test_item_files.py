"""Pictures, tables and texts as items: what is read is exact, and each mistake is told with its place."""

from __future__ import annotations

import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from safetensors.torch import save
from torch import nn
from typer.testing import CliRunner

import compress_core
from compress_core.cli import app
from compress_core.foundation.errors import Refused
from compress_core.loading.class_names import classes_named_by, with_known_classes
from compress_core.loading.file_format import AskedItems, ItemKnobs
from compress_core.loading.file_reader import FileReader
from compress_core.loading.hub_preprocessing import preprocessing_of_hub, preprocessing_of_timm
from compress_core.loading.item_form import form_of
from compress_core.loading.item_splits import split_of
from compress_core.loading.items import DEFAULT_CAPS, Items, fit_to, read_items
from compress_core.loading.named import items_in, named_subject
from compress_core.loading.preprocessing import (
    PRESETS,
    Preprocessing,
    preprocessing_as_json,
    preprocessing_from_json,
    read_preprocessing,
)

Pixels = npt.NDArray[np.uint8]


def drawn(height: int, width: int, channels: int = 3, seed: int = 0) -> Pixels:
    made = np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)
    return made[:, :, 0] if channels == 1 else made


def encoded(pixels: Pixels, kind: str = "PNG", **how: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **how)  # type: ignore[arg-type]
    return buffer.getvalue()


def zipped(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def how(text: str = "", column: str | None = None) -> ItemKnobs:
    return ItemKnobs(read_preprocessing(text), column)


def asked(**caps: int) -> AskedItems:
    return AskedItems("x", replace(DEFAULT_CAPS, **caps))


def said(items: Items) -> str:
    return " ".join(items.remarks.summary)


def labels_of(items: Items) -> list[int] | None:
    return None if items.labels is None else items.labels.tolist()


# Pictures

PICTURES = {
    f"{name}/{index}.png": drawn(6, 5, seed=index) for index, name in enumerate(["dog", "cat", "cow"])
}


def test_folders_of_a_zip_are_classes_in_the_order_of_their_names() -> None:
    found = read_items(zipped({name: encoded(pixels) for name, pixels in PICTURES.items()}), "d.zip")
    assert found.classes == ("cat", "cow", "dog")
    assert labels_of(found) == [0, 1, 2]
    for row, name in enumerate(sorted(PICTURES)):
        assert np.array_equal(found.inputs[row], PICTURES[name].transpose(2, 0, 1))
    assert "numbered in the order of their names: 0 cat, 1 cow, 2 dog" in said(found)


@pytest.mark.parametrize("above", ["", "data/", "data/val/"])
def test_a_folder_on_the_disk_and_its_zip_give_the_same_items(above: str, tmp_path: Path) -> None:
    files = {above + name: encoded(pixels) for name, pixels in PICTURES.items()}
    for name, content in {**files, above + "notes.txt": b"x", ".hidden/1.png": b"x"}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    there, packed = items_in(tmp_path), read_items(zipped(files), "d.zip")
    assert np.array_equal(there.inputs, packed.inputs)
    assert labels_of(there) == labels_of(packed)
    assert there.classes == packed.classes
    assert "Files that are no pictures were left aside: " in said(there)


def test_pictures_in_one_folder_have_no_labels() -> None:
    found = read_items(zipped({f"a/{i}.png": encoded(drawn(4, 4)) for i in range(3)}), "d.zip")
    assert (len(found.inputs), found.labels, found.classes) == (3, None, ())


def test_folders_called_by_numbers_are_the_classes_of_these_numbers() -> None:
    found = read_items(zipped({f"{n}/x.png": encoded(drawn(4, 4)) for n in (10, 2, 0)}), "d.zip")
    assert (labels_of(found), found.classes) == ([0, 10, 2], ())
    assert "called by numbers" in said(found)


def test_pictures_that_do_not_lie_in_one_folder_a_class_are_refused() -> None:
    deep = {f"{split}/{name}/1.png": encoded(drawn(4, 4)) for split in ("train", "val") for name in "ab"}
    with pytest.raises(Refused, match=r"do not lie in one folder for each class.*it holds train, val"):
        read_items(zipped(deep), "d.zip")
    with pytest.raises(Refused, match=r"'loose\.png' lies elsewhere"):
        read_items(zipped({"loose.png": encoded(drawn(4, 4)), **deep}), "d.zip")


@pytest.mark.parametrize("kind", ["PNG", "BMP", "WEBP"])
def test_pixels_of_every_lossless_kind_are_exact(kind: str) -> None:
    pixels = drawn(5, 7)
    found = read_items(zipped({f"a/x.{kind.lower()}": encoded(pixels, kind, lossless=True)}), "d.zip")
    assert np.array_equal(found.inputs[0], pixels.transpose(2, 0, 1))


def test_a_jpeg_is_decoded_as_pillow_does() -> None:
    content = encoded(drawn(16, 16), "JPEG")
    found = read_items(zipped({"a/x.JPG": content}), "d.zip")
    assert np.array_equal(found.inputs[0], np.asarray(Image.open(io.BytesIO(content))).transpose(2, 0, 1))


def test_channels_are_those_of_the_pictures_or_as_asked() -> None:
    gray, colored = drawn(4, 4, 1), drawn(4, 4)
    only_gray, both = (
        zipped({"a/x.png": encoded(gray)}),
        zipped({"a/x.png": encoded(gray), "b/y.png": encoded(colored)}),
    )
    assert read_items(only_gray, "d.zip").inputs.shape == (1, 1, 4, 4)
    assert read_items(both, "d.zip").inputs.shape == (2, 3, 4, 4)
    rgb = read_items(both, "d.zip", knobs=how("channels=rgb")).inputs
    assert np.array_equal(read_items(both, "d.zip", knobs=how("channels=bgr")).inputs, rgb[:, ::-1])
    assert read_items(both, "d.zip", knobs=how("channels=gray")).inputs.shape == (2, 1, 4, 4)


def test_pictures_become_gray_or_colored_as_the_network_takes_them() -> None:
    pixels = drawn(4, 4)
    colored = read_items(zipped({"a/x.png": encoded(pixels)}), "d.zip")
    gray = fit_to(colored, (1, 4, 4)).inputs
    assert np.array_equal(gray[0, 0], np.asarray(Image.fromarray(pixels).convert("L")))
    again = fit_to(replace(colored, inputs=gray), (3, 4, 4)).inputs
    assert all(np.array_equal(again[:, channel], gray[:, 0]) for channel in range(3))
    with pytest.raises(Refused, match="network takes"):  # an array is not changed
        fit_to(Items(gray, None), (3, 4, 4))


@pytest.mark.parametrize(("height", "width"), [(300, 400), (400, 300), (256, 256), (299, 1000)])
def test_resize_and_crop_are_those_of_pillow_around_the_center(height: int, width: int) -> None:
    pixels = drawn(height, width)
    content = zipped({"a/x.png": encoded(pixels)})
    found = read_items(content, "d.zip", knobs=how("resize=256 crop=224")).inputs[0]
    scale = 256 / min(height, width)
    size = (int(width * scale), int(height * scale))
    resized = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR))
    top, left = round((size[1] - 224) / 2), round((size[0] - 224) / 2)
    assert np.array_equal(found, resized[top : top + 224, left : left + 224].transpose(2, 0, 1))
    exact = read_items(content, "d.zip", knobs=how("resize=20x30")).inputs
    assert exact.shape == (1, 3, 20, 30)


def announced(width: int, height: int) -> bytes:
    """The beginning of a PNG that announces so many pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", bytes(64))


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


SMALL = encoded(drawn(4, 4))


@pytest.mark.parametrize(
    ("files", "text", "reason"),
    [
        ({"a/x.png": announced(60_000, 60_000)}, "", "announces more than the 16,777,216 pixels"),
        ({"a/x.png": announced(9_000, 9_000)}, "", "announces 9,000 x 9,000 pixels; at most 16,777,216"),
        ({"a/x.png": announced(2**31 - 1, 1)}, "", "cannot be read|announces"),
        ({"a/x.png": SMALL[:-30]}, "", r"'a/x\.png' cannot be read"),
        ({"a/x.png": b"no picture"}, "", "cannot be read"),
        ({"a/x.png": b""}, "", "cannot be read"),
        ({"a/x.jpg": encoded(drawn(4, 4), "GIF")}, "", "cannot be read"),
        (
            {"a/x.png": SMALL, "b/y.png": encoded(drawn(5, 4))},
            "",
            "differ in size: 'a/x.png' has 4 x 4.*4 x 5",
        ),
        ({"a/x.png": SMALL}, "crop=8", "4 x 4 pixels, less than the crop of 8 x 8"),
        ({"a/x.png": encoded(drawn(1, 600))}, "resize=4000", "pixels when it is resized"),
        ({"a/x.png": encoded(np.zeros((4, 4), np.uint16))}, "", "pixels of the kind I;16"),
    ],
)
def test_pictures_that_cannot_be_read_are_refused_by_name(
    files: dict[str, bytes], text: str, reason: str
) -> None:
    with pytest.raises(Refused, match=reason):
        read_items(zipped(files), "d.zip", knobs=how(text))


def test_all_pixels_together_have_a_cap_before_one_is_decoded() -> None:
    content = zipped({f"a/{i}.png": encoded(drawn(100, 100, 1)) for i in range(4)})
    with pytest.raises(Refused, match="more than 30,000 pixels together"):
        read_items(content, "d.zip", caps=replace(DEFAULT_CAPS, all_pixels=30_000))
    with pytest.raises(Refused, match="as float32; at most"):
        read_items(content, "d.zip", caps=replace(DEFAULT_CAPS, float32_bytes=400_000))


def test_a_broken_picture_costs_a_sentence_and_never_a_traceback() -> None:
    chance, kinds = np.random.default_rng(0), ("PNG", "JPEG", "WEBP", "BMP")
    for kind in kinds:
        content = bytearray(encoded(drawn(24, 24), kind))
        for _ in range(40):
            broken = bytearray(content)
            for place in chance.integers(0, len(broken), 6):
                broken[place] = int(chance.integers(256))
            with suppress(Refused):
                read_items(zipped({"a/x.png": bytes(broken)}), "d.zip")


# Preprocessing


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", Preprocessing()),
        ("imagenet", PRESETS["imagenet"]),
        ("imagenet resize=288", replace(PRESETS["imagenet"], resize=(288,))),
        ("resize=20x30 crop=10", Preprocessing((20, 30), (10, 10))),
        (
            "channels=gray mean=0.1307 std=0.3081",
            Preprocessing(channels="gray", mean=(0.1307,), std=(0.3081,)),
        ),
        ("interpolation=bicubic channels=bgr", Preprocessing(interpolation="bicubic", channels="bgr")),
    ],
)
def test_preprocessing_is_read_and_written_alike(text: str, expected: Preprocessing) -> None:
    assert read_preprocessing(text) == expected
    assert read_preprocessing(expected.as_text()) == expected
    assert preprocessing_from_json(json.loads(json.dumps(preprocessing_as_json(expected)))) == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("imagenette", "is written as in"),
        ("resize", "is written as in"),
        ("resize=1 resize=2", "each once"),
        ("resize=0", "1 to 4,096 pixels"),
        ("resize=99999", "1 to 4,096 pixels"),
        ("resize=-4", "is written as in"),
        ("resize=1x2x3", "is written as in"),
        ("crop=a", "is written as in"),
        ("mean=nan", "is written as in"),
        ("std=0", "divides by 0"),
        ("std=-1", "divides by -1"),
        ("mean=1,2,3 channels=gray", "3 numbers for mean"),
        ("mean=1,2 std=1,2,3", "numbers for mean"),
        ("channels=cmyk", "must be one of rgb, bgr, gray"),
        ("interpolation=magic", "must be one of nearest, bilinear"),
        ("x" * 9000, "is written as in"),
    ],
)
def test_preprocessing_that_cannot_be_is_refused(text: str, reason: str) -> None:
    with pytest.raises(Refused, match=reason) as refused:
        read_preprocessing(text)
    assert len(str(refused.value)) < 400


VIT = {
    "do_normalize": True,
    "do_resize": True,
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
    "resample": 2,
    "size": {"height": 224, "width": 224},
}
RESNET = {
    "crop_pct": 0.875,
    "do_normalize": True,
    "image_mean": [0.485, 0.456, 0.406],
    "image_std": [0.229, 0.224, 0.225],
    "resample": 3,
    "size": {"shortest_edge": 224},
}
MOBILENET = {
    "crop_size": {"height": 224, "width": 224},
    "do_center_crop": True,
    "do_rescale": True,
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
    "rescale_factor": 0.00392156862745098,
    "size": {"shortest_edge": 256},
}


@pytest.mark.parametrize(
    ("config", "text"),
    [
        (VIT, "resize=224,224 interpolation=bilinear channels=rgb mean=0.5,0.5,0.5 std=0.5,0.5,0.5"),
        (RESNET, "imagenet interpolation=bicubic"),
        (MOBILENET, "resize=256 crop=224,224 channels=rgb mean=0.5,0.5,0.5 std=0.5,0.5,0.5"),
        ({**VIT, "size": 384, "do_normalize": False}, "resize=384 channels=rgb"),
    ],
)
def test_the_preprocessing_of_a_hub_model_is_read_from_its_config(
    config: dict[str, object], text: str
) -> None:
    assert preprocessing_of_hub(config) == read_preprocessing(text)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"size": {"height": 10**9, "width": 4}}, "1 to 4,096 pixels"),
        ({"size": "large"}, "1 to 4,096 pixels"),
        ({"resample": 77}, "resizes by 77"),
        ({"image_mean": [1] * 9}, "for a mean or a deviation"),
        ({"image_std": [0.0, 0.0, 0.0]}, "divides by 0"),
        ({"image_mean": "a"}, "for a mean or a deviation"),
        ({"rescale_factor": 1.0}, "scales bytes by 1.0"),
        ({"do_rescale": False}, "scales bytes by"),
    ],
)
def test_a_config_that_makes_no_pictures_is_refused(change: dict[str, object], reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        preprocessing_of_hub({**VIT, **change})


def test_the_preprocessing_of_timm_is_read_from_its_configuration() -> None:
    config = {
        "input_size": (3, 224, 224),
        "crop_pct": 0.95,
        "interpolation": "bicubic",
        "mean": (0.5,) * 3,
        "std": (0.5,) * 3,
    }
    text = "resize=235 crop=224 interpolation=bicubic channels=rgb mean=0.5,0.5,0.5 std=0.5,0.5,0.5"
    assert preprocessing_of_timm(config) == read_preprocessing(text)


def test_mean_and_std_are_what_the_network_gets() -> None:
    pixels = drawn(4, 4)
    found = read_items(zipped({"a/x.png": encoded(pixels)}), "d.zip")
    scale = read_preprocessing("mean=0.4,0.5,0.6 std=0.1,0.2,0.3")
    prepared = split_of(found, form_of((3, 4, 4), scale), 2).inputs
    by_hand = (pixels.transpose(2, 0, 1) / 255 - np.array([[[0.4]], [[0.5]], [[0.6]]])) / np.array(
        [[[0.1]], [[0.2]], [[0.3]]]
    )
    assert torch.allclose(prepared[0], torch.from_numpy(by_hand).float(), atol=1e-6)
    with pytest.raises(Refused, match="are no images"):
        form_of((4,), scale)
    with pytest.raises(Refused, match="3 numbers for mean and std, but the network takes 1 channels"):
        form_of((1, 4, 4), scale)


# Tables

ROWS = [(5.1, 3.5, "setosa"), (4.9, 3.0, "virginica"), (6.2, 2.8, "setosa")]


def table(names: tuple[str, ...] = ("length", "width", "target")) -> pd.DataFrame:
    return pd.DataFrame(ROWS, columns=pd.Index(names))


def as_csv(frame: pd.DataFrame, **said: object) -> bytes:
    return frame.to_csv(index=False, **said).encode()  # type: ignore[call-overload, no-any-return]


def as_parquet(frame: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.to_parquet(buffer)
    return buffer.getvalue()


@pytest.mark.parametrize("write", [as_csv, as_parquet])
def test_a_table_gives_numbers_names_and_classes(write: Callable[[pd.DataFrame], bytes]) -> None:
    found = read_items(write(table()), "t")
    assert np.array_equal(found.inputs, np.float32([[5.1, 3.5], [4.9, 3.0], [6.2, 2.8]]))
    assert (labels_of(found), found.classes) == ([0, 1, 0], ("setosa", "virginica"))
    assert found.features == ("length", "width")
    assert "The column 'target' was taken as the label" in said(found)
    assert "0 setosa, 1 virginica" in said(found)


@pytest.mark.parametrize("write", [as_csv, as_parquet])
@pytest.mark.parametrize(
    ("column", "features"), [("a", ("b", "label")), ("2", ("a", "label")), ("none", ("a", "b", "label"))]
)
def test_the_label_column_may_be_named(
    write: Callable[[pd.DataFrame], bytes], column: str, features: tuple[str, ...]
) -> None:
    frame = pd.DataFrame({"a": [0, 1], "b": [1, 0], "label": [0.5, 1.5]})
    found = read_items(write(frame), "t", knobs=how(column=column))
    assert found.features == features
    assert (found.labels is None) is (column == "none")


@pytest.mark.parametrize("write", [as_csv, as_parquet])
def test_labels_with_fractions_are_real_numbers_to_be_predicted(
    write: Callable[[pd.DataFrame], bytes],
) -> None:
    found = read_items(write(pd.DataFrame({"a": [1.0, 2.0], "target": [0.5, 3.0]})), "t")
    assert found.labels is not None
    assert (found.labels.dtype, found.labels.tolist(), found.classes) == (np.float32, [0.5, 3.0], ())


def test_without_a_name_the_last_column_is_the_label_and_it_is_said() -> None:
    found = read_items(as_csv(pd.DataFrame({"x": [1.5, 2.5], "label_": [1, 0]})), "t.csv")
    assert labels_of(found) == [1, 0]
    assert "so the last one, 'label_', was taken as the label" in said(found)
    headless = read_items(b"1.5,2,1\n2.5,3,0\n", "t.csv")
    assert (headless.features, labels_of(headless)) == ((), [1, 0])
    assert np.array_equal(headless.inputs, [[1.5, 2], [2.5, 3]])


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_separators_ends_of_lines_and_marks_make_no_difference(separator: str, end: str, mark: bytes) -> None:
    content = mark + end.join([separator.join(["a", "y"]), separator.join(["1.5", "0"]), ""]).encode()
    found = read_items(content, "t.csv")
    assert (found.inputs.tolist(), labels_of(found), found.features) == ([[1.5]], [0], ("a",))


@given(
    st.lists(
        st.tuples(st.floats(width=32, allow_nan=False, allow_infinity=False), st.integers(0, 9)), min_size=1
    )
)
@settings(max_examples=25, deadline=None)
def test_any_finite_table_is_read_as_it_was_written(rows: list[tuple[float, int]]) -> None:
    frame = pd.DataFrame(rows, columns=["x", "y"]).astype({"x": np.float32})
    for write in (as_csv, as_parquet):
        found = read_items(write(frame), "t")
        np.testing.assert_array_equal(found.inputs[:, 0], frame["x"].to_numpy())
        assert labels_of(found) == [label for _, label in rows]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"a,b,y\n1,,0\n", "Line 2 of the table has nothing in column 'b'"),
        (b"a,b,y\n1,2,0\n\n1,nan,0\n", "Line 4 of the table has nothing in column 'b'"),
        (b"a,b,y\n1,NA,0\n", "Line 2 of the table holds 'NA' in column 'b', which is no number"),
        (b"a,b,y\n1,inf,0\n", "holds 'inf' in column 'b'"),
        (b"a,b,y\n1,2,\n", "Line 2 of the table has nothing in column 'y'"),
        (b"a,b,y\n1,2\n", "Line 2 of the table has 2 columns, but the first has 3"),
        (b"a,b,y\n1,Bob,0\n", "holds 'Bob' in column 'b'.*--label-column"),
        (b"1,2,0\n1,x,0\n", "Line 2 of the table holds 'x' in column '2'"),
        (b"a,b,y\n", "names of columns and no rows"),
        (b'a,b,y\n1,"2\n', "cannot be read"),
        (b"a,y\n1,\xff\n", "no text in UTF-8"),
        (b"a,b,y\n1,1e300,0\n", "beyond float32"),
        (b"a,y\n1,-1\n", "go from -1"),
        (b"a,y\n1,99999999\n", "number of classes"),
        (b"a,y\n" + b"1," + b"9" * 400 + b"\n", "labels are NaN or infinite"),
    ],
)
def test_a_table_that_lacks_something_is_refused_with_line_and_column(content: bytes, reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        read_items(content, "t.csv")


def test_caps_on_rows_columns_and_classes_of_a_table_hold() -> None:
    rows = b"a,y\n" + b"1,0\n" * 50
    for content in (rows, as_parquet(pd.DataFrame({"a": [1.0] * 50, "y": [0] * 50}))):
        with pytest.raises(Refused, match="rows"):
            read_items(content, "t", caps=replace(DEFAULT_CAPS, items=40))
        with pytest.raises(Refused, match="as float32"):
            read_items(content, "t", caps=replace(DEFAULT_CAPS, float32_bytes=100))
    wide = pd.DataFrame(np.zeros((2, 30)), columns=[f"c{i}" for i in range(30)])
    for content in (as_csv(wide), as_parquet(wide)):
        with pytest.raises(Refused, match="has 30 columns; 2 to 20"):
            read_items(content, "t", caps=replace(DEFAULT_CAPS, columns=20))
    names = b"a,y\n" + b"".join(b"1,n%d\n" % i for i in range(20))
    with pytest.raises(Refused, match="20 different names, more than the 10 classes"):
        read_items(names, "t.csv", caps=replace(DEFAULT_CAPS, classes=10))


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (
            pd.DataFrame({"a": [1.0, None], "y": [0, 1]}),
            "Row 2 of the table has no finite number in column 'a'",
        ),
        (
            pd.DataFrame({"a": [1.0, np.inf], "y": [0, 1]}),
            "Row 2 of the table has no finite number in column 'a'",
        ),
        (pd.DataFrame({"a": ["x", "z"], "y": [0, 1]}), "The column 'a' holds .*string.*no number"),
        (pd.DataFrame({"a": [1.0], "y": [[1, 2]]}), "label column 'y' holds list"),
        (
            pd.DataFrame({"a": [1.0, 2.0], "y": ["c", None]}),
            "Row 2 of the table has no finite number in column 'y'",
        ),
        (pd.DataFrame({"a": [1.0]}), "has 1 columns"),
    ],
)
def test_a_parquet_table_that_lacks_something_is_refused_with_row_and_column(
    frame: pd.DataFrame, reason: str
) -> None:
    with pytest.raises(Refused, match=reason):
        read_items(as_parquet(frame), "t.parquet")


def test_a_parquet_file_that_would_unpack_to_much_is_refused_before_a_column_is_read() -> None:
    buffer = io.BytesIO()
    zeros = np.zeros(400_000)
    pq.write_table(pa.table({"a": zeros, "y": zeros}), buffer, compression="gzip", use_dictionary=False)
    assert len(buffer.getvalue()) < 100_000
    with pytest.raises(Refused, match="would unpack to 6,4"):
        read_items(
            buffer.getvalue(), "t.parquet", caps=replace(DEFAULT_CAPS, items=10**6, unpacked_bytes=10**6)
        )


def test_a_parquet_file_that_ends_early_costs_a_sentence() -> None:
    content = as_parquet(table())
    for length in (4, 8, 50, len(content) // 2, len(content) - 1):
        with pytest.raises(Refused):
            read_items(content[:length], "t.parquet")


@pytest.mark.slow
def test_a_broken_parquet_file_costs_a_sentence() -> None:
    content, chance = as_parquet(table()), np.random.default_rng(1)
    reader = FileReader()
    refused = 0
    for _ in range(6):
        broken = bytearray(content)
        for place in chance.integers(4, len(broken), 8):
            broken[place] = int(chance.integers(256))
        try:
            reader.items(bytes(broken), "t.parquet")
        except Refused:
            refused += 1
    reader.close()
    assert refused > 3


# Classes by name


def test_labels_follow_the_names_of_a_network_that_has_names() -> None:
    found = Items(np.zeros((3, 2), np.float32), np.array([0, 1, 1]), classes=("cat", "dog"))
    mapped = with_known_classes(found, ("dog", "cow", "cat"))
    assert (labels_of(mapped), mapped.classes) == ([2, 0, 0], ())
    with pytest.raises(Refused, match=r"has not \(cat\); it tells dog, cow apart"):
        with_known_classes(found, ("dog", "cow"))


def test_a_network_without_names_takes_those_of_the_items_only_where_the_number_agrees() -> None:
    found = Items(np.zeros((2, 2), np.float32), np.array([0, 1]), classes=("cat", "dog"))
    assert classes_named_by(found, 2) == ("cat", "dog")
    with pytest.raises(Refused, match=r"name 2 classes .*the model tells 1000 apart"):
        classes_named_by(found, 1000)
    assert classes_named_by(None, 3) == ("0", "1", "2")


# From the command line, from Python and on a server


def cnn() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(4 * 64, 3)
    )


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Twelve pictures of three classes, of several sizes, and weights of a network for 16 x 16 pixels."""
    for index in range(12):
        place = tmp_path / "data" / "abc"[index % 3]
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{index}.png").write_bytes(encoded(drawn(20 + index, 24, seed=index)))
    (tmp_path / "m.safetensors").write_bytes(save(cnn().state_dict()))
    return tmp_path


SCALE = "resize=16 crop=16 mean=0.5 std=0.25"


def test_a_folder_of_pictures_is_what_a_model_is_judged_on(pictures: Path) -> None:
    subject = compress_core.load(pictures / "m.safetensors", pictures / "data", preprocessing=SCALE)
    split = subject.split("validation")
    assert subject.classes == ("a", "b", "c")
    assert split.labels is not None
    assert split.labels.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert (subject.input.mean, subject.input.std) == ((0.5,), (0.25,))
    assert split.inputs.shape == (12, 3, 16, 16)
    assert -2 <= float(split.inputs.min()) < -1 < 1 < float(split.inputs.max()) <= 2
    assert "Pictures were read with resize=16 crop=16,16" in subject.summary
    told = CliRunner().invoke(
        app,
        [
            "evaluate",
            str(pictures / "m.safetensors"),
            "--data",
            str(pictures / "data"),
            "--preprocessing",
            SCALE,
            "--json",
        ],
    )
    assert told.exit_code == 0, told.output
    right = int((subject.network(split.inputs).argmax(1) == split.labels).sum())
    assert f"{right / 12:.4f}"[:5] in told.output


@pytest.mark.slow
def test_the_same_pictures_are_items_of_an_uploaded_model_and_of_a_job(pictures: Path) -> None:
    from compress_core.jobs.bundle import bundle_of, read_bundle

    content = zipped(
        {
            p.relative_to(pictures / "data").as_posix(): p.read_bytes()
            for p in (pictures / "data").rglob("*.png")
        }
    )
    reader = FileReader()
    found, here = reader.items(content, "d.zip", how(SCALE)), items_in(pictures / "data", how(SCALE))
    reader.close()
    assert np.array_equal(found.inputs, here.inputs)
    assert (found.classes, found.pictures, found.remarks) == (here.classes, True, here.remarks)
    subject = compress_core.load(pictures / "m.safetensors", pictures / "data", preprocessing=SCALE)
    again = read_bundle(bundle_of(subject))
    assert (again.input, again.classes, again.digest) == (subject.input, subject.classes, subject.digest)


def test_training_pictures_are_numbered_as_the_model_numbers_them(pictures: Path) -> None:
    for place in (pictures / "train" / "b", pictures / "train" / "c"):
        place.mkdir(parents=True)
        (place / "new.png").write_bytes(encoded(drawn(16, 16, seed=99)))
    subject = compress_core.load(
        pictures / "m.safetensors", pictures / "data", preprocessing=SCALE, training=pictures / "train"
    )
    labels = subject.split("training").labels
    assert labels is not None
    assert labels.tolist() == [1, 2]


def test_a_sample_has_its_own_scale_and_its_own_classes(tmp_path: Path) -> None:
    for name in ("3", "7"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.png").write_bytes(encoded(drawn(28, 28)))
    subject = named_subject("lenet5", items=tmp_path, knobs=how("channels=gray"))
    labels = subject.split("validation").labels
    assert labels is not None
    assert labels.tolist() == [3, 7]
    with pytest.raises(Refused, match="has a mean and std of its own"):
        named_subject("lenet5", items=tmp_path, knobs=how("mean=0.5"))
    (tmp_path / "7").rename(tmp_path / "seven")
    (tmp_path / "3").rename(tmp_path / "eight")
    with pytest.raises(Refused, match=r"classes that the model has not \(eight, seven\)"):
        named_subject("lenet5", items=tmp_path)


def test_a_table_names_the_columns_of_a_model(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 2))
    (tmp_path / "m.safetensors").write_bytes(save(network.state_dict()))
    (tmp_path / "t.csv").write_bytes(as_csv(table()))
    subject = compress_core.load(tmp_path / "m.safetensors", tmp_path / "t.csv")
    assert subject.input.features == ("length", "width")
    assert subject.classes == ("setosa", "virginica")
    unlabeled = compress_core.load(tmp_path / "m.safetensors", tmp_path / "t.csv", label_column="3")
    assert unlabeled.classes == subject.classes
