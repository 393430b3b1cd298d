"""Training methods that came after GradAlign: each one's loss and parameter gradient, and what it carries on.

The network is the single-layer one on images of 8 x 8; the random draws are inputs, uniform in [-1, 1] and multiplied by
the radius where a method draws. `python3 methods.py --search 300` prints the seeds whose signs, ReLUs and comparisons are
farthest from flipping, among those where every method has something to do.
"""
import sys

import torch
import torch.nn.functional as F

from fixture import Fixture, Source
from margins import Probe, sign_margin
from models import cnn, cnn_shapes, he_std
from training import gradients

SEED = 247
FILTERS, BATCH, SIZE, CLASSES = 4, 6, 8, 5
EPSILON = 16 / 255


class Problem:
    def __init__(self, seed):
        source = Source(9000 + seed)
        self.params = {
            name: source.normal(*shape, std=he_std(shape) if len(shape) > 1 else 0.1)
            for name, shape in cnn_shapes(FILTERS, CLASSES, SIZE).items()
        }
        shape = (BATCH, 3, SIZE, SIZE)
        self.x = source.uniform(*shape, lo=-0.055, hi=1.055).clamp(0, 1)
        self.draws = [source.uniform(*shape, lo=-1, hi=1) for _ in range(3)]
        # Some of the examples are classified as they should be.
        self.labels = source.labels(BATCH, CLASSES)
        self.labels[: BATCH - 2] = cnn(self.params, self.x).argmax(1)[: BATCH - 2]

    def trainable(self):
        return {name: tensor.clone().requires_grad_() for name, tensor in self.params.items()}


class Methods:
    """Every method at some parameters. `margins` collects how far comparisons are from turning, `idle` what did nothing."""

    def __init__(self, problem, params, probe=None):
        self.problem, self.params = problem, params
        self.x, self.labels = problem.x, problem.labels
        self.model = lambda x: cnn(params, x, probe or F.relu)
        self.margins, self.idle = [], []

    def examples(self, x):
        return F.cross_entropy(self.model(x), self.labels, reduction="none")

    def loss(self, x):
        return self.examples(x).mean()

    def gradient(self, x):
        x = x.detach().requires_grad_()
        return torch.autograd.grad(self.loss(x), x)[0]

    def sign(self, g):
        self.margins.append(sign_margin(g))
        return g.sign()

    def box(self, delta):
        return (self.x + delta).clamp(0, 1) - self.x

    def start(self, radius, draw=0):
        return self.box(radius * self.problem.draws[draw])

    def per_example(self, values):
        return values.reshape(-1, 1, 1, 1)

    def needs(self, what, happened):
        if not happened:
            self.idle.append(what)

    # The noise family.

    def rs_unprojected(self):
        point = self.x + EPSILON * self.problem.draws[0]
        g = self.gradient(point.clamp(0, 1)) * ((point > 0) & (point < 1))
        return self.loss(self.x + self.box(EPSILON * self.problem.draws[0] + EPSILON * self.sign(g)))

    def n_fgsm(self):
        start = self.start(2 * EPSILON)
        return self.loss(self.x + self.box(start + EPSILON * self.sign(self.gradient(self.x + start))))

    def rs_delta(self, filtered=lambda g: g, step=2.0):
        start = self.start(EPSILON)
        g = filtered(self.gradient(self.x + start))
        return self.box((start + step * EPSILON * self.sign(g)).clamp(-EPSILON, EPSILON))

    def zerograd(self, quantile):
        def filtered(g):
            size = g.abs().flatten(1)
            threshold = torch.quantile(size, quantile, dim=1)
            self.margins.append(((size - threshold[:, None]).abs().min(1).values / size.square().mean(1).sqrt()).min().item())
            return torch.where(g.abs() < self.per_example(threshold), 0, g)

        return self.loss(self.x + self.rs_delta(filtered))

    def multigrad(self, agreement):
        votes = sum(self.sign(self.gradient(self.x + self.start(EPSILON, i))) for i in range(3))
        agreed = torch.where(votes.abs() < 2 * agreement - 3, 0, votes)
        self.needs("multigrad", (agreed == 0).any())
        return self.loss(self.x + self.box((2 * EPSILON * agreed.sign()).clamp(-EPSILON, EPSILON)))

    def right(self, x):
        logits = self.model(x).detach()
        top = logits.topk(2).values
        self.margins.append((top[:, 0] - top[:, 1]).min().item())
        return logits.argmax(1) == self.labels

    def stable(self, parts):
        delta = self.rs_delta(step=1.25)
        share = torch.ones(BATCH)
        for k in range(parts - 1, 0, -1):
            share[~self.right(self.x + delta * k / parts)] = k / parts
        share[~self.right(self.x + self.start(EPSILON))] = 0
        self.needs("stable", len(share.unique()) >= 3)
        return self.loss(self.x + self.per_example(share) * delta)

    def all(self):
        """A loss, or a loss and what is carried on, by name."""
        return {
            "fgsm-rs-unprojected": self.rs_unprojected(),
            "n-fgsm": self.n_fgsm(),
            "zerograd": self.zerograd(0.35),
            "zerograd-svhn": self.zerograd(0.7),
            "multigrad": self.multigrad(3),
            "multigrad-2": self.multigrad(2),
            "stable-fgsm": self.stable(3),
        }


def margins(problem):
    probe = Probe()
    methods = Methods(problem, problem.trainable(), probe)
    methods.all()
    return min(methods.margins), probe.margin, methods.idle


def make():
    problem = Problem(SEED)
    comparisons, kinks, idle = margins(problem)
    print("  margins: comparisons %.1e, ReLU %.1e" % (comparisons, kinks))
    assert not idle, idle
    fixture = Fixture("robustness", "methods", "methods.py")
    fixture.inputs("params/", problem.params)
    fixture.inputs("", {"x": problem.x, "labels": problem.labels})
    fixture.inputs("draws/", {str(i): draw for i, draw in enumerate(problem.draws)})
    fixture.output("epsilon", EPSILON)
    for name in Methods(problem, problem.params).all():
        params = problem.trainable()
        result = Methods(problem, params).all()[name]
        loss, carried = result if isinstance(result, tuple) else (result, {})
        fixture.output(f"{name}/loss", loss)
        fixture.outputs(f"{name}/gradient/", gradients(loss, params))
        fixture.outputs(f"{name}/carry/", carried)
    fixture.write()


if __name__ == "__main__":
    if "--search" in sys.argv:
        found = [(*margins(Problem(seed)), seed) for seed in range(int(sys.argv[-1]))]
        for margin in sorted(found, key=lambda m: (len(m[2]), -min(m[0], m[1])))[:5]:
            print("comparisons %.1e, ReLU %.1e, idle %s, seed %d" % margin)
    else:
        make()
