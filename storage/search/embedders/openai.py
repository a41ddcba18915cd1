"""Embeddings from a service with OpenAI's API, such as OpenAI, Ollama, vLLM or llama.cpp.

It sends `POST {url}/embeddings` (https://platform.openai.com/docs/api-reference/embeddings/create).
"""

import asyncio
import ssl
from collections.abc import Sequence
from http import HTTPStatus
from urllib.parse import urlsplit

import httpx
import msgspec

from ...model.database_errors import EmbedderRefused, EmbedderUnavailable, EmbedderUnusable
from ...model.queries import Embedder
from .entry_point import EmbedderOptions

# The limit for a whole request, even if its response arrives in small pieces.
SECONDS = 30
MAX_RESPONSE = 16 * 1024 * 1024
# The service will not accept the same texts later either. llama.cpp returns 500 if a text is too long.
_REFUSALS = {400, 413, 422, 500}


class _Item(msgspec.Struct):
    index: int
    embedding: list[float]


class _Answer(msgspec.Struct):
    data: list[_Item]


_decode = msgspec.json.Decoder(_Answer).decode
_encode = msgspec.json.Encoder().encode


class OpenAIEmbedder(Embedder):
    """Vectors of the service at `url` with its `model`; the `key` is sent as a bearer token."""

    def __init__(self, options: EmbedderOptions) -> None:
        url = _checked_url(options.url)
        if not options.model:
            raise EmbedderUnusable("The embedder 'openai' needs the name of a model, such as text-embedding-3-small.")
        if len(options.model) > 200:
            raise EmbedderUnusable("The name of the embedder's model is longer than 200 characters.")
        self.model = options.model
        self._url = f"{url.rstrip('/')}/embeddings"
        headers = {"Content-Type": "application/json", "User-Agent": "amplifierd", "Accept-Encoding": "identity"}
        if options.key:
            headers["Authorization"] = f"Bearer {options.key}"
        # The system's certificates, to which an organization may add its own. A redirect is an error, because the key
        # is only for the configured service.
        self._client = httpx.AsyncClient(
            headers=headers, timeout=SECONDS, verify=ssl.create_default_context(), follow_redirects=False
        )

    async def embed(self, texts: Sequence[str]) -> list[Sequence[float]]:
        body = _encode({"model": self.model, "input": texts, "encoding_format": "float"})
        try:
            async with asyncio.timeout(SECONDS):
                content = await self._send(body)
        except TimeoutError as error:
            raise EmbedderUnavailable(f"its service did not answer within {SECONDS} seconds") from error
        except httpx.HTTPError as error:
            raise EmbedderUnavailable(f"its service can't be reached: {str(error) or type(error).__name__}") from error
        return await asyncio.to_thread(_vectors, content, len(texts))

    async def close(self) -> None:
        await self._client.aclose()

    async def _send(self, body: bytes) -> bytes:
        content = bytearray()
        async with self._client.stream("POST", self._url, content=body) as response:
            if response.status_code != HTTPStatus.OK:
                kind = EmbedderRefused if response.status_code in _REFUSALS else EmbedderUnavailable
                raise kind(f"its service answered {response.status_code}")
            async for block in response.aiter_bytes():
                content += block
                if len(content) > MAX_RESPONSE:
                    raise EmbedderUnavailable(f"the response of its service is longer than {MAX_RESPONSE} bytes")
        return bytes(content)


def _checked_url(url: str | None) -> str:
    """The URL of a service. Raises `EmbedderUnusable`."""
    text = url or ""
    if "@" in text:
        # Its text stays out of the log.
        raise EmbedderUnusable(
            "The URL of the embedder has a user name or a password, or another '@'; write it without. The key of the "
            "service is in a variable or a file of its own."
        )
    if "?" in text or "#" in text:
        raise EmbedderUnusable(f"Invalid URL {text!r} of the embedder; write it without a query and a fragment.")
    try:
        parts = urlsplit(text)
        is_valid = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        httpx.URL(text)
    except (ValueError, httpx.InvalidURL):
        is_valid = False
    if not is_valid or " " in text:
        raise EmbedderUnusable(
            f"Invalid URL {url!r} of the embedder; write that of the service, such as https://api.openai.com/v1."
        )
    return text


def _vectors(content: bytes, count: int) -> list[Sequence[float]]:
    try:
        items = sorted(_decode(content).data, key=lambda item: item.index)
    except msgspec.MsgspecError as error:
        raise EmbedderRefused(f"its response is not valid for OpenAI's API: {error}") from error
    if [item.index for item in items] != [*range(count)]:
        raise EmbedderRefused(f"its response does not have one vector for each of {count} texts")
    return [item.embedding for item in items]
