"""One transformer made of parts; families as configs and weight-name maps; model directories in and out."""

from fragua.models.calls import Decoder, Output, initialise
from fragua.models.config import Stack, decoder_config
from fragua.models.io import load_model, save_model

__all__ = ["Decoder", "Output", "Stack", "decoder_config", "initialise", "load_model", "save_model"]
