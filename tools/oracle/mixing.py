"""Mixup and CutMix as torchvision has them (its transforms v2), and the loss of mixed labels: images, labels, losses, gradients.

torchvision mixes each image of a batch with the one before it; two images are then a pair, mixed with each other. Needs torchvision.
"""
from types import SimpleNamespace
from unittest.mock import patch

import torch
import torch.nn.functional as F
from torchvision.transforms import v2

from fixture import Fixture, Source

SEED = 5
BATCH, CHANNELS, HEIGHT, WIDTH, CLASSES = 6, 3, 8, 16, 4
# Share and, for CutMix, the centre's row and column: boxes inside, cut off at edges and corners, empty, and of the whole image. All shares are
# exact in float32, of labels too: images have a power of two of pixels.
DRAWS = [(0.3125, None), (0.0, None), (1.0, None), (0.6, (4, 7)), (0.6, (0, 0)), (0.6, (7, 15)), (0.25, (2, 14)), (1.0, (4, 7)), (0.0, (4, 8))]


def mixed(share, centre, x, labels):
    transform = (v2.MixUp if centre is None else v2.CutMix)(num_classes=CLASSES)
    transform._dist = SimpleNamespace(sample=lambda _: torch.tensor(share))
    draws = [torch.tensor([at]) for at in reversed(centre or ())]
    with patch("torch.randint", side_effect=draws):
        return transform(x, labels)


def make():
    source = Source(SEED)
    x, logits = source.uniform(BATCH, CHANNELS, HEIGHT, WIDTH), source.normal(BATCH, CLASSES, std=2.0)
    labels = source.labels(BATCH, CLASSES)
    labels[1] = labels[0]  # a pair of one class
    fixture = Fixture("robustness", "mixing", "mixing.py")
    fixture.inputs("", {"x": x, "labels": labels, "logits": logits})
    for number, (share, centre) in enumerate(DRAWS):
        pairs = [mixed(share, centre, x[i : i + 2], labels[i : i + 2]) for i in range(0, BATCH, 2)]
        images, targets = (torch.cat(parts) for parts in zip(*pairs))
        at = logits.clone().requires_grad_(True)
        losses = F.cross_entropy(at, targets, reduction="none")
        losses.mean().backward()
        smoothed = F.cross_entropy(logits, targets, reduction="none", label_smoothing=0.125)
        fixture.output(f"{number}/draw", torch.tensor([share, *(centre or (-1, -1))]))
        fixture.outputs(f"{number}/", {"images": images, "labels": targets, "losses": losses, "gradient": at.grad, "smoothed": smoothed})
    fixture.write()


if __name__ == "__main__":
    make()
