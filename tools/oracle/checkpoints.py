"""Small files in the formats that trained weights come in, as the real programs write them.

    V/bin/python tools/oracle/checkpoints.py        # V: a virtual environment with torch, numpy and safetensors

writes packages/formats/test/fixtures/torch-VERSION-*.pth for the torch that runs it: every element type and view that a
reader may meet, wrappers as training scripts write them, and files that must be refused.
"""
import argparse
import collections
from pathlib import Path

import numpy as np
import torch

FORMATS = Path(__file__).resolve().parents[2] / "packages" / "formats" / "test" / "fixtures"
VERSION = ".".join(torch.__version__.split(".")[:2])


class Foreign:
    """What a pickle of a whole object needs code for."""


def numbered(*shape):
    return torch.arange(float(np.prod(shape, dtype=int))).reshape(shape)


def every_kind():
    """Tensors whose elements count from 0, so that a test knows them: all element types, views, Parameters, empty ones."""
    base = numbered(2, 3, 4)
    kinds = {
        "base": base,
        "transposed": base.permute(2, 0, 1),
        "row": base[1],
        "strided": base[:, ::2, 1:],
        "repeated": torch.ones(1).expand(5),
        "parameter": torch.nn.Parameter(base[0].clone()),
        "channels_last": numbered(2, 3, 2, 2).contiguous(memory_format=torch.channels_last),
        "empty": torch.zeros(0, 3),
        "scalar": torch.tensor(3),
        "bool": torch.tensor([True, False]),
    }
    for name in "float64 float16 bfloat16 int64 int32 int16 int8 uint8 uint16 uint32 uint64 float8_e4m3fn float8_e5m2".split():
        if hasattr(torch, name):
            kinds[name] = numbered(3).to(getattr(torch, name))
    return kinds


def wrapped():
    weights = collections.OrderedDict(("module.model." + name, numbered(2, 2) + i) for i, name in enumerate(["conv.weight", "conv.bias"]))
    weights["mu"] = torch.zeros(1)
    weights._metadata = {"": {"version": 1}}
    return {
        "epoch": 3,
        "last": {"state_dict": weights},
        "best": {"state_dict": {"conv.weight": -numbered(2, 2)}},
        "args": argparse.Namespace(lr=0.1, name="x"),
        "accuracy": np.float64(0.5),
        "size": torch.Size([2, 3]),
        "device": torch.device("cpu"),
        "dtype": torch.float32,
        "set": {1, 2},
        "big": 2**80,
        "negative": -70000,
        "losses": [1.5, 2.5],
    }


def write_formats():
    FORMATS.mkdir(parents=True, exist_ok=True)
    for form, options in {"zip": {}, "legacy": {"_use_new_zipfile_serialization": False}}.items():
        start = f"{FORMATS}/torch-{VERSION}-{form}"
        torch.save(every_kind(), f"{start}-kinds.pth", **options)
        torch.save(wrapped(), f"{start}-wrapped.pth", **options)
        torch.save({"state_dict": every_kind(), "trainer": Foreign(), "net": torch.nn.ReLU()}, f"{start}-foreign.pth", **options)
    torch.jit.script(torch.nn.ReLU()).save(f"{FORMATS}/torch-{VERSION}-script.pth")
    if hasattr(torch.serialization, "set_crc32_options"):
        torch.serialization.set_crc32_options(False)
        torch.save({"base": numbered(2, 3, 4)}, f"{FORMATS}/torch-{VERSION}-unsummed.pth")
        torch.serialization.set_crc32_options(True)


if __name__ == "__main__":
    write_formats()
