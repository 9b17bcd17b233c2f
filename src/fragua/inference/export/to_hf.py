"""Hugging Face's layout for other programs: any of three precisions, a chat template in plain Jinja2."""

from __future__ import annotations

from pathlib import Path

import torch

from fragua.inference.language_model import LanguageModel
from fragua.tokens.templates import strip_generation_marks

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def write_hf(lm: LanguageModel, out: Path, dtype: str) -> list[Path]:
    """What `lm.save` writes, in `dtype`, without the marks of what is learned in its chat template."""
    template = lm.tokenizer.chat_template
    if template is not None:
        lm.tokenizer.chat_template = strip_generation_marks(template)
    try:
        lm.save(out, dtype=DTYPES[dtype])
    finally:
        lm.tokenizer.chat_template = template
    return sorted(file for file in out.iterdir() if file.is_file())
