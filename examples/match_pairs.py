"""Labelling pairs, from start to end: are two sentences of one text?

Each pair is two sentences of a text of Aldea that follow each other, or the first with one of another text: half and
half. What tells them apart is whom and what they speak of. Texts of another seed's world judge the model.

    python examples/match_pairs.py runs/laptop/base --out runs/pairs
"""

from __future__ import annotations

import argparse
import random
from itertools import pairwise
from pathlib import Path
from typing import Any

import fragua
from fragua.corpus.aldea import write_aldea
from fragua.corpus.sentences import sentences
from fragua.files import read_jsonl, write_jsonl
from fragua.learning.transfer import TransferSettings, transfer


def paired_rows(corpus: Path, seed: int) -> list[dict[str, str]]:
    """`{"text", "pair", "label"}`: one, or other."""
    texts = [sentences(row["text"]) for _, row in read_jsonl(corpus / "train.jsonl")]
    pairs = [(number, *pair) for number, text in enumerate(texts) for pair in pairwise(text)]
    rng, rows = random.Random(seed), []
    for number, first, second in pairs:
        if rng.random() < 0.5:
            rows.append({"text": first, "pair": second, "label": "one"})
        else:
            elsewhere = (number + rng.randrange(1, len(texts))) % len(texts)
            rows.append({"text": first, "pair": rng.choice(texts[elsewhere]), "label": "other"})
    rng.shuffle(rows)
    return rows


def main(model: Path, out: Path, rows: int = 4000, **settings: Any) -> dict[str, Any]:
    """`rows` to learn from, a quarter as many to judge on."""
    for name, seed, count in (("train", 0, rows), ("dev", 1, rows // 4)):
        write_aldea(out / name, seed, max_bytes=400 * count, conversations=0, exam=0)
        write_jsonl(out / f"{name}.jsonl", paired_rows(out / name, seed)[:count])
    values = dict(model=model, data=out / "train.jsonl", dev=out / "dev.jsonl", task="pair", **settings)
    figures = transfer(TransferSettings.parse(values), out / "model")
    print(f"accuracy on another world's pairs: {figures['dev_accuracy']:.1%} (chance is half)")
    (told,) = fragua.load(str(out / "model")).classify(
        [("Olga Peralta vive en Saltosa.", "Olga Peralta es panadera.")]
    )
    print(told.probabilities)
    return figures


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    main(**vars(parser.parse_args()))
