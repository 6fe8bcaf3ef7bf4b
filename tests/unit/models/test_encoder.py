from __future__ import annotations

import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from memsvc import errors
from memsvc.cli import checkup
from memsvc.models import encoder, tokens
from memsvc.models.encoder import TextEncoder

TEXTS = [
    "Ana moved to Berlin.",
    "The pool is exhausted.",
    "x",
    "word " * 600,
    "\u6771\u4eac\u30bf\u30ef\u30fc",
    "Where does Ana live?",
]


def load(precision: str) -> TextEncoder:
    return encoder.load(encoder.DEFAULT_MODEL, precision=precision, threads=1, batch_size=4)


def test_vectors_are_float32_of_unit_norm_in_the_order_of_the_texts() -> None:
    made = load("int8")
    vectors = made.encode(TEXTS)
    assert vectors.dtype == np.float32
    assert vectors.shape == (len(TEXTS), made.width)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    for text, vector in zip(TEXTS, vectors, strict=True):
        assert float(vector @ made.encode_query(text)) > 0.98
    assert made.encode([]).shape == (0, made.width)


def test_a_text_has_the_vector_that_it_has_alone_whatever_is_encoded_beside_it() -> None:
    made = load("int8")
    texts = [*TEXTS, "Ana moved to Rome.", "word " * 40, "Ana moved to Berlin, and Karl to Lisbon."]
    alone = np.stack([made.encode([text])[0] for text in texts])
    np.testing.assert_allclose(made.encode(texts), alone, atol=1e-6)
    pairs = [("Ben: Where to?", text) for text in texts]
    in_context = np.stack([made.encode_in_context([pair])[0] for pair in pairs])
    np.testing.assert_allclose(made.encode_in_context(pairs), in_context, atol=1e-6)


@pytest.mark.parametrize("precision", ["int8", "fp32"])
def test_threads_that_write_at_the_same_time_get_the_vectors_that_each_gets_alone(precision: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = load(precision)
    given = [[f"Ana moved to house {n}.", "word " * 300, f"{'and then on ' * (n % 5)}to Rome"] for n in range(8)]
    before = "Ben: Where to?"

    def both(texts: list[str]) -> tuple[encoder.Vectors, encoder.Vectors, encoder.Vectors]:
        asked = made.encode_query(texts[0])
        made.windows(texts[1])
        return made.encode(texts), made.encode_in_context([(before, text) for text in texts]), asked

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(both, given))
    for texts, (rows, in_context, asked) in zip(given, found, strict=True):
        np.testing.assert_allclose(rows, np.stack([made.encode([text])[0] for text in texts]), atol=1e-5)
        alone = np.stack([made.encode_in_context([(before, text)])[0] for text in texts])
        np.testing.assert_allclose(in_context, alone, atol=1e-5)
        np.testing.assert_allclose(rows[0], asked, atol=1e-5)


def test_counting_a_texts_tokens_leaves_the_models_own_tokenizer_as_its_passes_set_it() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = load("fp32")
    assert isinstance(made._backend, encoder._SentenceTransformers)
    own = made._backend._model.tokenizer.backend_tokenizer
    made.encode(["Ana moved to Rome."])
    cut, padded = own.truncation, own.padding
    assert cut
    made.windows("word " * 600)
    made.encode_in_context([("Ben: Where to?", "Rome"), ("", "word " * 600)])
    assert (own.truncation, own.padding) == (cut, padded)


def test_meaning_ranks_the_answer_first() -> None:
    vectors = load("int8").encode(TEXTS)
    assert int(np.argmax(vectors[:5] @ vectors[5])) == 0


def test_int8_agrees_with_fp32_of_sentence_transformers() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch and transformers, on import
        exact = load("fp32").encode(TEXTS)
    fast = load("int8").encode(TEXTS)
    assert (np.sum(exact * fast, axis=1) > 0.998).all()


def test_a_model_that_cannot_be_had_says_what_to_set() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(errors.Unavailable, match="MEMSVC_ENCODER_MODEL"):
            encoder.load("/nowhere/no-model", precision="fp32", threads=1, batch_size=4)


def test_tokens_are_counted_without_marks_or_truncation() -> None:
    assert tokens.count("hello world") == 2
    assert tokens.count("word " * 5000) == 5000
    assert tokens.count("") == 0


class _Mute:
    """A backend without a tokenizer."""

    width = 2

    def encode(self, texts: Sequence[str]) -> encoder.Vectors:
        return np.ones((len(texts), 2), dtype=np.float32)

    def encode_query(self, text: str) -> encoder.Vectors:
        return np.ones(2, dtype=np.float32)

    def encode_in_context(self, pairs: Sequence[tuple[str, str]]) -> encoder.Vectors:
        return np.ones((len(pairs), 2, 2), dtype=np.float32)


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("Ana moved to Berlin.", 0.0),
        ("", 0.0),
        ("?!", 0.0),
        ("ฉันเป็นพยาบาล", 1.0),
        ("ទឹក!", 1.0),
        ("Ana น้ำ", 0.5),
        ("Я живу в Москве", 0.0),
    ],
)
def test_words_that_the_tokenizer_has_no_piece_of_are_unknown(text: str, share: float) -> None:
    made = load("int8")
    assert made.unknown_share(text) == share
    assert made.knows(text) == (share < 0.5)
    assert made.encode([text, "Ana"]).any(axis=1).tolist() == [made.knows(text), True]
    assert made.encode_query(text).any() == made.knows(text)


def test_both_ways_to_run_the_model_agree_on_what_is_unknown() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exact = load("fp32")
    fast = load("int8")
    for text in ["Ana", "น้ำ Ana", "ရေ", "東京タワー", "물"]:
        assert exact.unknown_share(text) == fast.unknown_share(text)


@pytest.mark.parametrize("precision", ["int8", "fp32"])
def test_one_pass_gives_a_messages_own_words_in_context_and_all_of_it(precision: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = load(precision)
    own, before = "Ana: For three years.", "Ben: How long have you had the tortoises?"
    rows = made.encode_in_context([(before, own), ("", own), (before, own + " word" * 600)])
    assert rows.shape == (3, 2, made.width)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=2), 1, rtol=1e-5)
    np.testing.assert_allclose(rows[0, 1], made.encode([f"{before}\n{own}"])[0], atol=0.02)
    np.testing.assert_allclose(rows[1, 0], rows[1, 1], atol=1e-6)
    np.testing.assert_allclose(rows[1, 0], made.encode([own])[0], atol=0.02)
    question, alone = made.encode_query("What pets does she keep, tortoises?"), made.encode([own])[0]
    assert rows[0, 1] @ question > rows[0, 0] @ question > alone @ question


def test_a_backend_without_a_tokenizer_leaves_nothing_unknown() -> None:
    assert TextEncoder("mute", _Mute(), 4).unknown_share("น้ำ") == 0.0


def test_the_doctor_names_the_scripts_that_the_encoder_does_not_know() -> None:
    none, _, some = checkup.scripts(load("int8")).partition(";")
    assert "Thai" in none
    assert "Khmer" in none
    assert "Chinese" in some
    assert "Latin" not in none + some
    assert checkup.scripts(TextEncoder("mute", _Mute(), 4)).startswith("knows words in all")


def test_a_text_is_cut_into_windows_that_are_read_whole_behind_lines_sentences_and_words() -> None:
    made = encoder.load(encoder.DEFAULT_MODEL, precision="int8", threads=1, batch_size=8)
    assert made.windows("Ana sails.") == ["Ana sails."]
    sentences = [f"The committee met in room {n} about the parking lot." for n in range(60)]
    for text in (
        " ".join(sentences),
        "\n".join(sentences),
        f"{' '.join(sentences)}\ndecision: move to Ghent",
        "word " * 2000,
        "水" * 3000,
        "a?!" * 2000,
    ):
        windows = made.windows(text)
        assert "".join(windows) == text
        backend = made._backend
        assert isinstance(backend, encoder.Tokenizing)
        assert len(windows) > 1
        assert all(len(backend.ids(window)) <= 240 for window in windows)
    assert made.windows(" ".join(sentences))[0].endswith("lot. ")
    assert made.windows(f"{' '.join(sentences)}\ndecision: move to Ghent")[-1] == "decision: move to Ghent"
    assert TextEncoder("mute", _Mute(), 4).windows("word " * 2000) == ["word " * 2000]


@pytest.mark.parametrize(
    "pasted", ["The fence was painted green by the neighbours. " * 300, "fence " * 2_000, "f" * 9_000 + " "]
)
def test_of_a_question_that_is_too_long_to_be_read_its_end_counts(pasted: str) -> None:
    made = load("int8")
    home, dog = "Where do I live?", "What is my dog called?"
    longer = made.encode_query(pasted + home)
    assert float(longer @ made.encode_query(home)) > float(longer @ made.encode_query(dog))
    assert float(longer @ made.encode_query(pasted + dog)) < 0.999
    assert made.encode_query(pasted).any()
