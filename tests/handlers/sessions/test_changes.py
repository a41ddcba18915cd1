"""Life cycle, patches and preconditions, over a real socket."""

import re
from typing import Any

import httpx
import pytest

from daemon import Daemon

MERGE_PATCH = {"Content-Type": "application/merge-patch+json"}
TURN = {"messages": [{"content": "a"}, {"content": "b", "role": "assistant", "agent": "x", "token_count": 2}]}

# An invalid day, second and offset, and a text that is not RFC 3339.
INVALID_TIMES = [
    {"created_before": time}
    for time in ("2025-02-30T00:00:00Z", "2025-11-21T12:00:60Z", "2025-11-21T00:00:00", "2025-11-21 00:00:00Z")
]

Session = dict[str, Any]


@pytest.fixture
def session(client: httpx.Client) -> Session:
    """A new session."""
    created: Session = client.post("/sessions", json={"name": "Talk", "context": {"a": 1}}).json()
    return created


@pytest.fixture
def path(session: Session) -> str:
    """The path of the session."""
    return f"/sessions/{session['id']}"


def test_session_from_start_to_end(client: httpx.Client, session: Session, path: str) -> None:
    assert (session["status"], session["version"], session["tokenUsage"]) == ("created", 1, 0)
    started = client.post(f"{path}/start")
    assert (started.status_code, started.json()["status"], started.headers["etag"]) == (200, "active", '"2"')
    failed = client.post(f"{path}/fail", json={"error_message": "No answer.", "error_details": {"after": 60}}).json()
    assert (failed["status"], failed["errorMessage"], failed["errorDetails"]) == ("failed", "No answer.", {"after": 60})
    assert client.get("/sessions", params={"limit": 1}).json()[0]["errorMessage"] == "No answer."
    resumed = client.post(f"{path}/resume").json()
    assert resumed["status"] == "active"
    assert not {"endedAt", "errorMessage", "errorDetails"} & resumed.keys()
    assert client.post(f"{path}/complete").json()["endedAt"] > resumed["updatedAt"]
    client.post(f"{path}/resume")
    assert client.post(f"{path}/terminate").json()["status"] == "terminated"


@pytest.mark.parametrize(
    ("step", "status", "detail"),
    [
        ("complete", 409, "Cannot complete session {}: it is created"),
        ("terminate", 409, "Cannot terminate session {}: it is created"),
        ("fork", 201, None),
    ],
)
def test_conflicting_request_is_409(
    client: httpx.Client, session: Session, path: str, step: str, status: int, detail: str | None
) -> None:
    response = client.post(f"{path}/{step}")
    assert response.status_code == status
    if detail is not None:
        assert response.json()["detail"] == detail.format(session["id"])
        assert response.json()["type"] == "urn:amplifierd:problem:session-status-conflict"


def test_starting_twice_is_409(client: httpx.Client, path: str) -> None:
    client.post(f"{path}/start")
    assert client.post(f"{path}/start").status_code == 409
    assert client.post(f"{path}/messages/batch", json=TURN | {"expected_sequence": 2}).status_code == 409
    assert client.post(f"{path}/fork", json={"at_sequence": 1}).status_code == 409


def test_error_for_an_ended_session_suggests_resuming(client: httpx.Client, path: str) -> None:
    client.post(f"{path}/messages", json={"content": "x"})
    client.post(f"{path}/complete")
    refused = client.post(f"{path}/messages", json={"content": "x"})
    assert refused.status_code == 409
    assert refused.json()["detail"].endswith("it is completed; resume it first")
    assert client.post(f"{path}/fail", json={"error_message": "x"}).status_code == 409


def test_batch_is_appended_to_the_transcript(client: httpx.Client, path: str) -> None:
    client.post(f"{path}/messages", json={"content": "first", "token_count": 5})
    sent = client.post(f"{path}/messages/batch", json=TURN)
    assert sent.status_code == 201
    assert [(each["sequence"], each.get("agent"), each.get("tokenCount")) for each in sent.json()["messages"]] == [
        (2, None, None),
        (3, "x", 2),
    ]
    assert client.get(f"{path}/messages", params={"after_sequence": 1}).json() == sent.json()
    assert client.get(f"{path}/messages/3").json() == sent.json()["messages"][1]
    assert client.get(path).json()["tokenUsage"] == 7


def test_batch_with_an_invalid_message_is_refused(client: httpx.Client, path: str) -> None:
    refused = client.post(f"{path}/messages/batch", json={"messages": [{"content": "a"}, {"content": 1}]})
    assert refused.status_code == 422
    assert refused.json()["errors"] == [{"pointer": "/messages/1/content", "detail": "must be of type string"}]
    assert client.get(path).json()["messageCount"] == 0
    assert client.post(f"{path}/messages/batch", json={"messages": [{"content": ""}] * 1001}).status_code == 422


@pytest.mark.parametrize("sequence", ["2", "0", "x", "-1", "1.0", "99999999999999999999"])
def test_unknown_message_is_404(client: httpx.Client, path: str, sequence: str) -> None:
    client.post(f"{path}/messages", json={"content": "x"})
    assert client.get(f"{path}/messages/{sequence}").status_code == 404


@pytest.mark.parametrize("headers", [MERGE_PATCH, {"Content-Type": "application/json"}])
def test_patch_is_merged(client: httpx.Client, path: str, headers: dict[str, str]) -> None:
    patch = '{"name": null, "context": {"a": null, "b": {"c": 1.0}}}'
    changed = client.patch(path, content=patch, headers=headers)
    assert changed.status_code == 200
    assert "name" not in changed.json()
    assert '"context":{"b":{"c":1.0}}' in changed.text
    assert client.get(path).text == changed.text


def test_invalid_patch_is_refused(client: httpx.Client, path: str) -> None:
    assert client.patch(path, content="{}", headers={"Content-Type": "text/plain"}).status_code == 415
    refused = client.patch(path, json={"status": "active", "profile": None, "context": None})
    assert refused.status_code == 422
    assert {error["pointer"] for error in refused.json()["errors"]} == {"/status", "/profile", "/context"}
    members = {str(number): number for number in range(1024)}
    refused = client.patch(path, json={"context": members})
    assert (refused.status_code, refused.json()["detail"].endswith("1025 members; the limit is 1024")) == (422, True)


def test_number_with_a_zero_fraction_is_an_integer(client: httpx.Client, path: str) -> None:
    body = '{"content": "x", "expected_sequence": 1.0, "token_count": 1e1}'
    sent = client.post(f"{path}/messages", content=body, headers={"Content-Type": "application/json"})
    assert (sent.status_code, sent.json()["tokenCount"]) == (201, 10)


def test_session_is_not_sent_again(client: httpx.Client, path: str) -> None:
    etag = client.get(path).headers["etag"]
    for known in (etag, f"W/{etag}", f'"x", {etag}', "*"):
        unchanged = client.get(path, headers={"If-None-Match": known})
        assert (unchanged.status_code, unchanged.content, unchanged.headers["etag"]) == (304, b"", etag)
    assert client.head(path, headers={"If-None-Match": etag}).status_code == 304
    client.post(f"{path}/start")
    assert client.get(path, headers={"If-None-Match": etag}).status_code == 200
    assert client.get(path, headers={"If-None-Match": "nonsense"}).status_code == 400


@pytest.mark.parametrize(
    ("method", "step", "body"),
    [
        ("PATCH", "", {"name": "x"}),
        ("DELETE", "", None),
        ("POST", "/complete", None),
        ("POST", "/fail", {"error_message": "x"}),
        ("POST", "/terminate", None),
        ("POST", "/resume", None),
        ("POST", "/start", None),
        ("POST", "/messages", {"content": "x"}),
        ("POST", "/messages/batch", TURN),
        ("POST", "/fork", {}),
    ],
)
def test_change_for_another_version_is_412(
    client: httpx.Client, path: str, method: str, step: str, body: object
) -> None:
    if step != "/start":
        client.post(f"{path}/start")
    before = client.get(path)
    etag = before.headers["etag"]
    for name, other in [
        *(("If-Match", tags) for tags in ('"7"', f"W/{etag}", '"x"', '"6", "7"', f'"0{etag[1:]}', "", ",", '"é"')),
        *(("If-None-Match", tags) for tags in ("*", etag, f"W/{etag}", f',"7" , ,{etag},')),
    ]:
        refused = client.request(method, path + step, json=body, headers=[(name.encode(), other.encode("latin-1"))])
        assert refused.status_code == 412
        assert refused.headers["etag"] == etag
        assert refused.json()["version"] == before.json()["version"]
    assert client.get(path).text == before.text
    for name in ("If-Match", "If-None-Match"):
        for malformed in ("x", '"', "*, *", f"{etag} {etag}", f"w/{etag}"):
            assert client.request(method, path + step, json=body, headers={name: malformed}).status_code == 400
    lines = [("If-Match", '"7"'), ("If-Match", etag), ("If-None-Match", '"6", W/"7"')]
    assert client.request(method, path + step, json=body, headers=lines).is_success


def test_read_for_another_version_is_412(client: httpx.Client, path: str) -> None:
    etag = client.get(path).headers["etag"]
    for method in ("GET", "HEAD"):
        for other in ('"7"', f"W/{etag}", '"x", "y"', ","):
            refused = client.request(method, path, headers={"If-Match": other, "If-None-Match": etag})
            assert (refused.status_code, refused.headers["etag"]) == (412, etag)
        for own in ("*", etag, f'"7",,{etag}'):
            for known, status in (('"7"', 200), (etag, 304)):
                response = client.request(method, path, headers={"If-Match": own, "If-None-Match": known})
                assert response.status_code == status
    assert client.get(path, headers={"If-Match": '"7"'}).json()["version"] == 1
    unquoted = client.get(path, headers={"If-Match": "5"})
    assert (unquoted.status_code, unquoted.json()["detail"]) == (
        400,
        "Header 'If-Match' is '5': it must be * or quoted tags, such as \"5\".",
    )
    assert client.get("/sessions/nobody", headers={"If-Match": '"7"'}).status_code == 404


def test_tag_altered_by_a_proxy_is_an_explained_412(client: httpx.Client, path: str) -> None:
    for altered in ('W/"1"', 'W/"1-gzip"', '"1-br"', '"1--gzip"', '"1;br"'):
        for method, body in (("PATCH", {}), ("GET", None)):
            refused = client.request(method, path, json=body, headers={"If-Match": f'"7", {altered}'})
            assert refused.status_code == 412
            assert f"The tag {altered} was altered by a compressing proxy" in refused.json()["detail"]
            assert refused.json()["detail"].endswith('send If-Match: "1".')
        assert client.get(path, headers={"If-None-Match": f'"7", {altered}'}).status_code in (200, 304)
    for other in ('W/"7"', '"7-br"', '"1-x"'):
        detail = client.get(path, headers={"If-Match": other}).json()["detail"]
        assert "proxy" not in detail
        assert detail.endswith('If-Match never matches a weak tag such as W/"7".') is (other == 'W/"7"')
    refused = client.patch(path, json={"name": "x"}, headers={"If-Match": 'W/"7"'})
    assert "is at version 1, not at any that the request names. If-Match" in refused.json()["detail"]


@pytest.mark.parametrize("name", ["If-Match", "If-None-Match"])
def test_precondition_on_an_unknown_session_is_404(client: httpx.Client, name: str) -> None:
    for method, step in (("PATCH", ""), ("DELETE", ""), ("POST", "/fork"), ("POST", "/resume")):
        refused = client.request(method, f"/sessions/nobody{step}", json={}, headers={name: "*"})
        assert refused.status_code == 404


def test_fork_returns_the_location(client: httpx.Client, session: Session, path: str) -> None:
    client.post(f"{path}/messages/batch", json=TURN)
    fork = client.post(f"{path}/fork", json={"at_sequence": 1, "name": "Other"})
    assert fork.status_code == 201
    assert fork.headers["location"] == f"../../sessions/{fork.json()['id']}"
    assert (fork.json()["parentSessionId"], fork.json()["forkedAtSequence"]) == (session["id"], 1)
    lineage = client.get(f"/sessions/{fork.json()['id']}/lineage").json()
    assert [ancestor["id"] for ancestor in lineage["ancestors"]] == [session["id"]]
    children = client.get("/sessions", params={"parent_session_id": session["id"]}).json()
    assert [ancestor["id"] for ancestor in children] == [fork.json()["id"]]
    assert client.get(f"{path}/lineage").json()["children"] == children


def test_lists_are_filtered_and_sorted(client: httpx.Client, session: Session) -> None:
    params = {"name": "TALK", "sort": "created_at", "status": "created", "created_before": session["createdAt"]}
    ids = [summary["id"] for summary in client.get("/sessions", params=params).json()]
    assert session["id"] not in ids
    assert ids == sorted(ids)
    page = client.get("/sessions", params={"name": "talk", "limit": 1})
    assert page.json()[0]["id"] == session["id"]
    for wrong in ({"sort": "size"}, {"status": "done"}, {"created_after": "yesterday"}, {"name": ""}, *INVALID_TIMES):
        assert client.get("/sessions", params=wrong).status_code == 400


def test_filters_take_any_rfc_3339_time(client: httpx.Client, session: Session) -> None:
    moment = session["createdAt"].removesuffix("Z")
    for time in (f"{moment}Z", f"{moment}z", f"{moment.replace('T', 't')}999+00:00", f"{moment}000-00:00"):
        for side in ("created_after", "created_before"):
            listed = client.get("/sessions", params={side: time}).raise_for_status().json()
            assert session["id"] not in {summary["id"] for summary in listed}


def test_times_have_six_digits(client: httpx.Client, session: Session, path: str) -> None:
    """Clients read, compare and return times as text, so they have one form."""
    message = client.post(f"{path}/messages", json={"content": "x"}).json()
    ended = client.post(f"{path}/complete").json()
    times = [session["createdAt"], message["timestamp"], ended["startedAt"], ended["endedAt"], ended["updatedAt"]]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", time) for time in times)


def test_messages_are_sorted_and_of_a_role(client: httpx.Client, path: str) -> None:
    client.post(f"{path}/messages/batch", json=TURN)
    newest = client.get(f"{path}/messages", params={"order": "desc", "limit": 1}).json()["messages"]
    assert [message["sequence"] for message in newest] == [2]
    of_user = client.get(f"{path}/messages", params={"role": "user"}).json()["messages"]
    assert [message["sequence"] for message in of_user] == [1]


def test_sequence_conflict_rejects_the_second_writer(client: httpx.Client, daemon: Daemon, path: str) -> None:
    with daemon.client() as other:
        responses = [
            writer.post(f"{path}/messages", json={"content": "x", "expected_sequence": 1}) for writer in (client, other)
        ]
    assert [response.status_code for response in responses] == [201, 409]
    assert responses[1].json()["nextSequence"] == 2
