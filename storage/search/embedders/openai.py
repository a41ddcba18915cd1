"""Embeddings of a service that speaks OpenAI's API, such as OpenAI, Ollama, vLLM or llama.cpp.

It sends `POST {url}/embeddings` (https://platform.openai.com/docs/api-reference/embeddings/create).
"""

import asyncio
import math
import urllib.error
import urllib.request
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from typing import Any

import msgspec

from ...model.database_errors import EmbedderRefused, EmbedderUnavailable, EmbedderUnusable
from ...model.queries import Embedder
from .entry_point import EmbedderOptions

SECONDS = 30
# A service that hangs holds no more threads.
MAX_REQUESTS = 4
MAX_ANSWER = 16 * 1024 * 1024
# It will not take the same text later either.
_REFUSALS = {400, 413, 422}


class _Item(msgspec.Struct):
    index: int
    embedding: list[float]


class _Answer(msgspec.Struct):
    data: list[_Item]


_decode = msgspec.json.Decoder(_Answer).decode
_encode = msgspec.json.Encoder().encode


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect is an error: the key is for the configured service alone."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


class OpenAIEmbedder(Embedder):
    """Vectors of the service at `url` with its `model`; the `key` is sent as a bearer token."""

    def __init__(self, options: EmbedderOptions) -> None:
        if not options.url or not options.url.startswith(("http://", "https://")):
            raise EmbedderUnusable(
                f"Invalid URL {options.url!r} of the embedder; write that of the service, such as "
                "https://api.openai.com/v1."
            )
        if not options.model:
            raise EmbedderUnusable("The embedder 'openai' needs the name of a model, such as text-embedding-3-small.")
        if len(options.model) > 200:
            raise EmbedderUnusable("The name of the embedder's model is longer than 200 characters.")
        self.model = options.model
        self._url = f"{options.url.rstrip('/')}/embeddings"
        self._headers = {"Content-Type": "application/json", "User-Agent": "amplifierd"}
        if options.key:
            self._headers["Authorization"] = f"Bearer {options.key}"
        self._opener = urllib.request.build_opener(_NoRedirects)
        self._threads = ThreadPoolExecutor(MAX_REQUESTS, thread_name_prefix="amplifierd-embedder")

    async def embed(self, texts: Sequence[str]) -> list[Sequence[float]]:
        body = _encode({"model": self.model, "input": texts, "encoding_format": "float"})
        answer = await asyncio.get_running_loop().run_in_executor(self._threads, self._send, body)
        return _vectors(answer, len(texts))

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _send(self, body: bytes) -> bytes:
        request = urllib.request.Request(self._url, body, self._headers)  # noqa: S310  # http or https, see above
        try:
            with self._opener.open(request, timeout=SECONDS) as response:
                answer: bytes = response.read(MAX_ANSWER + 1)
        except urllib.error.HTTPError as error:
            with error:
                kind = EmbedderRefused if error.code in _REFUSALS else EmbedderUnavailable
                raise kind(f"{self._url} answered {error.code}") from error
        except (OSError, HTTPException) as error:
            raise EmbedderUnavailable(f"{self._url} can't be reached: {error}") from error
        if len(answer) > MAX_ANSWER:
            raise EmbedderUnavailable(f"the answer of {self._url} is longer than {MAX_ANSWER} bytes")
        return answer


def _vectors(answer: bytes, count: int) -> list[Sequence[float]]:
    try:
        items = sorted(_decode(answer).data, key=lambda item: item.index)
    except msgspec.MsgspecError as error:
        raise EmbedderUnavailable(f"its answer is not one of OpenAI's API: {error}") from error
    if [item.index for item in items] != [*range(count)]:
        raise EmbedderUnavailable(f"its answer has not one vector for each of {count} texts")
    if not all(item.embedding and all(map(math.isfinite, item.embedding)) for item in items):
        raise EmbedderUnavailable("its answer has a vector that is empty or not of finite numbers")
    return [item.embedding for item in items]
