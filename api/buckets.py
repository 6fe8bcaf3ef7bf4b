"""How often somebody may: a bucket of tokens for each name, and by which name who asks is known."""

from __future__ import annotations

import ipaddress
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

import redis
import structlog
from starlette.types import Scope

from memsvc.settings import LimitSettings

_log = structlog.get_logger("memsvc.rates")
_REMEMBERED = 10_000
# What an answer of Redis may take, and how long it is not asked where it gave none.
_REDIS_S, _SILENCE_S = 0.25, 1.0


class Buckets:
    """`burst` tokens for each name at once, refilled evenly, `per_s` a second.

    The name that was used longest ago is forgotten, which fills its bucket. Threads may share one.
    """

    # Whether a call waits for another process.
    waits = False

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


# Tokens left and when there were so many, of one name, by the clock of Redis; how long until there is one, in seconds.
_LOOK = """
local per_s, burst, taken = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
local held = redis.call('HMGET', KEYS[1], 'left', 'at')
local left, at = tonumber(held[1]) or burst, tonumber(held[2]) or now
left = math.min(burst, left + math.max(0, now - at) * per_s)
local missing = math.max(0, 1 - left)
if missing == 0 then left = left - taken end
redis.call('HSET', KEYS[1], 'left', tostring(left), 'at', string.format('%.6f', now))
redis.call('PEXPIRE', KEYS[1], math.ceil(1000 * burst / per_s) + 1000)
return tostring(missing / per_s)
"""


class SharedBuckets(Buckets):
    """The same for all processes that name this Redis and this `kind`. A call is a round trip; while Redis does not
    answer, which is told once, each process counts for itself, and looks again every second.
    """

    waits = True

    def __init__(self, url: str, kind: str, per_s: float, burst: float) -> None:
        super().__init__(per_s, burst)
        self._kind = kind
        self._redis = redis.Redis.from_url(url, socket_timeout=_REDIS_S, socket_connect_timeout=_REDIS_S)
        self._script = self._redis.register_script(_LOOK)
        self._silent_until = 0.0
        self._is_told = False

    def _look(self, name: str, taken: int) -> float:
        if time.monotonic() < self._silent_until:
            return super()._look(name, taken)
        try:
            given = [self._per_s, self._burst, taken]
            wait_s = float(self._script(keys=[f"memsvc:{self._kind}:{name}"], args=given))
        except redis.RedisError as error:
            self._silent_until = time.monotonic() + _SILENCE_S
            if not self._is_told:
                self._is_told = True
                _log.warning("rates are counted by each process: Redis does not answer", error=type(error).__name__)
            return super()._look(name, taken)
        self._is_told = False
        return wait_s


def of(limits: LimitSettings, kind: str, per_s: float, burst: float) -> Buckets:
    """In Redis where one is set, so that they hold over processes; else in this one."""
    return SharedBuckets(limits.redis_url, kind, per_s, burst) if limits.redis_url else Buckets(per_s, burst)


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
