"""Small files in the formats that trained weights come in, as the real programs write them.

    V/bin/python tools/oracle/checkpoints.py        # V: a virtual environment with torch and numpy

writes packages/formats/test/fixtures/torch-VERSION-*.pth for the torch that runs it: every element type and view that a
reader may meet, wrappers as training scripts write them, and files that must be refused. With torch 2, onnx,
onnxscript and safetensors it also writes packages/robustness/test/fixtures/checkpoints/: every architecture
made small, as a checkpoint (`architectures.py`) with logits and input gradients of a few images, and ONNX files by both
of torch's exporters.
"""
import argparse
import collections
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[2] / "packages"
FORMATS = ROOT / "formats" / "test" / "fixtures"
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


def write_checkpoints():
    from architectures import ARCHITECTURES, graphs
    from safetensors.torch import save_file

    folder = ROOT / "robustness" / "test" / "fixtures" / "checkpoints"
    folder.mkdir(parents=True, exist_ok=True)
    answers = {}

    def answer(name, model, shape, count=2):
        """Logits and the gradient of each image's cross-entropy: computed in float64 from float32 weights, stored as float32."""
        generator = torch.Generator().manual_seed(len(answers))
        x = torch.rand(count, *shape, generator=generator)
        exact = model.double().eval()
        point = x.double().requires_grad_()
        logits = exact(point)
        labels = torch.arange(count) % logits.shape[1]
        torch.nn.functional.cross_entropy(logits, labels, reduction="sum").backward()
        answers.update({f"{name}/x": x, f"{name}/logits": logits.detach().float(), f"{name}/gradient": point.grad.float()})
        model.float()

    for index, (name, (model, form)) in enumerate(ARCHITECTURES().items()):
        randomize(model, index)
        answer(name, model, (3, 32, 32))
        narrow = form in ("half", "safetensors")
        weights = {key: value.half() if narrow and value.is_floating_point() else value for key, value in model.state_dict().items()}
        if form == "safetensors":
            save_file(weights, folder / f"{name}.safetensors")
        else:
            legacy = {"_use_new_zipfile_serialization": False} if form == "legacy" else {}
            torch.save({"state_dict": weights} if form == "legacy" else weights, folder / f"{name}.pth", **legacy)
    for index, (name, (model, shape, export)) in enumerate(graphs().items()):
        randomize(model, index)
        # What is expected of a network that ends in a Softmax are the logits before it.
        probabilities, model.probabilities = getattr(model, "probabilities", False), False
        answer(name, model, shape)
        model.probabilities = probabilities
        export(model.eval(), torch.zeros(2, *shape), folder / f"{name}.onnx")
    save_file({key: value.contiguous() for key, value in answers.items()}, folder / "answers.safetensors")


def randomize(model, seed):
    """Statistics and scales that are not 1 and 0, so that mixing them up shows; few bits, so that files compress in the repository."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if tensor.dtype != torch.float32:
                continue
            if name.endswith("running_var"):
                tensor.uniform_(0.5, 2)
            elif name.endswith("running_mean"):
                tensor.normal_(0, 0.3)
            elif tensor.dim() == 1:
                tensor.normal_(1 if name.endswith("weight") else 0, 0.2)
            # Exact in float16, in which half of the files are stored.
            tensor.copy_(tensor.half().float())


if __name__ == "__main__":
    write_formats()
    if not torch.__version__.startswith("1."):
        write_checkpoints()
