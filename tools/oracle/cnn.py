"""The four-filter network: gradients, attacks, every training loss, alignment, and two FGSM steps under Adam.

It has no batch normalisation, so all that is about images on the border of [0, 1] is tested here: one pixel in ten is
exactly 0 or 1. Biases are placed in gaps between the pre-activations as for the ResNet; the seed is one whose attacks
are far from any flip. `python3 cnn.py --search 200` prints the margins of other seeds.
"""
import sys

import torch
import torch.nn.functional as F

from fixture import Fixture, Source
from margins import Probe, sign_margin, widest_gap
from models import cnn, cnn_shapes, he_std
from training import (
    clamped_gradient, cosines, fgsm_delta, gradalign_penalty, gradient_alignment, gradients, input_gradient,
    learning_rate, pgd_deltas,
)

SEED = 917
FILTERS, BATCH = 4, 3
EPSILON, STRENGTH = 16 / 255, 2.0  # the paper's largest, where gradients agree least
WEIGHT_DECAY = 5e-4
LEARNING_RATES = [learning_rate(2 + (i + 1) / 390, 30, 0.003) for i in range(2)]  # the first steps of the third epoch
ROWS = 2  # of the 10 rows of a gradient of the linear layer that are stored


class Problem:
    def __init__(self, seed):
        source = Source(300 + seed)
        self.params = {
            name: source.normal(*shape, std=he_std(shape) if len(shape) > 1 else 0.1)
            for name, shape in cnn_shapes(FILTERS).items()
        }
        shape = (BATCH, 3, 32, 32)
        self.x = source.uniform(*shape, lo=-0.055, hi=1.055).clamp(0, 1)
        self.eta = source.uniform(*shape, lo=-EPSILON, hi=EPSILON)
        self.noise = source.uniform(*shape, lo=-EPSILON, hi=EPSILON)
        self.labels = source.labels(BATCH, 10)
        self.place_biases([self.x, self.x + self.eta, self.x + self.noise, (self.x + self.noise).clamp(0, 1)])

    def place_biases(self, points, highest=float("inf")):
        """Biases in a gap near the one that lets each filter answer to half of the image, or near `highest`."""
        responses = F.conv2d(torch.cat(points), self.params["_model.0.weight"], padding=1)
        bias = [widest_gap(r, centre=min(-r.median(), highest), reach=0.05) for r in responses.unbind(1)]
        self.params["_model.0.bias"] = torch.stack(bias).float().double()

    def trainable(self):
        return {name: tensor.clone().requires_grad_() for name, tensor in self.params.items()}


def network(params, probe=None):
    return lambda x: cnn(params, x, probe or F.relu)


def first_rows(named):
    """Gradients of the linear layer are large; two rows of it say as much."""
    return {name: tensor[:ROWS] if name == "_model.3.weight" else tensor for name, tensor in named.items()}


def training_losses(problem, params, probe=None):
    """The loss of each method's training step; `noise` is where attacks start, `eta` is GradAlign's random point."""
    model, x, labels = network(params, probe), problem.x, problem.labels
    adversarial = lambda delta: F.cross_entropy(model(x + delta), labels)
    g1 = clamped_gradient(model, x, torch.zeros_like(x), labels)
    g2 = input_gradient(model, x + problem.eta, labels, create_graph=True)
    pgd = pgd_deltas(model, x, labels, EPSILON, EPSILON / 2, 2, torch.zeros_like(x), clamped=True)[-1][1]
    short = pgd_deltas(model, x, labels, EPSILON, EPSILON / 4, 3, torch.zeros_like(x), clamped=True)[-1][1]
    corner = (x + EPSILON * short.sign()).clamp(0, 1) - x
    # With PGD the clean gradient is computed for GradAlign alone, and is differentiated as well.
    clean = input_gradient(model, x, labels, create_graph=True)
    from_noise = clamped_gradient(model, x, problem.noise, labels)
    return {
        "standard": adversarial(torch.zeros_like(x)),
        "fgsm": adversarial(fgsm_delta(g1, x, EPSILON)),
        "fgsm-rs": adversarial(fgsm_delta(from_noise, x, EPSILON, start=problem.noise)),
        "fgsm-gradalign": adversarial(fgsm_delta(g1, x, EPSILON)) + gradalign_penalty(g1, g2, STRENGTH),
        "pgd-2": adversarial(pgd),
        "pgd-2-gradalign": adversarial(pgd) + gradalign_penalty(clean, g2, STRENGTH),
        "pgd-3-corner": adversarial(corner),
        "random-corner": adversarial(EPSILON * problem.noise.sign()),
    }


def fgsm_training(problem, probe=None, dtype=torch.float64):
    """Two FGSM training steps under Adam with L2 regularisation; yields the loss, the update and the sign margin."""
    params = {name: tensor.to(dtype, copy=True).requires_grad_() for name, tensor in problem.params.items()}
    x = problem.x.to(dtype)
    optimizer = torch.optim.Adam(params.values(), weight_decay=WEIGHT_DECAY)
    model = network(params, probe)
    for rate in LEARNING_RATES:
        optimizer.param_groups[0]["lr"] = rate
        optimizer.zero_grad()
        g = clamped_gradient(model, x, torch.zeros_like(x), problem.labels)
        loss = F.cross_entropy(model(x + fgsm_delta(g, x, EPSILON)), problem.labels)
        loss.backward()
        optimizer.step()
        update = {name: params[name].detach() - problem.params[name] for name in params}
        yield loss, update, sign_margin(g)


def rounding_of_adam(problem):
    """Adam divides by the gradient's size, so its first steps turn on tiny gradients: how far does float32 get?"""
    results = [list(fgsm_training(problem, dtype=dtype))[-1][1] for dtype in (torch.float64, torch.float32)]
    return max(((exact - single).norm() / exact.norm()).item() for exact, single in zip(*map(dict.values, results)))


def attacks(problem, probe=None):
    """The attacks whose perturbations are stored: {name: [(gradient, delta) of each step]}."""
    model, x, labels = network(problem.params, probe), problem.x, problem.labels
    g, from_noise = (clamped_gradient(model, x, start, labels) for start in (torch.zeros_like(x), problem.noise))
    return {
        "fgsm": [(g, fgsm_delta(g, x, EPSILON))],
        "fgsm-7": [(g, fgsm_delta(g, x, EPSILON, alpha=0.875))],
        "fgsm-rs": [(from_noise, fgsm_delta(from_noise, x, EPSILON, start=problem.noise))],
        "pgd-3-evaluation": pgd_deltas(model, x, labels, EPSILON, EPSILON / 4, 3, problem.noise, clamped=False),
        "pgd-2-training": pgd_deltas(model, x, labels, EPSILON, EPSILON / 2, 2, torch.zeros_like(x), clamped=True),
    }


def margins(problem):
    """The smallest distances to a flip over everything stored: of signs (relative) and of kinks."""
    probe = Probe()
    signs = [sign_margin(gradient) for steps in attacks(problem, probe).values() for gradient, _ in steps]
    signs += [margin for _, _, margin in fgsm_training(problem, probe)]
    training_losses(problem, problem.trainable(), probe)
    return min(signs), probe.margin, rounding_of_adam(problem)


def store_alignment(fixture, problem):
    """Equation 5. As run by the authors, the gradients pass through the clamp of x + eta to the box."""
    model, x, labels = network(problem.params), problem.x, problem.labels
    g1, g2 = (clamped_gradient(model, x, start, labels) for start in (torch.zeros_like(x), problem.eta))
    fixture.outputs("alignment/", {"cosines": cosines(g1, g2), "mean": gradient_alignment(g1, g2)})
    h1, h2 = (input_gradient(model, point, labels) for point in (x, (x + problem.eta).clamp(0, 1)))
    fixture.outputs("alignment-unmasked/", {"cosines": cosines(h1, h2), "mean": gradient_alignment(h1, h2)})


def store_gradalign(fixture, problem):
    for variant in ("gradalign", "gradalign-both"):
        params = problem.trainable()
        model = network(params)
        g1 = input_gradient(model, problem.x, problem.labels, create_graph=True)
        g2 = input_gradient(model, problem.x + problem.eta, problem.labels, create_graph=True)
        penalty = gradalign_penalty(g1.detach() if variant == "gradalign" else g1, g2, STRENGTH)
        fixture.outputs(f"{variant}/", {"penalty": penalty, "cosines": cosines(g1, g2)})
        fixture.outputs(f"{variant}/gradient/", first_rows(gradients(penalty, params)))


def store_dead_example(fixture, seed):
    """A black image that no filter answers to has a gradient of exactly zero: it is left out, and nothing is NaN."""
    problem = Problem(seed)
    problem.x[0] = 0
    problem.place_biases([problem.x, problem.x + problem.eta], highest=-0.5)
    params = problem.trainable()
    model = network(params)
    g1 = input_gradient(model, problem.x, problem.labels)
    g2 = input_gradient(model, problem.x + problem.eta, problem.labels, create_graph=True)
    assert norms_zero(g1) == norms_zero(g2.detach()) == [True] + [False] * (BATCH - 1)
    penalty = gradalign_penalty(g1, g2, STRENGTH)
    fixture.input("dead/bias", problem.params["_model.0.bias"])
    fixture.outputs("dead/", {"penalty": penalty, "alignment": gradient_alignment(g1, g2.detach())})
    fixture.outputs("dead/gradient/", first_rows(gradients(penalty, params)))


def norms_zero(gradient):
    return (gradient.flatten(1) == 0).all(1).tolist()


def make():
    problem = Problem(SEED)
    print("  margins: signs %.1e (relative), ReLU %.1e; Adam in float32 differs by %.1e" % margins(problem))
    fixture = Fixture("robustness", "cnn", "cnn.py")
    fixture.inputs("params/", problem.params)
    fixture.inputs("", {"x": problem.x, "eta": problem.eta, "noise": problem.noise, "labels": problem.labels})
    fixture.outputs("", dict(epsilon=EPSILON, weight_decay=WEIGHT_DECAY, learning_rates=LEARNING_RATES))
    fixture.output("lambda", STRENGTH)

    params = problem.trainable()
    logits = network(params)(problem.x)
    loss = F.cross_entropy(logits, problem.labels)
    fixture.outputs("", {"logits": logits, "loss": loss})
    fixture.outputs("gradient/", first_rows(gradients(loss, params)))
    fixture.output("input_gradient", input_gradient(network(problem.params), problem.x, problem.labels))
    store_gradalign(fixture, problem)
    store_alignment(fixture, problem)
    store_dead_example(fixture, SEED)
    for name, steps in attacks(problem).items():
        for index, (_, delta) in enumerate(steps):
            fixture.output(f"attack/{name}/{index}", delta)
    for name in training_losses(problem, problem.params):
        params = problem.trainable()
        loss = training_losses(problem, params)[name]
        fixture.output(f"method/{name}/loss", loss)
        fixture.outputs(f"method/{name}/gradient/", first_rows(gradients(loss, params)))
    for index, (loss, update, _) in enumerate(fgsm_training(problem)):
        fixture.output(f"step/{index}/loss", loss)
        fixture.outputs(f"step/{index}/update/", first_rows(update))
    fixture.write()


if __name__ == "__main__":
    if "--search" in sys.argv:
        found = [(*margins(Problem(seed)), seed) for seed in range(int(sys.argv[-1]))]
        for margin in sorted(found, key=lambda margin: -min(margin[0], margin[1]))[:5]:
            print("signs %.1e, ReLU %.1e, Adam in float32 differs by %.1e, seed %d" % margin)
    else:
        make()
