"""Training methods that came after GradAlign: each one's loss and parameter gradient, and what it carries on.

The network is the single-layer one on images of 8 x 8; the random draws are inputs, uniform in [-1, 1] and multiplied by
the radius where a method draws. `python3 methods.py --search 300` prints the seeds whose signs, ReLUs and comparisons are
farthest from flipping, among those where every method has something to do.
"""
import math
import sys

import torch
import torch.nn.functional as F

from fixture import Fixture, Source, exact
from margins import Probe, sign_margin
from models import cnn, cnn_shapes, he_std
from training import gradalign_penalty, gradients

SEED = 40
FILTERS, BATCH, SIZE, CLASSES, EXAMPLES = 4, 6, 8, 5, 7
EPSILON = 16 / 255


# Linearity errors of earlier batches, exact in float32: one more is a jump, or is none.
QUIET, LOUD = [2.0**-20, 2.0**-21, 3 * 2.0**-21], [1.0, 0.5, 2.0, 0.25]


def moments(errors):
    """Number, mean and sum of squared deviations: what Welford's recurrence keeps of a list."""
    return {"count": len(errors), "mean": errors.mean(), "deviations": (errors - errors.mean()).square().sum()}


BEFORE = {
    "elle-a": {"weight": 0.5, **moments(torch.tensor(QUIET))},
    "elle-a-calm": {"weight": 8.0, **moments(torch.tensor(LOUD))},
    "gat": {"turn": 1},
    "gat-adversarial": {"turn": 1},
    "nuat": {"turn": 1},
    "sora": {"alignment": 0.875},
}
# Steps by example: down the gradient of some, so that their loss falls.
STEPS = torch.tensor([1.0, -1, 1, -1, 1, 1]).reshape(BATCH, 1, 1, 1) / 16
# Names of the tables that these keep.
KEPT = {"fgsm-mep": ["delta", "momentum"], "fgsm-mep-reset": ["delta", "momentum"], "atas": ["delta", "size"], "atas-plain": ["delta", "size"]}


def nuclear(matrix):
    """The nuclear norm with the derivative U Vᵀ, by the Gram matrix with a ridge; checked against PyTorch's."""
    fixed = matrix.detach()
    gram = fixed.T @ fixed
    ridge = 1e-6 * gram.trace() / len(gram) + 1e-12
    values, vectors = torch.linalg.eigh(gram + ridge * torch.eye(len(gram)))
    norm = (matrix * (fixed @ vectors @ torch.diag(values**-0.5) @ vectors.T)).sum()
    exact = torch.linalg.matrix_norm(fixed, "nuc")
    assert abs(norm.item() - exact) < 1e-3 * exact, (norm, exact)
    return norm


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
        self.share = source.uniform(BATCH, 1, 1, 1, lo=-1, hi=1)
        # Some of the examples are classified as they should be.
        self.labels = source.labels(BATCH, CLASSES)
        self.labels[: BATCH - 2] = cnn(self.params, self.x).argmax(1)[: BATCH - 2]

        self.velocity = {name: source.normal(*tensor.shape, std=0.1) for name, tensor in self.params.items()}
        self.soft = F.one_hot(self.labels, CLASSES) * 0.6 + (1 - F.one_hot(self.labels, CLASSES)) * (0.4 / (CLASSES - 1))
        rows = (EXAMPLES, 3, SIZE, SIZE)
        self.kept = {
            "delta": source.uniform(*rows, lo=-EPSILON, hi=EPSILON),
            "momentum": source.normal(*rows, std=1e-3),
            "size": source.uniform(EXAMPLES, lo=0, hi=0.5),
        }

    def trainable(self):
        return {name: tensor.clone().requires_grad_() for name, tensor in self.params.items()}


class Methods:
    """Every method at some parameters. `margins` collects how far comparisons are from turning, `idle` what did nothing."""

    def __init__(self, problem, params, probe=None):
        self.problem, self.params = problem, params
        self.x, self.labels = problem.x, problem.labels
        self.relu = probe or F.relu
        self.model = lambda x: cnn(params, x, self.relu)
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

    # GradAlign, cheaper.

    def aligned(self, trained, count):
        g1 = self.gradient(self.x) * ((self.x > 0) & (self.x < 1))
        delta = self.box((1.25 * EPSILON * self.sign(g1)).clamp(-EPSILON, EPSILON))
        at = (self.x + (delta if trained else EPSILON * self.problem.draws[0]))[:count].detach().requires_grad_()
        g2 = torch.autograd.grad(F.cross_entropy(self.model(at), self.labels[:count]), at, create_graph=True)[0]
        return self.loss(self.x + delta) + gradalign_penalty(g1[:count], g2, 0.5)

    def aligned_first_layer(self):
        """The second gradient's derivative passes through the convolution alone: what comes back to its output is a constant."""
        g1 = self.gradient(self.x) * ((self.x > 0) & (self.x < 1))
        delta = self.box((1.25 * EPSILON * self.sign(g1)).clamp(-EPSILON, EPSILON))
        at = (self.x + EPSILON * self.problem.draws[0]).detach().requires_grad_()
        weight, bias, out, out_bias = (self.params[f"_model.{name}"] for name in ("0.weight", "0.bias", "3.weight", "3.bias"))
        hidden = F.conv2d(at, weight, bias, padding=1)
        logits = F.linear(self.relu(hidden).flatten(1), out, out_bias)
        back = torch.autograd.grad(F.cross_entropy(logits, self.labels), hidden)[0]
        g2 = torch.autograd.grad(F.conv2d(at, weight, padding=1), at, back, create_graph=True)[0]
        return self.loss(self.x + delta) + gradalign_penalty(g1, g2, 0.5)

    # Linearity.

    def linearity(self):
        a, b = (self.x + EPSILON * self.problem.draws[i] for i in range(2))
        w = 0.5 + 0.5 * self.problem.share
        c = (1 - w) * a + w * b
        w = w.flatten()
        return (self.examples(c) - (1 - w) * self.examples(a) - w * self.examples(b)).square().mean()

    def unclipped(self):
        return self.loss(self.x + EPSILON * self.sign(self.gradient(self.x)))

    def elle(self):
        return self.unclipped() + 100 * self.linearity()

    def elle_a(self, past, weight):
        """`past` are the errors of earlier batches, all of them, as the released code keeps them."""
        error = self.linearity()
        value = error.item()
        past = torch.tensor(past)
        limit = past.mean() + 2 * past.std(unbiased=False)
        self.margins.append(abs(value - limit.item()) / value)
        jumped = len(past) > 2 and value > limit
        self.needs("elle-a", jumped == (weight == 0.5))
        seen = torch.cat([past, torch.tensor([value])])
        after = 4000.0 if jumped else weight * 0.99
        return self.unclipped() + weight * error, {"weight": after, **moments(seen)}

    # Guided attacks.

    def guided(self, change, weight):
        before = self.model(self.x).detach()
        start = self.box(0.5 * EPSILON * self.problem.draws[0].sign())
        point = (self.x + start).detach().requires_grad_()
        climbed = self.loss(point) + weight * change(before, self.model(point))
        g = torch.autograd.grad(climbed, point)[0]
        return self.box(self.box(start + EPSILON * self.sign(g)).clamp(-EPSILON, EPSILON))

    def gat(self, adversarial):
        change = lambda a, b: (a.softmax(1) - b.softmax(1)).square().sum(1).mean()
        delta = self.guided(change, 10)
        loss = self.loss(self.x + delta if adversarial else self.x)
        return loss + 10 * change(self.model(self.x), self.model(self.x + delta)), {"turn": 0}

    def nuat(self):
        weight = 4.5 * 9 / 27
        change = lambda a, b: nuclear(a - b) / BATCH
        delta = self.guided(change, weight)
        return self.loss(self.x) + weight * change(self.model(self.x), self.model(self.x + delta)), {"turn": 0}

    # Abnormal examples; other norms; steps that adapt.

    def aaer(self, projected, fall_weight, change_weight):
        start = self.start((1 if projected else 2) * EPSILON)
        g = self.gradient(self.x + start)
        delta = start + STEPS * self.sign(g)
        delta = self.box(delta.clamp(-EPSILON, EPSILON) if projected else delta)
        before, logits = self.examples(self.x + start).detach(), self.model(self.x + start).detach()
        after, moved = self.examples(self.x + delta), self.model(self.x + delta)
        self.margins.append((before - after).abs().min().item())
        abnormal = before > after
        self.needs("aaer sets", abnormal.any() and not abnormal.all())
        if not abnormal.any() or abnormal.all():
            return after.mean()
        variation = (logits - moved).square().sum(1)
        excess = variation[abnormal].mean() - variation[~abnormal].mean().detach()
        self.needs("aaer excess", projected or excess > 0)
        self.margins.append(abs(excess.item()))
        fall = (before - after)[abnormal].mean()
        return after.mean() + abnormal.sum() / BATCH * (fall_weight * fall + change_weight * excess.clamp(min=0))

    def lp(self, noisy):
        def steepest(g, p=32.0):
            q = p / (p - 1)
            norm = self.per_example(g.abs().flatten(1).pow(q).sum(1).pow(1 / q))
            return g.sign() * (1e-12 + g.abs() / norm) ** (q - 1)

        u = self.problem.draws[0]
        at, base = (self.x + EPSILON * steepest(u), self.x + EPSILON * u) if noisy else (self.x, self.x)
        g = self.gradient(at)
        self.margins.append(sign_margin(g))
        return self.loss(base + EPSILON * steepest(g))

    def sora(self, before):
        eta = EPSILON * self.problem.draws[0]
        share = 0.5 + 0.5 * self.problem.draws[1]
        g = self.gradient(self.x + eta)
        alpha = 2 * EPSILON * min(1, 0.02 / (1 - before))
        point = self.x + self.box(eta + alpha * share * self.sign(g))
        trained = self.gradient(point)
        agreement = (g.sign() * trained).flatten(1).sum(1) / g.abs().flatten(1).sum(1)
        alignment = 0.95 * before + 0.05 * agreement.clamp(-1, 1).mean()
        return self.loss(point), {"alignment": alignment}

    def lap(self, sign):
        """The moved weights and the loss there, after PyTorch's SGD with a velocity from earlier steps."""
        leaves = {name: tensor.detach().clone().requires_grad_() for name, tensor in self.params.items()}
        start = self.start(2 * EPSILON)
        point = (self.x + start).requires_grad_()
        F.cross_entropy(cnn(leaves, point), self.labels).backward()
        delta = self.box(start + EPSILON * self.sign(point.grad))
        optimizer = torch.optim.SGD(leaves.values(), lr=0.1, momentum=0.9, weight_decay=5e-4)
        for name, leaf in leaves.items():
            optimizer.state[leaf]["momentum_buffer"] = self.problem.velocity[name].clone()
        before = {name: leaf.detach().clone() for name, leaf in leaves.items()}
        optimizer.step()
        weights = [name for name, leaf in leaves.items() if leaf.dim() > 1]
        moved = dict(before)
        for j, name in enumerate(weights, start=1):
            step = leaves[name].detach() - before[name]
            share = 1 - (math.log(j) / math.log(len(weights))) ** 0.3
            moved[name] = before[name] + sign * 0.5 * share * before[name].norm() / step.norm() * step
        moved = {name: tensor.requires_grad_() for name, tensor in moved.items()}
        return moved, F.cross_entropy(cnn(moved, self.x + delta), self.labels)

    # What is kept for every training image; the batch is the first rows.

    def replaced(self, table, rows):
        return torch.cat([rows.detach(), table[BATCH:]])

    def mep(self, fresh):
        tables = self.problem.kept
        start = self.start(EPSILON) if fresh else self.box(tables["delta"][:BATCH])
        smoothed = lambda logits: -(self.problem.soft * logits.log_softmax(1)).sum(1).mean()
        point = (self.x + start).detach().requires_grad_()
        g = torch.autograd.grad(smoothed(self.model(point)), point)[0]
        momentum = g / g.abs().sum() + (0 if fresh else 0.3 * tables["momentum"][:BATCH])
        moved = lambda direction: self.box((start + EPSILON * self.sign(direction)).clamp(-EPSILON, EPSILON))
        before, logits = self.model(self.x + start), self.model(self.x + moved(g))
        carried = {"delta": self.replaced(tables["delta"], moved(momentum)), "momentum": self.replaced(tables["momentum"], momentum)}
        return smoothed(logits) + 10 * F.mse_loss(logits, before), carried

    def atas(self, fresh, plain):
        tables = self.problem.kept
        start = self.start(EPSILON) if fresh else self.box(tables["delta"][:BATCH])
        g = self.gradient(self.x + start)
        size = tables["size"][:BATCH]
        if plain:
            step = torch.full((BATCH,), EPSILON)
        else:
            size = 0.5 * size + 0.5 * g.flatten(1).norm(dim=1) ** 2
            wanted = 2 * EPSILON / (1 + size.sqrt() / 0.3)
            step = wanted.clamp(0.5 * EPSILON, 1.75 * EPSILON)
            self.needs("atas", (step == wanted).any())
        delta = self.box((start + self.per_example(step) * self.sign(g)).clamp(-EPSILON, EPSILON))
        return self.loss(self.x + delta), {"delta": self.replaced(tables["delta"], delta), "size": self.replaced(tables["size"], size)}

    # Several steps.

    def steps(self, objective, count=2):
        delta = EPSILON * self.problem.draws[0]
        for _ in range(count):
            point = (self.x + delta).detach().requires_grad_()
            delta = delta + 0.25 * EPSILON * self.sign(torch.autograd.grad(objective(point), point)[0])
            delta = self.box(delta.clamp(-EPSILON, EPSILON))
        return delta

    def trades(self):
        kl = lambda clean, other: F.kl_div(other.log_softmax(1), clean.softmax(1), reduction="batchmean")
        before = self.model(self.x).detach()
        delta = self.steps(lambda point: kl(before, self.model(point)))
        return self.loss(self.x) + 6 * kl(self.model(self.x), self.model(self.x + delta))

    def mart(self):
        delta = self.steps(self.loss)
        clean, logits = self.model(self.x), self.model(self.x + delta)
        probabilities = logits.softmax(1)
        order = probabilities.argsort(1)
        rival = torch.where(order[:, -1] == self.labels, order[:, -2], order[:, -1])
        boosted = F.cross_entropy(logits, self.labels) + F.nll_loss((1.0001 - probabilities + 1e-12).log(), rival)
        divergence = F.kl_div(logits.log_softmax(1), clean.softmax(1), reduction="none").sum(1)
        doubt = 1.0000001 - clean.softmax(1).gather(1, self.labels[:, None]).squeeze(1)
        return boosted + 5 * (divergence * doubt).mean()

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
            "gradalign-trained": self.aligned(True, BATCH),
            "gradalign-quarter": self.aligned(False, math.ceil(BATCH / 4)),
            "gradalign-first-layer": self.aligned_first_layer(),
            "elle": self.elle(),
            "elle-a": self.elle_a(QUIET, 0.5),
            "elle-a-calm": self.elle_a(LOUD, 8.0),
            "gat": self.gat(False),
            "gat-adversarial": self.gat(True),
            "nuat": self.nuat(),
            "aaer": self.aaer(False, 8.5, 1.5),
            "lp-fgsm": self.lp(False),
            "lp-fgsm-noise": self.lp(True),
            "sora": self.sora(0.875),
            "fgsm-mep": self.mep(False),
            "fgsm-mep-reset": self.mep(True),
            "atas": self.atas(False, False),
            "atas-plain": self.atas(True, True),
            "trades": self.trades(),
            "mart": self.mart(),
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
    fixture.input("draws/share", problem.share)
    fixture.input("draws/steps", STEPS)
    fixture.output("epsilon", EPSILON)
    for name, state in BEFORE.items():
        for key, value in state.items():
            fixture.input(f"{name}/before/{key}", exact(value))
    for name in Methods(problem, problem.params).all():
        params = problem.trainable()
        result = Methods(problem, params).all()[name]
        loss, carried = result if isinstance(result, tuple) else (result, {})
        fixture.output(f"{name}/loss", loss)
        fixture.outputs(f"{name}/gradient/", gradients(loss, params))
        fixture.outputs(f"{name}/carry/", carried)
    for name, tables in KEPT.items():
        for table in tables:
            fixture.input(f"{name}/before/{table}", problem.kept[table])
    fixture.inputs("lap/velocity/", problem.velocity)
    for name, sign in {"descent": 1, "ascent": -1}.items():
        moved, loss = Methods(problem, problem.params).lap(sign)
        fixture.output(f"lap-{name}/loss", loss)
        fixture.outputs(f"lap-{name}/gradient/", gradients(loss, moved))
        fixture.outputs(f"lap-{name}/moved/", moved)
    logits = cnn(problem.params, problem.x)
    fixture.output("smoothing/losses", F.cross_entropy(logits, problem.labels, label_smoothing=0.2, reduction="none"))
    fixture.write()


if __name__ == "__main__":
    if "--search" in sys.argv:
        found = [(*margins(Problem(seed)), seed) for seed in range(int(sys.argv[-1]))]
        for margin in sorted(found, key=lambda m: (len(m[2]), -min(m[0], m[1])))[:5]:
            print("comparisons %.1e, ReLU %.1e, idle %s, seed %d" % margin)
    else:
        make()
