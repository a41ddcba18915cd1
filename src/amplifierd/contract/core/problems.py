"""Error responses: `application/problem+json` (RFC 9457)."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus

from msgspec import UNSET, Struct, UnsetType, json

Headers = list[tuple[bytes, bytes]]

RETRY_AFTER_SECONDS = 1

_MAX_DETAIL = 4_096

# RFC 9110 renamed these statuses; Python 3.11 still has the old names.
_TITLES = {413: "Content Too Large", 414: "URI Too Long", 422: "Unprocessable Content"}


class Violation(Struct, frozen=True):
    """One place where a body violates its schema: a JSON Pointer (RFC 6901), and the fault.

    `line`, counted from 1, is set if the body is not JSON.
    """

    pointer: str
    detail: str
    line: int | UnsetType = UNSET


class Problem(Exception):
    """An error that ends a request: a status, a kind for programs, a sentence for people."""

    def __init__(
        self,
        status: int,
        kind: str,
        detail: str,
        *,
        errors: Sequence[Violation] = (),
        headers: Mapping[str, str] | None = None,
        members: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.kind = kind
        self.detail = detail
        self.errors = errors
        self.headers = headers or {}
        self.members = members or {}


def render(problem: Problem, request_id: str) -> tuple[Headers, bytes]:
    """The headers and the body of the response for `problem`."""
    members: dict[str, object] = {
        "type": f"urn:amplifierd:problem:{problem.kind}" if problem.kind else "about:blank",
        "title": _TITLES.get(problem.status) or HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": shorten(problem.detail, _MAX_DETAIL),
        "requestId": request_id,
        **problem.members,
    }
    if problem.errors:
        members["errors"] = problem.errors
    body = json.encode(members)
    headers = [(name.lower().encode(), value.encode()) for name, value in problem.headers.items()]
    return [
        (b"content-type", b"application/problem+json"),
        (b"content-length", str(len(body)).encode()),
        *headers,
    ], body


def problem_kind(error: type[Exception]) -> str:
    """`session-not-found` for `SessionNotFound`."""
    return re.sub(r"(?<=.)(?=[A-Z])", "-", error.__name__).lower()


@dataclass(frozen=True, slots=True)
class ErrorTable:
    """The statuses and details of domain errors, by their type or a type that they inherit.

    A detail is a format string over the `error`; without one the detail is the error's own text.
    """

    statuses: Mapping[type[Exception], int]
    details: Mapping[type[Exception], str] = field(default_factory=dict)

    def status(self, error: Exception) -> int | None:
        """The status of the response, None if the error is a defect."""
        return next((self.statuses[kind] for kind in type(error).__mro__ if kind in self.statuses), None)

    def detail(self, error: Exception) -> str:
        """The sentence that the client reads."""
        kinds = type(error).__mro__
        template = next((self.details[kind] for kind in kinds if kind in self.details), "{error}")
        return template.format(error=error)


def busy(why: str) -> Problem:
    """The 503 problem of a request that the server is too busy to handle now."""
    return Problem(503, "busy", f"{why}; retry soon.", headers={"Retry-After": str(RETRY_AFTER_SECONDS)})


def problem_of(error: Exception, table: ErrorTable, request_id: str) -> Problem:
    """The problem for `error`: itself, a domain error by `table`, or a defect that reveals no internals."""
    if isinstance(error, Problem):
        return error
    status = table.status(error)
    if status is None:
        detail = f"The server failed on this request; see its log under request id {request_id}."
        return Problem(500, "", detail)
    members: Mapping[str, object] = getattr(error, "members", {})
    pointer: str | None = getattr(error, "pointer", None)
    headers = {}
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = str(getattr(error, "retry_after", RETRY_AFTER_SECONDS))
    elif status == HTTPStatus.PRECONDITION_FAILED:
        headers["ETag"] = f'"{members["version"]}"'
    kind = problem_kind(type(error))
    if pointer is None:
        return Problem(status, kind, table.detail(error), headers=headers, members=members)
    # A place in the body, in the same form as a violation of the schema.
    return Problem(
        status, "invalid-body", table.detail(error), errors=[Violation(pointer, getattr(error, "detail", kind))]
    )


def shorten(text: str, length: int) -> str:
    """`text`, cut to `length` characters."""
    return text if len(text) <= length else text[: length - 1] + "…"
