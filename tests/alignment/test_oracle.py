"""Losses and gradients against TRL's trainers, on the same weights and the same batch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from fragua.alignment.answers import Answer, score
from fragua.alignment.preference import Compared, How, preference_loss
from fragua.models import Decoder, load_model
from fragua.models.families import llama
from fragua.models.weights import their_layout
from tests.tiny_model import write_tiny

PROMPTS = (range(20, 29), range(40, 45))
CHOSEN, REJECTED = (range(100, 104), range(120, 127)), (range(140, 149), range(160, 162))


class Peers:
    """A tiny model as ours and as transformers', beside a reference that differs; and TRL's trainers on it."""

    def __init__(self, folder: Path):
        from transformers import AutoModelForCausalLM, AutoTokenizer

        self.folder = folder
        directories = write_tiny(folder / "model"), write_tiny(folder / "reference", seed=4)
        self.ours, self.our_reference = (load_model(directory) for directory in directories)
        theirs = [AutoModelForCausalLM.from_pretrained(directory) for directory in directories]
        self.theirs, self.their_reference = theirs
        self.tokenizer = AutoTokenizer.from_pretrained(directories[0])

    def trainer(self, kind: Any, config: Any, rows: list[dict[str, Any]], **settings: Any) -> Any:
        from datasets import Dataset

        common = dict(output_dir=str(self.folder), use_cpu=True, report_to=[], bf16=False, max_length=None)
        arguments = config(**common, gradient_checkpointing=False, per_device_train_batch_size=2, **settings)
        return kind(
            model=self.theirs,
            ref_model=self.their_reference,
            args=arguments,
            train_dataset=Dataset.from_list(rows),
            processing_class=self.tokenizer,
        )


@pytest.fixture(scope="module")
def peers(tmp_path_factory: pytest.TempPathFactory) -> Peers:
    pytest.importorskip("trl")
    return Peers(tmp_path_factory.mktemp("peers"))


def answers(*ranges: range) -> list[Answer]:
    rows = [[*prompt, *answer] for prompt, answer in zip(PROMPTS, ranges, strict=True)]
    return [Answer(torch.tensor(row).numpy(), len(prompt)) for row, prompt in zip(rows, PROMPTS, strict=True)]


def tensors(rows: list[Answer], prefix: str = "") -> dict[str, torch.Tensor]:
    from fragua.alignment.answers import padded

    ids_BT, own_BT = (torch.from_numpy(array) for array in padded(rows))
    lengths = torch.tensor([len(row.ids) for row in rows])
    real_BT = (torch.arange(ids_BT.shape[1]) < lengths[:, None]).long()
    values = {"input_ids": ids_BT, "attention_mask": real_BT, "completion_mask": own_BT.long()}
    return {prefix + name: value for name, value in values.items()}


def same(ours: Decoder, loss: torch.Tensor, theirs: Any, their_loss: torch.Tensor) -> None:
    assert loss.item() == pytest.approx(their_loss.item(), abs=1e-5)
    ours.zero_grad()
    theirs.zero_grad()
    loss.backward()
    their_loss.backward()
    grads = {name: parameter.grad for name, parameter in theirs.named_parameters()}
    for row in llama.table(ours.config):
        grad = ours.get_parameter(row.ours).grad
        assert grad is not None
        for name, part in zip(row.theirs, their_layout(row, grad), strict=True):
            torch.testing.assert_close(part, grads[name], atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("how", "theirs", "pairs"),
    [
        ({"beta": 0.3}, {"loss_type": ["sigmoid"]}, 2),
        ({"beta": 0.3, "normalise": True}, {"loss_type": ["sigmoid_norm"]}, 2),
        # TRL's aot sorts over the batch: of one pair it is smoothed DPO
        ({"beta": 0.3, "smoothing": 0.1}, {"loss_type": ["aot"], "label_smoothing": 0.1}, 1),
        # its likelihood is a mean over the batch's tokens: of one pair the same as a pair's
        ({"beta": 0.3, "likelihood": 0.5}, {"loss_type": ["sigmoid", "sft"], "loss_weights": [1.0, 0.5]}, 1),
        ({"beta": 0.3, "method": "ipo"}, {"loss_type": ["ipo"]}, 2),
        ({"method": "chosen"}, {"loss_type": ["sft"]}, 1),
    ],
)
def test_pairs_teach_what_trl_teaches(
    peers: Peers, how: dict[str, Any], theirs: dict[str, Any], pairs: int
) -> None:
    from trl import DPOConfig, DPOTrainer

    rows = [{"prompt": "a", "chosen": "b", "rejected": "c"}] * 2
    trainer = peers.trainer(DPOTrainer, DPOConfig, rows, beta=how.get("beta", 0.1), **theirs)
    chosen, rejected = answers(*CHOSEN)[:pairs], answers(*REJECTED)[:pairs]
    reference_2N = score(peers.our_reference, [*chosen, *rejected]).view(2, -1)
    found = preference_loss(peers.ours, Compared(chosen, rejected, reference_2N), How.parse(how))
    their_loss = trainer.compute_loss(trainer.model, tensors([*chosen, *rejected]))
    same(peers.ours, found.loss / pairs, peers.theirs, their_loss)


def test_single_verdicts_teach_what_trl_teaches(peers: Peers) -> None:
    from trl import KTOConfig, KTOTrainer

    rows = [{"prompt": "a", "completion": "b", "label": label} for label in (True, False)]
    weights = {"desirable": 1.2, "undesirable": 0.8}
    trainer = peers.trainer(
        KTOTrainer, KTOConfig, rows, beta=0.3, **{f"{name}_weight": value for name, value in weights.items()}
    )
    own, others = answers(*CHOSEN), answers(*reversed(CHOSEN))
    reference_2N = score(peers.our_reference, [*own, *others]).view(2, -1)
    good_N = torch.tensor([True, False])
    how = How(method="kto", beta=0.3, **weights)
    found = preference_loss(peers.ours, Compared(own, others, reference_2N, good_N), how)
    batch = {**tensors(own), **tensors(others, "KL_"), "label": good_N}
    same(peers.ours, found.loss / 2, peers.theirs, trainer.compute_loss(trainer.model, batch))
