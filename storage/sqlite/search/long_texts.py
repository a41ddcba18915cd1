"""Splits long messages into words in a separate thread, so that neither writes nor the event loop wait for it."""

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

from ...search.index_entry import entry_of, read_record
from ...search.tokenizer import IndexedText, Tokenizer, never_pause

# A message has at most 8 MiB, and its words take several times that.
MAX_TEXTS = 4
# Words that no request has taken are dropped after this time.
KEPT_SECONDS = 10.0
# A pause after each part of a text, in which other threads get the GIL.
PAUSE_SECONDS = 0.0005
# The limit of one wait for a text.
WAIT_SECONDS = 0.05

Place = tuple[str, str, int]


class LongTexts:
    """The words of the long messages to index next, by workspace, session and sequence."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "amplifierd-long-texts")
        # Only the thread uses it.
        self._tokenizer = Tokenizer()
        self._lock = threading.Lock()
        self._texts: dict[Place, tuple[bytes, Future[tuple[IndexedText, float]]]] = {}
        self._is_closed = False

    def close(self) -> None:
        """Stop splitting texts; waits for the thread."""
        self._is_closed = True
        self._thread.shutdown(cancel_futures=True)

    def is_running(self, place: Place) -> bool:
        """Whether this message is being split, or will be."""
        with self._lock:
            return place in self._texts and not self._texts[place][1].done()

    def take(self, place: Place, record: bytes) -> IndexedText | None:
        """Remove and return the words of a message. None if they are not split yet: call it again after `wait`."""
        with self._lock:
            self._forget_old()
            begun = self._texts.get(place)
            if begun is not None and begun[0] == record:
                if not begun[1].done():
                    return None
                del self._texts[place]
                return begun[1].result()[0]
            if begun is not None or self._has_room():
                self._texts[place] = record, self._thread.submit(self._split, record)
            return None

    async def wait(self) -> None:
        """Wait until some message is split, or for a short time."""
        running = [asyncio.wrap_future(text) for _, text in [*self._texts.values()] if not text.done()]
        if running:
            await asyncio.wait(running, timeout=WAIT_SECONDS, return_when=asyncio.FIRST_COMPLETED)

    def _has_room(self) -> bool:
        """Whether another text can be split. If there are MAX_TEXTS, drops one that is split and was not taken."""
        if len(self._texts) < MAX_TEXTS:
            return True
        done = next((place for place, (_, text) in self._texts.items() if text.done()), None)
        if done is not None:
            del self._texts[done]
        return done is not None

    def _forget_old(self) -> None:
        oldest = time.monotonic() - KEPT_SECONDS
        for place, (_, text) in [*self._texts.items()]:
            # Texts with an error are kept, so that `take` raises it.
            if text.cancelled() or (text.done() and text.exception() is None and text.result()[1] < oldest):
                del self._texts[place]

    def _split(self, record: bytes) -> tuple[IndexedText, float]:
        return entry_of_record(record, self._tokenizer, self._pause), time.monotonic()

    def _pause(self) -> None:
        if self._is_closed:
            raise RuntimeError("The storage is closed.")
        time.sleep(PAUSE_SECONDS)


def entry_of_record(record: bytes, tokenizer: Tokenizer, pause: Callable[[], None] = never_pause) -> IndexedText:
    """The entry of a message in the index; empty for a damaged record."""
    entry = read_record(record, partial(entry_of, tokenizer=tokenizer, pause=pause))
    return tokenizer.indexed("") if entry is None else entry
