"""PyTorch's side of round-trip.mjs: loads what we exported, strictly but for what no forward pass of ours has, answers, and saves it."""
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn

from architectures import ARCHITECTURES

folder = Path(sys.argv[1])
x = load_file(folder / "images.safetensors")["x"]


class Cnn(nn.Module):
    def __init__(self):
        super().__init__()
        self._model = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 32 * 32, 10))

    def forward(self, x):
        return self._model(x)


for name, model in [("cnn", Cnn()), *((name, model) for name, (model, _) in ARCHITECTURES().items())]:
    missing, unexpected = model.load_state_dict(load_file(folder / f"{name}.safetensors"), strict=False)
    assert not unexpected and all(key.startswith(("sub_block1.", "mu", "sigma", "mean", "std")) for key in missing), (missing, unexpected)
    with torch.no_grad():
        torch.save({"logits": model.eval()(x)}, folder / f"{name}-logits.pth")
    torch.save(model.state_dict(), folder / f"{name}.pth")
