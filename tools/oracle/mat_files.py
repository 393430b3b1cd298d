"""MAT-files in SVHN's form, written by SciPy: what MATLAB's format looks like to somebody else.

Pixels follow a formula, so that the test knows them without the file. `python3 mat_files.py` needs SciPy (Debian 12: 1.10.1).
"""
import pathlib

import numpy as np
from scipy.io import savemat

FOLDER = pathlib.Path(__file__).parents[2] / "packages/robustness/test/fixtures"
LABELS = [10, 1, 9, 5, 7]


def pixels(count):
    row, column, channel, image = np.ogrid[:32, :32, :3, :count]
    return ((7 * row + 13 * column + 29 * channel + 101 * image) % 251).astype(np.uint8)


def write(name, count, dtype, compressed, order=("X", "y")):
    labels = np.array(LABELS[:count], dtype).reshape(-1, 1)
    content = {"X": pixels(count), "y": labels}
    savemat(FOLDER / f"{name}.mat", {key: content[key] for key in order}, do_compression=compressed)
    print(f"  {name}.mat")


def make():
    write("svhn-compressed", 5, np.uint8, True)
    write("svhn-uncompressed", 2, np.uint8, False)  # labels of 2 bytes lie inside their tag
    write("svhn-labels-double", 3, np.float64, True, ("y", "X"))
    write("svhn-labels-int64", 1, np.int64, False)


if __name__ == "__main__":
    make()
