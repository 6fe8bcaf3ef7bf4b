"""A causal model that answers from memories, and goes on from what it has read before."""

from __future__ import annotations

import collections
import datetime as dt
import threading
import time
import uuid
from collections.abc import Callable, Collection, Sequence
from typing import Any

import structlog
import torch

from memsvc import errors
from memsvc.models.local import LocalGenerator
from memsvc.reader import budgets, cache, decode, evict, fingerprint, prompt
from memsvc.reader.asked import GREEDY, Answer, Place, Sampling
from memsvc.reader.cache import Snapshot
from memsvc.reader.disk import CacheFolder
from memsvc.reader.evict import Bound, Method

_log = structlog.get_logger("memsvc.reader")
# How far cached and full reading may differ in a logit, as a share of their range: rounding alone, by dtype.
# SmolLM2-135M was measured at 6e-5 of about 30 in float32, and .9 in bfloat16.
_TOLERANCE = {torch.float32: 1e-4, torch.float16: 0.02, torch.bfloat16: 0.05}
_PROBE = "Ana said that she keeps bees on the roof of her house in Porto."


class Reader:
    """One model, one answer at a time. `memory_bytes` bounds the caches in memory beside those on disk; with
    `kept_tokens` a cache keeps no more of what was read than so many tokens in each layer, chosen by `method`. With a
    `layer_exponent` above 0 that is the mean of the layers, and they share by how sensitive they are.
    """

    def __init__(
        self,
        generator: LocalGenerator,
        caches: CacheFolder,
        memory_bytes: int,
        kept_tokens: int | None = None,
        method: Method = "patched",
        layer_exponent: float = 0.0,
    ) -> None:
        self._layer_exponent = layer_exponent
        self._sensitivity: tuple[float | None, ...] | None = None
        self._kept_tokens = kept_tokens
        self._method = method
        self._generator = generator
        self._caches = caches
        self._memory_bytes = memory_bytes
        self._lock = threading.Lock()
        self._held: collections.OrderedDict[str, tuple[Place, Snapshot]] = collections.OrderedDict()
        self._held_lock = threading.Lock()
        self._model: tuple[Any, Any, prompt.Frame, str, bool] | None = None

    @property
    def name(self) -> str:
        return self._generator.name

    def answer(
        self,
        question: str,
        memories: str,
        *,
        asked_at: dt.datetime | None = None,
        place: Place | None = None,
        max_tokens: int = 64,
        timeout_s: float = 60.0,
        sampling: Sampling = GREEDY,
        examples: Sequence[prompt.Example] = (),
        tell: Callable[[str], None] = lambda text: None,
        waits: Callable[[], bool] = lambda: True,
    ) -> Answer:
        """Answer from `memories`, a served context; `examples` stand before the question. With `place` what was read of
        the memories before is not read again, if it is there. `tell` is given the text piece by piece. Raises Invalid
        when the model cannot be had or the prompt does not fit, and Abandoned when `waits` is no longer true.
        """
        begun = time.monotonic()
        with self._lock:
            queued_s = time.monotonic() - begun
            model, tokenizer, frame, _, trusted = self._load()
            before = prompt.prefix(tokenizer, frame, memories)
            after = prompt.suffix(tokenizer, frame, question, asked_at, examples)
            self._check_room(model, len(before) + len(after) + max_tokens)
            base = self._find(place, before) if place is not None and trusted else None
            started = time.monotonic()
            said = _Speech(tokenizer, tell)
            if base is None:
                written = decode.write(
                    model, cache.empty(model), [*before, *after], 0, ends=_ends(model, tokenizer),
                    max_tokens=max_tokens, timeout_s=timeout_s, sampling=sampling, tell=said.add, waits=waits,
                )  # fmt: skip
            else:
                written = decode.write(
                    model, cache.fork(model, base), after, base.length, ends=_ends(model, tokenizer),
                    max_tokens=max_tokens, timeout_s=timeout_s, sampling=sampling, tell=said.add, waits=waits,
                )  # fmt: skip
        text = tokenizer.decode(written.token_ids, skip_special_tokens=True).strip()
        done = time.monotonic()
        return Answer(
            text,
            prompt.numbers(text),
            prompt.abstains(text),
            "text" if base is None else "episode_cache",
            len(before) + len(after),
            0 if base is None else base.length,
            len(written.token_ids),
            written.stopped,
            {
                "queued": round(1e3 * queued_s, 3),
                "first_token": round(1e3 * written.first_s, 3),
                "writing": round(1e3 * (done - started - written.first_s), 3),
                "total": round(1e3 * (done - begun), 3),
            },
        )

    def log_likelihood(
        self,
        question: str,
        memories: str,
        answer: str,
        *,
        asked_at: dt.datetime | None = None,
        place: Place | None = None,
    ) -> float:
        """Mean log probability, in nats a token, that the model gives this answer; over what was read ahead, with a
        place.
        """
        with self._lock:
            model, tokenizer, frame, _, trusted = self._load()
            before = prompt.prefix(tokenizer, frame, memories)
            after = prompt.suffix(tokenizer, frame, question, asked_at)
            wanted = tokenizer(answer, add_special_tokens=False)["input_ids"]
            base = self._find(place, before) if place is not None and trusted else None
            if base is None:
                return float(decode.log_likelihood(model, cache.empty(model), [*before, *after], wanted, 0))
            return float(decode.log_likelihood(model, cache.fork(model, base), after, wanted, base.length))

    def prepare(
        self, memories: str, place: Place, waits: Callable[[], bool] = lambda: True, *, about: str = ""
    ) -> tuple[str, Snapshot] | None:
        """Read memories for the questions to come: a key and what the model makes of them, for `keep`. None when it was
        there already, or the model's cache is not to be trusted. `about` is the matter in short, by which a bounded
        cache chooses. Raises as `answer`.
        """
        with self._lock:
            model, tokenizer, frame, name, trusted = self._load()
            ids = prompt.prefix(tokenizer, frame, memories)
            key = self._key(name, place, ids)
            if not trusted or self._caches.has(place.namespace_id, key):
                return None
            self._check_room(model, len(ids) + 1)
            if self._kept_tokens is None or len(ids) <= self._kept_tokens:
                fresh = cache.empty(model)
                decode.read(model, fresh, ids, 0, waits)
                return key, cache.snapshot(fresh, ids)
            patch = tuple(tokenizer(about, add_special_tokens=False, split_special_tokens=True)["input_ids"])
            must = max(len(frame.before), evict.SINKS) + len(frame.between)
            if self._kept_tokens <= must:
                raise errors.Invalid(
                    f"{self._kept_tokens} kept tokens leave no room beside the {must} of the instructions.",
                    f"Set MEMSVC_READER_KEPT_TOKENS to more than {must}; twice as much is a sensible least.",
                )
            layers = self._layers(model, tokenizer, must, len(ids)) if self._layer_exponent else ()
            bound = Bound(self._kept_tokens, self._method, patch, len(frame.between), layers)
            return key, evict.read(model, ids, len(frame.before), bound, waits)

    def keep(self, place: Place, key: str, base: Snapshot, seq: int = 0) -> None:
        """Store what `prepare` gave, of words that stood at this head of the namespace."""
        self._caches.put(place.namespace_id, key, base, place.unit_ids, tenant_id=place.tenant_id, seq=seq)
        self._hold(key, place, base)

    def is_ahead(self, memories: str, place: Place) -> bool:
        """Whether these memories have been read."""
        with self._lock:
            _, tokenizer, frame, name, trusted = self._load()
        return trusted and self._caches.has(
            place.namespace_id, self._key(name, place, prompt.prefix(tokenizer, frame, memories))
        )

    def discard(self, namespace_id: uuid.UUID, unit_ids: Collection[str] | None = None) -> None:
        """Forget, in memory and on disk, all that saw one of these units; with None all of the namespace."""
        wanted = None if unit_ids is None else set(unit_ids)
        with self._held_lock:
            for key, (place, _) in list(self._held.items()):
                if place.namespace_id == namespace_id and (wanted is None or wanted & set(place.unit_ids)):
                    del self._held[key]
        self._caches.discard(namespace_id, wanted)

    def drop_gone(self) -> None:
        """Drop from memory what is on disk no more."""
        with self._held_lock:
            for key, (place, _) in list(self._held.items()):
                if not self._caches.has(place.namespace_id, key):
                    del self._held[key]

    def state(self) -> str:
        """What the model is and whether its cache is used, for people."""
        model, _, _, _, trusted = self._load()
        return f"{self.name} on {model.device.type} in {model.dtype}, cache {'on' if trusted else 'off'}"

    def _layers(self, model: Any, tokenizer: Any, least: int, most: int) -> tuple[int, ...]:
        """The tokens that each layer keeps. The model is measured at the first use."""
        assert self._kept_tokens is not None
        if self._sensitivity is None:
            ids = budgets.calibration_ids(model, tokenizer)
            self._sensitivity = budgets.sensitivity(model, ids, self._method)
        return budgets.divide(self._sensitivity, self._layer_exponent, self._kept_tokens, least, most)

    def _find(self, place: Place, ids: Sequence[int]) -> Snapshot | None:
        assert self._model is not None
        model, _, _, name, _ = self._model
        key = self._key(name, place, ids)
        # A file that was discarded, by whichever process, takes what is held in memory with it.
        if not self._caches.has(place.namespace_id, key):
            with self._held_lock:
                self._held.pop(key, None)
            return None
        with self._held_lock:
            held = self._held.get(key)
            if held is not None:
                self._held.move_to_end(key)
                return held[1]
        base = self._caches.get(place.namespace_id, key, model.device)
        if base is None or base.token_ids != tuple(ids):
            return None
        self._hold(key, place, base)
        return base

    def _hold(self, key: str, place: Place, base: Snapshot) -> None:
        with self._held_lock:
            self._held[key] = (place, base)
            self._held.move_to_end(key)
            total = sum(snapshot.nbytes for _, snapshot in self._held.values())
            while total > self._memory_bytes and self._held:
                _, (_, gone) = self._held.popitem(last=False)
                total -= gone.nbytes

    def _key(self, name: str, place: Place, ids: Sequence[int]) -> str:
        kept = f"{self._kept_tokens} {self._method} {self._layer_exponent}" if self._kept_tokens else "all"
        how = f"{name} {self._caches.codec} {kept}"
        return fingerprint.of_cache(how, place.tenant_id, place.namespace_id, place.episode_id, ids)

    def _load(self) -> tuple[Any, Any, prompt.Frame, str, bool]:
        """Model, tokenizer, frame, fingerprint, and whether cached and full reading agree. Raises Invalid."""
        if self._model is None:
            model, tokenizer = self._generator.weights()
            frame = prompt.frame(tokenizer)
            ragged = bool(self._kept_tokens and self._layer_exponent)
            trusted = _agrees(model, tokenizer, frame, ragged=ragged)
            if not trusted:
                _log.warning("cache off", model=self.name, reason="cached and full reading differ")
            self._model = model, tokenizer, frame, fingerprint.of_model(model, tokenizer), trusted
        return self._model

    def _check_room(self, model: Any, size: int) -> None:
        room = getattr(model.config, "max_position_embeddings", None)
        if room is not None and size > room:
            raise errors.Invalid(
                f"Memories, question and answer take {size} tokens, and {self.name} reads {room}.",
                "Ask for a smaller budget_tokens or max_tokens.",
            )


class _Speech:
    """Tokens to text as they come; an unfinished character waits for the rest of it."""

    def __init__(self, tokenizer: Any, tell: Callable[[str], None]) -> None:
        self._tokenizer = tokenizer
        self._tell = tell
        self._ids: list[int] = []
        self._told = ""

    def add(self, token: int) -> None:
        self._ids.append(token)
        text = self._tokenizer.decode(self._ids, skip_special_tokens=True)
        if text.startswith(self._told) and not text.endswith("\ufffd") and len(text) > len(self._told):
            self._tell(text[len(self._told) :])
            self._told = text


def _ends(model: Any, tokenizer: Any) -> frozenset[int]:
    """Tokens that end an answer: the model's, and the tokenizer's end of turn."""
    ends = getattr(model.generation_config, "eos_token_id", None)
    found = [*ends] if isinstance(ends, list) else [ends]
    return frozenset(end for end in (*found, tokenizer.eos_token_id) if end is not None)


def _agrees(model: Any, tokenizer: Any, frame: prompt.Frame, *, ragged: bool) -> bool:
    """Whether reading in two parts over a cache gives what reading at once gives, and the base stays as it was; with
    `ragged` also whether this holds for layers of different length.
    """
    before = prompt.prefix(tokenizer, frame, _PROBE)
    after = prompt.suffix(tokenizer, frame, "Where does Ana keep bees?", None)
    try:
        whole = decode.read(model, cache.empty(model), [*before, *after], 0)
        first = cache.empty(model)
        decode.read(model, first, before, 0)
        base = cache.snapshot(first, before)
        twice = [decode.read(model, cache.fork(model, base), after, base.length) for _ in range(2)]
        apart = _parted(model, base, after) if ragged else (whole, whole)
    except Exception as error:  # whatever a model of any make does here, text still answers
        _log.warning("cache probe failed", error=f"{type(error).__name__}: {error}")
        return False
    limit = _TOLERANCE.get(model.dtype, 1e-4) * float(whole.max() - whole.min())
    pairs = ((twice[0], whole), (twice[1], whole), apart)
    return all(bool((one - two).abs().max() <= limit) for one, two in pairs) and torch.equal(*twice)


def _parted(model: Any, base: Snapshot, after: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor]:
    """The logits behind these tokens over a cache whose every second layer lacks a token: read at once, and one by one,
    for which no mask is needed.
    """
    full = [layer for layer in range(len(base.keys)) if evict.is_full(model, layer)]
    kept: list[torch.Tensor | None] = [None] * len(base.keys)
    for layer in full[1::2]:
        heads, size = base.keys[layer].shape[1:3]
        kept[layer] = torch.arange(1, size, device=model.device).expand(heads, -1)
    thinned = cache.thin(base, kept)
    going = cache.fork(model, thinned)
    for place, token in enumerate(after):
        stepwise = decode.read(model, going, [token], base.length + place)
    return decode.read(model, cache.fork(model, thinned), after, base.length), stepwise
