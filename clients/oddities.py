"""What the contract allows and few send: every client has to read it, as it reads the rest.

What one of them could not read is refused by the server: numbers past a double, keys of over 50,000 characters
(Jackson's limit), keys that begin with NUL (PHP cannot make them properties of an object), and the rest of what
`openapi.yaml` says of bodies.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx

# The name of each session that has one of them as its context and, in its only message, as metadata and content.
NAME = "Oddity"

OBJECTS = (
    '{"__proto__":{"constructor":1},"constructor":2,"toString":3,"":{"":""},"a":1,"A":2}',
    '{"' + "k" * 50_000 + '":1}',
    '{"\\u0001":{"\\ufeff":"\\u0000"}}',
    '{"a\\u0000\\u2028\\ufeff\\u202e":"\\u0000\\u2028\\u2029\\ufeff\\u202e\\uffff\\ud83d\\ude00 \u2028\ufeff\u202e"}',
    '{"n":[-0,-0.0,1e308,-1.7976931348623157E308,5e-324,1e-400,9007199254740993,123456789012345678901234567890]}',
    '{"integer":' + "1" * 309 + ',"fraction":0.' + "3" * 998 + ',"exponent":1' + "0" * 400 + "e-300}",
    '{"a":' + "[" * 98 + "]" * 98 + "}",
    '{"a":[' + ",".join(["0"] * 99_000) + "]}",
)


@contextmanager
def send_oddities(url: str, keys: list[str]) -> Iterator[None]:
    """Send each, byte for byte, to the daemon whose API is at `url`; delete their sessions at the end."""
    headers = {"Content-Type": "application/json"}
    if keys:
        headers["Authorization"] = f"Bearer {keys[0]}"
    with httpx.Client(base_url=url, headers=headers, timeout=60, trust_env=False) as client:
        session_ids: list[str] = []
        try:
            for text in OBJECTS:
                created = client.post("/sessions", content=f'{{"name":"{NAME}","context":{text}}}')
                session_ids.append(created.raise_for_status().json()["id"])
                message = f'{{"content":"\\u0000\\u2028\\ufeff\\u202e\\ud83d\\ude00","metadata":{text}}}'
                client.post(f"/sessions/{session_ids[-1]}/messages", content=message).raise_for_status()
            yield
        finally:
            for session_id in session_ids:
                client.delete(f"/sessions/{session_id}").raise_for_status()
