"""Layers that several networks are made of, and that torch has no module for.

They count dimensions from the last one. So inputs [lanes, n, ...] with parameters [lanes, ...] give what each lane does
alone; `SelfAttention` too, once its linear layers do.
"""

import torch
from torch import Tensor, nn


class Residual(nn.Module):
    """A residual block (He et al., CVPR 2016): activation(main(x) + shortcut(x)).

    Args:
        main: The part that is learned beside the shortcut.
        shortcut: `nn.Identity`, or a projection where `main` changes the shape.
        activation: The activation after the sum; `nn.Identity` for none.
    """

    def __init__(self, main: nn.Module, shortcut: nn.Module, activation: nn.Module) -> None:
        super().__init__()
        self.main, self.shortcut, self.activation = main, shortcut, activation

    def forward(self, inputs: Tensor) -> Tensor:
        """Any shape that the parts take."""
        outputs: Tensor = self.activation(self.main(inputs) + self.shortcut(inputs))
        return outputs


class SelfAttention(nn.Module):
    """Multi-head self-attention (Vaswani et al., NeurIPS 2017, section 3.2.2), every token with every token.

    Args:
        width: Numbers in a token, a multiple of `heads`.
        heads: Heads, of `width / heads` numbers each.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"width: a multiple of the {heads} heads is needed, got {width}")
        self.heads = heads
        self.queries_keys_values = nn.Linear(width, 3 * width)
        self.output = nn.Linear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """[..., tokens, width] to the same shape."""
        outputs: Tensor = self.output(self.mix(self.queries_keys_values(tokens)))
        return outputs

    def mix(self, projected: Tensor) -> Tensor:
        """Queries, keys and values [..., tokens, 3 * width] to what each token gathers, [..., tokens, width]."""
        queries, keys, values = (self._by_head(part) for part in projected.chunk(3, -1))
        return attend(queries, keys, values).transpose(-2, -3).flatten(-2)

    def _by_head(self, tokens: Tensor) -> Tensor:
        """[..., tokens, width] to [..., heads, tokens, width / heads]."""
        by_head = tokens.view(*tokens.shape[:-1], self.heads, tokens.shape[-1] // self.heads)
        return by_head.transpose(-2, -3)

    def extra_repr(self) -> str:
        """The number of heads, which no weight's shape shows."""
        return f"heads={self.heads}"


def attend(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Scaled dot-product attention, softmax(Q K^T / sqrt(d)) V (Vaswani et al., equation 1), of [..., tokens, d] each.

    Spelled out, because torch's own has no rule for `torch.vmap` on a CPU, and other kernels, with other roundings, for
    tensors with a dimension of lanes than for those without.
    """
    scores = queries * queries.shape[-1] ** -0.5 @ keys.transpose(-1, -2)
    attended: Tensor = scores.softmax(-1) @ values
    return attended


class PixelsToTokens(nn.Module):
    """[..., width, rows, columns] to [..., rows * columns, width]: each place of a feature map becomes a token."""

    def forward(self, maps: Tensor) -> Tensor:
        """Row by row."""
        return maps.flatten(-2).transpose(-1, -2)


class FeatureTokens(nn.Module):
    """A token for each number of a row, x_j * weight_j + bias_j (Gorishniy et al., NeurIPS 2021, section 3.3).

    Args:
        features: Numbers in a row.
        width: Numbers in a token.
    """

    def __init__(self, features: int, width: int) -> None:
        super().__init__()
        bound = width**-0.5
        self.weight = nn.Parameter(torch.empty(features, width).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(features, width).uniform_(-bound, bound))

    def forward(self, rows: Tensor) -> Tensor:
        """[..., n, features] to [..., n, features, width]."""
        return rows.unsqueeze(-1) * self.weight.unsqueeze(-3) + self.bias.unsqueeze(-3)


class ClassToken(nn.Module):
    """Puts a learned token in front, whose last state is what the class is read from (Devlin et al., NAACL 2019).

    Args:
        width: Numbers in a token.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.randn(1, width) * width**-0.5)

    def forward(self, tokens: Tensor) -> Tensor:
        """[..., n, tokens, width] to [..., n, 1 + tokens, width]."""
        first = self.token.unsqueeze(-3).expand(*tokens.shape[:-2], 1, tokens.shape[-1])
        return torch.cat([first, tokens], -2)


class Positions(nn.Module):
    """Adds a learned vector to each token by its place (Dosovitskiy et al., ICLR 2021, equation 1).

    It begins with the variance 1 / width. The 0.02**2 of large models hides the places from small ones for many epochs.

    Args:
        tokens: In a sequence.
        width: Numbers in a token.
    """

    def __init__(self, tokens: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(tokens, width) * width**-0.5)

    def forward(self, tokens: Tensor) -> Tensor:
        """[..., n, tokens, width] to the same shape."""
        return tokens + self.weight.unsqueeze(-3)


class FirstToken(nn.Module):
    """[..., tokens, width] to [..., width]: the first token, where `ClassToken` has put its own."""

    def forward(self, tokens: Tensor) -> Tensor:
        """The others end here."""
        return tokens[..., 0, :]
