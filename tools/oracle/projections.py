"""Projections of attacks, exact and in float64, by sorting break points: onto balls and the box, and onto hyperplanes in the box.

Croce & Hein 2020 (FAB, section 3.1) and 2021 ("Mind the box", proposition 2.2). Points are rows.
"""
import torch


def _root(breaks, value, target):
    """The t >= 0 at which a continuous, piecewise linear, monotone function, with its kinks at `breaks`, is `target`."""
    knots = torch.cat([torch.zeros(1), breaks[breaks > 0].unique()])
    values = torch.stack([value(t) for t in knots])
    for (t0, t1), (v0, v1) in zip(zip(knots, knots[1:]), zip(values, values[1:])):
        if min(v0, v1) <= target <= max(v0, v1) and v0 != v1:
            return t0 + (target - v0) / (v1 - v0) * (t1 - t0)
    raise ValueError("the target is not reached")


def in_linf(x, delta, epsilon):
    return (x + delta.clamp(-epsilon, epsilon)).clamp(0, 1) - x


def in_l2(x, delta, epsilon):
    """To the ball, then to the box, as APGD does it."""
    norm = delta.norm(dim=1, keepdim=True)
    return (x + delta * (epsilon / norm).clamp(max=1)).clamp(0, 1) - x


def in_l1(x, delta, epsilon):
    """The nearest point of both: |delta_i| shrinks by a common amount, within what the box leaves."""
    result = []
    for point, change in zip(x, delta):
        size, room = change.abs(), torch.where(change > 0, 1 - point, point)
        left = lambda t: torch.minimum((size - t).clamp(min=0), room)
        t = torch.tensor(0.0)
        if left(t).sum() > epsilon:
            t = _root(torch.cat([size, size - room]), lambda t: left(t).sum(), epsilon)
        result.append(change.sign() * left(t))
    return torch.stack(result)


def hyperplane(norm, x, w, residual):
    """The shortest change, in a norm, of x with w change = -residual and x + change in the box; a corner if there is none."""
    return torch.stack([_ONE[norm](*row) for row in zip(x, w, residual)])


def _oriented(one):
    def projection(x, w, residual):
        turned = w if residual >= 0 else -w
        room = torch.where(turned > 0, x, torch.where(turned < 0, 1 - x, torch.zeros_like(x)))
        size, goal = turned.abs(), residual.abs()
        ways = room if goal >= (size * room).sum() else one(size, room, goal)
        return -turned.sign() * ways
    return projection


def _linf(size, room, goal):
    ways = lambda t: torch.where(size > 0, torch.minimum(t, room), torch.zeros_like(room))
    return ways(_root(room, lambda t: (size * ways(t)).sum(), goal))


def _l2(size, room, goal):
    ways = lambda t: torch.minimum(t * size, room)
    return ways(_root(room[size > 0] / size[size > 0], lambda t: (size * ways(t)).sum(), goal))


def _l1(size, room, goal):
    ways = torch.zeros_like(room)
    for i in size.argsort(descending=True):
        ways[i] = torch.minimum(room[i], goal / size[i]) if size[i] > 0 else 0
        goal = goal - size[i] * ways[i]
    return ways


_ONE = {"linf": _oriented(_linf), "l2": _oriented(_l2), "l1": _oriented(_l1)}
