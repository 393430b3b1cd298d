"""How far a test point is from the places where its results jump: ReLU kinks and sign changes."""
import torch


class Probe:
    """A ReLU that remembers how close any pre-activation came to the kink."""

    def __init__(self):
        self.margin = float("inf")

    def __call__(self, h):
        self.margin = min(self.margin, h.detach().abs().min().item())
        return torch.relu(h)


def sign_margin(gradient):
    """The smallest non-zero component relative to its example's root mean square: how far any sign is from flipping."""
    gradient = gradient.flatten(1)
    size = gradient.abs() / gradient.square().mean(1, keepdim=True).sqrt()
    return size[size > 0].min().item()


def widest_gap(values, centre=0.0, reach=0.3):
    """The bias within `reach` of `centre` that keeps all `values + bias` farthest from zero."""
    points, ends = -values.flatten(), torch.tensor([centre - reach, centre + reach])
    points = torch.cat([points[(points - centre).abs() < reach], ends]).sort().values
    widest = points.diff().argmax()
    return (points[widest] + points[widest + 1]) / 2
