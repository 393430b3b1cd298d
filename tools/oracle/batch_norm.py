"""Batch normalisation in train mode over NCHW: values, running statistics, first and second derivatives."""
import torch
import torch.nn.functional as F

from fixture import Fixture, Source

CASES = {"square": (4, 3, 5, 5), "odd": (3, 5, 7, 3), "one-image": (1, 2, 4, 6), "wide": (2, 9, 8, 8)}


def make():
    fixture = Fixture("tensor", "batch-norm", "batch_norm.py")
    for seed, (name, shape) in enumerate(CASES.items()):
        store_case(fixture, f"{name}/", Source(100 + seed), shape)
    fixture.write()


def store_case(fixture, prefix, source, shape):
    channels = shape[1]
    # Means and scales differ between channels, so that mixing them up shows.
    scale, offset = source.uniform(channels, lo=0.5, hi=2), source.normal(channels)
    x = source.normal(*shape) * scale[:, None, None] + offset[:, None, None]
    x = x.float().double().requires_grad_()
    gamma = source.normal(channels, std=0.3, mean=1).requires_grad_()
    beta = source.normal(channels, std=0.5).requires_grad_()
    mean, variance = source.normal(channels), source.uniform(channels, lo=0.5, hi=2)
    weights, v = source.normal(*shape), source.normal(*shape)
    fixture.inputs(prefix, {
        "x": x, "gamma": gamma, "beta": beta, "running_mean": mean, "running_var": variance, "weights": weights, "v": v,
    })

    y = F.batch_norm(x, mean, variance, gamma, beta, training=True, momentum=0.1, eps=1e-5)
    loss = (weights * torch.sin(y)).sum()
    dx, dgamma, dbeta = torch.autograd.grad(loss, (x, gamma, beta), create_graph=True)
    second = torch.autograd.grad(dx, (x, gamma, beta), v)
    fixture.outputs(prefix, {"y": y, "running_mean_after": mean, "running_var_after": variance, "loss": loss})
    fixture.outputs(f"{prefix}gradient/", {"x": dx, "gamma": dgamma, "beta": dbeta})
    fixture.outputs(f"{prefix}<v,dx>/", dict(zip(("x", "gamma", "beta"), second)))


if __name__ == "__main__":
    make()
