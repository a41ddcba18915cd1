"""Files over HTTP: uploaded, referred to by messages, downloaded whole and in ranges, and never run by a browser."""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from daemon import Daemon

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 1_000
ID = hashlib.sha256(PNG).hexdigest()
CSP = "default-src 'none'; sandbox"


def upload(client: httpx.Client, content: Any = PNG, media: str = "image/png", **query: str) -> dict[str, Any]:
    response = client.post("/files", content=content, headers={"Content-Type": media}, params=query)
    assert response.status_code == 201, response.text
    file: dict[str, Any] = response.json()
    return file


def refer(client: httpx.Client, *urls: str) -> httpx.Response:
    session_id = client.post("/sessions", json={}).json()["id"]
    parts = [{"type": "file", "media": "image/png", "url": url} for url in urls]
    return client.post(f"/sessions/{session_id}/messages", json={"parts": parts})


def test_download_returns_the_uploaded_bytes(client: httpx.Client) -> None:
    response = client.post("/files", content=PNG, headers={"Content-Type": "image/png"}, params={"name": "a.png"})
    file = response.json()
    assert (file["id"], file["url"], file["size"]) == (ID, f"/files/{ID}", len(PNG))
    assert (file["media"], file["name"]) == ("image/png", "a.png")
    assert response.headers["Location"] == f"files/{ID}"
    downloaded = client.get(file["url"])
    assert downloaded.content == PNG
    expected = {
        "Content-Type": "image/png",
        "Content-Length": str(len(PNG)),
        "Content-Disposition": 'attachment; filename="a.png"',
        "Content-Security-Policy": CSP,
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "private, max-age=31536000, immutable",
        "Accept-Ranges": "bytes",
        "ETag": f'"{ID}"',
    }
    assert {name: downloaded.headers[name] for name in expected} == expected
    head = client.head(file["url"], headers={"Range": "bytes=0-1"})
    assert (head.status_code, head.content) == (200, b"")
    assert {name: head.headers[name] for name in expected} == expected


def test_upload_is_streamed(client: httpx.Client) -> None:
    def parts() -> Iterator[bytes]:
        for number in range(40):
            yield bytes([number]) * 50_000

    file = upload(client, parts(), "video/mp4; codecs=avc1")
    assert file["size"] == 2_000_000
    response = client.get(file["url"])
    assert response.content == b"".join(parts())
    assert response.headers["Content-Type"] == "video/mp4; codecs=avc1"


def test_file_may_be_empty(client: httpx.Client) -> None:
    file = client.post("/files").json()
    assert (file["size"], file["media"]) == (0, "application/octet-stream")
    response = client.get(file["url"])
    assert (response.status_code, response.content) == (200, b"")
    assert client.get(file["url"], headers={"Range": "bytes=0-"}).status_code == 416
    assert client.get(file["url"], headers={"Range": "bytes=-1"}).status_code == 416


def test_media_type_in_the_query_takes_precedence(client: httpx.Client) -> None:
    headers, query = {"Content-Type": "application/octet-stream"}, {"media": "image/webp"}
    file = client.post("/files", content=b"of the query", headers=headers, params=query).json()
    assert file["media"] == "image/webp"


def test_media_range_is_not_a_type(client: httpx.Client) -> None:
    assert upload(client, b"of a generated client", "*/*")["media"] == "application/octet-stream"


@pytest.mark.parametrize("media", ["png", "a/b/c", "text/plain\u00e9", "/", "image/", "a/b;" + 252 * "c"])
def test_invalid_media_type_is_refused(client: httpx.Client, media: str) -> None:
    response = client.post("/files", content=b"x", headers=[(b"Content-Type", media.encode("latin-1"))])
    assert response.status_code == 415
    assert response.json()["detail"].endswith("is not a media type of at most 255 characters; send */*.")


def test_coded_body_is_refused(client: httpx.Client) -> None:
    assert client.post("/files", content=b"x", headers={"Content-Encoding": "gzip"}).status_code == 415


@pytest.mark.parametrize(
    ("requested", "first", "last"),
    [
        ("bytes=0-0", 0, 0),
        ("bytes=10-", 10, len(PNG) - 1),
        ("bytes=-10", len(PNG) - 10, len(PNG) - 1),
        ("bytes=0-99999999999", 0, len(PNG) - 1),
        ("bytes=-99999999999", 0, len(PNG) - 1),
        (f"bytes=0-{'9' * 23}", 0, len(PNG) - 1),
        (f"bytes=-{'9' * 1_000}", 0, len(PNG) - 1),
        (f"bytes={'0' * 30}1-2", 1, 2),
        ("bytes=65530-65545", 65_530, 65_545),
        ("BYTES= 1-2", 1, 2),
    ],
)
def test_range_is_returned(client: httpx.Client, requested: str, first: int, last: int) -> None:
    url = upload(client)["url"]
    response = client.get(url, headers={"Range": requested})
    assert (response.status_code, response.content) == (206, PNG[first : last + 1])
    assert response.headers["Content-Range"] == f"bytes {first}-{last}/{len(PNG)}"
    assert response.headers["Content-Length"] == str(last + 1 - first)
    assert response.headers["Content-Security-Policy"] == CSP


@pytest.mark.parametrize(
    "requested", ["", "bytes", "bytes=", "bytes=-", "bytes=2-1", "items=0-1", "bytes=0-1,3-4", "bytes=a-b"]
)
def test_unsupported_range_is_ignored(client: httpx.Client, requested: str) -> None:
    response = client.get(upload(client)["url"], headers={"Range": requested})
    assert (response.status_code, response.content) == (200, PNG)


def test_long_range_is_refused(client: httpx.Client) -> None:
    assert client.get(upload(client)["url"], headers={"Range": "0" * 1_025}).status_code == 400


@pytest.mark.parametrize("requested", [f"bytes={len(PNG)}-", f"bytes={'9' * 23}-", "bytes=99999999-", "bytes=-0"])
def test_range_past_the_end_is_refused(client: httpx.Client, requested: str) -> None:
    response = client.get(upload(client)["url"], headers={"Range": requested})
    assert response.status_code == 416
    assert response.headers["Content-Range"] == f"bytes */{len(PNG)}"
    assert response.json()["type"] == "urn:amplifierd:problem:range-not-satisfiable"


def test_range_of_another_file_returns_the_whole_file(client: httpx.Client) -> None:
    url = upload(client)["url"]
    for tag, status in ((f'"{ID}"', 206), (f'W/"{ID}"', 200), ('"other"', 200), ("Sat, 28 Nov 2026 18:00:00 GMT", 200)):
        assert client.get(url, headers={"Range": "bytes=0-1", "If-Range": tag}).status_code == status


def test_preconditions_of_a_file(client: httpx.Client) -> None:
    url = upload(client)["url"]
    for tags, status in (("*", 304), (f'"x", W/"{ID}"', 304), ('"x"', 200)):
        response = client.get(url, headers={"If-None-Match": tags})
        assert response.status_code == status
        assert response.headers["ETag"] == f'"{ID}"'
    for tags, status in (("*", 200), (f'"x", "{ID}"', 200), (f'W/"{ID}"', 412), ('"x"', 412)):
        assert client.get(url, headers={"If-Match": tags}).status_code == status
    assert client.get(url, headers={"If-Match": "x"}).status_code == 400


def test_preconditions_of_a_deletion(client: httpx.Client) -> None:
    url = upload(client, b"deleted under conditions")["url"]
    tag = f'"{url.rpartition("/")[2]}"'
    failing = [
        ("If-Match", '"x"'),
        ("If-Match", f"W/{tag}"),
        ("If-None-Match", "*"),
        ("If-None-Match", f'"x", W/{tag}'),
    ]
    for name, tags in failing:
        refused = client.delete(url, headers={name: tags})
        assert (refused.status_code, refused.headers["ETag"]) == (412, tag)
        assert f"{name} " in refused.json()["detail"]
    assert client.delete(url, headers={"If-Match": "x"}).status_code == 400
    assert client.get(url).content == b"deleted under conditions"
    assert client.delete(url, headers={"If-Match": f'"x", {tag}', "If-None-Match": '"x"'}).status_code == 204
    assert client.delete(url, headers={"If-Match": "*"}).status_code == 404


@pytest.mark.parametrize(
    ("name", "disposition"),
    [
        ("a b.png", 'attachment; filename="a b.png"'),
        ("ä€.png", "attachment; filename=\"__.png\"; filename*=UTF-8''%C3%A4%E2%82%AC.png"),
        ('"; x="\\', "attachment; filename=\"_; x=__\"; filename*=UTF-8''%22%3B%20x%3D%22%5C"),
        ("../a%2F", "attachment; filename=\".._a_2F\"; filename*=UTF-8''..%2Fa%252F"),
    ],
)
def test_name_of_a_file(client: httpx.Client, name: str, disposition: str) -> None:
    url = upload(client, name.encode(), name=name)["url"]
    assert client.get(url).headers["Content-Disposition"] == disposition


@pytest.mark.parametrize("name", ["a\r\nSet-Cookie: x", "\x00", ""])
def test_invalid_name_is_refused(client: httpx.Client, name: str) -> None:
    assert client.post("/files", content=b"x", params={"name": name}).status_code == 400


@pytest.mark.parametrize(
    "media",
    ["text/javascript", "Application/ECMAScript; charset=utf-8", "text/css", "application/wasm", "text/jscript"],
)
def test_page_cannot_include_a_file(client: httpx.Client, media: str) -> None:
    file = upload(client, media.encode(), media)
    assert file["media"] == media
    assert client.get(file["url"]).headers["Content-Type"] == "application/octet-stream"


@pytest.mark.parametrize("media", ["text/html", "image/svg+xml", "application/xhtml+xml"])
def test_html_file_runs_no_script(client: httpx.Client, media: str) -> None:
    response = client.get(upload(client, f"<script>alert(1)</script>{media}".encode(), media)["url"])
    assert response.headers["Content-Security-Policy"] == CSP
    assert response.headers["Content-Disposition"].startswith("attachment")
    assert response.headers["X-Content-Type-Options"] == "nosniff"


def test_files_are_listed_in_pages(client: httpx.Client) -> None:
    files = [upload(client, f"page {number}".encode())["id"] for number in range(3)]
    first = client.get("/files", params={"limit": 2})
    assert [file["id"] for file in first.json()] == files[:0:-1]
    second = client.get(first.url.join(first.links["next"]["url"]))
    assert second.json()[0]["id"] == files[0]
    assert {file["id"] for file in client.get("/files").json()} >= {*files}


def test_message_keeps_its_file(client: httpx.Client) -> None:
    file = upload(client, b"kept by a message")
    assert file["expiresAt"] > file["createdAt"]
    message = refer(client, file["url"])
    assert message.status_code == 201
    refused = client.delete(file["url"])
    assert refused.status_code == 409
    assert "message 1 of session" in refused.json()["detail"]
    assert "deleteSession" in refused.json()["detail"]


def test_message_with_an_unknown_file_is_refused(client: httpx.Client) -> None:
    known, unknown = upload(client)["url"], f"/files/{'0' * 64}"
    response = refer(client, known, unknown)
    assert response.status_code == 422
    assert response.json()["errors"] == [
        {"pointer": "/parts/1/url", "detail": f"names file {'0' * 64}, which does not exist"}
    ]
    assert "Upload it first (createFile)" in response.json()["detail"]


def test_long_data_url_is_refused(client: httpx.Client) -> None:
    assert refer(client, "data:image/png;base64,".ljust(65_536, "A")).status_code == 201
    response = refer(client, "data:image/png;base64,".ljust(65_537, "A"))
    assert response.status_code == 422
    assert response.json()["errors"][0]["pointer"] == "/parts/0/url"
    assert "Upload the file (createFile), and put its url in the part." in response.json()["detail"]


def test_unknown_relative_url_is_refused(client: httpx.Client) -> None:
    response = refer(client, "/api/v1/sessions")
    assert response.json()["errors"] == [
        {"pointer": "/parts/0/url", "detail": "must be absolute, or the url of a file"}
    ]


def test_deleted_file_is_gone(client: httpx.Client) -> None:
    url = upload(client, b"gone soon")["url"]
    assert client.delete(url).status_code == 204
    for response in (client.get(url), client.delete(url)):
        assert response.status_code == 404
        assert response.json()["type"] == "urn:amplifierd:problem:file-not-found"
    assert client.get("/files/x").status_code == 404


def test_largest_file(tmp_path: Any) -> None:
    with Daemon(f"sqlite:///{tmp_path / 'a.db'}", "--max-file", "1000") as daemon, daemon.client() as client:
        assert client.post("/files", content=b"x" * 1_000).status_code == 201
        for content in (b"x" * 1_001, iter([b"x" * 1_001])):
            refused = client.post("/files", content=content)
            assert refused.status_code == 413
            assert "is larger than 1000 bytes, which is the limit" in refused.json()["detail"]
        lines = [
            {"header": {"format": "amplifierd-export", "version": 2}},
            {"file": {"id": "0" * 64, "media": "text/plain", "size": 1_001}},
        ]
        export = "".join(json.dumps(line) + "\n" for line in lines)
        refused = client.post("/import", content=export, headers={"Content-Type": "application/x-ndjson"})
        assert refused.status_code == 413
        detail = f"Line 2: file {'0' * 64} is larger than 1000 bytes, which is the limit."
        assert refused.json()["detail"] == detail
