"""The measures as the benchmarks and the papers compute them, each under the name of where it comes from."""

from __future__ import annotations

import itertools
import math
import re
import string
from collections import Counter
from collections.abc import Mapping, Sequence

from nltk.stem.porter import PorterStemmer

from eval.sets.model import Conversation

_PORTER = PorterStemmer()
_ARTICLES = re.compile(r"\b(a|an|the|and)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ROUGE_GAP = re.compile(r"[^a-z0-9]+")
MULTI_HOP, OPEN_DOMAIN, ADVERSARIAL = "1", "3", "5"
LONGMEMEVAL_CUTOFFS = (5, 10, 30, 50)
_REFUSALS = ("no information available", "not mentioned")


def locomo_tokens(text: str) -> list[str]:
    """Lower case, without punctuation and a, an, the, and; stemmed by NLTK's Porter, as in LoCoMo's own code."""
    plain = text.replace(",", "").lower().translate(_PUNCTUATION)
    return [_PORTER.stem(word) for word in _ARTICLES.sub(" ", plain).split()]


def token_f1(answer: str, gold: str) -> float:
    """LoCoMo's multiset F1 of stemmed tokens, 0 to 1."""
    return _f1(Counter(locomo_tokens(answer)), Counter(locomo_tokens(gold)))


def locomo_f1(answer: str, gold: str | None, category: str) -> float:
    """LoCoMo's official score of an answer, 0 to 1, by the question's category.

    1 (multi-hop): both split on commas, the mean over gold pieces of the best F1. 3 (open-domain): the gold before its
    first ";". 5 (adversarial): 1 when the answer says that nothing was said. Raises ValueError where a category other
    than 5 has no gold.
    """
    if category == ADVERSARIAL:
        return float(any(words in answer.lower() for words in _REFUSALS))
    if gold is None:
        raise ValueError(f"a question of category {category} has no gold answer to be scored against")
    if category == MULTI_HOP:
        best = [max(token_f1(said, piece) for said in answer.split(",")) for piece in gold.split(",")]
        return sum(best) / len(best)
    return token_f1(answer, gold.split(";")[0].strip() if category == OPEN_DOMAIN else gold)


def amem_f1(answer: str, gold: str) -> float:
    """A-MEM's variant: F1 of sets of lower-case words, ".,!?" as gaps, no stems."""
    return _f1(Counter(set(_words(answer))), Counter(set(_words(gold))))


def bleu_1(answer: str, gold: str) -> float:
    """Clipped unigram precision times the brevity penalty (Papineni et al. 2002), on A-MEM's words; no smoothing."""
    said, wanted = _words(answer), _words(gold)
    common = (Counter(said) & Counter(wanted)).total()
    if not common:
        return 0.0
    return common / len(said) * math.exp(min(0.0, 1 - len(wanted) / len(said)))


def rouge_l(answer: str, gold: str) -> float:
    """F1 of the longest common subsequence (Lin 2004), on lower-case runs of a-z and 0-9, no stems."""
    said, wanted = (_ROUGE_GAP.sub(" ", text.lower()).split() for text in (answer, gold))
    row = [0] * (len(wanted) + 1)
    for word in said:
        above = row
        row = [0]
        for place, other in enumerate(wanted):
            row.append(above[place] + 1 if word == other else max(above[place + 1], row[place]))
    return 2 * row[-1] / (len(said) + len(wanted)) if row[-1] else 0.0


def recall_any(ranking: Sequence[str], evidence: frozenset[str], k: int) -> float:
    """LongMemEval's recall_any@k: 1 when any evidence is within the first k."""
    return float(not evidence.isdisjoint(ranking[:k]))


def recall_all(ranking: Sequence[str], evidence: frozenset[str], k: int) -> float:
    """LongMemEval's recall_all@k: 1 when all evidence is within the first k."""
    return float(evidence.issubset(ranking[:k]))


def longmemeval_ndcg(ranking: Sequence[str], evidence: frozenset[str], k: int) -> float:
    """LongMemEval's nDCG@k, 0 to 1: its discount is 1, 1, 1/log2(3), …, so that ranks 1 and 2 weigh alike.

    Raises ValueError without evidence.
    """
    if not evidence:
        raise ValueError("a question without evidence has no nDCG: leave it out of the mean")
    discounts = [1 / math.log2(max(rank, 2)) for rank in range(1, k + 1)]
    gain = sum(discount for item, discount in zip(ranking, discounts, strict=False) if item in evidence)
    return gain / sum(discounts[: len(evidence)])


def longmemeval(ranking: Sequence[str], evidence: frozenset[str], conversation: Conversation) -> dict[str, float]:
    """LongMemEval's measures of turns and of sessions, over what users said, as its code ranks them; none where no user
    said any of the evidence, which its means leave out.
    """
    turns = {turn.id: turn for turn in conversation.turns if turn.role == "user"}
    wanted = evidence & turns.keys()
    if not wanted:
        return {}
    levels = {
        "turn": ([turn for turn in ranking if turn in turns], frozenset(wanted)),
        "session": (
            list(dict.fromkeys(turns[turn].session_id for turn in ranking if turn in turns)),
            frozenset(turns[turn].session_id for turn in wanted),
        ),
    }
    return {
        f"{level}_{name}@{k}": measure(ranked, right, k)
        for level, (ranked, right) in levels.items()
        for name, measure in (("recall_any", recall_any), ("recall_all", recall_all), ("ndcg_any", longmemeval_ndcg))
        for k in LONGMEMEVAL_CUTOFFS
    }


def nuggets(scores: Sequence[float], *, cast: bool) -> float:
    """BEAM's mean over rubric nuggets scored 0, .5 or 1; `cast` drops the halves, as the authors' code does for most
    types of question. Raises ValueError for no scores or another score.
    """
    if not scores or any(score not in (0, 0.5, 1) for score in scores):
        raise ValueError(f"nuggets are scored 0, 0.5 or 1 each, and there is at least one: {list(scores)}")
    return sum(int(score) if cast else score for score in scores) / len(scores)


def kendall_tau(order: Sequence[str], gold: Sequence[str]) -> float | None:
    """Tau of the events that both name, -1 to 1, as for BEAM's order of events; None below two common events.

    The first mention of an event counts, so there are no ties.
    """
    place = {event: number for number, event in enumerate(dict.fromkeys(order))}
    common = [place[event] for event in dict.fromkeys(gold) if event in place]
    pairs = list(itertools.combinations(common, 2))
    return sum(1 if first < second else -1 for first, second in pairs) / len(pairs) if pairs else None


def micro(by_category: Mapping[str, Sequence[float]]) -> float | None:
    """The mean over all questions; None without any."""
    values = [value for scores in by_category.values() for value in scores]
    return sum(values) / len(values) if values else None


def macro(by_category: Mapping[str, Sequence[float]]) -> float | None:
    """The mean of the categories' means, empty ones left out; None without any."""
    means = [sum(scores) / len(scores) for scores in by_category.values() if scores]
    return sum(means) / len(means) if means else None


def _words(text: str) -> list[str]:
    return re.sub(r"[.,!?]", " ", text.lower()).split()


def _f1(said: Counter[str], wanted: Counter[str]) -> float:
    common = (said & wanted).total()
    return 2 * common / (said.total() + wanted.total()) if common else 0.0
