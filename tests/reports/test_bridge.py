"""A bridge from views to a tiny random language model: learning, loss by hand, what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

from napari_medad.errors import Cancelled, MedadError
from napari_medad.reports.bridge import (
    BridgeOptions,
    ScanWithReport,
    SeeingLanguageModel,
    draft_from_views,
    pairs_of,
    report_loss,
    train_bridge,
)
from napari_medad.reports.draft import MARK, MARK_END, UNTRAINED
from napari_medad.reports.language_model import LocalLanguageModel
from napari_medad.reports.library import EmbeddedCase, Entry, Origin, ReportLibrary
from napari_medad.reports.prompts import asked

WORDS = ["<end>", "<unknown>", "mass", "left", "lobe", "no", "shift"]
VIEWS, SIZE = 4, 8
ORIGIN = Origin(fingerprint="a1", name="ours")
REPORTS = ("mass left lobe", "no shift")


def write_model(path: Path, width: int = 16) -> Path:
    """One layer over seven words, random weights large enough to be swayed."""
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=len(WORDS), n_positions=200, n_embd=width, n_layer=1, n_head=2,
        initializer_range=0.5, bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    GPT2LMHeadModel(config).save_pretrained(path)
    words = Tokenizer(WordLevel({w: n for n, w in enumerate(WORDS)}, unk_token="<unknown>"))
    words.pre_tokenizer = Whitespace()
    PreTrainedTokenizerFast(
        tokenizer_object=words, eos_token="<end>", unk_token="<unknown>"
    ).save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("models") / "tiny-random")


def views(seed: int, kind: int) -> np.ndarray:
    """Unit views [q, d] around one of two directions."""
    drawn = np.random.default_rng(seed).standard_normal((VIEWS, SIZE)).astype(np.float32) * 0.2
    drawn[:, kind] += 1
    return drawn / np.linalg.norm(drawn, axis=-1, keepdims=True)


PAIRS = [ScanWithReport(views(n, n % 2), REPORTS[n % 2]) for n in range(16)]


@pytest.fixture(scope="module")
def bridge(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trained for a second."""
    out = tmp_path_factory.mktemp("bridges") / "ours"
    options = BridgeOptions.parse({"epochs": 60, "batch_size": 8, "learning_rate": 1e-2}, "test")
    held = train_bridge(PAIRS, LocalLanguageModel(folder), ORIGIN, out, options=options)
    losses = held.facts["losses"]
    assert losses[-1] < 0.5 * losses[0]
    return out


def test_what_it_writes_is_of_what_it_sees(folder: Path, bridge: Path) -> None:
    model = SeeingLanguageModel(folder, bridge, ORIGIN)
    for seed in (100, 101, 102, 103):
        kind = seed % 2
        losses = [
            float(report_loss(model.bridge, [ScanWithReport(views(seed, kind), r)], model, 99))
            for r in REPORTS
        ]
        assert losses[kind] < losses[1 - kind]
        draft = draft_from_views("c", views(seed, kind), model, longest=8)
        assert draft.body.split()[0] in REPORTS[kind].split()
        assert draft.text.startswith(MARK)
        assert draft.text.rstrip().endswith(MARK_END)
        assert "from brat's views of the scan" in draft.text


def test_drafts_of_untrained_views_are_marked(folder: Path, tmp_path: Path) -> None:
    random = Origin(fingerprint="b2", name="untrained", state="untrained")
    options = BridgeOptions.parse({"epochs": 1}, "test")
    train_bridge(PAIRS, LocalLanguageModel(folder), random, tmp_path, options=options)
    model = SeeingLanguageModel(folder, tmp_path, random)
    assert UNTRAINED in draft_from_views("c", views(0, 0), model, longest=3).text


def test_the_language_model_stays_as_it_is(folder: Path, bridge: Path) -> None:
    plain, seeing = LocalLanguageModel(folder), SeeingLanguageModel(folder, bridge, ORIGIN)
    assert seeing.write("no", longest=5) == plain.write("no", longest=5)
    told: list[tuple[int, int]] = []
    seeing.looking_at(views(1, 1)).write(
        "no", longest=5, progress=lambda p: told.append((p.done, p.total))
    )
    assert told[0] == (0, 5)
    assert [done for done, _ in told] == list(range(len(told)))


def test_the_loss_by_hand(folder: Path) -> None:
    """Of a longer and a shorter report together: every word and end counts once."""
    model = LocalLanguageModel(folder)
    torch.manual_seed(0)
    soft = torch.randn(VIEWS, 16)
    inner = GPT2LMHeadModel.from_pretrained(folder).eval()
    prompt = model._tokens(asked("look"))[0].tolist()
    sums = []
    for report in REPORTS:
        words = [WORDS.index(w) for w in report.split()] + [0]
        embedded = torch.cat([soft, inner.transformer.wte(torch.tensor(prompt + words))])
        with torch.no_grad():
            chances = inner(inputs_embeds=embedded[None]).logits[0].log_softmax(-1)
        first = VIEWS + len(prompt) - 1
        sums += [-float(chances[first + n, word]) for n, word in enumerate(words)]
    pairs = [ScanWithReport(views(n, n), report) for n, report in enumerate(REPORTS)]
    found = report_loss(lambda v: soft.expand(len(v), -1, -1), pairs, model, 99)
    assert len(sums) == 7
    assert float(found) == pytest.approx(np.mean(sums), rel=1e-4)


def test_pairs_come_from_a_library() -> None:
    held = ReportLibrary(ORIGIN)
    kept = Entry(name="a", study="a.nii", count=2, sentences=("mass left.", "no shift."))
    rows = np.tile(views(0, 0)[:1], (2, 1))
    held.add([EmbeddedCase(kept, views(0, 0), rows)])
    held.add([EmbeddedCase(Entry(name="b", study="b.nii"), views(1, 1), rows[:0])])
    (pair,) = pairs_of(held)
    assert pair.report == "mass left. no shift."
    np.testing.assert_array_equal(pair.views, views(0, 0))
    with pytest.raises(MedadError, match="no scan with a report"):
        pairs_of(ReportLibrary(ORIGIN))


def test_other_weights_models_and_folders_are_refused(folder, bridge, tmp_path: Path) -> None:
    with pytest.raises(MedadError, match=r"other weights of brat \('ours'\) than 'theirs'"):
        SeeingLanguageModel(folder, bridge, Origin(fingerprint="c3", name="theirs"))
    wider = write_model(tmp_path / "wider", 32)
    with pytest.raises(MedadError, match="'tiny-random' of width 16, but wider has 32"):
        SeeingLanguageModel(wider, bridge, ORIGIN)
    with pytest.raises(MedadError, match="is not a model folder"):
        SeeingLanguageModel(folder, tmp_path, ORIGIN)


def test_without_reports_there_is_nothing_to_learn(folder, tmp_path: Path) -> None:
    with pytest.raises(MedadError, match="learns from scans with reports"):
        train_bridge(
            [ScanWithReport(views(0, 0), " ")], LocalLanguageModel(folder), ORIGIN, tmp_path
        )


def test_stopped_it_writes_nothing(folder, tmp_path: Path) -> None:
    out = tmp_path / "none"
    with pytest.raises(Cancelled):
        train_bridge(
            PAIRS, LocalLanguageModel(folder), ORIGIN, out, progress=lambda progress: "stop"
        )
    assert not out.exists()
