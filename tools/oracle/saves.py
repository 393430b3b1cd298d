"""The networks of fixtures/checkpoints as another PyTorch saves them: in zip and in legacy form, and small ones as ONNX.

    python3 tools/oracle/saves.py FOLDER       # once with each version of torch, e.g. Debian's 1.13 and 2.13
    node tools/oracle/pack-saves.mjs FOLDER    # packs them into packages/robustness/test/fixtures/checkpoints/saves.br

The weights are those of the committed checkpoints, so that the answers beside them are these files' too.
"""
import json
import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn

from architectures import ARCHITECTURES, Lenet, old

CHECKPOINTS = Path(__file__).resolve().parents[2] / "packages" / "robustness" / "test" / "fixtures" / "checkpoints"
VERSION = ".".join(torch.__version__.split(".")[:2])
FORMS = {"zip": {}, "legacy": {"_use_new_zipfile_serialization": False}}


def weights(name):
    """A committed checkpoint's tensors; torch 1.13 of Debian has no safetensors."""
    file = CHECKPOINTS / f"{name}.safetensors"
    if not file.exists():
        found = torch.load(CHECKPOINTS / f"{name}.pth", map_location="cpu")
        return found.get("state_dict", found)
    data = file.read_bytes()
    end = 8 + int.from_bytes(data[:8], "little")
    kinds = {"F16": np.float16, "F32": np.float32, "I64": np.int64}
    header = {key: entry for key, entry in json.loads(data[8:end]).items() if key != "__metadata__"}
    return {
        key: torch.from_numpy(np.frombuffer(data[end + start : end + stop], kinds[entry["dtype"]]).reshape(entry["shape"]).copy())
        for key, entry in header.items()
        for start, stop in [entry["data_offsets"]]
    }


def small_graphs():
    """Networks for the ONNX exporter that torch has had since 1.0, and their images' shapes."""
    torch.manual_seed(0)
    sequential = nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 8, 3, stride=2), nn.BatchNorm2d(8), nn.ReLU(),
        nn.Flatten(), nn.Linear(8 * 3 * 3, 16), nn.ReLU(), nn.Dropout(), nn.Linear(16, 10),
    )
    sequential[4].running_mean.normal_(0, 0.3)
    sequential[4].running_var.uniform_(0.5, 2)
    return {"lenet": (Lenet(), (1, 19, 19)), "sequential": (sequential, (3, 16, 16))}


def main(folder):
    folder.mkdir(parents=True, exist_ok=True)
    for name, (model, _) in ARCHITECTURES().items():
        model.load_state_dict(weights(name))
        for form, options in FORMS.items():
            torch.save(model.state_dict(), folder / f"torch-{VERSION}-{form}-{name}.pth", **options)
    for name, (model, shape) in small_graphs().items():
        x = torch.rand(2, *shape)
        point = x.double().requires_grad_()
        logits = model.double().eval()(point)
        nn.functional.cross_entropy(logits, torch.arange(2), reduction="sum").backward()
        start = f"torch-{VERSION}-{name}"
        torch.save({"x": x, "logits": logits.detach().float(), "gradient": point.grad.float()}, folder / f"{start}-answers.pth")
        export(model.float(), x, folder / f"{start}.onnx")


def export(model, x, path):
    if VERSION.startswith("2"):
        return old(17)(model, x, path)
    torch.onnx.export(model, x, str(path), opset_version=13, input_names=["x"], dynamic_axes={"x": {0: "batch"}})


if __name__ == "__main__":
    main(Path(sys.argv[1]))
