"""The paper's two networks as functions of named parameters (names as in the authors' checkpoints).

`forward(params, x, norm, relu)` takes batch normalisation and ReLU as arguments, so that the fixtures can watch them.
"""
import math

import torch
import torch.nn.functional as F

STAGES = [(1, 1), (2, 2), (4, 2), (8, 2)]  # width multiplier, stride; two blocks each


def blocks(width):
    """Yields (name, in channels, out channels, stride, has a projection shortcut) for the eight residual blocks."""
    channels = width
    for stage, (multiplier, first_stride) in enumerate(STAGES, start=1):
        for block in range(2):
            stride, out = (first_stride if block == 0 else 1), width * multiplier
            yield f"layer{stage}.{block}", channels, out, stride, stride != 1 or channels != out
            channels = out


def preact_resnet18_shapes(width, classes=10):
    shapes = {"conv1.weight": (width, 3, 3, 3)}
    for name, channels, out, _, projected in blocks(width):
        for norm, size in (("bn1", channels), ("bn2", out)):
            shapes |= {f"{name}.{norm}.weight": (size,), f"{name}.{norm}.bias": (size,)}
        shapes |= {f"{name}.conv1.weight": (out, channels, 3, 3), f"{name}.conv2.weight": (out, out, 3, 3)}
        if projected:
            shapes[f"{name}.shortcut.0.weight"] = (out, channels, 1, 1)
    return shapes | {"linear.weight": (classes, 8 * width), "linear.bias": (classes,)}


def preact_resnet18_state_shapes(width):
    return {
        f"{name}.{norm}.{statistic}": (size,)
        for name, channels, out, _, _ in blocks(width)
        for norm, size in (("bn1", channels), ("bn2", out))
        for statistic in ("running_mean", "running_var")
    }


def preact_resnet18(params, x, norm, relu=F.relu):
    """Pre-activation ResNet-18 as in the paper's code: the shortcut sees the raw input, nothing follows the last add."""
    width = params["conv1.weight"].shape[0]
    h = F.conv2d(x, params["conv1.weight"], padding=1)
    for name, _, _, stride, projected in blocks(width):
        shortcut = F.conv2d(h, params[f"{name}.shortcut.0.weight"], stride=stride) if projected else h
        inner = relu(norm(f"{name}.bn1", h))
        inner = F.conv2d(inner, params[f"{name}.conv1.weight"], stride=stride, padding=1)
        inner = relu(norm(f"{name}.bn2", inner))
        h = shortcut + F.conv2d(inner, params[f"{name}.conv2.weight"], padding=1)
    return F.linear(F.avg_pool2d(h, 4).flatten(1), params["linear.weight"], params["linear.bias"])


def batch_norm(params, state, train):
    """PyTorch's own batch normalisation; in train mode it updates `state` in place."""
    def norm(name, h):
        return F.batch_norm(
            h, state[f"{name}.running_mean"], state[f"{name}.running_var"],
            params[f"{name}.weight"], params[f"{name}.bias"], training=train, momentum=0.1, eps=1e-5,
        )
    return norm


def cnn_shapes(filters, classes=10, size=32):
    return {
        "_model.0.weight": (filters, 3, 3, 3), "_model.0.bias": (filters,),
        "_model.3.weight": (classes, filters * size * size), "_model.3.bias": (classes,),
    }


def cnn(params, x, relu=F.relu):
    """The single-layer network of section 4: convolution with bias, ReLU, linear."""
    h = relu(F.conv2d(x, params["_model.0.weight"], params["_model.0.bias"], padding=1))
    return F.linear(h.flatten(1), params["_model.3.weight"], params["_model.3.bias"])


def he_std(shape):
    """He et al.'s standard deviation as in the paper's code: over outputs of convolutions, over inputs of linear layers."""
    return math.sqrt(2 / (shape[0] * shape[2] * shape[3])) if len(shape) == 4 else math.sqrt(2 / shape[1])


def count(shapes):
    return sum(math.prod(shape) for shape in shapes.values())
