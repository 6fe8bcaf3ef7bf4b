"""A model that reads question and memory together: far slower than vectors, and better at what it was trained for."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memsvc import errors

# Pairs that are read between two looks at the clock.
_BATCH = 8


class CrossEncoder:
    """Any cross-encoder with one output that sentence-transformers loads, by hub name or folder."""

    def __init__(self, model: str, *, threads: int, device: str | None = None) -> None:
        """Raises Unavailable when the model cannot be had."""
        try:
            import sentence_transformers
            import torch
        except ImportError as error:
            raise errors.Unavailable(
                f"The cross-encoder {model} needs sentence-transformers.", 'Run pip install "memsvc[encoders]".'
            ) from error
        torch.set_num_threads(threads)
        try:
            self._model: Any = sentence_transformers.CrossEncoder(
                model, device=device, num_labels=1, model_kwargs={"use_safetensors": True}
            )
        except (OSError, ValueError) as error:
            raise errors.Unavailable(
                f"The cross-encoder {model} could not be loaded: {error}",
                "Set MEMSVC_RECALL_CROSS_ENCODER to a folder, or to a name that your model hub has and can be reached.",
            ) from error

    def scores(self, query: str, texts: Sequence[str], deadline: float) -> NDArray[np.float32] | None:
        """(n,) float32 between 0 and 1, how far each text answers the query; None when `deadline` (monotonic, s)
        passes.
        """
        found: list[NDArray[np.float32]] = []
        for start in range(0, len(texts), _BATCH):
            if time.monotonic() > deadline:
                return None
            pairs = [(query, text) for text in texts[start : start + _BATCH]]
            found.append(np.asarray(self._model.predict(pairs, show_progress_bar=False), dtype=np.float32).reshape(-1))
        values = np.concatenate(found) if found else np.empty(0, dtype=np.float32)
        return values if time.monotonic() <= deadline else None
