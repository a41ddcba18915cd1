"""Headers are limited before they are parsed, because a parser may take time quadratic in their length."""

import pytest

from amplifierd.contract.core.problems import Problem
from amplifierd.contract.request.header_limits import MAX_BYTES, check_headers
from amplifierd.settings import CONTRACT
from daemon import Daemon
from raw import assert_problem, exchange, get

LIMITS = sorted(MAX_BYTES.items())


@pytest.mark.parametrize(("name", "limit"), LIMITS)
def test_header_has_a_limit(name: bytes, limit: int) -> None:
    check_headers([(name, b"x" * limit), (b"x-other", b"x" * 30_000)])
    for headers in ([(name, b"x" * (limit + 1))], [(name, b"x" * 128)] * (limit // 128 + 1)):
        with pytest.raises(Problem, match=f"bytes; the limit is {limit}"):
            check_headers(headers)


@pytest.mark.parametrize("lines", [[b"\t" * 31_000 + b"x"], [b"a" + b"\t" * 300 + b"x"] * 90])
def test_accept_that_takes_long_to_parse_is_400(daemon: Daemon, lines: list[bytes]) -> None:
    # The parser takes 2.8 s for the first.
    path = "/api/v1/sessions/x/transcript"
    request = get(path)[:-2] + b"".join(b"Accept: a,%b\r\n" % line for line in lines) + b"\r\n"
    assert_problem(exchange(daemon.port, request), 400, "Header 'Accept' has ")


def test_contract_documents_the_limits() -> None:
    contract = " ".join(CONTRACT.read_text().split())
    for name, limit in LIMITS:
        assert f"`{name.decode().title()}`" in contract
        assert f"{limit:,}" in contract
