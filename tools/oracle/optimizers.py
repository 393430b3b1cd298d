"""Optimiser trajectories on a small regression, and the learning-rate schedule.

The problem is mean((tanh(x w + b) - t)^2); its learning rate changes with every step, as in training.
"""
import torch

from fixture import Fixture, Source
from training import learning_rate

STEPS = 5
OPTIMIZERS = {
    "sgd": lambda params: torch.optim.SGD(params, lr=1.0, momentum=0.9, weight_decay=5e-4),
    "adam": lambda params: torch.optim.Adam(params, lr=1.0, weight_decay=5e-4),
    # Strong enough that where the decay enters shows in every digit.
    "sgd-strong-decay": lambda params: torch.optim.SGD(params, lr=1.0, momentum=0.9, weight_decay=0.1),
    "adam-strong-decay": lambda params: torch.optim.Adam(params, lr=1.0, weight_decay=0.1),
}
SCHEDULES = [(30, 0.3), (15, 0.05), (96, 0.04), (45, 0.01)]  # epochs, peak


def make():
    fixture = Fixture("robustness", "optimizers", "optimizers.py")
    source = Source(400)
    x, target = source.normal(6, 3), source.uniform(6, 4, lo=-0.8, hi=0.8)
    start = {"w": source.normal(3, 4), "b": source.normal(4)}
    rates = source.uniform(STEPS, lo=0.01, hi=0.2)
    fixture.inputs("", {"x": x, "target": target, "rates": rates})
    fixture.inputs("start/", start)
    for name, create in OPTIMIZERS.items():
        params = {key: tensor.clone().requires_grad_() for key, tensor in start.items()}
        optimizer = create(list(params.values()))
        for step, rate in enumerate(rates.tolist()):
            optimizer.param_groups[0]["lr"] = rate
            optimizer.zero_grad()
            loss = (torch.tanh(x @ params["w"] + params["b"]) - target).square().mean()
            loss.backward()
            optimizer.step()
            fixture.output(f"{name}/{step}/loss", loss)
            fixture.outputs(f"{name}/{step}/", params)

    # Rows of (epochs, peak, epoch, learning rate).
    fixture.output("schedule", [
        (epochs, peak, epoch, learning_rate(epoch, epochs, peak))
        for epochs, peak in SCHEDULES
        for epoch in [1 / 390, 0.5, 1, epochs * 2 // 5 - 0.25, epochs * 2 // 5, epochs * 0.7, epochs - 1 / 390, epochs]
    ])
    fixture.write()


if __name__ == "__main__":
    make()
