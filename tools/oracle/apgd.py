"""APGD in float64 (Croce & Hein 2020, algorithm 1, with what the published numbers were made with where the two differ)."""
import torch

from projections import in_l2, in_linf

RHO, MOMENTUM = 0.75, 0.75


def checkpoints(steps):
    """The iterations, counted from 0 before each, after which the step size is looked at."""
    window, least, less = (max(int(part * steps), 1) for part in (0.22, 0.06, 0.03))
    found, at = [], window
    while at <= steps:
        found.append(at)
        window = max(window - less, least)
        at += window
    return found


class StepSize:
    """The step size of each example, and who goes back to the best point; `losses` is the history, one row an iteration."""

    def __init__(self, steps, first, count):
        self.checks = checkpoints(steps)
        self.size = torch.full((count,), float(first))
        self.halved = torch.ones(count, dtype=torch.bool)  # so that the first check asks for condition A only
        self.best_then = None

    def after(self, iteration, losses, start, best):
        """Looks back after `iteration` steps. `start` and `best` are the losses of the start and of the best point so far."""
        if iteration not in self.checks:
            return torch.zeros_like(self.halved)
        position = self.checks.index(iteration)
        window = iteration - ([0, *self.checks][position])
        # A quirk of the original: what precedes the first step's loss is not the start's but a row of zeros.
        history = torch.cat([torch.zeros(1, losses.shape[1]), losses[:iteration]])
        rises = (history.diff(dim=0)[-window:] > 0).sum(0)
        then = start if self.best_then is None else self.best_then
        halve = (rises <= RHO * window) | (~self.halved & (then >= best))
        self.size = torch.where(halve, self.size / 2, self.size)
        self.halved, self.best_then = halve, best.clone()
        return halve


def apgd(loss_and_gradient, x, start, epsilon, norm, steps):
    """Yields point, loss and step size after every step; rows of x and start are examples."""
    project, unit = {
        "linf": (in_linf, torch.sign),
        "l2": (in_l2, lambda g: g / (g.norm(dim=1, keepdim=True) + 1e-12)),
    }[norm]
    move = lambda point: x + project(x, point - x, epsilon)
    point, before = start, start
    loss, gradient = loss_and_gradient(point)
    best = dict(point=point, gradient=gradient, loss=loss)
    first, losses = loss, []
    sizes = StepSize(steps, 2 * epsilon, len(x))
    for step in range(1, steps + 1):
        momentum = 1 if step == 1 else MOMENTUM
        ahead = move(point + sizes.size[:, None] * unit(gradient))
        following = move(point + momentum * (ahead - point) + (1 - momentum) * (point - before))
        before, point = point, following
        loss, gradient = loss_and_gradient(point)
        losses.append(loss)
        better = loss > best["loss"]
        for name, value in dict(point=point, gradient=gradient, loss=loss).items():
            best[name] = torch.where(better[:, None] if value.ndim > 1 else better, value, best[name])
        used = sizes.size
        back = sizes.after(step, torch.stack(losses), first, best["loss"])
        yield point, loss, gradient, used
        point = torch.where(back[:, None], best["point"], point)
        gradient = torch.where(back[:, None], best["gradient"], gradient)
