"""The field's networks as PyTorch modules with the field's names, each made small; and graphs for both ONNX exporters.

Written from their descriptions: pytorch-cifar and torchvision (ResNets), RobustBench (pre-activation ResNets), TRADES
(WideResNet), DeepMind (WideResNet and pre-activation ResNet with Swish).
"""
import warnings

import torch
import torch.nn.functional as F
from torch import nn

CIFAR_MEAN, CIFAR_STD = (0.4914, 0.4822, 0.4465), (0.2471, 0.2435, 0.2616)


def conv(i, o, size, stride=1, padding=0):
    return nn.Conv2d(i, o, size, stride, padding, bias=False)


class Preact(nn.Module):
    def __init__(self, i, o, stride, activated):
        super().__init__()
        self.bn1, self.conv1 = nn.BatchNorm2d(i), conv(i, o, 3, stride, 1)
        self.bn2, self.conv2 = nn.BatchNorm2d(o), conv(o, o, 3, 1, 1)
        self.activated = activated
        if stride != 1 or i != o:
            self.shortcut = nn.Sequential(conv(i, o, 1, stride))

    def forward(self, x):
        h = F.relu(self.bn1(x))
        short = self.shortcut(h if self.activated else x) if hasattr(self, "shortcut") else x
        return self.conv2(F.relu(self.bn2(self.conv1(h)))) + short


class PreactResnet(nn.Module):
    def __init__(self, width, activated=False, final=False):
        super().__init__()
        self.conv1 = conv(3, width, 3, 1, 1)
        i = width
        for stage in range(4):
            o, stride = width * 2**stage, 1 if stage == 0 else 2
            setattr(self, f"layer{stage + 1}", nn.Sequential(Preact(i, o, stride, activated), Preact(o, o, 1, activated)))
            i = o
        if final:
            self.bn = nn.BatchNorm2d(i)
        self.linear = nn.Linear(i, 10)

    def forward(self, x):
        h = self.layer4(self.layer3(self.layer2(self.layer1(self.conv1(x)))))
        if hasattr(self, "bn"):
            h = F.relu(self.bn(h))
        return self.linear(h.mean((2, 3)))


class Post(nn.Module):
    """A block of ResNets, plain or with a bottleneck; pytorch-cifar has a `shortcut` everywhere, torchvision a `downsample` where it is needed."""

    def __init__(self, i, o, stride, expansion, shortcut):
        super().__init__()
        self.deep = expansion > 1
        if self.deep:
            self.conv1, self.bn1 = conv(i, o, 1), nn.BatchNorm2d(o)
            self.conv2, self.bn2 = conv(o, o, 3, stride, 1), nn.BatchNorm2d(o)
            self.conv3, self.bn3 = conv(o, 4 * o, 1), nn.BatchNorm2d(4 * o)
        else:
            self.conv1, self.bn1 = conv(i, o, 3, stride, 1), nn.BatchNorm2d(o)
            self.conv2, self.bn2 = conv(o, o, 3, 1, 1), nn.BatchNorm2d(o)
        self.short = shortcut
        if stride != 1 or i != expansion * o:
            setattr(self, shortcut, nn.Sequential(conv(i, expansion * o, 1, stride), nn.BatchNorm2d(expansion * o)))

    def forward(self, x):
        h = F.relu(self.bn1(self.conv1(x)))
        h = self.bn2(self.conv2(h))
        if self.deep:
            h = self.bn3(self.conv3(F.relu(h)))
        return F.relu(h + getattr(self, self.short, nn.Identity())(x))


class Resnet(nn.Module):
    def __init__(self, width, blocks, expansion, imagenet=False):
        super().__init__()
        self.imagenet, self.last = imagenet, "fc" if imagenet else "linear"
        self.conv1 = conv(3, width, 7, 2, 3) if imagenet else conv(3, width, 3, 1, 1)
        self.bn1 = nn.BatchNorm2d(width)
        i = width
        for stage, count in enumerate(blocks):
            layers = []
            for index in range(count):
                stride = 2 if stage > 0 and index == 0 else 1
                layers.append(Post(i, width * 2**stage, stride, expansion, "downsample" if imagenet else "shortcut"))
                i = expansion * width * 2**stage
            setattr(self, f"layer{stage + 1}", nn.Sequential(*layers))
        setattr(self, self.last, nn.Linear(i, 10))

    def forward(self, x):
        h = F.relu(self.bn1(self.conv1(x)))
        if self.imagenet:
            h = F.max_pool2d(h, 3, 2, 1)
        h = self.layer4(self.layer3(self.layer2(self.layer1(h))))
        return getattr(self, self.last)(h.mean((2, 3)))


class Wide(nn.Module):
    def __init__(self, i, o, stride):
        super().__init__()
        self.bn1, self.conv1 = nn.BatchNorm2d(i), conv(i, o, 3, stride, 1)
        self.bn2, self.conv2 = nn.BatchNorm2d(o), conv(o, o, 3, 1, 1)
        self.convShortcut = conv(i, o, 1, stride) if i != o else None

    def forward(self, x):
        h = F.relu(self.bn1(x))
        short = x if self.convShortcut is None else self.convShortcut(h)
        return short + self.conv2(F.relu(self.bn2(self.conv1(h))))


class WideGroup(nn.Module):
    def __init__(self, count, i, o, stride):
        super().__init__()
        self.layer = nn.Sequential(*[Wide(i if n == 0 else o, o, stride if n == 0 else 1) for n in range(count)])

    def forward(self, x):
        return self.layer(x)


class WideResnet(nn.Module):
    """With the second first group that the code of TRADES makes and never uses, and RobustBench's normalisation."""

    def __init__(self, depth, widen):
        super().__init__()
        count, widths = (depth - 4) // 6, [16, 16 * widen, 32 * widen, 64 * widen]
        self.register_buffer("mu", torch.tensor(CIFAR_MEAN).view(1, 3, 1, 1))
        self.register_buffer("sigma", torch.tensor(CIFAR_STD).view(1, 3, 1, 1))
        self.conv1 = conv(3, 16, 3, 1, 1)
        self.block1 = WideGroup(count, widths[0], widths[1], 1)
        self.sub_block1 = WideGroup(count, widths[0], widths[1], 1)
        self.block2 = WideGroup(count, widths[1], widths[2], 2)
        self.block3 = WideGroup(count, widths[2], widths[3], 2)
        self.bn1, self.fc = nn.BatchNorm2d(widths[3]), nn.Linear(widths[3], 10)

    def forward(self, x):
        h = self.block3(self.block2(self.block1(self.conv1((x - self.mu) / self.sigma))))
        return self.fc(F.avg_pool2d(F.relu(self.bn1(h)), 8).flatten(1))


def same(x, stride):
    return F.pad(x, (1, 1, 1, 1) if stride == 1 else (0, 1, 0, 1))


class DmWide(nn.Module):
    def __init__(self, i, o, stride):
        super().__init__()
        self.batchnorm_0, self.conv_0 = nn.BatchNorm2d(i), conv(i, o, 3, stride)
        self.batchnorm_1, self.conv_1 = nn.BatchNorm2d(o), conv(o, o, 3, 1, 1)
        self.shortcut = conv(i, o, 1, stride) if i != o else None
        self.stride = stride

    def forward(self, x):
        h = F.silu(self.batchnorm_0(x))
        short = x if self.shortcut is None else self.shortcut(h)
        return short + self.conv_1(F.silu(self.batchnorm_1(self.conv_0(same(h, self.stride)))))


class DmGroup(nn.Module):
    def __init__(self, count, i, o, stride):
        super().__init__()
        self.block = nn.Sequential(*[DmWide(i if n == 0 else o, o, stride if n == 0 else 1) for n in range(count)])

    def forward(self, x):
        return self.block(x)


class Normalized(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.tensor(CIFAR_MEAN).view(3, 1, 1))
        self.register_buffer("std", torch.tensor(CIFAR_STD).view(3, 1, 1))


class DmWideResnet(Normalized):
    def __init__(self, depth, widen):
        super().__init__()
        count, widths = (depth - 4) // 6, [16, 16 * widen, 32 * widen, 64 * widen]
        self.init_conv = conv(3, 16, 3, 1, 1)
        self.layer = nn.Sequential(*[DmGroup(count, widths[n], widths[n + 1], 1 if n == 0 else 2) for n in range(3)])
        self.batchnorm, self.logits = nn.BatchNorm2d(widths[3]), nn.Linear(widths[3], 10)

    def forward(self, x):
        h = self.layer(self.init_conv((x - self.mean) / self.std))
        return self.logits(F.avg_pool2d(F.silu(self.batchnorm(h)), 8).flatten(1))


class DmPreact(nn.Module):
    def __init__(self, i, o, stride):
        super().__init__()
        self.batchnorm_0, self.conv_2d_1 = nn.BatchNorm2d(i), conv(i, o, 3, stride)
        self.batchnorm_1, self.conv_2d_2 = nn.BatchNorm2d(o), conv(o, o, 3, 1, 1)
        if stride != 1 or i != o:
            self.shortcut = conv(i, o, 3, stride)
        self.stride = stride

    def forward(self, x):
        h = F.silu(self.batchnorm_0(x))
        short = self.shortcut(same(x, self.stride)) if hasattr(self, "shortcut") else x
        return self.conv_2d_2(F.silu(self.batchnorm_1(self.conv_2d_1(same(h, self.stride))))) + short


class DmPreactResnet(Normalized):
    def __init__(self, width):
        super().__init__()
        self.conv_2d = conv(3, width, 3, 1, 1)
        i = width
        for stage in range(4):
            o = width * 2**stage
            setattr(self, f"layer_{stage}", nn.Sequential(DmPreact(i, o, 1 if stage == 0 else 2), DmPreact(o, o, 1)))
            i = o
        self.batchnorm, self.logits = nn.BatchNorm2d(i), nn.Linear(i, 10)

    def forward(self, x):
        h = self.conv_2d((x - self.mean) / self.std)
        for stage in range(4):
            h = getattr(self, f"layer_{stage}")(h)
        return self.logits(F.avg_pool2d(F.silu(self.batchnorm(h)), 4).flatten(1))


def ARCHITECTURES():
    """Each network, small, and the form that its checkpoint has."""
    return {
        "preact-resnet18": (PreactResnet(2), "zip"),
        "preact-resnet18-final": (PreactResnet(2, final=True), "legacy"),
        "preact-resnet18-v2": (PreactResnet(2, activated=True, final=True), "half"),
        "resnet18": (Resnet(2, [2, 2, 2, 2], 1), "legacy"),
        "resnet50": (Resnet(1, [3, 4, 6, 3], 4), "zip"),
        "resnet18-imagenet": (Resnet(2, [2, 2, 2, 2], 1, imagenet=True), "zip"),
        "resnet50-imagenet": (Resnet(1, [3, 4, 6, 3], 4, imagenet=True), "half"),
        "wide-resnet": (WideResnet(10, 1), "safetensors"),
        "dm-wide-resnet": (DmWideResnet(10, 1), "half"),
        "dm-preact-resnet": (DmPreactResnet(2), "legacy"),
    }


class Lenet(nn.Module):
    """Max pooling, average pooling with padding, a view by the batch's size, a Softmax at the end."""

    def __init__(self, probabilities=False):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 4, 5, padding=2), nn.Conv2d(4, 8, 5, groups=2)
        self.fc1, self.fc2 = nn.Linear(8 * 2 * 2, 12), nn.Linear(12, 10)
        self.probabilities = probabilities

    def forward(self, x):
        h = F.max_pool2d(F.relu(self.conv1(x)), 2, ceil_mode=True)
        h = F.avg_pool2d(F.leaky_relu(self.conv2(h)), 3, 2, padding=1)
        h = F.max_pool2d(h, 2, ceil_mode=True)
        h = h.view(h.size(0), -1)
        h = self.fc2(torch.tanh(self.fc1(h)))
        return F.softmax(h, 1) if self.probabilities else h


class Mobile(nn.Module):
    """Depthwise and dilated convolutions, hard-swish, squeeze and excitation, normalisation inside."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.tensor(CIFAR_MEAN).view(3, 1, 1))
        self.stem, self.bn = conv(3, 8, 3, 2, 1), nn.BatchNorm2d(8, eps=1e-3)
        self.depthwise = nn.Conv2d(8, 8, 5, padding=4, dilation=2, groups=8, bias=False)
        self.squeeze, self.excite = nn.Conv2d(8, 4, 1), nn.Conv2d(4, 8, 1)
        self.narrow, self.fc = nn.Conv2d(8, 6, 1), nn.Linear(6, 10)

    def forward(self, x):
        h = F.hardswish(self.bn(self.stem((x - self.mean) / 0.25)))
        h = h + self.depthwise(h)
        gate = F.hardsigmoid(self.excite(F.relu(self.squeeze(F.adaptive_avg_pool2d(h, 1)))))
        h = torch.cat([self.narrow(h * gate).clamp(-1, 1), ], 1)
        return self.fc(h.mean((2, 3)))


def old(opset, fixed=False):
    def export(model, x, path):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            axes = {} if fixed else {"x": {0: "batch"}}
            torch.onnx.export(
                model, x[:1] if fixed else x, str(path), opset_version=opset, input_names=["x"], dynamic_axes=axes, dynamo=False,
                do_constant_folding=not fixed, training=torch.onnx.TrainingMode.EVAL if opset > 9 else torch.onnx.TrainingMode.PRESERVE,
            )

    return export


def new(model, x, path):
    import onnx

    program = torch.onnx.export(model, (x,), dynamo=True, dynamic_shapes=({0: torch.export.Dim("batch")},), verbose=False)
    # Without the traces of Python's stack that the exporter puts beside every node.
    proto = program.model_proto
    for node in proto.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    onnx.save(proto, str(path))


def graphs():
    """Models for the exporters, and their images' shapes."""
    return {
        "lenet-opset9": (Lenet(), (1, 19, 19), old(9)),
        "lenet-opset13": (Lenet(probabilities=True), (1, 19, 19), old(13)),
        "lenet-fixed": (Lenet(), (1, 19, 19), old(17, fixed=True)),
        "lenet-dynamo": (Lenet(), (1, 19, 19), new),
        "mobile-opset12": (Mobile(), (3, 12, 12), old(12)),
        "mobile-dynamo": (Mobile(), (3, 12, 12), new),
        "preact-dynamo": (PreactResnet(2), (3, 16, 16), new),
    }
