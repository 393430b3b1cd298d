"""Attacks and losses of the paper's code, in the plainest form; `model` maps images to logits.

Section and appendix references are to the paper; where its text leaves a choice, these follow what its authors ran.
"""
import torch
import torch.nn.functional as F


def input_gradient(model, x, labels, create_graph=False):
    """Gradient of the mean cross-entropy with respect to the images."""
    x = x.detach().requires_grad_()
    return torch.autograd.grad(F.cross_entropy(model(x), labels), x, create_graph=create_graph)[0]


def clamped_gradient(model, x, delta, labels):
    """Gradient at clamp(x + delta, 0, 1) with respect to delta; a pixel on a bound gets none, as in torch 1.4."""
    point = x + delta
    return input_gradient(model, point.clamp(0, 1), labels) * ((point > 0) & (point < 1))


def fgsm_delta(gradient, x, epsilon, alpha=1.25, start=0.0):
    """Step of alpha * epsilon along the sign, back into the ball, then back into the box. sign(0) is 0."""
    delta = (start + alpha * epsilon * gradient.sign()).clamp(-epsilon, epsilon)
    return (x + delta).clamp(0, 1) - x


def pgd_deltas(model, x, labels, epsilon, step, steps, start, clamped):
    """Every iterate of PGD: step, back into the box, then back into the ball.

    In training the gradient passes through the clamp to the box; in evaluation the model sees x + delta as it is.
    """
    delta, iterates = start, []
    for _ in range(steps):
        gradient = clamped_gradient(model, x, delta, labels) if clamped else input_gradient(model, x + delta, labels)
        delta = delta + step * gradient.sign()
        delta = ((x + delta).clamp(0, 1) - x).clamp(-epsilon, epsilon)
        iterates.append((gradient, delta))
    return iterates


def norms(gradients):
    return gradients.flatten(1).square().sum(1).sqrt()


def cosines(g1, g2):
    """Cosine per example; NaN where a gradient is zero."""
    return (g1 * g2).flatten(1).sum(1) / (norms(g1) * norms(g2))


def gradalign_penalty(g1, g2, strength):
    """Equation 7: strength * (1 - mean cosine), over the examples where both gradients are non-zero."""
    keep = (norms(g1.detach()) != 0) & (norms(g2.detach()) != 0)
    return strength * (1 - cosines(g1[keep], g2[keep]).mean())


def gradient_alignment(g1, g2):
    """Equation 5 as measured: the mean cosine, an example with a zero gradient counting as 1."""
    return torch.nan_to_num(cosines(g1, g2), nan=1.0, posinf=1.0, neginf=1.0).mean()


def learning_rate(epoch, epochs, peak):
    """Triangular schedule: up to the peak at two fifths of the epochs (whole epochs), then down to zero."""
    top = epochs * 2 // 5
    return peak * (epoch / top if epoch <= top else (epochs - epoch) / (epochs - top))


def gradients(loss, params):
    return dict(zip(params, torch.autograd.grad(loss, list(params.values()))))
