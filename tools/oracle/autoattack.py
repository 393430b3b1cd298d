"""The official AutoAttack on the committed weights: which of the first 200 CIFAR-10 test images survive what.

It is not part of this repository and is not needed by the tests. Put a clone of github.com/fra31/auto-attack (commit
a392200) anywhere and name it; the images are read from the cache that `gradalign train` fills:

    python3 -m venv V && V/bin/pip install "torch==2.13.0+cpu" numpy safetensors
    nice V/bin/python tools/oracle/autoattack.py --autoattack CLONE [--cifar10 FOLDER] [--models cnn] [--seeds 0 1 2]

What is done already is kept in the fixture and not done again, so a run may be stopped and called once more. One thread,
so that a result does not depend on how many there are. An hour or two in all, most of it for the ResNet.

For each network, norm and seed the fixture has the images that survive each attack alone (it attacks every image that is
classified correctly) and the stages of `standard` (each attacks what the one before left), as one digit an image: 1 for
survived. FAB-T draws no random number in `standard`: one run stands for every seed.
"""
import argparse
import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

from models import batch_norm, cnn, preact_resnet18

FIXTURES = Path(__file__).resolve().parents[2] / "packages/robustness/test/fixtures"
RESULT = FIXTURES / "autoattack.json"
COUNT, BATCH = 200, 250  # one batch, so that no result depends on how images fall into batches
ATTACKS = ["apgd-ce", "apgd-t", "fab-t", "square"]
THREATS = {"linf": ("Linf", "8/255", 8 / 255), "l2": ("L2", "0.5", 0.5), "l1": ("L1", "12", 12)}


def network(name):
    """The trained network in evaluation mode, and its file's hash."""
    path = FIXTURES / "weights" / f"{name}.safetensors"
    weights = load_file(path)
    forward = {
        "cnn": lambda x: cnn(weights, x),
        "preact-resnet18": lambda x: preact_resnet18(weights, x, batch_norm(weights, weights, train=False)),
    }[name]
    return forward, hashlib.sha256(path.read_bytes()).hexdigest()


def cifar10(folder, count):
    """The first test images in [0, 1] and their labels: records of one byte and 3 x 32 x 32."""
    records = np.fromfile(Path(folder).expanduser() / "test_batch.bin", np.uint8, count * 3073).reshape(count, 3073)
    images = torch.from_numpy(records[:, 1:].reshape(count, 3, 32, 32)).float() / 255
    return images, torch.from_numpy(records[:, 0].astype(np.int64))


def digits(flags):
    return "".join(str(int(flag)) for flag in flags)


class Official:
    """One network in one norm, attacked by the original."""

    def __init__(self, forward, norm, epsilon, seed, images, labels):
        from autoattack import AutoAttack  # the clone's, found through sys.path

        self.forward, self.images, self.labels = forward, images, labels
        self.original = AutoAttack(forward, norm=norm, eps=epsilon, seed=seed, version="standard", verbose=False, device="cpu")

    def correct(self, images):
        with torch.no_grad():
            return self.forward(images).argmax(1) == self.labels

    def survivors(self, attack, before):
        """Who of `before` survives the attack, which sees these images only: what the original does between its attacks."""
        self.original.attacks_to_run = [attack]
        attacked = self.images.clone()
        if before.any():
            attacked[before] = self.original.run_standard_evaluation(self.images[before], self.labels[before], bs=BATCH)
        return before & self.correct(attacked)


def evaluate(name, threat, seed, results, images, labels, save):
    forward, _ = network(name)
    norm, epsilon, radius = THREATS[threat]
    case = results["cases"].setdefault(name, {}).setdefault(threat, {"epsilon": epsilon, "seeds": {}})
    found = case["seeds"].setdefault(str(seed), {"alone": {}, "standard": {}})
    official = Official(forward, norm, radius, seed, images, labels)
    clean = official.correct(images)
    case["clean"] = digits(clean)
    flags = lambda text: torch.tensor([digit == "1" for digit in text])

    def record(group, attack, compute):
        if attack not in found[group]:
            found[group][attack] = digits(compute())
            save()
        survivors = flags(found[group][attack])
        print(f"{name} {threat} seed {seed}: {attack} {group}: {survivors.sum().item()} of {COUNT}", flush=True)
        return survivors

    left = clean
    for attack in ATTACKS:
        if attack == ATTACKS[0]:  # the first stage of `standard` is the attack alone
            left = record("standard", attack, lambda: flags(found["alone"][attack]) if attack in found["alone"] else official.survivors(attack, clean))
            found["alone"].setdefault(attack, found["standard"][attack])
        else:
            left = record("standard", attack, lambda: official.survivors(attack, left))
    others = [other["alone"]["fab-t"] for other in case["seeds"].values() if "fab-t" in other["alone"]]
    for attack in ATTACKS:
        known = flags(others[0]) if attack == "fab-t" and others else None
        record("alone", attack, lambda: known if known is not None else official.survivors(attack, clean))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--autoattack", required=True, help="a clone of fra31/auto-attack")
    parser.add_argument("--cifar10", default="~/.cache/gradalign/cifar-10-batches-bin")
    parser.add_argument("--result", type=Path, default=RESULT)
    parser.add_argument("--models", nargs="+", default=["cnn", "preact-resnet18"])
    parser.add_argument("--norms", nargs="+", default=["linf", "l2"], choices=list(THREATS), help="l1 takes as long as both others")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    # Both this file and the original's package are called autoattack.
    sys.path[:] = [arguments.autoattack, *(path for path in sys.path if Path(path).resolve() != Path(__file__).resolve().parent)]

    results = json.loads(arguments.result.read_text()) if arguments.result.exists() else {}
    results |= {"original": "fra31/auto-attack a392200", "torch": torch.__version__, "images": COUNT, "data": "cifar10 test"}
    weights = {name: network(name)[1] for name in arguments.models}
    results["weights"] = results.get("weights", {}) | weights
    results.setdefault("cases", {})
    images, labels = cifar10(arguments.cifar10, COUNT)

    def save():
        arguments.result.write_text(json.dumps(results, indent=1) + "\n")

    for name in arguments.models:
        for seed in arguments.seeds:
            for threat in arguments.norms:
                evaluate(name, threat, seed, results, images, labels, save)
    save()


if __name__ == "__main__":
    main()
