"""What a learner is told about an answer is what happened: its tokens, its tools, its log-probabilities."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

from fragua.alignment.gold import gold_reward, practice_items
from fragua.alignment.multistep import multistep_items
from fragua.alignment.rewards import Judge, Part
from fragua.alignment.rollouts import Question, Record, Rollout, read, read_records, roll, write_records
from fragua.alignment.rounds import Optimising, Round
from fragua.corpus.aldea.asking import assistant, user
from fragua.corpus.aldea.exam import grade
from fragua.corpus.aldea.world import build_world
from fragua.errors import InputError
from fragua.inference.engine import Engine, Sampling
from fragua.inference.language_model import LanguageModel
from fragua.inference.sampling import INFINITY
from fragua.models.labelling import with_head
from fragua.tokens.tokenizer import TOOL_CALL, TOOL_CALL_END

ASKED = [Question((user(text),)) for text in ("Hola", "¿Cuánto es 3 + 4?", "Once upon a time")]


@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_scoring_finds_the_log_probabilities_that_the_sampler_drew_with(
    lm: LanguageModel, temperature: float
) -> None:
    rollouts = roll(lm, ASKED, 3, temperature=temperature, max_tokens=20, seed=5, deterministic=True)
    with torch.no_grad():
        found = read(lm.decoder, rollouts, temperature)
    assert np.abs(np.concatenate([each.drawn for each in rollouts]) - found.plain_N.numpy()).max() < 1e-5
    first = rollouts[0]
    start = int(first.own.argmax())
    # every logit of the first token, from the engine, at the temperature of the draw
    asked = Sampling(temperature=temperature, max_tokens=1, logprobs=lm.tokenizer.vocab_size, seed=first.seed)
    told = Engine(lm, deterministic=True).submit(first.ids[:start].tolist(), asked, ending=lm.chat_ending)
    top = dict((told.result().logprobs or [told.result().ended_by])[0].top)  # type: ignore[union-attr]
    tempered = (torch.tensor(list(top.values())) / temperature).log_softmax(-1)
    wanted = dict(zip(top, tempered.tolist(), strict=True))[int(first.ids[start])]
    assert found.logprob_N[0].item() == pytest.approx(wanted, abs=1e-5)


def test_the_same_seed_gives_the_same_answers_alone_and_in_company(lm: LanguageModel) -> None:
    together = roll(lm, ASKED, 2, max_tokens=12, seed=7, deterministic=True)
    for place, one in enumerate(together):
        (alone,) = roll(lm, [one.question], 1, max_tokens=12, seed=7 + place, deterministic=True)
        assert alone.ids.tolist() == one.ids.tolist() and alone.drawn.tolist() == one.drawn.tolist()


def test_an_end_token_is_own_and_an_answer_without_one_is_unfinished(lm: LanguageModel) -> None:
    rollouts = roll(lm, ASKED, 40, max_tokens=40, temperature=1.5)
    stops = lm.tokenizer.stop_ids
    ended = [each for each in rollouts if each.ended]
    assert ended and len(ended) < len(rollouts)
    for each in rollouts:
        own = each.ids[each.own]
        assert len(own) == len(each.drawn) <= 40
        assert not set(own[:-1].tolist()).intersection(stops), "nothing is drawn after an end"
        assert own[-1] in stops or not each.ended
        assert len(own) == 40 or own[-1] in lm.chat_ending.stop_ids or len(each.ids) == lm.context
        assert not each.own[: int(each.own.argmax())].any()


def script(lm: LanguageModel, monkeypatch: pytest.MonkeyPatch, *messages: str) -> None:
    """Lets the engine draw these texts, end of turn included, whatever the model would have said."""
    tokenizer = lm.tokenizer
    queues: dict[object, list[int]] = {}
    specials = {
        TOOL_CALL: tokenizer.special_ids[TOOL_CALL],
        TOOL_CALL_END: tokenizer.special_ids[TOOL_CALL_END],
    }

    def ids(text: str) -> list[int]:
        for mark, special in specials.items():
            if mark in text:
                before, after = text.split(mark, 1)
                return [*ids(before), special, *ids(after)]
        return tokenizer.encode(text) if text else []

    assert tokenizer.turn_end_id is not None
    turns = [[*ids(text), tokenizer.turn_end_id] for text in messages]

    def draw(answers, logits_BV):  # type: ignore[no-untyped-def]
        drawn = []
        for answer in answers:
            place = sum(1 for token in answer.ids[: answer.prompt_length] if token == specials[TOOL_CALL])
            queue = queues.setdefault(answer, list(turns[place]))
            drawn.append(queue.pop(0))
        assert logits_BV.max() < INFINITY
        return drawn

    monkeypatch.setattr("fragua.inference.engine.stepping.draw", draw)


CALL = TOOL_CALL + '{"name": "calculator", "arguments": {"expression": "3+4"}}' + TOOL_CALL_END


def called(lm: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> Rollout:
    script(lm, monkeypatch, CALL, "Son 7.")
    (rollout,) = roll(lm, ASKED[1:2], max_tokens=80)
    return rollout


def test_what_a_tool_answers_is_read_and_never_learned(
    lm: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    rollout = called(lm, monkeypatch)
    assert [step["role"] for step in rollout.steps] == ["assistant", "tool", "assistant"]
    assert rollout.text == "Son 7." and rollout.steps[1]["content"] == "7" and rollout.ended
    whole = lm.tokenizer.encode_chat([*rollout.question.prompt, *rollout.steps])
    length = len(rollout.ids)
    assert whole.ids[:length] == rollout.ids.tolist(), "the template's own tokens stand between"
    assert whole.trained[:length] == rollout.own.tolist(), (
        "prompt and result are masked, both ends of turn are not"
    )
    edges = np.flatnonzero(np.diff(rollout.own.astype(int)))
    assert len(edges) == 3


def test_values_are_carried_across_what_a_tool_wrote(
    lm: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With λ = 0 the advantage of a call's last token is the next own value less its own, results or not."""
    rollout = called(lm, monkeypatch)
    count = int(rollout.own.sum())
    values = np.linspace(0.0, 1.0, count, dtype=np.float32)
    zero = np.zeros(count, dtype=np.float32)
    record = Record(rollout, zero, zero, values, {}, 0.0, 0.0)
    how = Optimising(method="ppo", trace=0.0, kl=0.0)
    from fragua.alignment import policy

    monkeypatch.setattr(policy, "whiten", lambda x, mask, shift_mean=True: x)
    found = Round.of([record], how, 0.0, 1).advantage_BT[0]
    step = 1 / (count - 1)
    assert found[:-1].tolist() == pytest.approx([step] * (count - 1), abs=1e-6)
    assert found[-1].item() == pytest.approx(-1.0)


def test_a_call_without_room_for_its_result_is_unfinished(
    lm: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = called(lm, monkeypatch).own
    room = int(own[own.argmax() :].argmin()) + 4  # for the call, and not for what follows
    text = next(text for n in range(96) if len(lm.chat_ids([user(text := "á" * n)])) > 96 - room)
    (rollout,) = roll(lm, [Question((user(text),))], max_tokens=200)
    assert [step["role"] for step in rollout.steps] == ["assistant"] and not rollout.ended


def test_records_come_back_as_they_were(lm: LanguageModel, tmp_path: Path) -> None:
    item = next(multistep_items(0))
    rollouts = roll(lm, [Question(tuple(item.messages[:1]), item), ASKED[0]], 2, max_tokens=9, seed=3)
    with torch.no_grad():
        found = read(lm.decoder, rollouts, 1.0).logprob_N.split([len(each.drawn) for each in rollouts])
    records = [
        Record(each, logprobs.numpy(), each.drawn, each.drawn, {"format": 1.0}, 0.1 + 0.2, 0.0)
        for each, logprobs in zip(rollouts, found, strict=True)
    ]
    write_records(tmp_path / "round.jsonl", records)
    back = list(read_records(tmp_path / "round.jsonl"))
    for old, new in zip(records, back, strict=True):
        assert new.logprobs.tobytes() == old.logprobs.tobytes() and new.ids.tobytes() == old.ids.tobytes()
        assert new.own.tobytes() == old.own.tobytes() and new.row() == old.row()
        again = roll(lm, [new.rollout.question], max_tokens=9, seed=new.rollout.seed)
        assert again[0].ids.tolist() == new.ids.tolist(), "a record can be drawn again"


@pytest.mark.parametrize("change", [{"tokens": None}, {"own": [[0, 1]]}, {"drawn": ["x"]}])
def test_a_broken_record_is_named(lm: LanguageModel, tmp_path: Path, change: dict[str, object]) -> None:
    (rollout,) = roll(lm, ASKED[:1], max_tokens=4)
    record = Record(rollout, rollout.drawn, rollout.drawn, rollout.drawn, {}, 0.0, 0.0)
    with pytest.raises(InputError, match="round:3: no rollout"):
        Record.parse(record.row() | change, "round:3")


# ---- rewards


def said(text: str, item: object = None) -> Rollout:
    empty = np.zeros(0)
    return Rollout(Question((user("?"),), item), empty, empty, empty, (assistant(text),), True, 0)  # type: ignore[arg-type]


def test_rewards_are_clipped_weighed_and_added_up() -> None:
    item = next(multistep_items(1))
    value = item.spec["value"]
    judge = Judge([Part.read("arithmetic*2"), Part.read("format=.+*-0.5@0:0.5")])
    parts, score = judge([said(f"Son {value}.", item), said("No sé", item), said("1 2 3", item)])
    assert parts["arithmetic"].tolist() == [1.0, 0.0, float(value == "3")]
    assert parts["format"].tolist() == [0.5, 0.5, 0.5], "clipped before it is weighed"
    assert score[:2].tolist() == [1.75, -0.25]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("beauty", "unknown reward 'beauty'; known: model, label, gold"),
        ("gold*many", "is not NAME"),
        ("gold@3:1", "the second must be larger"),
        ("model", "which reward model"),
        ("model=nowhere", "no reward model"),
        ("label", "which label"),
        ("label=nowhere:praise", "no such directory"),
        ("format=(", "is no regular expression"),
    ],
)
def test_a_reward_that_cannot_be_is_told(text: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        Judge([Part.read(text)])


def test_a_label_is_rewarded_by_its_probability(tiny_dir: Path, tmp_path: Path) -> None:
    lm = LanguageModel.load(tiny_dir)
    judge_lm = LanguageModel(
        with_head(lm.model, "label", ("blame", "praise"), pad_id=lm.tokenizer.pad_id), lm.tokenizer
    )
    judge_lm.save(tmp_path)
    parts, score = Judge([Part.read(f"label={tmp_path}:praise*2")])([said("Hola"), said("Adiós a todos")])
    told = [one.probabilities["praise"] for one in judge_lm.classify(["Hola", "Adiós a todos"])]
    assert parts["label"].tolist() == pytest.approx(told, abs=1e-6)
    assert score.tolist() == pytest.approx([2 * each for each in told], abs=1e-6)
    with pytest.raises(InputError, match="no label 'joy'; known: blame, praise"):
        Judge([Part.read(f"label={tmp_path}:joy")])


def test_a_reward_that_needs_the_answer_says_so() -> None:
    with pytest.raises(InputError, match="gold needs prompts with their answers"):
        Judge([Part.read("gold")])([said("Hola")])


def test_gold_rewards_the_share_of_what_it_can_give() -> None:
    items = list(islice(practice_items(build_world(0), 0), 20))
    _, score_N = Judge([Part.read("gold")])(
        [said(f"Hola. {item.gold[-1]['content']}", item) for item in items]
    )
    wanted = [gold_reward(item, f"Hola. {item.gold[-1]['content']}") / 26 for item in items]
    assert score_N.tolist() == pytest.approx(wanted)
    assert 0.9 < score_N.max() <= 1


def test_every_good_answer_of_several_steps_passes_and_the_sides_never_meet() -> None:
    sides = [list(islice(multistep_items(0, for_exam), 200)) for for_exam in (False, True)]
    firsts = [{item.spec["expression"].strip("(").split(")")[0] for item in side} for side in sides]
    assert not firsts[0] & firsts[1]
    for item in (*sides[0], *sides[1]):
        assert grade(item, item.gold)
        parts, _ = Judge([Part.read("arithmetic")])([said(item.gold[-1]["content"], item)])
        assert parts["arithmetic"].tolist() == [1.0]
