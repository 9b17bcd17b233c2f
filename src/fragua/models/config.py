"""Every choice of one stack of blocks, as fields; the parameters and FLOPs that follow from them."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from fragua.settings import Settings


class Stack(Settings):
    """One stack of transformer blocks. Variants are resolved once, when the modules are built."""

    family: Literal["qwen3", "llama"] = "qwen3"
    """The Hugging Face layout it is saved in."""
    vocab_size: int = Field(gt=0)
    context: int = Field(gt=0)
    """Tokens it was trained to see; positions beyond it are refused by the engine, not by the model."""
    layers: int = Field(gt=0)
    width: int = Field(gt=0)
    heads: int = Field(gt=0)
    kv_heads: int = Field(gt=0)
    head_width: int = Field(gt=0)
    ffn_width: int = Field(gt=0)
    ffn: Literal["gated"] = "gated"
    norm: Literal["rms"] = "rms"
    norm_eps: float = 1e-6
    position: Literal["rope"] = "rope"
    rope_theta: float = 10_000.0
    qk_norm: bool = True
    attention_bias: bool = False
    tied: bool = True
    """Input embedding and output head are one matrix."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.heads % self.kv_heads:
            raise ValueError(f"heads ({self.heads}) must be a multiple of kv_heads ({self.kv_heads})")
        if self.head_width % 2:
            raise ValueError(f"head_width ({self.head_width}) must be even: rotary positions turn pairs")
        if self.qk_norm != (self.family == "qwen3"):
            raise ValueError("the Qwen3 layout has qk_norm and the Llama layout has none")
        return self

    def block_parameters(self) -> int:
        """Parameters of one block: fused q, k, v; output projection; gated feed-forward; norms."""
        query, key = self.heads * self.head_width, self.kv_heads * self.head_width
        attention = self.width * (query + 2 * key) + query * self.width
        attention += (query + 2 * key + self.width) * self.attention_bias + 2 * self.head_width * self.qk_norm
        return attention + 3 * self.width * self.ffn_width + 2 * self.width

    def parameters(self) -> int:
        embeddings = self.vocab_size * self.width * (1 if self.tied else 2)
        return embeddings + self.layers * self.block_parameters() + self.width

    def flops_per_token(self, context: int | None = None) -> int:
        """Training FLOPs a token (forward and backward), 6 N + 12 L H E T as in PaLM (2204.02311, appendix B).

        N counts the matrices that multiply: blocks and output head, not the embedding look-up."""
        matrices = self.layers * self.block_parameters() + self.vocab_size * self.width
        return 6 * matrices + 12 * self.layers * self.heads * self.head_width * (context or self.context)


HEAD_WIDTH = 64


def decoder_config(
    depth: int,
    vocab_size: int,
    context: int = 256,
    *,
    width: int | None = None,
    heads: int | None = None,
    kv_heads: int | None = None,
    ffn_width: int | None = None,
    tied: bool = True,
) -> Stack:
    """The decoder that `depth` stands for: width 64 × depth (128 at least), heads of 64, feed-forward 3 × width."""
    width = width or max(128, HEAD_WIDTH * depth)
    heads = heads or max(1, width // HEAD_WIDTH)
    return Stack.parse(
        dict(
            vocab_size=vocab_size,
            context=context,
            layers=depth,
            width=width,
            heads=heads,
            kv_heads=kv_heads or heads,
            head_width=HEAD_WIDTH if width % HEAD_WIDTH == 0 else width // heads,
            ffn_width=ffn_width or 3 * width,
            tied=tied,
        ),
        "model",
    )
