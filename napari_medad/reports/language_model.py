"""A language model that writes: what it is asked for, and one from a local folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from napari_medad.errors import MedadError
from napari_medad.inference.progress import Callback, Reporter

if TYPE_CHECKING:
    import torch

TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "spiece.model")
"""One of these holds a tokenizer's words."""


class LanguageModel(Protocol):
    """Whatever continues a text."""

    @property
    def name(self) -> str:
        """What drafts and answers say that they are from."""
        ...

    def write(self, prompt: str, *, longest: int = 400, progress: Callback | None = None) -> str:
        """The model's answer to a prompt.

        Parameters
        ----------
        prompt : str
        longest : int
            Most tokens to write.
        progress : callable, optional
            Takes a `Progress` after every token; answers "stop" to cancel.
        """
        ...


class LocalLanguageModel:
    """A causal language model of transformers, read from a folder and from nowhere else.

    Only safetensors are read, code in the folder is never run, nothing is downloaded. The
    likeliest token is taken each time, so the same prompt gives the same text.

    Parameters
    ----------
    folder : path
        As `save_pretrained` writes it: config.json, *.safetensors and a tokenizer.
    device : str
        "cpu", "cuda", ...

    Raises
    ------
    MedadError
        If transformers is missing, or the folder lacks something or cannot be read.
    """

    def __init__(self, folder: str | Path, device: str = "cpu") -> None:
        self.folder = Path(folder).expanduser()
        _check_folder(self.folder)
        try:
            from transformers import AutoModelForCausalLM, AutoTokenizer
        except ModuleNotFoundError:
            raise MedadError(
                "A language model needs transformers; run pip install 'napari-medad[reports]'."
            ) from None
        safe = {"local_files_only": True, "trust_remote_code": False}
        self._tokenizer: Any = self._read(AutoTokenizer.from_pretrained, "tokenizer", **safe)
        model: Any = self._read(
            AutoModelForCausalLM.from_pretrained, "model", use_safetensors=True, **safe
        )
        self._model = model.eval().requires_grad_(False).to(device)
        self._device = device

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.resolve().name

    def write(self, prompt: str, *, longest: int = 400, progress: Callback | None = None) -> str:
        """See `LanguageModel`; a chat model is asked in its own chat format.

        Raises
        ------
        MedadError
            If the prompt leaves no room in the model's context.
        Cancelled
            If `progress` answered "stop".
        """
        import torch
        from transformers import StoppingCriteriaList

        given = self._given(self._tokens(prompt))
        length = given["attention_mask"].shape[1]
        room = int(getattr(self._model.config, "max_position_embeddings", 0) or 1 << 30)
        if length >= room:
            raise MedadError(
                f"The prompt has {length} tokens, but {self.name} reads {room} at most; give "
                "fewer sentences or a model with a longer context."
            )
        longest = min(longest, room - length)
        start = given["input_ids"].shape[1] if "input_ids" in given else 0
        reporter = Reporter(progress, longest, "tokens")
        reporter(0)
        pad = self._tokenizer.pad_token_id
        with torch.inference_mode():
            written = self._model.generate(
                **given,
                max_new_tokens=longest,
                do_sample=False,
                num_beams=1,
                pad_token_id=self._tokenizer.eos_token_id if pad is None else pad,
                stopping_criteria=StoppingCriteriaList([_counting(reporter, start)]),
            )
        text = self._tokenizer.decode(written[0, start:], skip_special_tokens=True)
        return str(text).strip()

    @property
    def device(self) -> str:
        """Where the model is."""
        return self._device

    @property
    def width(self) -> int:
        """Of the embedding of a word."""
        return int(self._model.get_input_embeddings().weight.shape[1])

    def embedded(self, ids: torch.Tensor) -> torch.Tensor:
        """Words [b, n] -> their embeddings [b, n, width]."""
        return self._model.get_input_embeddings()(ids)

    def to_learn(
        self, prompt: str, texts: Sequence[str], longest: int
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Texts that are to be written after a prompt, as tokens.

        Parameters
        ----------
        prompt : str
        texts : sequence of str
        longest : int
            Tokens of a text that are kept, its end not counted.

        Returns
        -------
        ids, there, learned : Tensor [b, n]
            Tokens int64; what is no padding, and what belongs to a text or ends it, bool.
        """
        import torch

        asked, end = self._tokens(prompt)[0], self._tokenizer.eos_token_id
        read = [
            self._tokenizer(text, add_special_tokens=False).input_ids[:longest] for text in texts
        ]
        size = len(asked) + max(map(len, read)) + 1
        ids = torch.full((len(texts), size), end or 0, device=self._device)
        there, learned = (torch.zeros_like(ids, dtype=torch.bool) for _ in range(2))
        ids[:, : len(asked)] = asked
        for row, words in enumerate(read):
            last = len(asked) + len(words)
            ids[row, len(asked) : last] = torch.tensor(words, dtype=torch.long)
            there[row, : last + (end is not None)] = True
            learned[row, len(asked) : last + (end is not None)] = True
        return ids, there, learned

    def next_words(self, embedded: torch.Tensor, there: torch.Tensor) -> torch.Tensor:
        """Logits [b, n, words] float32 after embeddings [b, n, width], none of `there` padding."""
        found = self._model(inputs_embeds=embedded, attention_mask=there.long())
        return found.logits.float()

    def _given(self, ids: torch.Tensor) -> dict[str, torch.Tensor]:
        """What the model is to continue, for tokens [1, n]; with `input_ids` it repeats them."""
        import torch

        return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}

    def _tokens(self, prompt: str) -> torch.Tensor:
        """The prompt as tokens [1, n] on the device."""
        if getattr(self._tokenizer, "chat_template", None):
            told = [{"role": "user", "content": prompt}]
            prompt = self._tokenizer.apply_chat_template(
                told, tokenize=False, add_generation_prompt=True
            )
            read = self._tokenizer(prompt, return_tensors="pt", add_special_tokens=False)
        else:
            read = self._tokenizer(prompt, return_tensors="pt")
        return read.input_ids.to(self._device)

    def _read(self, load: Callable[..., Any], what: str, **options: Any) -> Any:
        """The folder's tokenizer or model, any trouble as one sentence."""
        try:
            return load(str(self.folder), **options)
        except Exception as error:
            told = " ".join(str(error).split())[:200] or type(error).__name__
            raise MedadError(
                f"The {what} in {self.folder} cannot be read ({told}); give a folder that "
                "transformers' save_pretrained wrote, with a causal language model in safetensors."
            ) from None


def _check_folder(folder: Path) -> None:
    """Say what a folder lacks before anything heavy is imported."""
    if not folder.is_dir():
        raise MedadError(f"There is no language model folder {folder}; check the path.")
    lacks = ""
    if not (folder / "config.json").is_file():
        lacks = "config.json"
    elif not any(folder.glob("*.safetensors")):
        lacks = (
            "weights in safetensors (*.safetensors); other formats can run code and are not read"
        )
    elif not any((folder / name).is_file() for name in TOKENIZER_FILES):
        lacks = "a tokenizer (tokenizer.json); save it there with tokenizer.save_pretrained"
    if lacks:
        raise MedadError(f"The language model folder {folder} lacks {lacks}.")


def _counting(reporter: Reporter, start: int) -> Callable[..., torch.Tensor]:
    """A stopping criterion that never stops, but reports every token."""
    import torch

    def count(ids: torch.Tensor, scores: object, **options: object) -> torch.Tensor:
        reporter(ids.shape[1] - start)
        return torch.zeros(len(ids), dtype=torch.bool, device=ids.device)

    return count
