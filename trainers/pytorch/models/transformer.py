"""Small transformers that classify tables, a token a feature, and images, a token a patch."""

from dataclasses import dataclass

from torch import nn

from ...errors import TrainerError
from ..parts.initialisation import initialise
from .blocks import ClassToken, FeatureTokens, FirstToken, PixelsToTokens, Positions, Residual, SelfAttention
from .layers import dropout_layer, make_activation


@dataclass(frozen=True, slots=True)
class TransformerSettings:
    """The hyperparameters of a transformer.

    Attributes:
        width: Numbers in a token, a multiple of `heads`.
        heads: Heads of each attention.
        depth: Encoder blocks.
        hidden: Units of the hidden layer in each block.
        patch: Height and width of the patches of an image.
        activation: A name in `ACTIVATIONS`.
        dropout: Share of what each attention, hidden layer and block output gives that is dropped in training, at least
            0 and below 1; None for no dropout layers.
        init: A scheme of `initialise`; auto is xavier for every activation, because most layers here have none behind.
    """

    width: int = 64
    heads: int = 4
    depth: int = 2
    hidden: int = 128
    patch: int = 4
    activation: str = "gelu"
    dropout: float | None = None
    init: str = "auto"


def build_transformer(settings: TransformerSettings, input_shape: tuple[int, ...], classes: int) -> nn.Sequential:
    """A transformer encoder (Vaswani et al., NeurIPS 2017) that reads the class from a token of its own.

    Blocks are normalised before each part and not after it (Xiong et al., ICML 2020). Images are cut into patches, with
    learned positions (ViT: Dosovitskiy et al., ICLR 2021), and padded with zeros where these do not divide them. Each
    number of a table's row becomes a token (FT-Transformer: Gorishniy et al., NeurIPS 2021).

    Args:
        settings: The hyperparameters.
        input_shape: (features,) or (channels, height, width).
        classes: Logits.

    Returns:
        From inputs [n, *input_shape] to logits [n, classes], with initial weights.

    Raises:
        TrainerError: The heads do not divide the width, a name is unknown, or the dropout rate is out of range.
    """
    if settings.width % settings.heads:
        raise TrainerError(f"width is {settings.width}: it should be a multiple of the {settings.heads} heads")
    tokens = _patch_tokens(settings, input_shape) if len(input_shape) == 3 else _row_tokens(settings, input_shape)
    blocks = [part for _ in range(settings.depth) for part in _encoder_block(settings)]
    head = [nn.LayerNorm(settings.width), FirstToken(), nn.Linear(settings.width, classes)]
    model = nn.Sequential(*tokens, *blocks, *head)
    initialise(model, "xavier" if settings.init == "auto" else settings.init, settings.activation)
    return model


def _row_tokens(settings: TransformerSettings, input_shape: tuple[int, ...]) -> list[nn.Module]:
    return [FeatureTokens(input_shape[0], settings.width), ClassToken(settings.width)]


def _patch_tokens(settings: TransformerSettings, input_shape: tuple[int, ...]) -> list[nn.Module]:
    channels, *size = input_shape
    # Half of the rows missing to whole patches on either side; the stride cuts off one row too many.
    padding = tuple((-length % settings.patch + 1) // 2 for length in size)
    rows, columns = ((length + 2 * pad) // settings.patch for length, pad in zip(size, padding, strict=True))
    patches = nn.Conv2d(
        channels, settings.width, settings.patch, stride=settings.patch, padding=(padding[0], padding[1])
    )
    positions = Positions(1 + rows * columns, settings.width)
    return [patches, PixelsToTokens(), ClassToken(settings.width), positions, *dropout_layer(settings.dropout)]


def _encoder_block(settings: TransformerSettings) -> list[Residual]:
    """Attention among the tokens, then a hidden layer for each token."""
    width, hidden, rate = settings.width, settings.hidden, settings.dropout
    attention = [nn.LayerNorm(width), SelfAttention(width, settings.heads), *dropout_layer(rate)]
    inner = [nn.Linear(width, hidden), make_activation(settings.activation), *dropout_layer(rate)]
    dense = [nn.LayerNorm(width), *inner, nn.Linear(hidden, width), *dropout_layer(rate)]
    return [Residual(nn.Sequential(*main), nn.Identity(), nn.Identity()) for main in (attention, dense)]
