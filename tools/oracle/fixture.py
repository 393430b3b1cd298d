"""What every oracle script shares: seeded inputs and the safetensors writer.

All inputs are rounded to float32 so that both sides start from the very same numbers; all computing here is in float64.
Results are stored as float64 while small and as float32 when large, so that the repository stays small: a test allows
for the rounding of the stored type.
"""
import json
from pathlib import Path

import numpy as np
import torch

torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)

PACKAGES = Path(__file__).resolve().parents[2] / "packages"
LARGE = 1024  # elements; above it results are stored as float32


class Source:
    """A seeded stream of float32-exact inputs, returned as float64 tensors."""

    def __init__(self, seed):
        self.random = np.random.RandomState(seed)

    def normal(self, *shape, std=1.0, mean=0.0):
        return exact(mean + std * self.random.standard_normal(shape))

    def uniform(self, *shape, lo=0.0, hi=1.0):
        return exact(self.random.uniform(lo, hi, shape))

    def labels(self, count, classes):
        return torch.from_numpy(self.random.randint(0, classes, count))


def exact(array):
    """Rounds to float32 and returns float64."""
    return torch.from_numpy(np.asarray(array, np.float32).astype(np.float64))


class Fixture:
    """Named arrays on their way into one safetensors file."""

    def __init__(self, package, name, script):
        self.path = PACKAGES / package / "test" / "fixtures" / f"{name}.safetensors"
        self.metadata = {"torch": torch.__version__, "script": f"tools/oracle/{script}"}
        self.arrays = {}

    def input(self, name, tensor):
        """Stores an input: float32 (it must be exact) or int32."""
        array = tensor.detach().numpy()
        stored = array.astype(np.int32 if array.dtype.kind == "i" else np.float32)
        assert (stored == array).all(), f"{name} is not exact in {stored.dtype}"
        self._add(name, stored)

    def output(self, name, tensor):
        """Stores a result, as float64 unless it is large."""
        array = np.asarray(tensor.detach().numpy() if torch.is_tensor(tensor) else tensor, np.float64)
        assert np.isfinite(array).all(), f"{name} is not finite"
        self._add(name, array.astype(np.float32) if array.size > LARGE else array)

    def inputs(self, prefix, tensors):
        for name, tensor in tensors.items():
            self.input(f"{prefix}{name}", tensor)

    def outputs(self, prefix, tensors):
        for name, tensor in tensors.items():
            self.output(f"{prefix}{name}", tensor)

    def _add(self, name, array):
        assert name not in self.arrays, f"{name} is stored twice"
        self.arrays[name] = array.copy()  # optimisers and batch norm go on to change theirs in place

    def write(self):
        """The whole format: u64 length of the header, the header in JSON, the arrays one after another."""
        types = {"float32": "F32", "float64": "F64", "int32": "I32"}
        # Widest elements first, so that every array is aligned to its element size.
        names = sorted(self.arrays, key=lambda name: (-self.arrays[name].itemsize, name))
        header, offset = {"__metadata__": self.metadata}, 0
        for name in names:
            array = self.arrays[name]
            header[name] = {
                "dtype": types[array.dtype.name],
                "shape": list(array.shape),
                "data_offsets": [offset, offset + array.nbytes],
            }
            offset += array.nbytes
        text = json.dumps(header, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open(self.path, "wb") as file:
            file.write(len(text).to_bytes(8, "little") + text)
            for name in names:
                file.write(np.ascontiguousarray(self.arrays[name]).tobytes())
        print(f"{self.path.relative_to(PACKAGES)}: {self.path.stat().st_size:,} bytes, {len(names)} arrays")
