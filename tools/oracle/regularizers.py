"""Training losses with a regulariser other than GradAlign: gradient norm, CURE, local linearity; values and gradients.

The network is the single-layer one on images of 8 x 8. Biases are small and the seed is one where no ReLU and no sign is
near a flip at any point that is visited; `python3 regularizers.py --search 300` prints the margins of other seeds.
"""
import sys

import torch
import torch.nn.functional as F

from fixture import Fixture, Source
from margins import Probe, sign_margin
from models import cnn, cnn_shapes, he_std
from training import fgsm_delta, gradients

SEED = 391
FILTERS, BATCH, SIZE, CLASSES = 4, 3, 8, 5
EPSILON, LAMBDA, MU = 16 / 255, 0.7, 0.3


class Problem:
    def __init__(self, seed):
        source = Source(700 + seed)
        self.params = {
            name: source.normal(*shape, std=he_std(shape) if len(shape) > 1 else 0.1)
            for name, shape in cnn_shapes(FILTERS, CLASSES, SIZE).items()
        }
        shape = (BATCH, 3, SIZE, SIZE)
        self.x = source.uniform(*shape, lo=-0.055, hi=1.055).clamp(0, 1)
        self.noise = source.uniform(*shape, lo=-EPSILON, hi=EPSILON)
        self.labels = source.labels(BATCH, CLASSES)

    def trainable(self):
        return {name: tensor.clone().requires_grad_() for name, tensor in self.params.items()}


def dots(a, b):
    return (a * b).flatten(1).sum(1)


class Losses:
    """Every method's loss at some parameters; `signs` collects how far the attacks' gradients are from a sign change."""

    def __init__(self, problem, params, probe=None):
        self.problem, self.params, self.signs = problem, params, []
        self.model = lambda x: cnn(params, x, probe or F.relu)

    def examples(self, x):
        return F.cross_entropy(self.model(x), self.problem.labels, reduction="none")

    def gradient(self, x):
        """Each example's own input gradient, differentiable."""
        x = x.detach().requires_grad_()
        return torch.autograd.grad(self.examples(x).sum(), x, create_graph=True)[0]

    def fgsm(self, g):
        x = self.problem.x
        inside = (x > 0) & (x < 1)
        self.signs.append(sign_margin(g.detach()))
        return fgsm_delta(g.detach() * inside, x, EPSILON)

    def grad_norm(self, adversary):
        x = self.problem.x
        g = self.gradient(x)
        point = x + self.fgsm(g) if adversary == "fgsm" else x
        return self.examples(point).mean() + LAMBDA * dots(g, g).mean()

    def cure(self, adversary, branches):
        x = self.problem.x
        g = self.gradient(x)
        shifted = x + self.fgsm(g)
        change = self.gradient(shifted) - (g if branches == "both" else g.detach())
        point = shifted if adversary == "fgsm" else x
        return self.examples(point).mean() + LAMBDA * dots(change, change).mean()

    def llr(self, steps):
        """The worst point is sought with sign steps of epsilon / steps from the noise, within the ball and the box."""
        x = self.problem.x
        clean, g = self.examples(x), self.gradient(x)
        deviation = lambda delta: (self.examples(x + delta) - clean - dots(delta, g)).abs()
        delta = self.problem.noise
        for _ in range(steps):
            moving = delta.detach().requires_grad_()
            slope = torch.autograd.grad(deviation(moving).sum(), moving, retain_graph=True)[0]
            self.signs.append(sign_margin(slope))
            delta = (delta + EPSILON / steps * slope.sign()).clamp(-EPSILON, EPSILON)
            delta = (x + delta).clamp(0, 1) - x
        return clean.mean() + LAMBDA * deviation(delta).mean() + MU * dots(delta, g).abs().mean()

    def all(self):
        return {
            "grad-norm": self.grad_norm("fgsm"),
            "grad-norm-clean": self.grad_norm("none"),
            "cure": self.cure("fgsm", "both"),
            "cure-one-branch": self.cure("fgsm", "one"),
            "cure-clean": self.cure("none", "both"),
            "llr-1": self.llr(1),
            "llr-2": self.llr(2),
        }


def margins(problem):
    probe = Probe()
    losses = Losses(problem, problem.trainable(), probe)
    losses.all()
    return min(losses.signs), probe.margin


def make():
    problem = Problem(SEED)
    print("  margins: signs %.1e (relative), ReLU %.1e" % margins(problem))
    fixture = Fixture("robustness", "regularizers", "regularizers.py")
    fixture.inputs("params/", problem.params)
    fixture.inputs("", {"x": problem.x, "noise": problem.noise, "labels": problem.labels})
    fixture.outputs("", dict(epsilon=EPSILON, mu=MU))
    fixture.output("lambda", LAMBDA)
    for name in Losses(problem, problem.params).all():
        params = problem.trainable()
        loss = Losses(problem, params).all()[name]
        fixture.output(f"{name}/loss", loss)
        fixture.outputs(f"{name}/gradient/", gradients(loss, params))
    fixture.write()


if __name__ == "__main__":
    if "--search" in sys.argv:
        found = [(*margins(Problem(seed)), seed) for seed in range(int(sys.argv[-1]))]
        for margin in sorted(found, key=lambda margin: -min(margin[0], margin[1]))[:5]:
            print("signs %.1e, ReLU %.1e, seed %d" % margin)
    else:
        make()
