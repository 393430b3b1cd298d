"""Mean softmax cross-entropy: value, gradient and Hessian-vector product, also where exp would overflow."""
import torch
import torch.nn.functional as F

from fixture import Fixture, Source

CASES = {"plain": (6, 10, 1.5), "one": (1, 3, 1.0), "huge": (5, 7, 150.0)}  # batch, classes, scale of the logits


def make():
    fixture = Fixture("tensor", "cross-entropy", "cross_entropy.py")
    for seed, (name, (batch, classes, scale)) in enumerate(CASES.items()):
        source = Source(200 + seed)
        logits = source.normal(batch, classes, std=scale).requires_grad_()
        labels, v = source.labels(batch, classes), source.normal(batch, classes)
        loss = F.cross_entropy(logits, labels)
        (gradient,) = torch.autograd.grad(loss, logits, create_graph=True)
        (hvp,) = torch.autograd.grad(gradient, logits, v)
        fixture.inputs(f"{name}/", {"logits": logits, "labels": labels, "v": v})
        fixture.outputs(f"{name}/", {"loss": loss, "gradient": gradient, "hvp": hvp})
    fixture.write()


if __name__ == "__main__":
    make()
