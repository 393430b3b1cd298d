"""The original AutoAttack on the CPU, on command: the counterpart of ../ours-attacks.mjs.

The original is not part of this repository: --autoattack names a clone of github.com/fra31/auto-attack (commit a392200).
One JSON object per line asks, one answers ({"ok": true, ...} or {"ok": false, "error": "..."}):

    {"op": "prepare", "weights": FILE, "images": FILE, "norm": "linf", "epsilon": 0.0314, "attacks": ["apgd-ce"], "seed": 0}
    {"op": "attack", "first": 0, "count": 250}

`prepare` takes a safetensors file of one of the two networks and CIFAR-10's test_batch.bin, and tries both memory layouts:
the faster one is used. `attack` answers with the seconds that `run_standard_evaluation` took on these images, all in one
batch, and how many of them are classified correctly before and after. Without "attacks" it is the standard version.
"""
import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools" / "oracle"))
import models  # noqa: E402

sys.path.pop(0)
LAYOUTS = {"nchw": torch.contiguous_format, "channels-last": torch.channels_last}


def network(weights, layout):
    arrange = lambda t: t.contiguous(memory_format=LAYOUTS[layout]) if t.dim() == 4 else t
    weights = {name: arrange(tensor) for name, tensor in weights.items()}
    if "conv1.weight" in weights:
        norm = models.batch_norm(weights, weights, train=False)
        return lambda x: models.preact_resnet18(weights, arrange(x), norm)
    return lambda x: models.cnn(weights, arrange(x))


def seconds(forward, x, y):
    """Of a gradient, the best of three."""
    times = []
    for _ in range(4):
        start = time.perf_counter()
        point = x.clone().requires_grad_()
        torch.autograd.grad(F.cross_entropy(forward(point), y, reduction="sum"), point)
        times.append(time.perf_counter() - start)
    return min(times[1:])


class Session:
    def prepare(self, weights, images, norm, epsilon, attacks=None, seed=0):
        from autoattack import AutoAttack

        records = np.fromfile(images, np.uint8).reshape(-1, 3073)
        self.x = torch.from_numpy(records[:, 1:].reshape(-1, 3, 32, 32)).float() / 255
        self.y = torch.from_numpy(records[:, 0].astype(np.int64))
        tried = {layout: network(load_file(weights), layout) for layout in LAYOUTS}
        times = {layout: seconds(forward, self.x[:64], self.y[:64]) for layout, forward in tried.items()}
        layout = min(times, key=times.get)
        self.forward = tried[layout]
        self.original = AutoAttack(
            self.forward, norm={"linf": "Linf", "l2": "L2"}[norm], eps=epsilon, seed=seed, version="standard", verbose=False, device="cpu"
        )
        if attacks:
            self.original.attacks_to_run = attacks
        return {"layout": layout, "torch": torch.__version__}

    def attack(self, first, count):
        x, y = self.x[first : first + count], self.y[first : first + count]
        start = time.perf_counter()
        attacked = self.original.run_standard_evaluation(x, y, bs=count)
        elapsed = time.perf_counter() - start
        return {"seconds": elapsed, "clean": self.correct(x, y), "robust": self.correct(attacked, y)}

    def correct(self, x, y):
        with torch.no_grad():
            return (self.forward(x).argmax(1) == y).sum().item()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--autoattack", required=True)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    sys.path.insert(0, arguments.autoattack)
    session = Session()
    answers = sys.stdout
    sys.stdout = sys.stderr  # the original's warnings are no answers
    for line in sys.stdin:
        command = json.loads(line)
        try:
            answer = {"ok": True, **getattr(session, command.pop("op"))(**command)}
        except Exception as error:  # noqa: BLE001: whatever it is, the other side has to know
            answer = {"ok": False, "error": repr(error)}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
