"""Merging what is cached instead of letting it go: neighbours whose keys are alike become one.

After KVMerger (Wang et al. 2024): a run of neighbours with similar keys is merged into its most attended token, weighed
by a Gaussian of the distance to that one's key. There a threshold of likeness says what is merged; here it is chosen
for each head so that exactly as many stay as the bound says.
"""

from __future__ import annotations

import torch


def merged(
    keys: torch.Tensor, values: torch.Tensor, scores: torch.Tensor, first: int, last: int, count: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """`count` keys and values (1, heads, count, d) of n: `keys` and `values` (1, heads, n, d) as rotated to their
    positions, `scores` (heads, n) how much each is attended to. The first `first` and the last `last` tokens stay as
    they are; where `count` has room for nothing else, the others go. Raises ValueError where it has less.
    """
    n = keys.shape[2]
    if not first + last <= count <= n:
        raise ValueError(f"{count} of {n} tokens cannot stay where {first + last} must")
    if count == first + last:
        stay = [*range(first), *range(n - last, n)]
        return keys[:, :, stay], values[:, :, stay]
    made = [_head(keys[0, head], values[0, head], scores[head], first, last, count) for head in range(keys.shape[1])]
    return torch.stack([key for key, _ in made])[None], torch.stack([value for _, value in made])[None]


def _head(
    keys: torch.Tensor, values: torch.Tensor, scores: torch.Tensor, first: int, last: int, count: int
) -> tuple[torch.Tensor, torch.Tensor]:
    group = _groups(keys, first, last, count).to(keys.device)
    at = _pivots(scores.to(keys.device), group, count)
    distance = (keys.float() - keys.float()[at[group]]).square().sum(dim=-1)
    sizes = torch.bincount(group, minlength=count)
    others = (sizes - 1).clamp(min=1)
    # Twice the mean square distance of a group's others; a group of one, and one of equals, has none.
    spread = 2 * torch.zeros(count, device=keys.device).index_add_(0, group, distance) / others
    weight = torch.where(spread[group] > 0, torch.exp(-distance / spread[group].clamp(min=1e-12)), 1.0)
    weight = weight / torch.zeros(count, device=keys.device).index_add_(0, group, weight)[group]

    def mixed(given: torch.Tensor) -> torch.Tensor:
        mean = torch.zeros(count, given.shape[1], device=given.device)
        mean.index_add_(0, group, given.float() * weight[:, None])
        # What is merged with nothing stays bit by bit.
        return torch.where((sizes == 1)[:, None], given[at], mean.to(given.dtype))

    return mixed(keys), mixed(values)


def _groups(keys: torch.Tensor, first: int, last: int, count: int) -> torch.Tensor:
    """(n,) int64 rising by one from 0 to `count` - 1: the neighbours whose keys have the greatest cosine are joined."""
    n = keys.shape[0]
    unit = torch.nn.functional.normalize(keys.float(), dim=-1)
    alike = (unit[:-1] * unit[1:]).sum(dim=-1).cpu()
    alike[:first] = -torch.inf
    alike[n - 1 - last :] = -torch.inf
    joined = torch.zeros(n, dtype=torch.bool)
    # Ties go to the earlier pair, so that the same text always leaves the same cache.
    joined[alike.argsort(descending=True, stable=True)[: n - count] + 1] = True
    return (~joined).cumsum(0) - 1


def _pivots(scores: torch.Tensor, group: torch.Tensor, count: int) -> torch.Tensor:
    """(count,) int64: of each group the place of its most attended token, of equal ones the first."""
    most = torch.full((count,), -torch.inf, device=scores.device).scatter_reduce_(0, group, scores.float(), "amax")
    places = torch.arange(scores.shape[0], device=scores.device)
    behind = torch.where(scores.float() == most[group], places, scores.shape[0])
    return torch.full((count,), scores.shape[0], device=scores.device).scatter_reduce_(0, group, behind, "amin")
