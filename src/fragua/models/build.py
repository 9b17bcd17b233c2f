"""From a config to its model."""

from __future__ import annotations

from fragua.models.calls import Decoder, Model
from fragua.models.config import Stack
from fragua.models.encoder import Encoder
from fragua.models.encoder_decoder import EncoderDecoder
from fragua.models.permuting import Permuting

KINDS: dict[str, type[Model]] = {"bert": Encoder, "roberta": Encoder, "xlnet": Permuting} | dict.fromkeys(
    ("t5", "mt5"), EncoderDecoder
)


def build(config: Stack) -> Model:
    """The model of a config, as its kind is called. Its weights are not set."""
    return KINDS.get(config.family, Decoder)(config)
