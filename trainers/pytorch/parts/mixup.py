"""Mixup: a batch whose examples are blended in pairs, inputs and targets alike (Zhang et al., ICLR 2018)."""

from typing import Any

import torch
from scipy.special import betaincinv
from torch import Tensor

from ...errors import TrainerError


def mixup(
    inputs: Tensor, targets: Tensor, alpha: float | Tensor, uniforms: Tensor, classes: int | None = None
) -> tuple[Tensor, Tensor]:
    """Blends every example with a partner: share * example + (1 - share) * partner, inputs and targets alike.

    The partners are a permutation of the batch, so an example may be its own. The share is one for the whole batch, of
    Beta(alpha, alpha), as in the paper. All of it comes from `uniforms`, such as those of `noise.uniforms`, or
    `torch.rand(n + 1, generator=generator)`. With leading dimensions (lanes), as well as under `torch.func.vmap`, each
    lane is blended as it would be alone.

    The float alpha 0 gives both back as they are. A tensor may hold zeros: such lanes keep their values.

    Args:
        inputs: Float [..., n, *features].
        targets: Class indices, an integer tensor [..., n]; or probabilities, float [..., n, classes].
        alpha: At least 0; the paper has .1 to .4 for ImageNet. A tensor has the leading dimensions, or is broadcast to
            them; no gradient flows to it.
        uniforms: Float [..., n + 1] in [0, 1): n for the permutation and one for the share. Best on the CPU, where the
            share is computed: from a GPU they have to be waited for.
        classes: The number of classes; needed where the targets are class indices.

    Returns:
        The blended inputs, and the blended targets as probabilities [..., n, classes], in the precision of `inputs`.

    Raises:
        TrainerError: An alpha is below 0 or no number, `classes` is missing, or the shapes do not fit.
    """
    if not isinstance(alpha, Tensor) and alpha == 0:
        return inputs, targets
    lanes = uniforms.shape[:-1]
    if inputs.shape[: len(lanes) + 1] != (*lanes, uniforms.shape[-1] - 1):
        raise TrainerError(
            f"the inputs of mixup are {list(inputs.shape)} and its uniforms {list(uniforms.shape)}: "
            "for [..., n, *features] they should be [..., n + 1]"
        )
    shares = mixing_shares(alpha, uniforms[..., -1]).to(inputs)
    partners = uniforms[..., :-1].argsort(stable=True).to(inputs.device)
    probabilities = _probabilities(targets, classes).to(inputs.dtype)
    return _blended(inputs, partners, shares), _blended(probabilities, partners, shares)


def mixing_shares(alpha: float | Tensor, uniforms: Tensor) -> Tensor:
    """Draws from Beta(alpha, alpha) by its inverse distribution function, `scipy.special.betaincinv`.

    Torch draws from Beta only by rejection with a global generator, and has no inverse of its distribution function.

    Args:
        alpha: At least 0, broadcast to the uniforms and rounded to their precision; 0 gives the share 1, which leaves
            an example as it is.
        uniforms: Float [...] in [0, 1).

    Returns:
        [...], from 0 to 1, like `uniforms`.

    Raises:
        TrainerError: An alpha is below 0 or no number.
    """
    alphas = torch.as_tensor(alpha, dtype=uniforms.dtype, device=uniforms.device).expand(uniforms.shape)
    shares: Tensor = _BetaQuantile.apply(alphas.detach(), uniforms.detach())  # type: ignore[no-untyped-call]
    return shares


class _BetaQuantile(torch.autograd.Function):
    """The inverse distribution function of Beta(alpha, alpha), element by element, for `torch.func.vmap` as well."""

    @staticmethod
    def forward(alphas: Tensor, uniforms: Tensor) -> Tensor:
        hosted = alphas.cpu().double()
        if not (hosted >= 0).all():
            raise TrainerError(f"alpha of mixup is {hosted.flatten().tolist()}: it should be at least 0")
        shares = torch.as_tensor(betaincinv(hosted.numpy(), hosted.numpy(), uniforms.cpu().double().numpy()))
        return torch.where(hosted > 0, shares, 1.0).to(uniforms)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.mark_non_differentiable(output)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, int | None], *operands: Tensor) -> tuple[Tensor, int]:
        stacked = [
            operand.expand(info.batch_size, *operand.shape) if place is None else operand.movedim(place, 0)
            for operand, place in zip(operands, in_dims, strict=True)
        ]
        return _BetaQuantile.apply(*stacked), 0  # type: ignore[no-untyped-call]


def _probabilities(targets: Tensor, classes: int | None) -> Tensor:
    """A row for each target; `torch.nn.functional.one_hot` reads the values, which vmap refuses and a GPU waits for."""
    if targets.is_floating_point():
        return targets
    if classes is None:
        raise TrainerError("mixup makes probabilities of class indices: tell it how many classes there are")
    return targets.unsqueeze(-1) == torch.arange(classes, device=targets.device)


def _blended(values: Tensor, partners: Tensor, shares: Tensor) -> Tensor:
    """Products and a sum, each rounded for itself: `torch.lerp` may round otherwise in another layout.

    Args:
        values: [..., n, *features].
        partners: int64 [..., n].
        shares: [...].
    """
    features = (1,) * (values.dim() - partners.dim())
    others = values.gather(partners.dim() - 1, partners.reshape(*partners.shape, *features).expand_as(values))
    weights = shares.reshape(*shares.shape, 1, *features)
    return weights * values + (1 - weights) * others
