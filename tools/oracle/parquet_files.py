"""Parquet files of images as Hugging Face's library writes them, and in other ways that Parquet has. Needs pyarrow.

Row i has the i-th file of `imageFile` in the tests: one of eight, followed from the ninth on by its number in digits.
"""
import base64
import json

import pyarrow as pa
import pyarrow.parquet as pq

from fixture import PACKAGES

FIXTURES = PACKAGES / "robustness" / "test" / "fixtures"
NAMES = ["17x33-444.jpg", "17x33-422.jpg", "17x33-420.jpg", "40x23-420.jpg", "64x64-444.jpg", "type2-8.png", "type3-4.png", "lossy.webp"]
ROWS = 12
CLASSES = ["cat", "dog", "fox"]


def files():
    stored = json.loads((FIXTURES / "images.json").read_text())["files"]
    all_bytes = [base64.b64decode(stored[name]["file"]) for name in NAMES]
    return [all_bytes[i % 8] + (b"" if i < 8 else str(i).encode()) for i in range(ROWS)]


def table(image_type, images, label_type=pa.int64(), nullable=True, notes=None):
    schema = pa.schema([pa.field("image", image_type, nullable), pa.field("label", label_type, nullable)], metadata=notes)
    return pa.Table.from_arrays([pa.array(images, image_type), pa.array([5 * i % 3 for i in range(ROWS)], label_type)], schema=schema)


def write(name, content, **options):
    path = FIXTURES / "parquet" / f"{name}.parquet"
    path.parent.mkdir(exist_ok=True)
    pq.write_table(content, path, **options)
    print(f"{path.name}: {path.stat().st_size:,} bytes")


def make():
    struct = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    rows = [{"bytes": file, "path": f"{i}.bin"} for i, file in enumerate(files())]
    features = {"image": {"_type": "Image"}, "label": {"names": CLASSES, "_type": "ClassLabel"}}
    notes = {"huggingface": json.dumps({"info": {"features": features}})}
    usual = table(struct, rows, notes=notes)
    write("usual", usual, row_group_size=5)
    write("no-dictionary", usual, row_group_size=5, use_dictionary=False)
    write("second-version", usual, row_group_size=4, data_page_version="2.0", use_dictionary=["label"])
    write("gzip", usual, compression="gzip")
    # A column of bytes, nothing missing, nothing packed, pages of few values.
    bare = table(pa.binary(), files(), pa.int32(), nullable=False)
    write("bare", bare, compression="none", use_dictionary=False, data_page_size=2000, write_batch_size=2)
    missing = [{**row, "bytes": None} if i == 3 else row for i, row in enumerate(rows)]
    write("missing", table(struct, missing, notes=notes), use_dictionary=False)
    write("missing-dictionary", table(struct, missing, notes=notes))
    # What is not read.
    write("zstd", usual, compression="zstd")
    write("delta", usual, use_dictionary=False, column_encoding={"label": "DELTA_BINARY_PACKED"})


if __name__ == "__main__":
    make()
