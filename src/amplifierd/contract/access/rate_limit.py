"""Rate limits of callers, counted in this process by the library `limits`.

The headers are those of https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-ratelimit-headers-10.
"""

import math
import time

from ..core.problems import Headers, Problem

# A caller that retries too early gets 429 again.
MAX_WAIT_SECONDS = 3_600


class RateLimit:
    """Counts requests against `rate`: `100/minute`, `10 per 2 seconds`. Raises ValueError if it is invalid."""

    def __init__(self, rate: str) -> None:
        # Imported here, because most servers have no rate limit.
        import limits
        from limits.storage import MemoryStorage
        from limits.strategies import SlidingWindowCounterRateLimiter

        [self._rate, *others] = limits.parse_many(rate)
        if others:
            raise ValueError(f"{rate!r} has more than one rate")
        if self._rate.amount < 1:
            raise ValueError(f"{rate!r} allows no request")
        self._policy = f'"default";q={self._rate.amount};w={self._rate.get_expiry()}'
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())

    def take(self, caller: str) -> Headers:
        """Count a request. Returns the headers with the remaining requests. Raises a 429 problem above the limit."""
        allowed = self._limiter.hit(self._rate, caller)
        reset, remaining = self._limiter.get_window_stats(self._rate, caller)
        seconds = max(1, math.ceil(reset - time.time()))
        if not allowed:
            detail = f"The rate limit is {self._rate}; wait {seconds} seconds, then retry."
            headers = {"Retry-After": str(min(seconds, MAX_WAIT_SECONDS)), **self._headers(0, seconds)}
            raise Problem(429, "too-many-requests", detail, headers=headers)
        return [(name.lower().encode(), value.encode()) for name, value in self._headers(remaining, seconds).items()]

    def _headers(self, remaining: int, seconds: int) -> dict[str, str]:
        return {"RateLimit-Policy": self._policy, "RateLimit": f'"default";r={remaining};t={seconds}'}
