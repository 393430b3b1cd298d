"""PreAct ResNet-18, narrow but otherwise the paper's: logits, gradients, GradAlign's gradient, a whole training step.

GradAlign's gradient jumps where a ReLU's mask flips: one flip among 700,000 moves it by about 1 %. A float32
implementation can only be compared at a point where no pre-activation is within rounding of zero. So the batch-norm
biases are placed, channel by channel, in the middle of a gap between the pre-activations at x (in train and in eval
mode) and at x + eta; and the seed is one where the adversarial point, which depends on all of them, has a wide margin
too. `python3 preact_resnet18.py --search 200` prints the margins of other seeds.
"""
import sys

import torch
import torch.nn.functional as F

from fixture import Fixture, Source
from models import batch_norm, he_std, preact_resnet18, preact_resnet18_shapes, preact_resnet18_state_shapes
from margins import Probe, sign_margin, widest_gap
from training import cosines, fgsm_delta, gradalign_penalty, gradients, input_gradient

SEED = 975
WIDTH, BATCH = 4, 3
EPSILON, STRENGTH = 8 / 255, 0.2
LEARNING_RATE, WEIGHT_DECAY = 0.12, 5e-4


class Problem:
    """Parameters, statistics and a batch, all drawn from one seed."""

    def __init__(self, seed):
        source = Source(seed)
        self.params = {}
        for name, shape in preact_resnet18_shapes(WIDTH).items():
            if len(shape) > 1:
                self.params[name] = source.normal(*shape, std=he_std(shape))
            else:
                is_scale = ".bn" in name and name.endswith("weight")
                self.params[name] = source.normal(*shape, std=0.2, mean=1.0 if is_scale else 0.0)
        self.state = {}
        for name, shape in preact_resnet18_state_shapes(WIDTH).items():
            is_mean = name.endswith("mean")
            self.state[name] = source.normal(*shape, std=0.3) if is_mean else source.uniform(*shape, lo=0.5, hi=2)
        # Away from 0 and 1: what a saturated pixel does is the CNN fixture's business.
        self.x = source.uniform(BATCH, 3, 32, 32, lo=0.05, hi=0.95)
        self.eta = source.uniform(BATCH, 3, 32, 32, lo=-EPSILON, hi=EPSILON)
        self.labels = source.labels(BATCH, 10)
        self.place_biases()

    def place_biases(self):
        """Runs x and x + eta in train mode and x in eval mode side by side, fixing each bias when it is met."""
        def norm(name, h):
            first, second, evaluated = h.chunk(3)
            scale = self.params[f"{name}.weight"]
            statistics = [self.state[f"{name}.running_mean"], self.state[f"{name}.running_var"]]
            normalised = torch.cat([
                F.batch_norm(first, None, None, scale, training=True),
                F.batch_norm(second, None, None, scale, training=True),
                F.batch_norm(evaluated, *statistics, scale, training=False),
            ])
            bias = torch.stack([widest_gap(normalised[:, channel]) for channel in range(h.shape[1])])
            self.params[f"{name}.bias"] = bias.float().double()
            return normalised + self.params[f"{name}.bias"][:, None, None]

        with torch.no_grad():
            preact_resnet18(self.params, torch.cat([self.x, self.x + self.eta, self.x]), norm)

    def model(self, params=None, state=None, train=True):
        """The network with its own copy of the statistics unless given one, its kinks watched by `probe`."""
        params = params or self.params
        state = state if state is not None else {name: tensor.clone() for name, tensor in self.state.items()}
        norm, probe = batch_norm(params, state, train), Probe()
        run = lambda x: preact_resnet18(params, x, norm, probe)
        run.probe, run.state = probe, state
        return run

    def trainable(self):
        return {name: tensor.clone().requires_grad_() for name, tensor in self.params.items()}


def training_step(problem, params, model):
    """FGSM + GradAlign: three forward passes (x, x + delta, x + eta), each of which moves the running statistics."""
    g1 = input_gradient(model, problem.x, problem.labels)
    delta = fgsm_delta(g1, problem.x, EPSILON)
    loss = F.cross_entropy(model(problem.x + delta), problem.labels)
    g2 = input_gradient(model, problem.x + problem.eta, problem.labels, create_graph=True)
    return g1, loss + gradalign_penalty(g1, g2, STRENGTH)


def adversarial_margins(problem):
    """Margins of what depends on the attack: of the gradient's signs, and of the kinks at the adversarial point."""
    model = problem.model()
    g1 = input_gradient(model, problem.x, problem.labels)
    attacked = problem.model()
    with torch.no_grad():
        attacked(problem.x + fgsm_delta(g1, problem.x, EPSILON))
    return sign_margin(g1), attacked.probe.margin, model.probe.margin


def make():
    problem = Problem(SEED)
    print("  margins: signs of g1 %.1e (relative), ReLU at x + delta %.1e, at x %.1e" % adversarial_margins(problem))
    fixture = Fixture("robustness", "preact-resnet18", "preact_resnet18.py")
    fixture.inputs("params/", problem.params)
    fixture.inputs("state/", problem.state)
    fixture.inputs("", {"x": problem.x, "eta": problem.eta, "labels": problem.labels})
    fixture.outputs("", dict(zip(
        ("epsilon", "lambda", "learning_rate", "weight_decay"), (EPSILON, STRENGTH, LEARNING_RATE, WEIGHT_DECAY),
    )))

    params = problem.trainable()
    model = problem.model(params)
    logits = model(problem.x)
    loss = F.cross_entropy(logits, problem.labels)
    fixture.outputs("train/", {"logits": logits, "loss": loss})
    fixture.outputs("train/state/", model.state)
    fixture.outputs("train/gradient/", gradients(loss, params))
    fixture.output("train/input_gradient", input_gradient(model, problem.x, problem.labels))

    evaluated = problem.model(train=False)
    fixture.output("eval/logits", evaluated(problem.x))
    fixture.output("eval/input_gradient", input_gradient(evaluated, problem.x, problem.labels))
    print(f"  margin in eval mode: {evaluated.probe.margin:.1e}")

    for variant in ("gradalign", "gradalign-both"):
        params = problem.trainable()
        model = problem.model(params)
        g1 = input_gradient(model, problem.x, problem.labels, create_graph=True)
        g2 = input_gradient(model, problem.x + problem.eta, problem.labels, create_graph=True)
        penalty = gradalign_penalty(g1.detach() if variant == "gradalign" else g1, g2, STRENGTH)
        fixture.outputs(f"{variant}/", {"penalty": penalty, "cosines": cosines(g1, g2)})
        # The last layer's bias reaches the input gradient only through the softmax, yet it does.
        fixture.outputs(f"{variant}/gradient/", gradients(penalty, params))
        print(f"  {variant}: cosines {cosines(g1, g2).tolist()}, margin {model.probe.margin:.1e}")

    params = problem.trainable()
    model = problem.model(params)
    _, loss = training_step(problem, params, model)
    optimizer = torch.optim.SGD(params.values(), lr=LEARNING_RATE, momentum=0.9, weight_decay=WEIGHT_DECAY)
    loss.backward()
    optimizer.step()
    fixture.output("step/loss", loss)
    fixture.outputs("step/update/", {name: (params[name] - problem.params[name]) for name in params})
    fixture.outputs("step/state/", model.state)
    fixture.write()


if __name__ == "__main__":
    if "--search" in sys.argv:
        found = [(*adversarial_margins(Problem(seed)), seed) for seed in range(int(sys.argv[-1]))]
        for margins in sorted(found, key=lambda margins: -min(margins[0], margins[1]))[:5]:
            print("signs %.1e, ReLU at x + delta %.1e, at x %.1e, seed %d" % margins)
    else:
        make()
