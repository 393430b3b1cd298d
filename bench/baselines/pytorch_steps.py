"""Times training steps in PyTorch on the CPU, on command.

The benchmark harness starts this once and sends one JSON object per line, so that it can interleave PyTorch's steps
with ours on the same machine:

    {"op": "prepare", "model": "preact-resnet18", "width": 16, "batch": 128, "method": "gradalign", "epsilon": 0.0314}
    {"op": "prepare", "model": "cnn", "filters": 4, "batch": 128, "method": "fgsm", "epsilon": 0.0392}
    {"op": "step", "n": 5}

Every command is answered by one line: {"ok": true, ...}, or {"ok": false, "error": "..."}. `step` returns `ms`, the
time of each step. Methods: standard, fgsm, gradalign, pgdK (K steps). A step is all of a training step: the batch is taken
from a data set of bytes, cropped and flipped at random, attacked, and learned from. The work is that of the paper's code,
done the fastest way PyTorch offers: crops are windows of images padded and mirrored beforehand, gradients only of what
needs them (parameters take no part in an attack), FGSM's gradient doubling as GradAlign's clean gradient, one
create_graph. Batch norm updates its statistics in every forward pass.

"layout" of `prepare` is nchw, channels-last, or best (the default): which of the two is faster differs by method, so
both are tried. `peakRss` counts from the end of the last `prepare`; to compare memory, give each workload a process of
its own and name the layout.
"""
import argparse
import contextlib
import json
import math
import resource
import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as F

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools" / "oracle"))
import models  # noqa: E402

STRENGTH = 0.2
# Where tensors live; cuda with --device cuda.
DEVICE = "cpu"
LAYOUTS = {"nchw": torch.contiguous_format, "channels-last": torch.channels_last}


class Batches:
    """Augmented batches of random images: padded by 4, cropped, half of them mirrored, as floats in [0, 1]."""

    def __init__(self, batch, arrange, count=32):
        images = F.pad(torch.randint(0, 256, (count * batch, 3, 32, 32), dtype=torch.uint8), (4, 4, 4, 4)).to(DEVICE)
        self.labels = torch.randint(0, 10, (count * batch,)).to(DEVICE)
        # [mirrored, image, channel, top, left, 32, 32], a view.
        self.windows = torch.stack([images, images.flip(3)]).unfold(3, 32, 1).unfold(4, 32, 1)
        self.batch, self.arrange = batch, arrange

    def next(self):
        draw = lambda high: torch.randint(0, high, (self.batch,), device=DEVICE)
        rows = draw(len(self.labels))
        pixels = self.windows[draw(2), rows, :, draw(9), draw(9)]
        return self.arrange(pixels.float().mul_(1 / 255)), self.labels[rows]


class Workload:
    """One model with its optimiser and its data."""

    def __init__(self, model, method, batch, epsilon, width=64, filters=4, layout="nchw", amp=False):
        torch.manual_seed(0)
        self.amp, self.scale = amp, 1024.0 if amp else 1.0
        self.method, self.epsilon = method, epsilon
        shapes = models.preact_resnet18_shapes(width) if model == "preact-resnet18" else models.cnn_shapes(filters)
        arrange = lambda t: (t.contiguous(memory_format=LAYOUTS[layout]) if t.dim() == 4 else t).to(DEVICE)
        self.params = {name: arrange(initial(name, shape)).requires_grad_() for name, shape in shapes.items()}
        values = list(self.params.values())
        if model == "preact-resnet18":
            state = {
                name: (torch.zeros(shape) if name.endswith("mean") else torch.ones(shape)).to(DEVICE)
                for name, shape in models.preact_resnet18_state_shapes(width).items()
            }
            norm = models.batch_norm(self.params, state, train=True)
            self.model = lambda x: models.preact_resnet18(self.params, x, norm)
            self.optimizer = torch.optim.SGD(values, lr=0.01, momentum=0.9, weight_decay=5e-4)
        elif model == "cnn":
            self.model = lambda x: models.cnn(self.params, x)
            self.optimizer = torch.optim.Adam(values, lr=0.001, weight_decay=5e-4)
        else:
            raise ValueError(f"unknown model {model}")
        self.batches = Batches(batch, arrange)
        self.attack, self.shares_gradient = self.attack_of(method)

    def attack_of(self, method):
        """Returns the attack and whether its gradient also serves GradAlign."""
        if method == "standard":
            return None, False
        if method in ("fgsm", "gradalign"):
            return self.fgsm, method == "gradalign"
        if method.startswith("pgd") and method[3:].isdigit():
            return lambda: self.pgd(int(method[3:])), False
        raise ValueError(f"unknown method {method}")

    def input_gradient(self, point, create_graph=False):
        point = point.detach().requires_grad_()
        return torch.autograd.grad(self.loss(point) * self.scale, point, create_graph=create_graph)[0] / self.scale

    def loss(self, point):
        """In mixed precision the network runs in float16 where PyTorch deems it safe, the loss in float32."""
        with torch.autocast(DEVICE, dtype=torch.float16) if self.amp else contextlib.nullcontext():
            logits = self.model(point)
        return F.cross_entropy(logits.float(), self.labels)

    def fgsm(self):
        # At delta = 0 the clamp to the box only stops the gradient of pixels that are exactly 0 or 1.
        gradient = self.input_gradient(self.x).mul_((self.x > 0) & (self.x < 1))
        delta = (1.25 * self.epsilon * gradient.sign()).clamp_(-self.epsilon, self.epsilon)
        return (self.x + delta).clamp_(0, 1), gradient

    def pgd(self, steps):
        delta = torch.zeros_like(self.x)
        for _ in range(steps):
            point = self.x + delta
            gradient = self.input_gradient(point.clamp(0, 1)).mul_((point > 0) & (point < 1))
            delta.add_(gradient.sign_(), alpha=2 * self.epsilon / steps)
            delta = ((self.x + delta).clamp_(0, 1) - self.x).clamp_(-self.epsilon, self.epsilon)
        return self.x + delta, None

    def step(self):
        self.x, self.labels = self.batches.next()
        point, gradient = self.attack() if self.attack else (self.x, None)
        loss = self.loss(point)
        if self.shares_gradient:
            noise = torch.empty_like(self.x).uniform_(-self.epsilon, self.epsilon)
            loss = loss + gradalign_penalty(gradient, self.input_gradient(self.x + noise, create_graph=True))
        self.optimizer.zero_grad(set_to_none=True)
        (loss * self.scale).backward(inputs=list(self.params.values()))
        if self.amp:
            for value in self.params.values():
                value.grad.div_(self.scale)
        self.optimizer.step()
        return loss.item()


def gradalign_penalty(g1, g2):
    g1, g2 = g1.flatten(1), g2.flatten(1)
    norm1, norm2 = g1.norm(dim=1), g2.norm(dim=1)
    keep = (norm1 != 0) & (norm2.detach() != 0)
    if not keep.all():
        g1, g2, norm1, norm2 = g1[keep], g2[keep], norm1[keep], norm2[keep]
    return STRENGTH * (1 - ((g1 * g2).sum(1) / (norm1 * norm2)).mean())


def initial(name, shape):
    if len(shape) > 1:
        return torch.randn(shape) * models.he_std(shape)
    return torch.ones(shape) if ".bn" in name and name.endswith("weight") else torch.zeros(shape)


def memory():
    """Resident bytes: now, and the most so far."""
    with open("/proc/self/statm") as statm:
        resident = int(statm.read().split()[1]) * resource.getpagesize()
    return {"rss": resident, "peakRss": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}


def timed(step):
    start = time.perf_counter()
    loss = step()
    return (time.perf_counter() - start) * 1000, loss


def best_layout(options):
    """Tries each layout for three steps; the first only warms up."""
    def fastest(layout):
        workload = Workload(**options, layout=layout)
        return min([timed(workload.step)[0] for _ in range(3)][1:])
    return min(LAYOUTS, key=fastest)


def forget_peak():
    """Linux forgets the peak of the resident size on request; where it does not, the peak stays that of the process."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        pass


class Server:
    def __init__(self):
        self.workload = None

    def prepare(self, layout="best", **options):
        self.workload = None
        if layout == "best":
            layout = best_layout(options)
        self.workload = Workload(**options, layout=layout)
        self.workload.step()  # allocates, and lets the convolution library choose its kernels
        forget_peak()
        return {"layout": layout, "parameters": sum(math.prod(p.shape) for p in self.workload.params.values())}

    def step(self, n=1):
        if self.workload is None:
            raise ValueError("prepare comes first")
        times, losses = zip(*(timed(self.workload.step) for _ in range(n)))
        return {"ms": times, "loss": losses[-1]}

    def answer(self, line):
        try:
            command = json.loads(line)
            op = command.pop("op")
            if op not in ("prepare", "step"):
                raise ValueError(f"unknown op {op}")
            return {"ok": True, **getattr(self, op)(**command), **memory()}
        except Exception as error:  # the harness decides what to do about it
            return {"ok": False, "error": f"{type(error).__name__}: {error}"}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    DEVICE = arguments.device
    torch.backends.cudnn.benchmark = True
    torch.set_num_threads(arguments.threads)
    hello = {"ok": True, "torch": torch.__version__, "threads": torch.get_num_threads(), **memory()}
    print(json.dumps(hello), flush=True)
    server = Server()
    for line in sys.stdin:
        print(json.dumps(server.answer(line)), flush=True)
