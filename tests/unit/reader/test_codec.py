"""Keys and values in fewer bytes: how far off, how small, and what is no such file."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest
import torch

from memsvc.reader import cache, codec, decode
from memsvc.reader.cache import Snapshot
from memsvc.reader.codec import Codec
from memsvc.reader.disk import CacheFolder
from tests.unit.reader import models

SIZE = 500
# Not a multiple of a group.
IDS = tuple((13 * n * n + 7 * n) % (SIZE - 5) + 2 for n in range(333))
SPACE = uuid.uuid4()
CPU = torch.device("cpu")
# Of SmolLM2: .8 % of keys and .5 % of values in int8, 7.8 % in int4 (random weights make keys of no channel stand out).
WITHIN = {"int8": 0.01, "int4": 0.08}
SMALLER = {"int8": 3.5, "int4": 6.0}


@pytest.fixture(scope="module", params=models.KINDS)
def base(request: pytest.FixtureRequest) -> Snapshot:
    model: Any = models.model(request.param, SIZE)
    fresh = cache.empty(model)
    decode.read(model, fresh, IDS, 0)
    return cache.snapshot(fresh, IDS)


def error(given: torch.Tensor, found: torch.Tensor) -> float:
    return float((given - found).norm() / given.norm())


@pytest.mark.parametrize("form", ["int8", "int4"])
def test_keys_and_values_come_back_nearly_as_they_were(base: Snapshot, form: Codec) -> None:
    for pair in zip(base.keys, base.values, strict=True):
        back = codec.decode(codec.encode(*pair, form), form, torch.float32)
        for given, found in zip(pair, back, strict=True):
            assert given.shape == found.shape and given.dtype == found.dtype
            assert 0 < error(given, found) < WITHIN[form]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_none_changes_nothing(base: Snapshot, dtype: torch.dtype) -> None:
    keys, values = base.keys[1].to(dtype), base.values[1].to(dtype)
    found = codec.decode(codec.encode(keys, values, "none"), "none", dtype)
    assert torch.equal(found[0], keys) and torch.equal(found[1], values)


def test_no_number_is_further_off_than_is_said() -> None:
    chance = torch.Generator().manual_seed(5)
    sizes = torch.tensor([1e-30, 1e-3, 1.0, 1e4])
    keys = torch.randn(1, 2, 70, 4, generator=chance) * sizes + 3 * sizes
    values = keys.flip(2) - 1
    rounding = 1 + 1 / 256
    eighth = codec.decode(codec.encode(keys, values, "int8"), "int8", torch.float32)
    assert bool(((eighth[0] - keys).abs() <= rounding * keys.abs().amax(2, keepdim=True) / 254).all())
    assert bool(((eighth[1] - values).abs() <= rounding * values.abs().amax(3, keepdim=True) / 254).all())
    fourth = codec.decode(codec.encode(keys, values, "int4"), "int4", torch.float32)
    for given, found in zip((keys, values), fourth, strict=True):
        for first in range(0, 70, codec.GROUP):
            group, back = given[:, :, first : first + codec.GROUP], found[:, :, first : first + codec.GROUP]
            low, high = group.amin(2, keepdim=True), group.amax(2, keepdim=True)
            # The span is taken from the lowest number as it is stored.
            span = high - low + low.abs() / 256
            assert bool(((back - group).abs() <= torch.maximum(rounding * span / 30, low.abs() / 256)).all())


@pytest.mark.parametrize("form", ["int8", "int4"])
@pytest.mark.parametrize("tokens", [1, 31, 32, 33])
def test_nothing_but_zeros_and_any_length_come_back(form: Codec, tokens: int) -> None:
    zeros = torch.zeros(1, 2, tokens, 8)
    for found in codec.decode(codec.encode(zeros, zeros, form), form, torch.float16):
        assert torch.equal(found, zeros.half())


@pytest.mark.parametrize("form", ["int8", "int4"])
def test_a_file_is_about_a_quarter_or_a_sixth_and_reading_goes_on_from_it(form: Codec, tmp_path: Path) -> None:
    model, ids = models.model("llama", SIZE), 4 * IDS
    whole = cache.empty(model)
    decode.read(model, whole, ids, 0)
    base = cache.snapshot(whole, ids)
    sizes = {}
    for each in ("none", form):
        folder = CacheFolder(tmp_path / each, 2**30, each)
        folder.put(SPACE, "key", base, ["u1"])
        found = folder.get(SPACE, "key", CPU)
        assert found is not None and found.token_ids == ids
        (path,) = (tmp_path / each).rglob("*.safetensors")
        sizes[each] = path.stat().st_size
        logits = decode.read(model, cache.fork(model, found), IDS[:9], found.length)
        exact = decode.read(model, cache.fork(model, base), IDS[:9], base.length)
        assert error(exact, logits) < WITHIN.get(each, 1e-12)
    assert sizes["none"] / sizes[form] > SMALLER[form]


def test_a_file_of_another_codec_a_foreign_one_and_a_cut_one_are_misses(base: Snapshot, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    written = CacheFolder(tmp_path, 2**30, "int8")

    def path() -> Path:
        written.put(SPACE, "key", base, ["u1"])
        (found,) = tmp_path.rglob("*.safetensors")
        return found

    whole = path().read_bytes()
    assert CacheFolder(tmp_path, 2**30, "int4").get(SPACE, "key", CPU) is None
    assert not list(tmp_path.rglob("*.safetensors"))
    for size in (0, 7, 200, len(whole) // 2, len(whole) - 1):
        path().write_bytes(whole[:size])
        assert written.get(SPACE, "key", CPU) is None
    facts = {"units": "[]", "layers": "1", "codec": "int8", "dtype": "torch.float32"}
    ids = torch.tensor([1, 2])
    good = codec.encode(torch.randn(1, 1, 2, 4), torch.randn(1, 1, 2, 4), "int8")
    foreign: list[dict[str, torch.Tensor]] = [
        {},
        {"k.codes": good["k.codes"]},
        good | {"k.codes": good["k.codes"].float()},
        good | {"k.step": torch.ones(1, 1, 1, 3)},
        good | {"v.codes": torch.ones(1, 1, 3, 4, dtype=torch.int8), "v.step": torch.ones(1, 1, 3, 1)},
    ]
    for tensors in foreign:
        save_file({"ids": ids} | {f"0.{name}": tensor for name, tensor in tensors.items()}, path(), metadata=facts)
        assert written.get(SPACE, "key", CPU) is None
    for wrong in ({"dtype": "torch.int3"}, {"layers": "2"}, {"codec": "none"}):
        save_file({"ids": ids} | {f"0.{n}": t for n, t in good.items()}, path(), metadata=facts | wrong)
        assert written.get(SPACE, "key", CPU) is None


def test_a_file_whose_codes_are_of_no_four_bits_is_a_miss() -> None:
    good = codec.encode(torch.randn(1, 2, 40, 4), torch.randn(1, 2, 40, 4), "int4")
    codec.decode(good, "int4", torch.float32)
    for spoilt in ({"k.tokens": torch.tensor(70)}, {"k.tokens": torch.tensor(3)}, {"v.low": good["v.low"][:, :1]}):
        with pytest.raises(ValueError, match="not the keys"):
            codec.decode(good | spoilt, "int4", torch.float32)


def test_what_is_too_large_as_it_is_may_fit_in_fewer_bytes(base: Snapshot, tmp_path: Path) -> None:
    for form, stored in (("none", False), ("int8", True)):
        folder = CacheFolder(tmp_path / form, base.nbytes // 2, form)  # type: ignore[arg-type]
        folder.put(SPACE, "key", base, [])
        assert folder.has(SPACE, "key") is stored
