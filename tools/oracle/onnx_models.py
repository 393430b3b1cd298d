"""Whole networks of torchvision and timm, with random weights, as both of torch's ONNX exporters write them.

    V/bin/python tools/oracle/onnx_models.py FOLDER [SEED]     # V: torch 2, torchvision, timm, onnx, onnxscript, safetensors
    node tools/oracle/onnx-models.mjs FOLDER            # compares our logits and input gradients with torch's

Files of some hundred MB go to FOLDER, none into the repository. Where logits agree and a gradient is off by some 1e-3, an image
lies within rounding of a ReLU's kink: take another SEED of the images.
"""
import re
import sys
import warnings
from pathlib import Path

import torch
from safetensors.torch import save_file

SIZE, COUNT = 64, 2
KEPT = []


def import_without_operators(name):
    """torchvision whose compiled operators do not fit the torch that is there: the networks do not use them."""
    while True:
        try:
            return __import__(name)
        except RuntimeError as error:
            missing = re.search(r"operator torchvision::(\w+) does not exist", str(error))
            if not missing:
                raise
            library = torch.library.Library("torchvision", "FRAGMENT")
            library.define(f"{missing[1]}(Tensor x) -> Tensor")
            KEPT.append(library)
            for module in [module for module in sys.modules if module.split(".")[0] in ("torchvision", "timm")]:
                del sys.modules[module]


torchvision = import_without_operators("torchvision")
import timm

MODELS = {
    "torchvision-resnet18": lambda: torchvision.models.resnet18(weights=None),
    "torchvision-resnet50": lambda: torchvision.models.resnet50(weights=None),
    "torchvision-wide_resnet50_2": lambda: torchvision.models.wide_resnet50_2(weights=None),
    "torchvision-mobilenet_v3_small": lambda: torchvision.models.mobilenet_v3_small(weights=None),
    "timm-resnet18": lambda: timm.create_model("resnet18"),
    "timm-resnet50": lambda: timm.create_model("resnet50"),
    "timm-wide_resnet50_2": lambda: timm.create_model("wide_resnet50_2"),
    "timm-mobilenetv3_small_100": lambda: timm.create_model("mobilenetv3_small_100"),
}


def main(folder, images):
    folder.mkdir(parents=True, exist_ok=True)
    answers = {}
    warnings.simplefilter("ignore")
    for seed, (name, make) in enumerate(MODELS.items()):
        torch.manual_seed(seed)
        model = make().eval()
        torch.manual_seed(images)
        x = torch.rand(COUNT, 3, SIZE, SIZE)
        point = x.double().requires_grad_()
        logits = model.double()(point)
        torch.nn.functional.cross_entropy(logits, torch.arange(COUNT), reduction="sum").backward()
        answers.update({f"{name}/x": x, f"{name}/logits": logits.detach().float(), f"{name}/gradient": point.grad.float()})
        model.float()
        old, new = folder / f"{name}-old.onnx", folder / f"{name}-new.onnx"
        torch.onnx.export(model, x, str(old), opset_version=17, input_names=["x"], dynamic_axes={"x": {0: "batch"}}, dynamo=False)
        torch.onnx.export(model, (x,), str(new), dynamo=True, dynamic_shapes=({0: torch.export.Dim("batch")},), verbose=False)
        print(name, flush=True)
        save_file(answers, folder / "answers.safetensors")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 77)
