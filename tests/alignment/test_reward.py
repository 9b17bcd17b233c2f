"""A reward model judges as the person did, on the scale it promises, and says what it owes to length."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from fragua.alignment.answers import encode, logprobs
from fragua.alignment.judging import (
    RewardSettings,
    calibration,
    first_guess,
    judgements,
    judging_loss,
    train_reward,
)
from fragua.alignment.losses import bradley_terry
from fragua.alignment.reading import read_feedback
from fragua.alignment.reward import RewardModel, cuts, features, fitted, raw_rewards, read, scaled, with_head
from fragua.errors import InputError
from fragua.files import read_jsonl, write_jsonl
from fragua.inference.language_model import LanguageModel
from fragua.models import load_model
from tests.alignment.conftest import comparison

PROMPT = ({"role": "user", "content": "¿Quién es Íñigo 1?"},)


def settings(model: Path, data: Path, **changes: Any) -> RewardSettings:
    return RewardSettings.parse(dict(model=model, data=data, batch=8, epochs=3, learning_rate=3e-3) | changes)


def test_an_ensemble_learns_what_was_liked_and_its_rewards_have_the_promised_scale(
    tiny_dir: Path, feedback: Path, tmp_path: Path
) -> None:
    figures = train_reward(settings(tiny_dir, feedback, members=2), tmp_path / "r")
    assert figures["accuracy"]["value"] == 1.0 and figures["judgements"] == 3
    judge = RewardModel.load(tmp_path / "r")
    told = [
        (tuple(row["prompt"]), text["text"]) for _, row in read_jsonl(feedback) for text in row["candidates"]
    ]
    rewards_MN = judge.rewards(told)
    assert rewards_MN.shape == (2, 120)
    assert rewards_MN.mean(1) == pytest.approx([0, 0], abs=0.1)
    assert rewards_MN.std(1) == pytest.approx([1, 1], abs=0.1)
    assert (rewards_MN[:, 1::2] > rewards_MN[:, ::2]).all()
    assert not np.allclose(rewards_MN[0], rewards_MN[1])
    assert (tmp_path / "r" / "calibration.png").is_file()
    assert train_reward(settings(tiny_dir, feedback, members=2), tmp_path / "r") == figures


def test_the_reward_is_read_off_the_last_real_token_whatever_stands_beside_it(lm: LanguageModel) -> None:
    model = with_head(load_model(lm.directory or ""), 0)
    texts = [read(lm.tokenizer, model, PROMPT, answer) for answer in ("Sí.", "No, y nada más que decir.")]
    assert texts[0] and texts[1]
    with torch.no_grad():
        together = raw_rewards(model, [texts[0], texts[1]])
        x_BTD = model.hidden(torch.from_numpy(texts[0].ids)[None])  # type: ignore[operator]
        alone = (x_BTD[0, -1] @ model.get_parameter("reward.weight")[0]).item()
    assert together[0].item() == pytest.approx(alone, abs=1e-5)


def test_beside_the_state_stand_the_answers_words_and_how_likely_the_model_finds_it(
    lm: LanguageModel, minilm: Path
) -> None:
    model = with_head(load_model(lm.directory or ""), 0)
    said = ("Sí.", "No, y nada más que decir.")
    texts = [text for answer in said if (text := read(lm.tokenizer, model, PROMPT, answer))]
    answers = [written for answer in said if (written := encode(lm.tokenizer, PROMPT, answer, 256))]
    with torch.no_grad():
        plain = raw_rewards(model, texts)
        lengths_N = torch.tensor([answer.length for answer in answers])
        likely_N = logprobs(model, answers) / lengths_N  # type: ignore[arg-type]
        told_NF = torch.stack([torch.log(torch.tensor([1.0, 6.0])), likely_N], 1)
        torch.testing.assert_close(features(model, texts), told_NF, atol=1e-5, rtol=1e-5)
        model.get_parameter("features").copy_(torch.tensor([-0.2, 0.5]))
        added = raw_rewards(model, texts) - plain
        torch.testing.assert_close(added, told_NF @ torch.tensor([-0.2, 0.5]), atol=1e-5, rtol=1e-5)
    encoder = with_head(LanguageModel.load(minilm).model, 0)
    assert encoder.get_parameter("features").tolist() == []


def test_the_features_begin_where_they_alone_explain_the_choices_best(
    lm: LanguageModel, tiny_dir: Path, feedback: Path, tmp_path: Path
) -> None:
    model = with_head(load_model(tiny_dir), 0)
    rows, _ = judgements(read_feedback(feedback), lm.tokenizer, model, "pairs")
    mixed = [
        row._replace(answers=row.answers[:: 1 - 2 * (number % 3 == 0)]) for number, row in enumerate(rows)
    ]
    weight_F = first_guess(model, mixed).double()
    with torch.no_grad():
        better_NF, worse_NF = (
            features(model, side).double() for side in zip(*(row.answers for row in mixed), strict=True)
        )

    def loss(weight_F: torch.Tensor) -> float:
        ridge = 0.5 * float(weight_F @ weight_F)
        return ridge - float(torch.nn.functional.logsigmoid((better_NF - worse_NF) @ weight_F).sum())

    least = loss(weight_F)
    for step_F in 1e-3 * torch.tensor([[1.0, 0], [-1, 0], [0, 1], [0, -1], [1, 1], [-1, -1]]).double():
        assert least < loss(weight_F + step_F)
    tied = [row._replace(tie=True) for row in rows]
    assert first_guess(model, tied).tolist() == [0, 0]

    train_reward(settings(tiny_dir, feedback, epochs=0.1), tmp_path / "r")
    kept = RewardModel.load(tmp_path / "r").members[0][0].get_parameter("features")
    assert kept[0].item() < -0.5  # the shorter is always chosen


def test_a_reward_of_another_make_is_refused_not_read_as_another(
    tiny_dir: Path, feedback: Path, tmp_path: Path
) -> None:
    train_reward(settings(tiny_dir, feedback, epochs=0.1), tmp_path / "r")
    head = next((tmp_path / "r").glob("member-*/reward.safetensors"))
    save_file({"reward.weight": load_file(head)["reward.weight"], "likelihood": torch.ones(())}, head)
    with pytest.raises(InputError, match=r"reward\.safetensors: its weights are not a reward's; make one"):
        RewardModel.load(tmp_path / "r")


def test_of_a_long_talk_the_end_is_read(lm: LanguageModel, minilm: Path) -> None:
    talk = tuple(
        {"role": role, "content": f"Frase número {turn}."}
        for turn in range(4)
        for role in ("user", "assistant")
    )[:-1]
    model = with_head(load_model(lm.directory or ""), 0)
    whole = read(lm.tokenizer, model, talk[-1:], "Sí.")
    assert whole is not None
    cut = read(lm.tokenizer, model, talk, "Sí.", context=len(whole.ids) + 5)
    assert cut is not None and cut.ids.tolist() == whole.ids.tolist()
    assert read(lm.tokenizer, model, talk, "Sí.", context=len(whole.ids) - 1) is None

    encoder = LanguageModel.load(minilm)
    judge = with_head(encoder.model, 0)
    told = read(encoder.tokenizer, judge, talk, "And this is all.", context=20)
    assert told is not None and len(told.ids) <= 20
    text = encoder.tokenizer.decode(told.ids.tolist())
    assert text.endswith("numero 3. and this is all.") and "numero 0" not in text


def test_choices_and_ratings_are_learned_too(tiny_dir: Path, feedback: Path, tmp_path: Path) -> None:
    rows = [row for _, row in read_jsonl(feedback)]
    figures = train_reward(settings(tiny_dir, feedback, learn="best"), tmp_path / "best")
    assert figures["accuracy"]["value"] == 1.0
    rated = [
        {key: row[key] for key in ("at", "annotator", "seconds", "prompt", "candidates", "order")}
        | {"id": f"{row['id']}-{number}", "kind": "rating", "candidate": number, "rating": 1 + 4 * number}
        for row in rows
        for number in (0, 1)
    ]
    data = tmp_path / "ratings.jsonl"
    write_jsonl(data, rated)
    train_reward(settings(tiny_dir, data, learn="ratings"), tmp_path / "ratings")
    judge = RewardModel.load(tmp_path / "ratings")
    good, bad = judge.rewards([(PROMPT, "Es Elena."), (PROMPT, "Es Elena, y nada más que decir.")])[0]
    assert good > bad
    assert (cuts(judge.members[0][0]).diff() > 0).all()


def test_ties_pull_rewards_together_and_a_margin_pushes_them_apart() -> None:
    ones = torch.ones(1)
    even, tie = torch.zeros(1), torch.tensor([True])
    assert bradley_terry(even, even, tie_N=tie) < bradley_terry(ones, even, tie_N=tie)
    assert bradley_terry(ones, even, margin_N=2.0) > bradley_terry(ones, even)


def test_length_is_taken_off_and_only_that() -> None:
    draw = np.random.default_rng(0)
    words = draw.integers(1, 50, 4000)
    quality = draw.normal(size=4000)
    raw = quality + 0.7 * np.log(words)
    scale = fitted(raw, words.tolist(), correct_length=True)
    rewards = scaled(raw, words.tolist(), scale)
    assert scale.slope == pytest.approx(0.7, abs=0.05)
    assert np.corrcoef(rewards, np.log(words))[0, 1] == pytest.approx(0, abs=1e-6)
    assert np.corrcoef(rewards, quality)[0, 1] > 0.999
    assert (rewards.mean(), rewards.std()) == (pytest.approx(0, abs=1e-9), pytest.approx(1))


def test_confidence_that_is_kept_lies_on_the_diagonal() -> None:
    draw = np.random.default_rng(0)
    confidence = draw.uniform(0.5, 1, 20_000)
    rows = calibration(confidence, draw.uniform(size=20_000) < confidence)
    assert sum(row["n"] for row in rows) == 20_000
    assert all(row["right"] == pytest.approx(row["confidence"], abs=0.03) for row in rows)


def test_an_answer_that_does_not_fit_has_no_reward(tiny_dir: Path, feedback: Path, tmp_path: Path) -> None:
    train_reward(settings(tiny_dir, feedback, epochs=0.1), tmp_path / "r")
    rewards = RewardModel.load(tmp_path / "r").rewards([(PROMPT, "y " * 200), (PROMPT, "Sí.")])
    assert math.isnan(rewards[0, 0]) and not math.isnan(rewards[0, 1])


def test_an_untrained_head_says_that_all_outcomes_of_equal_answers_are_alike(
    lm: LanguageModel, tmp_path: Path
) -> None:
    data = tmp_path / "log.jsonl"
    write_jsonl(data, [comparison(1, "Sí.", "Sí.", verdict="tie", ranking=[])])
    model = with_head(load_model(lm.directory or ""), 0)
    rows, _ = judgements(read_feedback(data), lm.tokenizer, model, "pairs")
    assert judging_loss(model, rows, ties=True).loss.item() == pytest.approx(math.log(3), abs=1e-5)


def test_what_is_no_reward_model_is_told(tiny_dir: Path, tmp_path: Path, feedback: Path) -> None:
    with pytest.raises(InputError, match="no reward model"):
        RewardModel.load(tiny_dir)
    with pytest.raises(InputError, match="nothing to learn from as ratings"):
        train_reward(settings(tiny_dir, feedback, learn="ratings"), tmp_path / "r")
