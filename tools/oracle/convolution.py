"""The convolution family {conv2d, its input gradient, its filter gradient}: values, first and second derivatives."""
import torch
import torch.nn.functional as F

from fixture import Fixture, Source

# batch, in channels, height, width, out channels, filter, stride, padding [vertical, horizontal] or [top, bottom, left, right], dilation, groups
CASES = {
    "3x3": (2, 4, 8, 8, 4, (3, 3), (1, 1), (1, 1)),
    "3x3-odd": (3, 5, 9, 7, 6, (3, 3), (1, 1), (1, 1)),
    "3x3-valid": (1, 3, 6, 7, 5, (3, 3), (1, 1), (0, 0)),
    "3x3-wide-padding": (2, 3, 5, 5, 4, (3, 3), (1, 1), (2, 2)),
    "3x3-stride2": (2, 4, 8, 8, 8, (3, 3), (2, 2), (1, 1)),
    "3x3-stride2-odd": (3, 3, 9, 7, 5, (3, 3), (2, 2), (1, 1)),
    # Even sizes with no padding: the last row and column are never read, so their gradient is zero.
    "3x3-stride2-unread": (1, 2, 8, 6, 3, (3, 3), (2, 2), (0, 0)),
    "1x1": (2, 6, 5, 5, 7, (1, 1), (1, 1), (0, 0)),
    "1x1-stride2": (2, 4, 8, 8, 8, (1, 1), (2, 2), (0, 0)),
    "1x1-stride2-odd": (1, 3, 7, 5, 2, (1, 1), (2, 2), (0, 0)),
    "5x5": (2, 3, 9, 9, 4, (5, 5), (1, 1), (2, 2)),
    "5x5-stride2": (1, 2, 11, 8, 3, (5, 5), (2, 2), (2, 2)),
    "2x3": (2, 3, 6, 7, 5, (2, 3), (1, 1), (0, 1)),
    "2x3-mixed": (3, 2, 7, 8, 3, (2, 3), (2, 1), (1, 2)),
    "whole-image": (2, 3, 4, 4, 5, (4, 4), (1, 1), (0, 0)),
    # Large enough for blocked kernels: several register tiles each way, with remainders.
    "3x3-tiled": (2, 16, 8, 12, 20, (3, 3), (1, 1), (1, 1)),
    "3x3-one-side-stride2": (2, 4, 8, 8, 8, (3, 3), (2, 2), (0, 1, 0, 1)),
    "3x2-dilated-strided": (1, 3, 11, 12, 4, (3, 2), (2, 3), (1, 2), (3, 2)),
    "3x3-grouped": (2, 8, 7, 6, 12, (3, 3), (1, 1), (1, 1), (1, 1), 4),
    "5x5-depthwise-stride2": (2, 8, 10, 9, 8, (5, 5), (2, 2), (2, 2), (1, 1), 8),
    "3x3-depthwise-dilated": (1, 4, 9, 9, 4, (3, 3), (2, 1), (2, 2), (2, 2), 4),
    "3x3-depthwise-multiplied": (2, 3, 6, 6, 9, (3, 3), (1, 1), (1, 1), (1, 1), 3),
}


def make():
    fixture = Fixture("tensor", "convolution", "convolution.py")
    for seed, (name, case) in enumerate(CASES.items()):
        store_case(fixture, f"{name}/", Source(seed), *case)
    fixture.write()


def store_case(fixture, prefix, source, batch, channels, height, width, filters, filter_size, stride, padding, dilation=(1, 1), groups=1):
    top, bottom, left, right = padding if len(padding) == 4 else (padding[0], padding[0], padding[1], padding[1])
    conv = lambda x, w: F.conv2d(F.pad(x, (left, right, top, bottom)), w, stride=stride, dilation=dilation, groups=groups)
    gradient = lambda y, wrt, dy: torch.autograd.grad(y, wrt, dy, create_graph=True)

    x = source.normal(batch, channels, height, width).requires_grad_()
    w = source.normal(filters, channels // groups, *filter_size).requires_grad_()
    y = conv(x, w)
    dy = source.normal(*y.shape).requires_grad_()
    u, v = source.normal(*x.shape), source.normal(*w.shape)
    dx, dw = gradient(y, (x, w), dy)

    fixture.input(f"{prefix}stride", torch.tensor(stride))
    fixture.input(f"{prefix}padding", torch.tensor((top, bottom, left, right)))
    fixture.input(f"{prefix}dilation", torch.tensor(dilation))
    fixture.input(f"{prefix}groups", torch.tensor(groups))
    fixture.inputs(prefix, {"x": x, "w": w, "dy": dy, "u": u, "v": v})
    fixture.outputs(prefix, {"y": y, "dx": dx, "dw": dw})
    # Derivatives of the derivatives, along a fixed direction.
    from_dx = gradient(dx, (dy, w), u)
    from_dw = gradient(dw, (x, dy), v)
    fixture.outputs(f"{prefix}<u,dx>/", dict(zip(("d_dy", "d_w"), from_dx)))
    fixture.outputs(f"{prefix}<v,dw>/", dict(zip(("d_x", "d_dy"), from_dw)))
    # A loss that is not bilinear: both second derivatives of sum(dy * tanh(conv2d(x, w))), along u.
    (smooth,) = gradient((dy.detach() * torch.tanh(y)).sum(), (x,), None)
    fixture.outputs(f"{prefix}tanh/", dict(zip(("d_x", "d_w"), gradient(smooth, (x, w), u)), dx=smooth))


if __name__ == "__main__":
    make()
