"""Every choice of one stack of blocks, as fields; the parameters and FLOPs that follow from them."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from fragua.settings import Settings

Family = Literal[
    "qwen3", "llama", "qwen2", "mistral", "gpt2", "bert", "roberta", "t5", "mt5", "xlnet"
]  # fmt: skip
Activation = Literal["silu", "gelu", "gelu_new", "relu"]
Task = Literal["tokens", "pretraining", "hidden", "label", "tag"]
Pooling = Literal["mean", "cls", "last"]
"""How the states of a text's tokens become one: their mean, the first one, the last one."""


class RopeScaling(Settings):
    """How rotary frequencies are stretched for contexts longer than those first trained on."""

    kind: Literal["linear", "llama3", "yarn"]
    factor: float = Field(ge=1)
    original_context: int = Field(default=0, ge=0)
    """Positions seen before the stretching (llama3, yarn)."""
    low_frequency: float = 1.0
    high_frequency: float = 4.0
    """llama3: turns within the original context below which all, above which nothing is stretched."""
    beta_fast: float = 32.0
    beta_slow: float = 1.0
    """yarn: the same two bounds."""
    amplitude: float | None = None
    """yarn: by how much cosines and sines are scaled; None: 0.1 ln(factor) + 1."""
    truncate: bool = True
    """yarn: the bounds are rounded to whole dimensions."""


class Stack(Settings):
    """One stack of transformer blocks. Variants are resolved once, when the modules are built."""

    family: Family = "qwen3"
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
    ffn: Literal["gated", "plain"] = "gated"
    activation: Activation = "silu"
    ffn_bias: bool = False
    norm: Literal["rms", "layer"] = "rms"
    norm_at: Literal["pre", "post"] = "pre"
    norm_eps: float = 1e-6
    position: Literal["rope", "learned", "relative_bias", "relative_two_stream"] = "rope"
    rope_theta: float = 10_000.0
    rope_scaling: RopeScaling | None = None
    position_offset: int = Field(default=0, ge=0)
    """Rows of the learned table before position 0 (RoBERTa counts from its padding on)."""
    token_types: int = Field(default=0, ge=0)
    """Rows of the table of token types (sentence A, sentence B); 0: none."""
    relative_buckets: int = 32
    relative_distance: int = 128
    """From here on all distances share a bucket; two streams: distances are clamped to it (0: not at all)."""
    memory: int = Field(default=0, ge=0)
    """Two streams: hidden states kept for the next segment (0: all)."""
    visible: Literal["causal", "full"] = "causal"
    window: int | None = Field(default=None, gt=0)
    """A query sees itself and so many positions before it, less one; None: all."""
    window_from: int = Field(default=0, ge=0)
    """The first layer that has the window."""
    scale: float | None = None
    """Of the attention scores; None: head_width^-0.5."""
    output_scale: float = 1.0
    """Of the stream before the output head."""
    qk_norm: bool = True
    attention_bias: bool = False
    """Of queries, keys and values."""
    output_bias: bool = False
    """Of the projection back into the stream."""
    encoder_layers: int = Field(default=0, ge=0)
    """Blocks of an encoder that every block here reads by cross-attention; 0: none."""
    task: Task = "tokens"
    """What the head gives: logits of tokens; those and of the next sentence; nothing; a label for the text; for
    each token."""
    label_names: tuple[str, ...] = ()
    """Of the labels that a text, or each token, can have; a single one is a number to be told."""
    pooling: Pooling = "cls"
    """The state that the label of a text is told from."""
    pooler: bool = False
    """A dense tanh layer on the first token's state."""
    pad_id: int | None = None
    tied: bool = True
    """Input embedding and output head are one matrix."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.heads % self.kv_heads:
            raise ValueError(f"heads ({self.heads}) must be a multiple of kv_heads ({self.kv_heads})")
        if self.head_width % 2 and self.position == "rope":
            raise ValueError(f"head_width ({self.head_width}) must be even: rotary positions turn pairs")
        if self.qk_norm != (self.family == "qwen3"):
            raise ValueError("the Qwen3 layout has qk_norm and the others have none")
        return self

    @property
    def labels(self) -> int:
        return len(self.label_names)

    @property
    def has_inner(self) -> bool:
        """Whether a dense tanh layer of its own stands before the labels of a text, as these families have it."""
        return (
            self.task == "label"
            and self.pooling != "mean"
            and self.family in ("roberta", "t5", "mt5", "xlnet")
        )

    @property
    def label_bias(self) -> bool:
        """Decoders tell the label of a text without one."""
        return self.task == "tag" or self.visible == "full" or self.encoder_layers > 0

    @property
    def encoder(self) -> Stack:
        """The stack that reads the source of an encoder-decoder."""
        return self.model_copy(update=dict(layers=self.encoder_layers, visible="full", encoder_layers=0))

    def block_parameters(self) -> int:
        """Parameters of one block: fused q, k, v; output projection; feed-forward; norms."""
        query, key = self.heads * self.head_width, self.kv_heads * self.head_width
        projections = self.width * (query + 2 * key) + query * self.width
        attention = projections + (query + 2 * key) * self.attention_bias + self.width * self.output_bias
        attention += 2 * self.head_width * self.qk_norm
        if self.position == "relative_two_stream":
            attention += self.width * query + 5 * query
        ups = 2 if self.ffn == "gated" else 1
        ffn = (ups + 1) * self.width * self.ffn_width + (ups * self.ffn_width + self.width) * self.ffn_bias
        cross = (projections + self._norm) if self.encoder_layers else 0
        return attention + cross + ffn + 2 * self._norm

    def parameters(self) -> int:
        """All of them, the heads included; a tied matrix once."""
        embeddings = self.vocab_size * self.width
        if self.position == "learned":
            embeddings += (self.context + self.position_offset + self.token_types) * self.width
            embeddings += self._norm * (self.norm_at == "post")
        stack = self.layers * self.block_parameters() + self._norm * (self.norm_at == "pre")
        stack += self.relative_buckets * self.heads * (self.position == "relative_bias")
        stack += self.width * (self.position == "relative_two_stream")
        if self.encoder_layers:
            stack += self.encoder.parameters() - self.encoder._head - embeddings
        return embeddings + stack + self._head

    @property
    def _norm(self) -> int:
        return self.width * (2 if self.norm == "layer" else 1)

    @property
    def _head(self) -> int:
        square = self.width * self.width + self.width
        head = square * self.pooler
        if self.task in ("tokens", "pretraining"):
            head += 0 if self.tied else self.vocab_size * self.width
            head += self.vocab_size * (self.visible == "full")
            head += (square + self._norm) * (self.family in ("bert", "roberta"))
            return head + (2 * self.width + 2) * (self.task == "pretraining")
        if self.task in ("label", "tag"):
            return head + square * self.has_inner + self.labels * (self.width + self.label_bias)
        return head

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
