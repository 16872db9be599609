"""A tiny random language model in a local folder, and folders that are refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

from napari_medad.errors import Cancelled, MedadError
from napari_medad.reports.draft import draft_report
from napari_medad.reports.language_model import LocalLanguageModel
from napari_medad.reports.questions import answers_of

WORDS = ["<end>", "<unknown>", "mass", "left", "lobe", "no", "shift", "enhancing"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As `save_pretrained` writes it."""
    path = tmp_path_factory.mktemp("models") / "tiny-random"
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=len(WORDS), n_positions=2000, n_embd=16, n_layer=1, n_head=2,
        bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    model = GPT2LMHeadModel(config)
    with torch.no_grad():
        model.transformer.wte.weight[:2] = 0  # so that it writes words, not its two marks
    model.save_pretrained(path)
    words = Tokenizer(WordLevel({w: n for n, w in enumerate(WORDS)}, unk_token="<unknown>"))
    words.pre_tokenizer = Whitespace()
    PreTrainedTokenizerFast(
        tokenizer_object=words, eos_token="<end>", unk_token="<unknown>"
    ).save_pretrained(path)
    return path


@pytest.fixture
def copied(folder: Path, tmp_path: Path) -> Path:
    """A copy to be spoilt."""
    path = tmp_path / "spoilt"
    path.mkdir()
    for file in folder.iterdir():
        (path / file.name).write_bytes(file.read_bytes())
    return path


def test_it_writes_the_same_twice_and_drafts_are_marked(folder: Path) -> None:
    model = LocalLanguageModel(folder)
    assert model.name == "tiny-random"
    told = []
    first = model.write("no mass", longest=12, progress=lambda p: told.append((p.done, p.total)))
    assert first == model.write("no mass", longest=12)
    assert set(first.split()) <= set(WORDS)
    assert told[0] == (0, 12)
    assert told[-1][0] <= 12
    draft = draft_report("c", [("no shift", 0.5)], model, longest=5)
    assert draft.text.startswith("DRAFT, NOT A REPORT")
    assert {a.standing for a in answers_of("no mass", model)} == {"missing"}


def test_it_stops_when_asked(folder: Path) -> None:
    asked = []

    def stop(progress: object) -> str:
        asked.append(progress)
        return "stop" if len(asked) > 2 else ""

    with pytest.raises(Cancelled):
        LocalLanguageModel(folder).write("no mass", longest=500, progress=stop)
    assert len(asked) == 3


def test_a_prompt_that_leaves_no_room_is_one_sentence(folder: Path) -> None:
    with pytest.raises(MedadError, match="has 2500 tokens, but tiny-random reads 2000"):
        LocalLanguageModel(folder).write("mass " * 2500)


@pytest.mark.parametrize(
    ("gone", "told"),
    [
        ("tokenizer*", "lacks a tokenizer"),
        ("*.safetensors", "lacks weights in safetensors"),
        ("config.json", "lacks config.json"),
    ],
)
def test_a_folder_that_lacks_something_is_one_sentence(copied, gone: str, told: str) -> None:
    for file in copied.glob(gone):
        file.unlink()
    (copied / "pytorch_model.bin").write_bytes(b"\x80\x04K\x01.")
    with pytest.raises(MedadError, match=told):
        LocalLanguageModel(copied)


def test_an_absent_folder_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(MedadError, match="There is no language model folder"):
        LocalLanguageModel(tmp_path / "absent")


def test_code_in_the_folder_is_not_run(copied: Path, tmp_path: Path) -> None:
    config = json.loads((copied / "config.json").read_text())
    config |= {"model_type": "own", "auto_map": {"AutoConfig": "own.Own"}}
    (copied / "config.json").write_text(json.dumps(config))
    ran = tmp_path / "ran"
    (copied / "own.py").write_text(f"open({str(ran)!r}, 'w')")
    with pytest.raises(MedadError, match="cannot be read"):
        LocalLanguageModel(copied)
    assert not ran.exists()


def test_damaged_weights_are_one_sentence(copied: Path) -> None:
    (copied / "model.safetensors").write_bytes(b"no")
    with pytest.raises(MedadError, match="The model in .* cannot be read"):
        LocalLanguageModel(copied)
