"""A reward: what people would think of an answer, as a number that any of our models reads off its last state."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import torch
from pydantic import Field
from safetensors.torch import load_file, save
from torch import Tensor, nn

from fragua.alignment.answers import encode, in_groups, padded, picked, summed
from fragua.alignment.examples import Messages
from fragua.errors import InputError
from fragua.files import atomic_write, read_json, write_json
from fragua.inference.encoding import pool
from fragua.models.calls import Decoder, Model
from fragua.models.encoder import Encoder
from fragua.models.io import load
from fragua.progress import progress_bar
from fragua.settings import Settings
from fragua.tokens.tokenizer import Tokenizer

HEAD, SCALE = "reward.safetensors", "reward.json"
FEATURES = "features"
"""What a decoder that writes is told beside the state: the logarithm of the answer's words, which rotary positions
don't show it, and the mean of its own log-probabilities of the answer's tokens."""
HEADS = ("reward.weight", "gaps", FEATURES)
REMAKE = "make one: fragua align reward MODEL --data FILE"
BATCH_TOKENS = 8192
GROUP_TOKENS = 1024


class Text(NamedTuple):
    """A conversation that ends with an answer, as the model reads it: int64 [T] each; `words` of the answer, whose
    tokens begin at `start`."""

    ids: np.ndarray
    types: np.ndarray
    words: int
    start: int = 0

    @property
    def own(self) -> np.ndarray:
        return np.arange(len(self.ids)) >= self.start


class Scale(Settings):
    """reward = gain · (raw − slope · log words) + bias; the answers it was set on then have mean 0, deviation 1."""

    gain: float = 1.0
    bias: float = 0.0
    slope: float = 0.0
    """What a factor of e in the answer's words is worth to the raw reward, where that is to be taken off."""
    levels: int = Field(default=0, ge=0)
    """Of the ratings that it learned from; 0: it learned from comparisons."""
    context: int | None = Field(default=None, gt=0)
    """Tokens that it reads at most; None: as many as the model takes."""


def with_head(model: Model, seed: int, levels: int = 0) -> Model:
    """Gives a loaded model `reward` (a row of weights, small and random), `features` (weights of what is told beside
    the state, at first 0) and, for ratings, `gaps` of their bounds.

    Raises InputError for a kind of model that has no states to read."""
    if not isinstance(model, Decoder | Encoder):
        raise InputError(f"{model.config.family} gives no reward", mend="take a decoder or an encoder")
    generator = torch.Generator().manual_seed(seed)
    model.reward = nn.Linear(model.config.width, 1, bias=False)
    with torch.no_grad():
        deviation = model.config.width**-0.5
        model.reward.weight.copy_(torch.randn(1, model.config.width, generator=generator) * deviation)
    writes = isinstance(model, Decoder) and model.config.task == "tokens"
    model.features = nn.Parameter(torch.zeros(2 if writes else 0))
    if levels:
        model.gaps = nn.Parameter(torch.cat([torch.tensor([1 - levels / 2]), torch.zeros(levels - 2)]))
    return model.to(model.device)


def cuts(model: Model) -> Tensor:
    """The bounds between ratings, ascending, [levels − 1]: the first is learned, then logarithms of the gaps."""
    gaps = model.get_parameter("gaps")
    return torch.cat([gaps[:1], gaps[1:].exp()]).cumsum(0)


def read(
    tokenizer: Tokenizer, model: Model, prompt: Messages, answer: str, context: int | None = None
) -> Text | None:
    """Decoders read the chat, encoders the prompt's words and the answer as a pair, of `context` tokens at most: a
    longer prompt loses its first turns, an encoder's its first tokens. None where it does not fit even so."""
    words, room = max(1, len(answer.split())), min(context or model.config.context, model.config.context)
    if isinstance(model, Encoder):
        framed = tokenizer.framed_end("\n".join(str(message["content"]) for message in prompt), answer, room)
        return framed and Text(np.array(framed.ids), np.array(framed.types), words)
    turns = tuple(prompt)
    while turns:
        written = encode(tokenizer, turns, answer, room + 1)  # one more, so that what is cut shows
        if written and len(written.ids) <= room:
            return Text(written.ids, np.zeros_like(written.ids), words, written.start)
        users = [place for place, turn in enumerate(turns) if place and turn["role"] == "user"]
        turns = turns[users[0] :] if users else ()
    return None


def raw_rewards(model: Model, texts: Sequence[Text], tokens: int = GROUP_TOKENS) -> Tensor:
    """float32 [N], of the last real token's state and the features; encoders', which have no last one, of the mean."""

    def rewards(group: Sequence[Text]) -> Tensor:
        pooled_BD, features_BF = _read(model, group)
        reward_B: Tensor = model.get_submodule("reward")(pooled_BD)[:, 0].float()
        return reward_B + features_BF @ model.get_parameter(FEATURES)

    return in_groups(rewards, texts, tokens)


def features(model: Model, texts: Sequence[Text], tokens: int = GROUP_TOKENS) -> Tensor:
    """float32 [N, F]: FEATURES of each answer."""
    return in_groups(lambda group: _read(model, group)[1], texts, tokens)


def _read(model: Model, texts: Sequence[Text]) -> tuple[Tensor, Tensor]:
    """The states that the head reads, [B, D], and the features, float32 [B, F]."""
    shape = len(texts), len(texts[0].ids)
    types_BT, mask_BT = (torch.zeros(shape, dtype=torch.long) for _ in range(2))
    for row, text in enumerate(texts):
        types_BT[row, : len(text.ids)] = torch.from_numpy(text.types)
        mask_BT[row, : len(text.ids)] = 1
    ids_BT, own_BT = (torch.from_numpy(array) for array in padded(texts))
    ids_BT, own_BT, types_BT, mask_BT = (
        part.to(model.device) for part in (ids_BT, own_BT, types_BT, mask_BT)
    )
    if isinstance(model, Decoder):
        x_BTD = model.hidden(ids_BT)  # what is causal never sees the padding
        pooled_BD = pool(x_BTD, mask_BT, "last")
    else:
        x_BTD = model.states(ids_BT, mask_BT, types_BT)
        pooled_BD = pool(x_BTD, mask_BT, "mean")
    if not len(model.get_parameter(FEATURES)):
        return pooled_BD, pooled_BD.new_empty(len(texts), 0, dtype=torch.float32)
    words_B = torch.tensor([math.log(text.words) for text in texts], device=model.device)
    logprob_B = summed(model, picked(x_BTD[:, :-1], ids_BT, own_BT), len(texts)) / own_BT.sum(1)
    return pooled_BD, torch.stack([words_B, logprob_B.float()], 1)


class RewardModel:
    """One model or an ensemble: `rewards` of answers, and how far its members are apart."""

    def __init__(self, members: Sequence[tuple[Model, Scale]], tokenizer: Tokenizer):
        self.members, self.tokenizer = list(members), tokenizer

    @classmethod
    def load(cls, directory: str | Path) -> Self:
        """Raises InputError for a directory that holds no reward model, or one of another make."""
        folders = cls.folders(Path(directory))
        members = []
        for folder in folders:
            scale = Scale.parse(read_json(folder / SCALE), folder / SCALE)
            head = load_file(folder / HEAD)
            model = with_head(load(folder), 0, scale.levels)
            if head.keys() != model.state_dict().keys() & set(HEADS):
                raise InputError("its weights are not a reward's", folder / HEAD, REMAKE)
            model.load_state_dict(head, strict=False)
            members.append((model.eval(), scale))
        return cls(members, Tokenizer.load(folders[0]))

    @staticmethod
    def folders(directory: Path) -> list[Path]:
        """Of the members. Raises InputError where one is no reward model."""
        folders = sorted(path.parent for path in directory.glob(f"member-*/{SCALE}")) or [directory]
        for folder in folders:
            if not (folder / SCALE).is_file() or not (folder / HEAD).is_file():
                raise InputError("no reward model", folder, REMAKE)
        return folders

    @torch.no_grad()
    def rewards(self, asked: Sequence[tuple[Messages, str]]) -> np.ndarray:
        """float64 [M, N]: each member's reward of each (prompt, answer), NaN for one that does not fit."""
        model, scale = self.members[0]
        texts = [read(self.tokenizer, model, prompt, answer, scale.context) for prompt, answer in asked]
        places = [place for place, text in enumerate(texts) if text]
        fitting = [text for text in texts if text]
        found_MN = np.full((len(self.members), len(texts)), np.nan)
        with progress_bar("reward", len(fitting) * len(self.members), "answers") as advance:
            for row, (model, scale) in enumerate(self.members):
                if fitting:
                    raw_N = raw_rewards(model, fitting, BATCH_TOKENS).cpu().double().numpy()
                    found_MN[row, places] = scaled(raw_N, [text.words for text in fitting], scale)
                advance(len(fitting))
        return found_MN


def scaled(raw_N: np.ndarray, words: Sequence[int], scale: Scale) -> np.ndarray:
    rewards_N: np.ndarray = scale.gain * (raw_N - scale.slope * np.log(words)) + scale.bias
    return rewards_N


def fitted(raw_N: np.ndarray, words: Sequence[int], correct_length: bool, levels: int = 0) -> Scale:
    """The scale on which these answers' rewards have mean 0 and deviation 1 (Ziegler et al. 2019, 1909.08593, 2.1);
    with `correct_length` the least-squares slope on log words is taken off first."""
    log_N = np.log(words)
    spread = log_N.var()
    slope = float(np.cov(raw_N, log_N, bias=True)[0, 1] / spread) if correct_length and spread > 0 else 0.0
    kept_N = raw_N - slope * log_N
    deviation = float(kept_N.std()) or 1.0
    return Scale(gain=1 / deviation, bias=float(-kept_N.mean()) / deviation, slope=slope, levels=levels)


def save_head(model: Model, scale: Scale, directory: Path) -> None:
    """Writes what a model directory does not hold: the head, and last the scale."""
    head = {name: value for name, value in model.state_dict().items() if name in HEADS}
    with atomic_write(directory / HEAD, "wb") as file:
        file.write(save({name: value.cpu().contiguous() for name, value in head.items()}))
    write_json(directory / SCALE, scale.model_dump(mode="json"))
