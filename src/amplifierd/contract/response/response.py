"""Success responses: the contract's status, the handler's value as JSON, the declared headers."""

import re
from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache, partial
from typing import Any
from urllib.parse import quote, unquote_plus

import msgspec
from starlette.types import Receive, Scope, Send

from ...storage.model.files import Download, FileContent
from ...storage.model.records import Events, Export, Listing, Message, Messages
from ..core.document import ContractError, Document, Json
from ..core.executor import INLINE_BYTES, SerialExecutor
from ..core.problems import Headers
from ..core.request_state import Fields, request_state_of
from ..request.body import JSON, NDJSON
from ..request.file_body import ANY
from .blocks import CodedBlocks
from .content_coding import MIN_BYTES, CodedStream, Compression
from .etag import NOT_MODIFIED, Preconditions, check_versioned, etag_of
from .file_response import OK, PARTIAL_CONTENT, download_headers, send_file
from .large_responses import LargeResponses
from .negotiation import JSON_ARRAY, Renderer, Representation, Representations
from .record_encoding import encode_long, encoded_lines, is_long
from .sse import EVENT_STREAM, EventSender
from .unsent_data import PIECE_BYTES, STALL_SECONDS, UnsentBlock, UnsentData

TOTAL_COUNT = "X-Total-Count"

# Marks the place of a listing's records; JSON text never contains a raw NUL byte.
_MARK = b"\0"
_MARKED = msgspec.Raw(b"[" + _MARK + b"]")

# The characters that a query may contain unencoded (RFC 3986, section 3.4), with `%` of encoded ones.
_QUERY = "%!$&'()*+,;=:@/?"

_encode = msgspec.json.Encoder().encode

_STREAMS = (Events, Export, Download, FileContent)
# The status, headers and body of a short response, or the function that sends a long one.
Delivery = tuple[int, Headers, bytes] | Callable[[Send], Awaitable[None]]
# Prepares the response to a result. The last argument is true if the result was recorded by an earlier request.
Preparer = Callable[[Scope, Receive, Any, bool], Awaitable[Delivery]]


class Response:
    """Turns an operation's result into its response."""

    def __init__(
        self,
        document: Document,
        operation: Json,
        returns: Any,
        renderers: Mapping[tuple[str, str], Renderer],
        preconditions: Preconditions | None,
        executor: SerialExecutor,
        compression: Compression,
        unsent: UnsentData,
        large: LargeResponses,
    ) -> None:
        self._executor = executor
        self._compression = compression
        self._unsent = unsent
        self._large = large
        self._returns = returns
        self.status, declared = _success(document, operation)
        self._representations = _representations(self._returns, operation, declared, renderers)
        self._listing_name = _listing_name(self._returns)
        self._events = EventSender(unsent, executor)
        headers = declared.get("headers", {})
        self._location = _Location(document, operation, declared, self._returns) if "Location" in headers else None
        self._has_etag = "ETag" in headers
        if self._has_etag and self._returns is not FileContent:
            check_versioned(operation, self._returns)
        self._preconditions = preconditions
        # Whether the client already has a result of a read, and gets 304. Raises a 412 problem.
        self.is_known = _is_never_known if preconditions is None else preconditions.is_known
        self._may_be_long = self._returns in (Message, Messages)
        self._links = "Link" in headers
        self._counts = TOTAL_COUNT in headers
        # Returns the response to a result. A long response must be sent, because it holds memory until then: events,
        # and listings of more than one block, are streamed.
        self.prepare = self._preparer()
        if (self._returns is type(None)) is ("content" in declared):
            raise ContractError(
                f"Operation {operation['operationId']}: its handler returns {self._returns}, "
                f"its response {self.status} has {'a' if 'content' in declared else 'no'} body."
            )

    def _preparer(self) -> Preparer:
        """The function that prepares responses of this operation's type."""
        if self._listing_name:
            return self._prepare_listing
        preparers: dict[Any, Preparer] = {
            Events: self._prepare_events,
            Export: self._prepare_lines,
            Download: self._prepare_download,
            FileContent: self._prepare_file,
            Listing: self._prepare_listing,
            type(None): self._prepare_nothing,
        }
        return preparers.get(self._returns, self._prepare_record)

    async def _prepare_events(self, scope: Scope, receive: Receive, result: Events, _replayed: bool) -> Delivery:
        if scope["method"] == "HEAD":
            # HEAD sends no events, so it need not wait for one.
            await result.batches.aclose()
        return partial(self._events.send, result, scope, receive, stall_seconds=STALL_SECONDS)

    async def _prepare_lines(self, scope: Scope, _receive: Receive, result: Export, _replayed: bool) -> Delivery:
        lines = encoded_lines(result, self._executor)
        blocks = CodedBlocks(scope, lines, self._stream(scope), self._unsent, self._large.lines)
        return partial(blocks.send, self.status, [(b"content-type", NDJSON.encode())], await blocks.first())

    async def _prepare_download(self, scope: Scope, _receive: Receive, result: Download, _replayed: bool) -> Delivery:
        limit = self._large.lines if result.media == NDJSON else self._large.formats
        blocks = CodedBlocks(scope, result.blocks, self._stream(scope), self._unsent, limit)
        return partial(blocks.send, self.status, download_headers(result), await blocks.first())

    async def _prepare_file(self, scope: Scope, _receive: Receive, result: FileContent, _replayed: bool) -> Delivery:
        assert self._preconditions is not None, "The contract declares those of a file."
        return partial(send_file, scope, self._unsent.send, result, self._preconditions)

    async def _prepare_nothing(self, _scope: Scope, _receive: Receive, _result: None, _replayed: bool) -> Delivery:
        return self.status, [], b""

    async def _prepare_record(self, scope: Scope, _receive: Receive, result: Any, replayed: bool) -> Delivery:
        fields = request_state_of(scope).fields
        if self.is_known(result, fields):
            return NOT_MODIFIED, self._compression.validators(fields, [etag_of(result)], result), b""
        headers = self._headers(scope, result, replayed)
        if self._representations is not None:
            return await self._prepare_form(scope, headers, _encode(result))
        long = self._may_be_long and is_long(result)
        encoded = await self._executor.run(encode_long, result) if long else _encode(result)
        return await self._prepare_whole(scope, headers, encoded)

    def _headers(self, scope: Scope, result: Any, replayed: bool) -> Headers:
        headers: Headers = []
        if self._location is not None:
            headers.append((b"location", self._location.of(result, scope)))
        if self._has_etag:
            headers.append(etag_of(result))
        if replayed:
            headers.append((b"idempotent-replayed", b"true"))
        return headers

    async def _prepare_whole(
        self, scope: Scope, headers: Headers, body: bytes, content_type: bytes = b"application/json"
    ) -> Delivery:
        if len(body) > MIN_BYTES:
            headers, body = await self._compression.compress(request_state_of(scope).fields, headers, body)
        headers = [(b"content-type", content_type), (b"content-length", b"%d" % len(body)), *headers]
        if scope["method"] == "HEAD":
            return self.status, headers, b""
        if len(body) <= PIECE_BYTES:
            return self.status, headers, body
        held = await self._unsent.hold(body, is_applied=scope["method"] != "GET")
        return partial(_send_whole, self.status, headers, held)

    async def _prepare_form(self, scope: Scope, headers: Headers, record: bytes) -> Delivery:
        assert self._representations is not None
        form = self._representations.choose(request_state_of(scope).fields)
        block = await self._written(form, record)
        return await self._prepare_whole(scope, [*headers, (b"vary", b"Accept")], block, form.content_type)

    async def _prepare_listing(self, scope: Scope, _receive: Receive, result: Any, _replayed: bool) -> Delivery:
        listing: Listing = result if self._listing_name is None else getattr(result, self._listing_name)
        rest = listing.rest
        try:
            form, headers = self._form(scope, result)
            if self._links and listing.next_cursor is not None:
                headers.append((b"link", _next_page(scope["query_string"], listing.cursor_name, listing.next_cursor)))
            if self._counts and listing.total is not None:
                headers.append((TOTAL_COUNT.lower().encode(), b"%d" % listing.total))
            first = await self._written(form, listing.first)
            if rest is None:
                whole = b"".join((form.before, first, form.after))
                return await self._prepare_whole(scope, headers, whole, form.content_type)
            write, limit = partial(self._written, form), self._large.lists
            blocks = CodedBlocks(scope, rest, self._stream(scope), self._unsent, limit, write, form.after)
            held = await blocks.hold(form.before + first)
        except BaseException:
            if rest is not None:
                await rest.aclose()
            raise
        return partial(blocks.send, self.status, [(b"content-type", form.content_type), *headers], held)

    def _stream(self, scope: Scope) -> CodedStream:
        return self._compression.stream(request_state_of(scope).fields)

    def _form(self, scope: Scope, result: Any) -> tuple[Representation, Headers]:
        """The representation of a list, and the headers that follow from the choice."""
        if self._representations is not None:
            return self._representations.choose(request_state_of(scope).fields), [(b"vary", b"Accept")]
        if self._listing_name is None:
            return JSON_ARRAY, []
        marked = msgspec.structs.replace(result, **{self._listing_name: _MARKED})
        before, _, after = _encode(marked).partition(_MARK)
        return Representation(JSON_ARRAY.content_type, JSON_ARRAY.block, before, after), []

    async def _written(self, form: Representation, block: bytes) -> bytes:
        if len(block) <= INLINE_BYTES or form.content_type == JSON_ARRAY.content_type:
            return form.block(block)
        return await self._executor.run(form.block, block)


def _is_never_known(_result: Any, _request: Fields) -> bool:
    return False


async def _send_whole(status: int, headers: Headers, held: UnsentBlock, send: Send) -> None:
    try:
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await held.send(send, more=False, stall_seconds=None)
    finally:
        held.close()


class _Location:
    """The `Location` of a new resource: the first link to a GET, with parameters from the record.

    The reference is relative to the target of the request (RFC 3986, section 4.2): a proxy may have removed a prefix.
    """

    def __init__(self, document: Document, operation: Json, declared: Json, returns: Any) -> None:
        gets = {get["operationId"]: path for path, method, get in document.operations() if method == "get"}
        for link in declared.get("links", {}).values():
            if link["operationId"] in gets:
                path = gets[link["operationId"]].removeprefix("/")
                self._base = document.base_path.encode()
                names = {name: source.removeprefix("$response.body#/") for name, source in link["parameters"].items()}
                # "/sessions/", "session_id", "": text and parameters in turn.
                self._start, *rest = re.split("[{}]", path)
                self._parts = [
                    (_attribute(returns, names[name]), text) for name, text in zip(rest[::2], rest[1::2], strict=True)
                ]
                return
        raise ContractError(f"Operation {operation['operationId']} declares Location but has no link to a GET.")

    def of(self, record: Any, scope: Scope) -> bytes:
        path: bytes = scope["raw_path"]
        depth = path.removeprefix(self._base).count(b"/") - 1
        location = "../" * depth + self._start
        for name, text in self._parts:
            location += quote(getattr(record, name), safe="") + text
        return location.encode()


def _attribute(record: Any, name: str) -> str:
    """The name of the record's field that is encoded as `name`."""
    return next(field.name for field in msgspec.structs.fields(record) if field.encode_name == name)


def _success(document: Document, operation: Json) -> tuple[int, Json]:
    found = [status for status in operation["responses"] if status.startswith("2")]
    if found == [str(OK), str(PARTIAL_CONTENT)]:
        # The request alone decides which of the two is sent.
        found.pop()
    if len(found) != 1:
        raise ContractError(f"Operation {operation['operationId']} has {len(found)} success responses; it needs one.")
    declared = document.resolve(operation["responses"][found[0]])
    return int(found[0]), declared


def _representations(
    returns: Any, operation: Json, declared: Json, renderers: Mapping[tuple[str, str], Renderer]
) -> Representations | None:
    """The representations of a list or a record, if it has several; None if it has only the expected one."""
    media_types = list(declared.get("content", {}))
    operation_id = operation["operationId"]
    if (returns is Listing and media_types != [JSON]) or (returns not in _STREAMS and len(media_types) > 1):
        forms = {media_type: form for (name, media_type), form in renderers.items() if name == operation_id}
        try:
            return Representations(media_types, forms)
        except KeyError as error:
            raise ContractError(f"Operation {operation_id}: nothing writes its response as {error}.") from None
    if returns is Download:
        return None
    expected = {Events: EVENT_STREAM, Export: NDJSON, FileContent: ANY}.get(returns, JSON)
    if set(media_types) - {expected}:
        raise ContractError(f"Operation {operation_id}: its handler's response is {expected} alone.")
    return None


def _listing_name(returns: Any) -> str | None:
    if not (isinstance(returns, type) and issubclass(returns, msgspec.Struct)):
        return None
    return next((field.name for field in msgspec.structs.fields(returns) if field.type is Listing), None)


def _next_page(query: bytes, name: str, cursor: str) -> bytes:
    return f'<{_page_after(query, name)}{cursor}>; rel="next"'.encode()


@lru_cache(maxsize=64)
def _page_after(query: bytes, name: str) -> str:
    """The reference to a page from another page's `query`, without its cursor, which is the parameter `name`.

    It is relative, a query alone (RFC 3986, section 4.2): a proxy may have removed a prefix of the path.
    """
    pairs = query.decode("ascii").split("&")
    remaining = [pair for pair in pairs if pair and unquote_plus(pair.partition("=")[0]) != name]
    return "?" + quote("&".join([*remaining, f"{name}="]), safe=_QUERY)
