"""Tagging words, from start to end: who and where, in the texts of Aldea.

The world knows its people and villages, so that the tags of a text's words are made from it and are exact. A model
learns them, and marks the names in a sentence that it has not seen. Texts of another seed's world judge it: its people
have other names.

    python examples/tag_names.py runs/laptop/base --out runs/names
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import fragua
from fragua.corpus.aldea import write_aldea
from fragua.corpus.sentences import sentences
from fragua.files import read_json, read_jsonl, write_jsonl
from fragua.inference.labelling import WORD
from fragua.learning.transfer import TransferSettings, transfer

KINDS = {"person": "PER", "village": "LOC"}


def tagged_rows(corpus: Path) -> list[dict[str, Any]]:
    """`{"words", "tags"}` of each sentence, in BIO."""
    names = {
        tuple(WORD.findall(entity[lang])): KINDS[entity["kind"]]
        for entity in read_json(corpus / "graph.json")["entities"]
        if entity["kind"] in KINDS
        for lang in ("es", "en")
    }
    longest = max(map(len, names))
    rows = []
    for _, document in read_jsonl(corpus / "train.jsonl"):
        for words in map(WORD.findall, sentences(document["text"])):
            tags, place = ["O"] * len(words), 0
            while place < len(words):
                sizes = range(min(longest, len(words) - place), 0, -1)
                size = next((size for size in sizes if tuple(words[place : place + size]) in names), 0)
                if size:
                    label = names[tuple(words[place : place + size])]
                    tags[place : place + size] = [f"B-{label}", *[f"I-{label}"] * (size - 1)]
                place += size or 1
            rows.append({"words": words, "tags": tags})
    return rows


def main(model: Path, out: Path, rows: int = 2000, **settings: Any) -> dict[str, Any]:
    """`rows` to learn from, a quarter as many to judge on."""
    for name, seed, count in (("train", 0, rows), ("dev", 1, rows // 4)):
        write_aldea(out / name, seed, max_bytes=400 * count, conversations=0, exam=0)
        write_jsonl(out / f"{name}.jsonl", tagged_rows(out / name)[:count])
    values = dict(model=model, data=out / "train.jsonl", dev=out / "dev.jsonl", task="tag", **settings)
    figures = transfer(TransferSettings.parse(values), out / "model")
    print(f"span F1 on another world's names: {figures['dev_span_f1']:.2f}")
    for entity in fragua.load(str(out / "model")).tag("Ayer Olga Peralta volvió a Saltosa.")[0].entities:
        print(f"{entity.label:8} {entity.probability:.2f}  {entity.text}")
    return figures


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    main(**vars(parser.parse_args()))
