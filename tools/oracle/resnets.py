"""ResNet-34 and ResNet-50 with torchvision's stem and names, narrow, on images of 64 pixels: logits and gradients in train mode.

As in `preact_resnet18.py`, biases are placed so that no pre-activation is near a ReLU's kink. Blocks add little to what goes
past them (the last batch norm of each has weights around 0.3), so that float32 is precise enough through all layers.
"""
import torch
import torch.nn.functional as F

from architectures import Resnet
from fixture import Fixture, Source
from margins import Probe, widest_gap
from models import he_std
from training import gradients, input_gradient

# Seed of the inputs, blocks of each stage, and how much wider a block's output is than its middle.
NETWORKS = {"resnet34": (34, [3, 4, 6, 3], 1), "resnet50": (18, [3, 4, 6, 3], 4)}
WIDTH, BATCH, SIZE = 2, 4, 64


def place(norm, h, beside=0.0):
    """Sets the biases of a batch norm, to whose output `beside` is added before the ReLU; returns what the ReLU sees."""
    normalised = F.batch_norm(h, None, None, norm.weight, training=True) + beside
    biases = torch.stack([widest_gap(normalised[:, channel]) for channel in range(h.shape[1])]).float().double()
    norm.bias.copy_(biases)
    return normalised + biases[:, None, None]


def place_all(network, x):
    h = F.max_pool2d(F.relu(place(network.bn1, network.conv1(x))), 3, 2, 1)
    for stage in (network.layer1, network.layer2, network.layer3, network.layer4):
        for block in stage:
            layers = [(block.conv1, block.bn1), (block.conv2, block.bn2)] + ([(block.conv3, block.bn3)] if block.deep else [])
            *before, (conv, norm) = layers
            inner = h
            for each, its_norm in before:
                inner = F.relu(place(its_norm, each(inner)))
            beside = getattr(block, "downsample", torch.nn.Identity())(h)
            h = F.relu(place(norm, conv(inner), beside))


def pool_margin(h):
    """How far the largest of a pooling's window is from the second, where it is not 0."""
    windows = F.unfold(F.pad(h, (1, 1, 1, 1)).flatten(0, 1)[:, None], 3, stride=2)
    first, second = windows.topk(2, dim=1).values.unbind(1)
    return (first - second)[first > 0].min().item()


def make_network(name, seed, blocks, expansion):
    source = Source(seed)
    network = Resnet(WIDTH, blocks, expansion, imagenet=True).train()
    x, labels = source.uniform(BATCH, 3, SIZE, SIZE, lo=0.05, hi=0.95), source.labels(BATCH, 10)
    last = "bn3" if expansion > 1 else "bn2"
    with torch.no_grad():
        for key, tensor in network.named_parameters():
            is_scale = tensor.dim() == 1 and key.endswith("weight")
            std = he_std(tensor.shape) if tensor.dim() > 1 else 0.1
            mean = 0.0 if not is_scale else 0.3 if last in key else 1.0
            tensor.copy_(source.normal(*tensor.shape, std=std, mean=mean))
        place_all(network, x)
    params = dict(network.named_parameters())
    for key, buffer in network.named_buffers():
        if "running" in key:
            buffer.copy_(source.uniform(*buffer.shape, lo=0.5, hi=2))
    state = lambda: {key: tensor for key, tensor in network.named_buffers() if "running" in key}

    fixture = Fixture("robustness", name, "resnets.py")
    fixture.inputs("params/", params)
    fixture.inputs("state/", state())
    fixture.inputs("", {"x": x, "labels": labels})

    probe = Probe()
    F.relu, relu = probe, F.relu
    logits = network(x)
    F.relu = relu
    loss = F.cross_entropy(logits, labels)
    fixture.outputs("train/", {"logits": logits, "loss": loss})
    fixture.outputs("train/state/", state())
    fixture.outputs("train/gradient/", gradients(loss, params))
    fixture.output("train/input_gradient", input_gradient(network, x, labels))
    pooled = pool_margin(F.relu(network.bn1(network.conv1(x))).detach())
    print(f"  {name}, margins: ReLU {probe.margin:.1e}, max-pooling {pooled:.1e}")
    fixture.write()


def make():
    for name, options in NETWORKS.items():
        make_network(name, *options)


if __name__ == "__main__":
    make()
