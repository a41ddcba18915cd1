"""How many requests a caller may make, counted in this process by the library `limits`.

The headers are those of https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-ratelimit-headers-10.
"""

import math
import time

from ..core.problems import Headers, Problem

# Who comes back sooner than it may is told so once more.
MAX_WAIT_SECONDS = 3_600


class RateLimit:
    """Counts requests against `rate`: `100/minute`, `10 per 2 seconds`. Raises ValueError where it is no rate."""

    def __init__(self, rate: str) -> None:
        # Imported here: most servers count nothing, and need not wait for it.
        import limits
        from limits.storage import MemoryStorage
        from limits.strategies import SlidingWindowCounterRateLimiter

        [self._rate, *others] = limits.parse_many(rate)
        if others:
            raise ValueError(f"{rate!r} is more than one rate")
        if self._rate.amount < 1:
            raise ValueError(f"{rate!r} lets no request through")
        self._policy = f'"default";q={self._rate.amount};w={self._rate.get_expiry()}'
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())

    def take(self, caller: str) -> Headers:
        """Count a request; the headers that tell its caller what is left. Raises a 429 problem for one too many."""
        allowed = self._limiter.hit(self._rate, caller)
        reset, left = self._limiter.get_window_stats(self._rate, caller)
        seconds = max(1, math.ceil(reset - time.time()))
        if not allowed:
            detail = f"You may make {self._rate} requests; wait {seconds} seconds, then send this one again."
            headers = {"Retry-After": str(min(seconds, MAX_WAIT_SECONDS)), **self._headers(0, seconds)}
            raise Problem(429, "too-many-requests", detail, headers=headers)
        return [(name.lower().encode(), value.encode()) for name, value in self._headers(left, seconds).items()]

    def _headers(self, left: int, seconds: int) -> dict[str, str]:
        return {"RateLimit-Policy": self._policy, "RateLimit": f'"default";r={left};t={seconds}'}
