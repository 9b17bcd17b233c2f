"""A language model in NumPy alone: what `run.c` does, for reading.

    python run.py parameters.bin -p "Había una vez" -n 100 -t 0.8 -s 7
    python run.py parameters.bin --chat

The arithmetic is that of `run.c`: for int8 and int4 the inputs of each product are whole numbers too."""

from __future__ import annotations

import argparse
import codecs
import re
import struct
import sys
import time
import zlib
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

MAGIC, VERSION, GROUP, NONE, TINY = b"fragua2f", 1, 64, -1, 1e-30
FLOAT32, INT8, INT4 = range(3)
WORDS_GPT2, WORDS_QWEN2, SENTENCEPIECE = range(3)
SPECIAL, STOP, TURN = 1, 2, 4
SIGN, LETTER, NUMBER, SPACE, NEWLINE = range(5)
START = struct.Struct("<8sIIQQ")
FIELDS = struct.Struct("<12I3f4Ii")
FIELD_NAMES = (
    "dtype layers width heads kv_heads head_width ffn_width rows context qk_norm biases tied norm_eps rope_theta"
    " rope_scale tokens words digits whole_words start"
)
SECTION_NAMES = "rope ends bytes sorted flags merges byte_ids classes chat_first chat_reply chat_next"
NAMES, SECTIONS = FIELD_NAMES.split(), SECTION_NAMES.split()
HEADER_BYTES = START.size + FIELDS.size + 16 * len(SECTIONS)  # the struct `Header` of run.c

PATTERNS = {
    WORDS_GPT2: r"'s|'t|'re|'ve|'m|'ll|'d| ?[{L}]+| ?[{N}]+| ?[^{S}{L}{N}]+|[{S}]+(?![^{S}])|[{S}]+",
    WORDS_QWEN2: r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n{L}{N}]?[{L}]+|[{N}]{{1,{digits}}}"
    r"| ?[^{S}{L}{N}]+[\r\n]*|[{S}]*[\r\n]+|[{S}]+(?![^{S}])|[{S}]+",
}  # how a text is cut into pieces; the classes of characters are in the file


def padded(n: int) -> int:
    return -(-n // GROUP) * GROUP  # rows are whole groups, and tensors begin at multiples of as many bytes


class Matrix(NamedTuple):
    """[rows, groups, GROUP] floats; or whole numbers, int4 two in a byte, with scales [rows, groups]."""

    data: np.ndarray
    scales: np.ndarray | None

    def whole(self, rows: Any) -> np.ndarray:
        """Weights of some rows as signed whole numbers, in float32, which holds sums of their products exactly."""
        data = self.data[rows]
        if data.shape[-1] == GROUP:
            return data.astype(np.float32) - 128
        return np.concatenate((data & 15, data >> 4), axis=-1).astype(np.float32) - 8

    def rows(self, ids: list[int]) -> np.ndarray:
        """Some rows as they are meant, [n, columns]."""
        rows = self.data[ids] if self.scales is None else self.whole(ids) * self.scales[ids][..., None]
        return rows.reshape(len(ids), -1)

    def times(self, x_TC: np.ndarray) -> np.ndarray:
        """x W^T, [T, rows]."""
        x = np.pad(x_TC, ((0, 0), (0, -x_TC.shape[1] % GROUP))).reshape(len(x_TC), -1, GROUP)
        if self.scales is None:
            return x.reshape(len(x), -1) @ self.data.reshape(len(self.data), -1).T
        most = np.abs(x).max(-1)
        inverse = np.divide(np.float32(127), most, out=np.zeros_like(most), where=most > TINY)
        whole_x, scale_x = np.rint(x * inverse[..., None]), most / np.float32(127)
        y = np.empty((len(x), len(self.data)), np.float32)
        for at in range(0, len(self.data), 1024):  # some rows at once, to save memory
            rows = slice(at, at + 1024)
            sums = whole_x.transpose(1, 0, 2) @ self.whole(rows).transpose(1, 2, 0)
            scales = scale_x.T[..., None] * self.scales[rows].T[:, None]
            y[:, rows] = np.multiply(sums, scales, dtype=np.float64).sum(0)
        return y


class Model:
    """The file: its header, tokenizer and weights; and what was read: `length` tokens, their keys and values."""

    def __init__(self, path: str, context: int | None = None):
        self.file = np.memmap(path, np.uint8, "r")
        start = self.file[: START.size].tobytes().ljust(START.size)
        magic, version, checksum, self.at, size = START.unpack(start)
        head = self.file[: self.at].tobytes()
        whole = size == len(self.file) and zlib.crc32(head[16:]) == checksum
        if (magic, version) != (MAGIC, VERSION) or not whole:
            raise SystemExit(
                f"error: this is not a file of parameters of version {VERSION}, or it is damaged"
            )
        self.head: dict[str, Any] = dict(zip(NAMES, FIELDS.unpack_from(head, START.size), strict=True))
        places = struct.iter_unpack("<QQ", head[START.size + FIELDS.size : HEADER_BYTES])
        self.sections = {name: head[at : at + n] for name, (at, n) in zip(SECTIONS, places, strict=True)}
        self.limit = min(self.head["context"], context or self.head["context"])
        self._read_tokenizer()
        self._read_weights()
        self.restart()

    def restart(self) -> None:
        """Forgets what was read."""
        shape = (self.limit, self.head["kv_heads"], self.head["head_width"])
        self.length = 0
        self.cache = [(np.zeros(shape, np.float32), np.zeros(shape, np.float32)) for _ in self.layers]

    def _numbers(self, name: str) -> list[int]:
        return np.frombuffer(self.sections[name], np.uint32).tolist()

    def _read_tokenizer(self) -> None:
        ends = self._numbers("ends")
        self.tokens = [self.sections["bytes"][a:b] for a, b in zip([0, *ends], ends, strict=False)]
        self.flags, self.byte_ids = self.sections["flags"], self._numbers("byte_ids")
        self.ids = {self.tokens[i]: i for i in self._numbers("sorted")}
        merges = np.frombuffer(self.sections["merges"], np.uint32).reshape(-1, 4).tolist()
        self.merges = {(left, right): (rank, result) for left, right, rank, result in merges}
        classes = dict.fromkeys((LETTER, NUMBER, SPACE, NEWLINE), "")
        for low, high, kind in np.frombuffer(self.sections["classes"], np.uint32).reshape(-1, 3).tolist():
            classes[kind] += f"{chr(low)}-{chr(high - 1)}"
        named = dict(L=classes[LETTER], N=classes[NUMBER], S=classes[SPACE] + classes[NEWLINE])
        pattern = PATTERNS.get(self.head["words"], "")
        self.pattern = re.compile(pattern.format(**named, digits=self.head["digits"]))

    def _tensor(self, dtype: type, *shape: int) -> np.ndarray:
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        data: np.ndarray = self.file[self.at : self.at + size].view(dtype).reshape(shape)
        self.at += padded(size)
        return data

    def _take(self, rows: int, columns: int | None = None) -> Any:
        """The next vector, or matrix, of the file; 0 where it has no rows."""
        if columns is None:
            return self._tensor(np.float32, rows) if rows else np.float32(0)
        groups, dtype = padded(columns) // GROUP, self.head["dtype"]
        if dtype == FLOAT32:
            return Matrix(self._tensor(np.float32, rows, groups, GROUP), None)
        data = self._tensor(np.uint8, rows, groups, GROUP if dtype == INT8 else GROUP // 2)
        return Matrix(data, self._tensor(np.float32, rows, groups))

    def _read_weights(self) -> None:
        h = self.head
        width, queries, ffn = h["width"], h["heads"] * h["head_width"], h["ffn_width"]
        fused, norm = queries + 2 * h["kv_heads"] * h["head_width"], h["head_width"] * h["qk_norm"]
        plan = {"attention_norm": [width], "qkv": [fused, width], "qkv_bias": [fused * h["biases"]]}
        plan |= {"q_norm": [norm], "k_norm": [norm], "out": [width, queries]}
        plan |= {"out_bias": [width * h["biases"]], "ffn_norm": [width]}
        plan |= {"gate_up": [2 * ffn, width], "down": [width, ffn]}
        self.embedding: Matrix = self._take(h["rows"], width)
        self.layers = [{name: self._take(*shape) for name, shape in plan.items()} for _ in range(h["layers"])]
        self.norm = self._take(width)
        self.output: Matrix = self.embedding if h["tied"] else self._take(h["rows"], width)

    def encode(self, text: str) -> list[int]:
        """The ids of a text; nothing in it becomes a special token."""
        if self.head["words"] == SENTENCEPIECE:
            return self._merge(" " + text.replace("\u2581", " ")) if text else []
        return [i for piece in self.pattern.findall(text) for i in self._merge(piece)]

    def _merge(self, piece: str) -> list[int]:
        """Byte pair encoding: of all pairs the one of lowest rank is merged, again and again."""
        if self.head["whole_words"] and piece.encode() in self.ids:
            return [self.ids[piece.encode()]]
        by_character = self.head["words"] == SENTENCEPIECE
        ids: list[int] = []
        for character in map(str.encode, piece):
            known = by_character and character in self.ids
            ids += [self.ids[character]] if known else [self.byte_ids[byte] for byte in character]
        while pairs := [(self.merges[p], at) for at, p in enumerate(pairwise(ids)) if p in self.merges]:
            (_, result), at = min(pairs)
            ids[at : at + 2] = [result]
        return ids

    def turn(self, *texts: bytes) -> list[int]:
        """A turn's ids: text, and the file's bytes in which 0xFF and a number stand for a special token."""
        first, *rest = re.split(rb"\xff(.{4})", b"".join(texts), flags=re.DOTALL)
        ids = self.encode(first.decode())
        for number, text in zip(rest[::2], rest[1::2], strict=True):
            ids += [*struct.unpack("<I", number), *self.encode(text.decode())]
        return ids

    def _norm(self, x: np.ndarray, gain: np.ndarray) -> np.ndarray:
        squares = np.square(x, dtype=np.float64).mean(-1, keepdims=True).astype(np.float32)
        return x * (1 / np.sqrt(squares + np.float32(self.head["norm_eps"]))) * gain

    def _rotate(self, x_THE: np.ndarray) -> np.ndarray:
        """RoPE: turns each pair (i, i + E/2)."""
        positions = np.arange(self.length, self.length + len(x_THE), dtype=np.float32)
        angles = np.outer(positions, np.frombuffer(self.sections["rope"], np.float32))[:, None].astype(float)
        waves = (np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32))
        cosine, sine = (wave * np.float32(self.head["rope_scale"]) for wave in waves)
        a, b = np.split(x_THE.astype(float), 2, axis=-1)
        return np.concatenate((a * cosine - b * sine, b * cosine + a * sine), axis=-1).astype(np.float32)

    def _attention(self, layer: dict[str, Any], qkv: np.ndarray, number: int) -> np.ndarray:
        h, time_, end = self.head, len(qkv), self.length + len(qkv)
        parts = qkv.reshape(time_, -1, h["head_width"])
        q, k, v = np.split(parts, [h["heads"], h["heads"] + h["kv_heads"]], axis=1)
        if h["qk_norm"]:
            q, k = self._norm(q, layer["q_norm"]), self._norm(k, layer["k_norm"])
        keys, values = self.cache[number]
        keys[self.length : end], values[self.length : end] = self._rotate(k), v
        q_KGTE = self._rotate(q).reshape(time_, h["kv_heads"], -1, h["head_width"]).transpose(1, 2, 0, 3)
        scores = q_KGTE.astype(float) @ keys[:end].transpose(1, 2, 0)[:, None] / h["head_width"] ** 0.5
        scores[..., np.arange(end) > np.arange(self.length, end)[:, None]] = -np.inf
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        y_KGTE = weights @ values[:end].transpose(1, 0, 2)[:, None] / weights.sum(-1, keepdims=True)
        return y_KGTE.transpose(2, 0, 1, 3).reshape(time_, -1).astype(np.float32)

    def read(self, ids: list[int]) -> np.ndarray:
        """The logits after these tokens."""
        x = self.embedding.rows(ids)[:, : self.head["width"]]
        for number, layer in enumerate(self.layers):
            qkv = layer["qkv"].times(self._norm(x, layer["attention_norm"])) + layer["qkv_bias"]
            x = x + layer["out"].times(self._attention(layer, qkv, number)) + layer["out_bias"]
            gate, up = np.split(layer["gate_up"].times(self._norm(x, layer["ffn_norm"])), 2, axis=1)
            x = x + layer["down"].times((gate / (1 + np.exp(-gate.astype(float))) * up).astype(np.float32))
        self.length += len(ids)
        return self.output.times(self._norm(x[-1:], self.norm))[0, : self.head["tokens"]]


def choose(logits: np.ndarray, options: argparse.Namespace) -> int:
    """Temperature, top-k, top-p, min-p, in this order; then the distribution is inverted at a random point."""
    if options.temperature == 0:
        return int(logits.argmax())
    scaled = logits / np.float32(options.temperature)
    order = np.argsort(-scaled, kind="stable")
    if options.top_k:
        order = order[scaled[order] >= scaled[order[: options.top_k][-1]]]
    shares = np.exp((scaled[order] - scaled[order[0]]).astype(np.float64))
    nucleus = shares.cumsum() - shares < options.top_p * shares.sum()
    sums = shares[nucleus & (shares >= options.min_p)].cumsum()
    high, low = options.random.randint(0, 2**32, 2, dtype=np.uint32).tolist()
    point = ((high << 32 | low) & (2**53 - 1)) * 2.0**-53 * sums[-1]
    return int(order[min(np.searchsorted(sums, point, side="right"), len(sums) - 1)])


def speak(model: Model, ids: list[int], options: argparse.Namespace, stops: int) -> Iterator[int]:
    """Reads `ids` and yields what is drawn, up to a token with one of the flags in `stops`."""
    logits = model.read(ids)
    for _ in range(min(options.tokens, model.limit - model.length)):
        token = choose(logits, options)
        if model.flags[token] & stops:
            return
        yield token
        logits = model.read([token])


def write(model: Model, tokens: Iterator[int], special: bool, blank: bool = False) -> None:
    """Prints whole characters as they come; `blank`: without the first one, if it is a blank."""
    text = codecs.getincrementaldecoder("utf-8")(errors="replace")
    for i, token in enumerate(tokens):
        if special or not model.flags[token] & SPECIAL:
            shown = text.decode(model.tokens[token])
            print(shown.removeprefix(" ") if blank and i == 0 else shown, end="", flush=True)
    print(text.decode(b"", final=True))


def chat(model: Model, options: argparse.Namespace) -> None:
    first, reply, following = (model.sections[f"chat_{name}"] for name in ("first", "reply", "next"))
    if not first:
        raise SystemExit("error: these parameters have no chat turns: the model continues texts; use -p")
    for said in filter(None, (line.strip(" \t\r\n") for line in sys.stdin)):
        ids = model.turn(following if model.length else first, said.encode(), reply)
        if model.length + len(ids) >= model.limit:
            print("(the context is full: the conversation begins anew)", file=sys.stderr)
            model.restart()
            ids = model.turn(first, said.encode(), reply)
        write(model, speak(model, ids, options, STOP | TURN), True)


def main() -> None:
    parser = argparse.ArgumentParser(description="Runs parameters.bin in NumPy.")
    parser.add_argument("parameters")
    parser.add_argument("-p", "--prompt", default="")
    parser.add_argument("--chat", action="store_true", help="converse, a line a turn")
    numbers = {"-n --tokens": 256, "-t --temperature": 0.8, "-k --top-k": 0, "--top-p": 0.95, "--min-p": 0.0}
    for names, default in (numbers | {"-s --seed": int(time.time()), "-c --context": 0}).items():
        parser.add_argument(*names.split(), type=type(default), default=default)
    options = parser.parse_args()
    options.random = np.random.RandomState(options.seed % 2**32)
    model = Model(options.parameters, options.context)
    if options.chat:
        chat(model, options)
        return
    ids = [i for i in [model.head["start"]] if i != NONE] + model.encode(options.prompt)
    ids = ids or [i for i, flag in enumerate(model.flags) if flag & STOP][:1]
    if len(ids) >= model.limit:
        raise SystemExit(f"error: {len(ids)} tokens do not fit: the context holds {model.limit}")
    print(options.prompt, end="")
    blank = model.head["words"] == SENTENCEPIECE and not options.prompt
    write(model, speak(model, ids, options, STOP), False, blank)


if __name__ == "__main__":
    main()
