"""Whether a later statement ends an earlier one: the learned judgement of a pair.

Boosted trees over numbers that no language decides (how many words the two share, what kind of words differ, how each
is asserted), over what the words of both tell by learnt weights, the cosine of the two and the verdict of a small
network over their vectors. `memsvc eval pairs` grows them (judge.npz, its card judge.md). Of another encoder's vectors
than the weights know nothing is made.
"""

from __future__ import annotations

import difflib
import functools
import re
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from memsvc import errors
from memsvc.consolidate.trait import Trait
from memsvc.domain.unit import Assertion, Kind
from memsvc.models.trees import Trees, stored

SHIPPED = Path(__file__).parent / "judge.npz"
# Pairs less alike are not looked at: of made pairs that end one another 95 % are as much alike.
LEAST_COSINE = 0.45
_TOKEN = re.compile(r"[^\W_]+(?:['\u2019.:,@/-][^\W_]+)*")
# Scripts that put no space between words: each character counts as one.
_UNSPACED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_GRAM = 4
_KINDS = (Kind.FACT, Kind.EVENT, Kind.PREFERENCE, Kind.INSTRUCTION, Kind.STATE)
_ASSERTIONS = tuple(Assertion)
_SORTS = ("figure", "name", "word")
NAMES: tuple[str, ...] = (
    "words_earlier", "words_later", "shared", "shared_of_earlier", "shared_of_later", "shared_of_all", "grams_shared",
    "starts_alike", "ends_alike", "in_order", "figures_both", "figures_same", "adds_no_figure_or_name",
    "figures_or_names_differ", "first_word", "entities_shared", "entities_gone", "entities_new",
    *(f"{what}_{sort}s" for what in ("gone", "new", "kept") for sort in _SORTS),
    *(f"{what}_{side}" for side in ("earlier", "later") for what in (
        "has_date", "is_past", "is_ahead", "negated", "says_change", *_KINDS, *_ASSERTIONS)),
)  # fmt: skip


# The few pairs as much alike as this the trees look at whatever the network says.
_ALIKE = 0.7
# What is summed in another order differs by less.
_BORDER = 1e-3
# Words fall into so many buckets by their hash: what they tell is learnt, in whatever language they are.
BUCKETS = 4096
_NETWORK = ("hidden", "bias", "out")


@functools.lru_cache(maxsize=200_000)
def _tokens(text: str) -> tuple[tuple[str, str], ...]:
    """(word in lower case, its sort) of each word: a figure has a digit; a name begins with a capital that no sentence
    needs.
    """
    found = []
    for match in _TOKEN.finditer(text):
        word = match.group()
        if _UNSPACED.search(word):
            found += [(char, "figure" if char.isdigit() else "word") for char in word]
            continue
        begins = not text[: match.start()].rstrip(" \"'\u201c\u2018(") or text[: match.start()].rstrip()[-1:] in ".!?:"
        is_name = word[0].isupper() and (not begins or any(c.isupper() for c in word[1:])) and word != "I"
        sort = "figure" if any(c.isdigit() for c in word) else "name" if is_name else "word"
        found.append((word.lower(), sort))
    return tuple(found)


@functools.lru_cache(maxsize=200_000)
def _grams(text: str) -> frozenset[str]:
    plain = f" {' '.join(word for word, _ in _tokens(text))} "
    return frozenset(plain[n : n + _GRAM] for n in range(max(1, len(plain) - _GRAM + 1)))


def numbers(earlier: Trait, later: Trait) -> list[float]:
    """The numbers of `NAMES` for one pair."""
    one, other = _tokens(earlier.judged), _tokens(later.judged)
    a, b = [word for word, _ in one], [word for word, _ in other]
    in_a, in_b = set(a), set(b)
    shared = len(in_a & in_b)
    grams, their_grams = _grams(earlier.judged), _grams(later.judged)
    sorts = {
        "gone": [sort for word, sort in one if word not in in_b],
        "new": [sort for word, sort in other if word not in in_a],
        "kept": [sort for word, sort in other if word in in_a],
    }
    told = {word for word, sort in one if sort != "word"}
    told_later = {word for word, sort in other if sort != "word"}
    matched = sum(block.size for block in difflib.SequenceMatcher(None, a, b, autojunk=False).get_matching_blocks())
    found = [
        len(a), len(b), shared, shared / max(1, len(in_a)), shared / max(1, len(in_b)),
        shared / max(1, len(in_a | in_b)),
        len(grams & their_grams) / max(1, len(grams | their_grams)), _alike(a, b), _alike(a[::-1], b[::-1]),
        2 * matched / max(1, len(a) + len(b)), earlier.numbers and later.numbers,
        earlier.numbers and earlier.numbers == later.numbers, told_later and told_later <= told,
        told - told_later and told_later - told, a[:1] == b[:1], len(earlier.entities & later.entities),
        len(earlier.entities - later.entities), len(later.entities - earlier.entities),
        *(sorts[what].count(sort) for what in ("gone", "new", "kept") for sort in _SORTS),
        *_side(earlier), *_side(later),
    ]  # fmt: skip
    return [float(value if isinstance(value, int | float) else bool(value)) for value in found]


def replaced(earlier: Trait, later: Trait) -> frozenset[str] | None:
    """The sorts of the words in which the two differ where the later one says the same sentence with others in one
    place, all sorts in several ("concert 1 had 20 singers", "concert 2 had 30"); None where it says more or otherwise.
    """
    one, other = _tokens(earlier.judged), _tokens(later.judged)
    differ = [n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a[0] != b[0]]
    if len(one) == len(other) and 0 < 2 * len(differ) <= len(one) and differ[-1] - differ[0] >= len(differ):
        return frozenset(_SORTS)
    start = _alike([word for word, _ in one], [word for word, _ in other])
    rest, new = one[start:], other[start:]
    end = _alike([word for word, _ in rest[::-1]], [word for word, _ in new[::-1]])
    rest, new = rest[: len(rest) - end], new[: len(new) - end]
    if not rest or not new or len(new) > len(rest) or 2 * len(rest) > len(one):
        return None
    return frozenset(sort for _, sort in (*rest, *new))


def exchanges(earlier: Trait, later: Trait) -> bool:
    """Whether the later one has figures, or names, for those of the earlier one, and no other of both."""
    one, other = _tokens(earlier.judged), _tokens(later.judged)
    gone = {sort for word, sort in set(one) - set(other) if sort != "word"}
    new = {sort for word, sort in set(other) - set(one) if sort != "word"}
    return len(gone) == 1 and gone == new


def wording(earlier: Trait, later: Trait) -> list[int]:
    """The buckets of the words that the later one has, in pairs too, and of those that only one has; figures and names,
    which say what changed and not that it did, are left out.
    """
    one, other = _tokens(earlier.judged), _tokens(later.judged)
    before = {word for word, _ in one}
    after = {word for word, _ in other}
    words = [word if sort == "word" else sort for word, sort in other]
    found = [
        *(f"later {word}" for word in words), *(f"later {a} {b}" for a, b in zip(["", *words], words, strict=False)),
        *(f"new {word}" for word, sort in other if sort == "word" and word not in before),
        *(f"gone {word}" for word, sort in one if sort == "word" and word not in after),
    ]  # fmt: skip
    return [zlib.crc32(text.encode()) % BUCKETS for text in dict.fromkeys(found)]


def _alike(one: Sequence[str], other: Sequence[str]) -> int:
    return next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _side(trait: Trait) -> list[bool]:
    past = trait.dates is not None and trait.dates[1] <= trait.said_at
    ahead = trait.dates is not None and trait.dates[0] > trait.said_at
    return [
        trait.dates is not None, past, ahead, trait.is_negated, trait.says_change,
        *(trait.kind == kind for kind in _KINDS), *(trait.assertion == name for name in _ASSERTIONS),
    ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Network:
    """One hidden layer over two vectors of one encoder: `hidden` (4 d, h) and its `bias` (h,), `out` (h,) and its. Of
    pairs whose verdict is below `least` the trees are not asked: 1 in 50 of those that end one another is.
    """

    hidden: NDArray[np.float32]
    bias: NDArray[np.float32]
    out: NDArray[np.float32]
    out_bias: float
    least: float = -np.inf

    def verdicts(self, earlier: NDArray[np.float32], later: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n,) float32, in log odds, of (n, d) float32 each. The factors bring all parts to one size."""
        parts = (earlier, later, 20 * earlier * later, 4 * np.abs(earlier - later))
        layer = np.maximum(np.concatenate(parts, axis=1) @ self.hidden + self.bias, 0)
        found: NDArray[np.float32] = layer @ self.out + np.float32(self.out_bias)
        return found

    def sides(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n, 2, h) float32 of (n, d): what each adds to the hidden layer as the earlier and as the later one."""
        width = rows.shape[1]
        return np.stack((rows @ self.hidden[:width], rows @ self.hidden[width : 2 * width]), axis=1)

    def suspects(
        self,
        earlier: NDArray[np.float32],
        later: NDArray[np.float32],
        sides: tuple[NDArray[np.float32], NDArray[np.float32]],
    ) -> NDArray[np.bool_]:
        """(n,): all pairs that the trees are asked of, and perhaps some at the border; `sides` (n, h) are what `sides`
        gave of the earlier and of the later one.
        """
        width = earlier.shape[1]
        product = earlier * later
        layer = product @ (20 * self.hidden[2 * width : 3 * width])
        layer += np.abs(earlier - later) @ (4 * self.hidden[3 * width :])
        layer += sides[0] + sides[1] + self.bias
        verdicts = np.maximum(layer, 0) @ self.out + np.float32(self.out_bias)
        found: NDArray[np.bool_] = (verdicts >= self.least - _BORDER) | (product.sum(axis=1) >= _ALIKE - _BORDER)
        return found


@dataclass(frozen=True, slots=True)
class Judge:
    """`trees` see the numbers, the sum of what the words tell, `told` (BUCKETS,), and, where there is a `network`, the
    cosine and its verdict.
    """

    told: NDArray[np.float32]
    network: Network | None
    trees: Trees

    def scores(
        self, pairs: Sequence[tuple[Trait, Trait]], vectors: tuple[NDArray[np.float32], NDArray[np.float32]]
    ) -> NDArray[np.float32]:
        """(n,) float32 within 0..1 of n (earlier, later): how sure the later one ends the earlier. `vectors` are two
        (n, d) float32.
        """
        found = np.zeros(len(pairs), dtype=np.float32)
        asked = np.arange(len(pairs))
        seen = np.empty((len(pairs), 0), dtype=np.float32)
        if self.network is not None:
            verdicts = self.network.verdicts(*vectors)
            cosines = (vectors[0] * vectors[1]).sum(axis=1)
            asked = np.flatnonzero((verdicts >= self.network.least) | (cosines >= _ALIKE))
            seen = np.column_stack([cosines, verdicts])
        rows = [[*numbers(*pairs[n]), self.told[wording(*pairs[n])].sum(), *seen[n]] for n in asked.tolist()]
        if rows:
            found[asked] = np.reciprocal(1 + np.exp(-self.trees.scores(np.array(rows, dtype=np.float32))))
        return found


@functools.cache
def shipped(encoder: str) -> Judge:
    """The judge beside this module; of another encoder's vectors than it knows it makes nothing."""
    return load(SHIPPED, encoder)


def load(path: Path, encoder: str) -> Judge:
    """Raises Invalid for a file that is not one of ours, or was made for other numbers."""
    try:
        with path.open("rb") as file, np.load(file) as kept:
            names = tuple(str(name) for name in kept["names"])
            arrays = {name: np.asarray(kept[name], dtype=np.float32) for name in _NETWORK}
            network = Network(**arrays, out_bias=float(kept["out_bias"]), least=float(kept["least"]))
            knows = str(kept["encoder"]) == encoder
            told = np.asarray(kept["told"], dtype=np.float32)
            trees = stored(kept, "trees_" if knows else "plain_")
            found = Judge(told, network if knows else None, trees)
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise errors.Invalid(f"{path} holds no judge: {error}", "Make one with memsvc eval pairs.") from error
    if names != NAMES:
        raise errors.Invalid(f"{path} was made for other numbers.", "Make one with memsvc eval pairs.")
    return found


def save(path: Path, told: NDArray[np.float32], network: Network, trees: Trees, plain: Trees, encoder: str) -> None:
    """`trees` see the vectors of `encoder`, `plain` none."""
    arrays = {name: getattr(network, name).astype(np.float16) for name in _NETWORK}
    np.savez_compressed(
        path, names=np.array(NAMES), encoder=np.array(encoder), told=told.astype(np.float16),
        out_bias=np.array(network.out_bias), least=np.array(network.least), **arrays, **trees.arrays("trees_"),
        **plain.arrays("plain_"),
    )  # fmt: skip
