"""How often somebody may: a bucket of tokens for each name, and by which name who asks is known."""

from __future__ import annotations

import ipaddress
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from starlette.types import Scope

_REMEMBERED = 10_000


class Buckets:
    """`burst` tokens for each name at once, refilled evenly, `per_s` a second.

    The name that was used longest ago is forgotten, which fills its bucket. Threads may share one.
    """

    def __init__(self, per_s: float, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_s = per_s
        self._burst = burst
        self._clock = clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()  # tokens, and when there were so many
        self._lock = threading.Lock()

    def take(self, name: str) -> float:
        """Take a token; how long until there is one, in seconds, 0 when it was taken."""
        return self._look(name, 1)

    def wait_s(self, name: str) -> float:
        """How long until there is a token, in seconds; takes none."""
        return self._look(name, 0)

    def _look(self, name: str, taken: int) -> float:
        with self._lock:
            now = self._clock()
            left, at = self._left.get(name, (self._burst, now))
            left = min(self._burst, left + (now - at) * self._per_s)
            missing = max(0.0, 1 - left)
            self._left[name] = (left if missing else left - taken, now)
            self._left.move_to_end(name)
            if len(self._left) > _REMEMBERED:
                self._left.popitem(last=False)
        return missing / self._per_s


def asker(scope: Scope) -> str:
    """Who asks: the id of the key, once that was verified, else the address."""
    principal = scope.get("state", {}).get("principal")
    return f"key {principal.key_id}" if principal else address(scope)


def address(scope: Scope) -> str:
    """Where a request comes from. Of IPv6 the network: one machine has all the addresses of a /64."""
    host = (scope.get("client") or ("",))[0]
    try:
        found = ipaddress.ip_address(host)
    except ValueError:
        return str(host)
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    return str(found.ipv4_mapped or ipaddress.ip_network((found, 64), strict=False))
