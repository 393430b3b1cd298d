"""What attacks are made of: losses, projections, APGD's step sizes and whole runs of it, Square's schedule.

APGD runs on the trained network of four filters (fixtures/weights/cnn) and CIFAR-10's test images: two of them, and starts,
for which no sign, ReLU and step size is near a flip. `python3 attacks.py --search 200` looks for such.
"""
import math
import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file

import projections
from apgd import StepSize, apgd, checkpoints
from fixture import PACKAGES, Fixture, Source, exact
from margins import Probe, sign_margin
from models import cnn

CIFAR10 = Path("~/.cache/gradalign/cifar-10-batches-bin/test_batch.bin").expanduser()
SIZE = (3, 4, 5)  # of the images that are projected
STARTS = {"linf": 12, "l2": 34}
RADII = {"linf": 8 / 255, "l2": 0.5}
STEPS, KEPT = 20, (1, 2, 5, 12, 20)  # of APGD, and after which its point is stored
CHECKED = (1, 2, 5, 10, 20, 50, 100, 1000)


def dlr(logits, labels):
    ranked = logits.sort(1, descending=True).values
    return margin(logits, labels) / (ranked[:, 0] - ranked[:, 2] + 1e-12)


def targeted_dlr(logits, labels, targets):
    ranked = logits.sort(1, descending=True).values
    difference = (chosen(logits, targets) - chosen(logits, labels))
    return difference / (ranked[:, 0] - 0.5 * (ranked[:, 2] + ranked[:, 3]) + 1e-12)


def margin(logits, labels):
    others = logits.scatter(1, labels[:, None], -math.inf)
    return others.max(1).values - chosen(logits, labels)


def chosen(logits, classes):
    return logits.gather(1, classes[:, None]).squeeze(1)


def store_losses(fixture):
    """The label is in every place of the order; the last rows of `ties` have equal logits, where only values are compared."""
    source = Source(1400)
    for classes in (2, 3, 4, 10):
        logits = source.normal(24, classes, std=3)
        labels, targets = (torch.arange(24) + shift for shift in (0, 1))
        labels, targets = labels % classes, targets % classes
        fixture.inputs(f"losses/{classes}/", {"logits": logits, "labels": labels, "targets": targets})
        for name, loss in losses(labels, targets, classes).items():
            point = logits.clone().requires_grad_()
            values = loss(point)
            values.sum().backward()
            fixture.outputs(f"losses/{classes}/{name}/", {"value": values, "gradient": point.grad})
    ties = torch.tensor([[2, 2, 1, 0, 0], [2, 2, 2, 1, 0], [1, 2, 2, 2, 2], [3, 1, 1, 1, 0], [4, 4, 1, 1, 1.0]])
    labels, targets = torch.tensor([0, 1, 0, 0, 2]), torch.tensor([1, 0, 1, 2, 0])
    fixture.inputs("ties/", {"logits": ties, "labels": labels, "targets": targets})
    for name, loss in losses(labels, targets, 5).items():
        finite = loss(ties)
        fixture.output(f"ties/{name}/value", finite)


def losses(labels, targets, classes):
    found = {
        "cross-entropy": lambda z: F.cross_entropy(z, labels, reduction="none"),
        "margin": lambda z: margin(z, labels),
        "target-margin": lambda z: chosen(z, targets) - chosen(z, labels),
    }
    if classes >= 3:
        found["dlr"] = lambda z: dlr(z, labels)
    if classes >= 4:
        found["targeted-dlr"] = lambda z: targeted_dlr(z, labels, targets)
    return found


def store_projections(fixture):
    """Images with black and white pixels; changes of all sizes, one of them zero, one inside the ball."""
    source = Source(1401)
    images = source.uniform(8, *SIZE, lo=-0.15, hi=1.15).clamp(0, 1)
    changes = source.normal(8, *SIZE) * torch.tensor([0, 0.01, 0.1, 0.3, 1, 1, 3, 10.0])[:, None, None, None]
    changes = exact(changes.numpy())
    changes[5, 0] = 0.25  # equal ones
    fixture.inputs("ball/", {"x": images, "delta": changes})
    for norm, radii in {"linf": [8 / 255, 0.5], "l2": [0.5, 3], "l1": [0.7, 12, 25]}.items():
        project = getattr(projections, f"in_{norm}")
        found = [project(images.flatten(1), changes.flatten(1), radius).view_as(images) for radius in radii]
        fixture.output(f"ball/{norm}/radii", np.array(radii))
        fixture.output(f"ball/{norm}/delta", torch.stack(found).flatten())


def store_hyperplanes(fixture):
    """Near and far ones from both sides, one through the point, some out of reach, weights of zero and equal weights."""
    source = Source(1402)
    images = source.uniform(10, *SIZE, lo=-0.15, hi=1.15).clamp(0, 1)
    weights = source.normal(10, *SIZE)
    weights[0, 1] = 0
    weights[1] = weights[1].sign()  # equal ones
    weights[7] *= 1e-6
    weights[8] *= 1e4
    parts = torch.tensor([0.2, -0.3, 0.003, 0, 0.7, -0.97, 1.2, -0.1, 0.5, -3])  # of what can be gone at most
    turned = weights * torch.where(parts < 0, -1, 1)[:, None, None, None]
    most = (turned.clamp(min=0) * images - turned.clamp(max=0) * (1 - images)).flatten(1).sum(1)
    residual = exact((parts * most).numpy())
    weights = exact(weights.numpy())
    fixture.inputs("hyperplane/", {"x": images, "w": weights, "residual": residual})
    for norm in ("linf", "l2", "l1"):
        ways = projections.hyperplane(norm, images.flatten(1), weights.flatten(1), residual)
        # With equal weights the shortest l1 way is not the only one: how much each pixel moves is left open there.
        fixture.output(f"hyperplane/{norm}", ways.view_as(images)[2:] if norm == "l1" else ways.view_as(images))
        fixture.output(f"hyperplane/{norm}/size", {"linf": ways.abs().amax(1), "l2": ways.norm(dim=1), "l1": ways.abs().sum(1)}[norm])


def store_step_sizes(fixture):
    for steps in CHECKED:
        fixture.output(f"apgd/checkpoints/{steps}", np.array(checkpoints(steps), np.float64))
    # Losses that rise by chance more or less often, some that never do, some that never stop; negative ones as DLR's.
    source = Source(1403)
    rises = torch.linspace(-1.2, 1.5, 24)
    history = exact((source.normal(100, 24) + rises).cumsum(0).numpy() * 0.1 - 0.5)
    history[:, 0], history[:, 1] = -1, 2  # constant
    start = source.normal(24)
    fixture.inputs("apgd/", {"losses": history, "start": start})
    for steps in (20, 100):
        sizes, halved = StepSize(steps, 1, 24), []
        for iteration in range(1, steps + 1):
            best = torch.maximum(start, history[:iteration].amax(0))
            halve = sizes.after(iteration, history, start, best)
            if iteration in sizes.checks:
                halved.append(halve.double())
        fixture.output(f"apgd/halved/{steps}", torch.stack(halved))


def network_and_images():
    weights = {name: tensor.double() for name, tensor in load_file(PACKAGES / "robustness/test/fixtures/weights/cnn.safetensors").items()}
    records = np.fromfile(CIFAR10, np.uint8, 100 * 3073).reshape(100, 3073)
    images = exact(records[:, 1:].astype(np.float32) / np.float32(255)).view(-1, 3, 32, 32)
    labels = torch.from_numpy(records[:, 0].astype(np.int64))
    right = (cnn(weights, images).argmax(1) == labels).nonzero().squeeze(1)
    return weights, images[right], labels[right]


def start_of(norm, images, seed):
    """A random point as the original draws it: on the ball's border, then in the box."""
    source = Source(1404 + seed)
    noise = source.normal(*images.shape) if norm == "l2" else source.uniform(*images.shape, lo=-1, hi=1)
    size = noise.flatten(1).norm(dim=1) if norm == "l2" else noise.flatten(1).abs().amax(1)
    # Inside by more than rounding to float32 can take it out.
    return exact((images + 0.999 * RADII[norm] * noise / size[:, None, None, None]).clamp(0, 1).numpy())


def run(norm, weights, images, labels, start, probe=None):
    shape = images.shape

    def loss_and_gradient(rows):
        point = rows.view(shape).clone().requires_grad_()
        loss = F.cross_entropy(cnn(weights, point, probe or F.relu), labels, reduction="none")
        gradient = torch.autograd.grad(loss.sum(), point)[0]
        return loss.detach(), gradient.flatten(1)

    return list(apgd(loss_and_gradient, images.flatten(1), start.flatten(1), RADII[norm], norm, STEPS))


def store_runs(fixture):
    weights, images, labels = network_and_images()
    for norm, seed in STARTS.items():
        picked = slice(seed % (len(images) // 2) * 2, seed % (len(images) // 2) * 2 + 2)
        x, y = images[picked], labels[picked]
        start = start_of(norm, x, seed)
        taken = run(norm, weights, x, y, start)
        fixture.inputs(f"run/{norm}/", {"x": x, "labels": y, "start": start})
        fixture.output(f"run/{norm}/epsilon", RADII[norm])
        fixture.output(f"run/{norm}/losses", torch.stack([loss for _, loss, _, _ in taken]))
        fixture.output(f"run/{norm}/step-sizes", torch.stack([size for _, _, _, size in taken]))
        for step in KEPT:
            fixture.output(f"run/{norm}/point/{step}", taken[step - 1][0].view_as(x))


def search(count):
    """How far signs and ReLUs are from a flip and losses from a tie, for each pair of images and start."""
    weights, images, labels = network_and_images()
    for norm in STARTS:
        found = []
        for seed in range(count):
            picked = slice(seed % (len(images) // 2) * 2, seed % (len(images) // 2) * 2 + 2)
            probe = Probe()
            taken = run(norm, weights, images[picked], labels[picked], start_of(norm, images[picked], seed), probe)
            signs = min(sign_margin(gradient) for _, _, gradient, _ in taken[:-1]) if norm == "linf" else 1
            series = torch.stack([loss for _, loss, _, _ in taken])
            ties = series.diff(dim=0).abs().min().item()
            halved = (taken[-1][3] < taken[0][3]).sum().item()
            found.append((min(signs, probe.margin, ties), signs, probe.margin, ties, halved, seed))
        for row in sorted(found, reverse=True)[:5]:
            print(norm, "least %.1e: signs %.1e (relative), ReLU %.1e, losses %.1e; %d halved, seed %d" % row)


def store_square(fixture):
    """The part of the image that a window covers at an iteration, and the windows' sides in images of 32 and 28 pixels."""
    iterations = [0, 10, 11, 50, 51, 200, 201, 500, 501, 1000, 1001, 2000, 2001, 4000, 4001, 6000, 6001, 8000, 8001, 9999]
    bounds = [10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000]
    parts = [0.8 / 2 ** sum(iteration > bound for bound in bounds) for iteration in iterations]
    fixture.output("square/iterations", np.array(iterations, np.float64))
    fixture.output("square/parts", np.array(parts))
    for side in (32, 28):
        sides = [round(math.sqrt(part * side * side)) for part in parts]
        odd = [max(s, 3) + (max(s, 3) % 2 == 0) for s in sides]
        fixture.output(f"square/windows/linf/{side}", np.array([min(max(s, 1), side) for s in sides], np.float64))
        fixture.output(f"square/windows/l2/{side}", np.array([min(s, side) for s in odd], np.float64))


def make():
    fixture = Fixture("robustness", "attacks", "attacks.py")
    for store in (store_losses, store_projections, store_hyperplanes, store_step_sizes, store_runs, store_square):
        store(fixture)
    fixture.write()


if __name__ == "__main__":
    if "--search" in sys.argv:
        search(int(sys.argv[-1]))
    else:
        make()
