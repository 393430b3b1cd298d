"""Max and average pooling: values, first and second derivatives. Elements are few, so that windows have several maxima."""
import torch
import torch.nn.functional as F

from fixture import Fixture, Source

# batch, channels, height, width, kernel, stride, padding
CASES = {
    "3x3-stride2": (2, 4, 9, 8, (3, 3), (2, 2), (1, 1)),
    "3x3-stride1": (1, 3, 6, 7, (3, 3), (1, 1), (1, 1)),
    "2x2": (2, 5, 8, 6, (2, 2), (2, 2), (0, 0)),
    "3x2-mixed": (1, 8, 7, 9, (3, 2), (1, 3), (0, 1)),
    # Windows do not meet, and the last rows and columns are in none.
    "2x2-stride3": (2, 2, 9, 10, (2, 2), (3, 3), (0, 0)),
}


def make():
    fixture = Fixture("tensor", "pooling", "pooling.py")
    for seed, (name, case) in enumerate(CASES.items()):
        store_case(fixture, f"{name}/", Source(seed), *case)
    fixture.write()


def store_case(fixture, prefix, source, batch, channels, height, width, kernel, stride, padding):
    gradient = lambda y, wrt, dy: torch.autograd.grad(y, wrt, dy, create_graph=True)

    x = (source.labels(batch * channels * height * width, 5).double() / 4).reshape(batch, channels, height, width).requires_grad_()
    u = source.normal(*x.shape)
    pools = {"max": F.max_pool2d, "avg": F.avg_pool2d}
    dy = source.normal(*F.max_pool2d(x, kernel, stride, padding).shape).requires_grad_()
    for name, value in (("kernel", kernel), ("stride", stride), ("padding", padding)):
        fixture.input(f"{prefix}{name}", torch.tensor(value))
    fixture.inputs(prefix, {"x": x, "dy": dy, "u": u})
    for name, pool in pools.items():
        y = pool(x, kernel, stride, padding)
        (dx,) = gradient(y, (x,), dy)
        (d_dy,) = gradient(dx, (dy,), u)
        (smooth,) = gradient((dy.detach() * torch.tanh(y)).sum(), (x,), None)
        (d_x,) = gradient(smooth, (x,), u)
        fixture.outputs(f"{prefix}{name}/", {"y": y, "dx": dx, "d_dy": d_dy, "tanh": smooth, "d_x": d_x})


if __name__ == "__main__":
    make()
