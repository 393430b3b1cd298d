"""Times single layers in PyTorch on one thread of the CPU, on command; one JSON line per JSON line, as pytorch_steps.py.

    {"op": "prepare", "pass": "forward", "batch": 4, "inputs": 64, "side": 56, "outputs": 64, "window": 3, "stride": 1, "padding": 1}
    {"op": "step", "n": 5}

Each layer is timed in the faster of the two memory layouts; times are of the processor.
"""
import json
import sys
import time

import torch
import torch.nn.functional as F

torch.set_num_threads(1)
LAYOUTS = (torch.contiguous_format, torch.channels_last)


def prepared(layout, which, batch, inputs, side, outputs, window, stride, padding, pool=False):
    torch.manual_seed(0)
    arrange = lambda tensor: tensor.contiguous(memory_format=layout)
    out = (side + 2 * padding - window) // stride + 1
    x, ct = arrange(torch.randn(batch, inputs, side, side)), arrange(torch.randn(batch, outputs, out, out))
    if pool:
        x.requires_grad_(which == "input")
        forward = lambda: F.max_pool2d(x, window, stride, padding)
        return forward if which == "forward" else lambda: torch.autograd.grad(forward(), x, ct)
    w = arrange(torch.randn(outputs, inputs, window, window))
    if which == "forward":
        return lambda: F.conv2d(x, w, None, stride, padding)
    mask = [which == "input", which == "filter", False]
    return lambda: torch.ops.aten.convolution_backward(ct, x, w, None, [stride] * 2, [padding] * 2, [1, 1], False, [0, 0], 1, mask)


def timed(work):
    start = time.process_time()
    work()
    return (time.process_time() - start) * 1000


class Server:
    work = None

    def prepare(self, **options):
        options["which"] = options.pop("pass")
        works = [prepared(layout, **options) for layout in LAYOUTS]
        self.work = min(works, key=lambda work: min(timed(work) for _ in range(4)))
        return {}

    def step(self, n):
        return {"ms": [timed(self.work) for _ in range(n)]}

    def answer(self, line):
        try:
            command = json.loads(line)
            return {"ok": True, **{"prepare": self.prepare, "step": self.step}[command.pop("op")](**command)}
        except Exception as error:  # the harness decides what to do about it
            return {"ok": False, "error": f"{type(error).__name__}: {error}"}


if __name__ == "__main__":
    print(json.dumps({"ok": True, "torch": torch.__version__}), flush=True)
    server = Server()
    for line in sys.stdin:
        print(json.dumps(server.answer(line)), flush=True)
