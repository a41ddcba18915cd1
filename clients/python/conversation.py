"""Runs a whole conversation against a daemon, through the generated package.

Its base URL is the first argument, the key to it, where it has keys, the second.
"""

import json
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from io import BytesIO
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

from amplifierd_client import AuthenticatedClient
from amplifierd_client import Client as OpenClient
from amplifierd_client.api.collections import create_collection, delete_collection, get_collection, list_collections
from amplifierd_client.api.directories import (
    create_amplified_directory,
    delete_amplified_directory,
    get_amplified_directory,
)
from amplifierd_client.api.files import create_file, delete_file, get_file, list_files
from amplifierd_client.api.messages import delete_message, list_messages, send_message, update_message
from amplifierd_client.api.modules import (
    create_module_source,
    delete_module_source,
    get_module,
    list_modules,
    list_tools,
    replace_module_source,
)
from amplifierd_client.api.plans import generate_mount_plan, get_session_mount_plan
from amplifierd_client.api.profiles import create_profile, delete_profile, get_profile
from amplifierd_client.api.search import search_messages, suggest_searches
from amplifierd_client.api.service import get_health, get_live, get_status
from amplifierd_client.api.sessions import (
    clean_up_sessions,
    complete_session,
    create_session,
    delete_session,
    delete_sessions,
    fork_session,
    get_session,
    get_session_lineage,
    get_session_profile,
    list_sessions,
    resume_session,
)
from amplifierd_client.api.transfer import export_session, import_sessions
from amplifierd_client.models import (
    AmplifiedDirectory,
    CleanUpRequest,
    Context,
    CreateCollectionRequest,
    CreateDirectoryRequest,
    CreateProfileRequest,
    CreateSessionRequest,
    DeletionReport,
    FilePart,
    FilePartType,
    ForkSessionRequest,
    Health,
    HealthStatus,
    ImportReport,
    KernelPlan,
    Labels,
    LastMessage,
    Lineage,
    Liveness,
    LivenessStatus,
    Message,
    MessagePatch,
    Metadata,
    ModuleConfig,
    ModuleDetails,
    ModuleScope,
    ModuleSource,
    ModuleSourceRequest,
    ModuleType,
    MountPlan,
    MountPlanRequest,
    MountPlanRequestAgentOverlay,
    OnConflict,
    PlanForm,
    Problem,
    Profile,
    ProfileSettings,
    Role,
    SearchMode,
    SendMessageRequest,
    ServiceState,
    ServiceStatus,
    Session,
    SessionDeletion,
    SessionFilter,
    SessionStatus,
    SessionUsage,
    StoredCollection,
    StoredFile,
    TextPart,
    TextPartType,
    ToolCallPart,
    ToolCallPartType,
    Transcript,
    UsageRequest,
)
from amplifierd_client.types import UNSET, File, Response, Unset

T = TypeVar("T")
Client = AuthenticatedClient | OpenClient

NOBODY = "non-existent-session-id"
PROFILE = "clients/base"
DIRECTORY = "projects/atlas"
PICTURE = b"\x89PNG\x00\xff\n"
SOURCE = Metadata.from_dict({"source": "clients"})
MESSAGES = [
    SendMessageRequest("What does “résumé” mean?", metadata=SOURCE),
    SendMessageRequest("A summary.", role=Role.ASSISTANT),
    SendMessageRequest('{"found": true}', role=Role.TOOL),
]


class Unexpected(Exception):
    """The daemon returned an unexpected response."""


def check(sentence: str, *, that: bool) -> None:
    """Raise `Unexpected` with the sentence unless the condition holds."""
    if not that:
        raise Unexpected(sentence)


def equal(found: object, expected: object) -> None:
    """Raise `Unexpected` if a value is not the expected one."""
    check(f"{found!r} came where {expected!r} was expected.", that=found == expected)


def answered(answer: object, kind: type[T]) -> T:
    """The response as the type that the operation returns on success."""
    if not isinstance(answer, kind):
        raise Unexpected(f"{answer!r} came where a {kind.__name__} was expected.")
    return answer


def refused(response: Response[Any], status: int) -> Problem:
    """The problem with this status in the response."""
    equal(response.status_code, status)
    problem = answered(response.parsed, Problem)
    equal(problem.status, status)
    return problem


def prepare(client: Client) -> None:
    """Create a profile, and a directory with this default profile."""
    body = CreateProfileRequest(PROFILE, providers=[ModuleConfig("provider", source="git+https://example.com/a")])
    profile = answered(create_profile.sync(client=client, body=body), Profile)
    equal((profile.name, profile.schema_version, profile.is_active), (PROFILE, 2, False))
    equal(profile.providers, body.providers)
    # No collection has the module; only the response to a write reports it.
    equal([warning.pointer for warning in answered(profile.warnings, list)], ["/providers/0"])
    profile.warnings = UNSET
    equal(get_profile.sync(PROFILE, client=client), profile)
    amplify = CreateDirectoryRequest(DIRECTORY, default_profile=PROFILE)
    directory = answered(create_amplified_directory.sync(client=client, body=amplify), AmplifiedDirectory)
    equal((directory.relative_path, directory.default_profile_from), (DIRECTORY, DIRECTORY))
    equal(get_amplified_directory.sync(DIRECTORY, client=client), directory)


def tidy_up(client: Client) -> None:
    """Delete the directory and the profile, and check that they are gone."""
    equal(delete_amplified_directory.sync_detailed(DIRECTORY, client=client).status_code, 204)
    equal(delete_profile.sync_detailed(PROFILE, client=client).status_code, 204)
    problem = refused(get_profile.sync_detailed(PROFILE, client=client), 404)
    check(problem.detail, that=problem.detail.startswith(f"Profile {PROFILE} not found"))


def read_collections(client: Client) -> None:
    """Check that there are no collections and that only allowed sources are accepted, then add one."""
    equal(list_collections.sync(client=client), [])
    body = CreateCollectionRequest("clients/collection", "/srv/collection")
    problem = refused(create_collection.sync_detailed(client=client, body=body), 422)
    check(problem.detail, that="--collections-path" in problem.detail)
    refused(get_collection.sync_detailed("clients/collection", client=client), 404)
    refused(delete_collection.sync_detailed("clients/collection", client=client), 404)
    run_with_collection(client)


def run_with_collection(client: Client) -> None:
    """Add a collection, set a source of its module, and make the plans of its profile and of a session with it."""
    body = CreateCollectionRequest("clients/collection", os.environ["COLLECTION"])
    added = answered(create_collection.sync(client=client, body=body), StoredCollection)
    equal((added.profiles, added.modules, added.problems), (["collection/base"], ["collection/tool/bash"], []))
    equal(get_collection.sync(added.identifier, client=client), added)
    set_source_of_module(client, *added.modules)
    make_plans(client, *added.profiles)
    equal(delete_collection.sync_detailed(added.identifier, client=client).status_code, 204)
    equal(list_modules.sync(client=client), [])


def set_source_of_module(client: Client, module_id: str) -> None:
    """Read a module, whose id has slashes, and set, replace and remove a source of it."""
    [summary] = answered(list_modules.sync(client=client, type_=ModuleType.TOOL), list)
    equal((summary.id, [it.id for it in answered(list_tools.sync(client=client), list)]), (module_id, [module_id]))
    module = answered(get_module.sync(module_id, client=client), ModuleDetails)
    equal((module.name, module.collection, module.sources), ("tool-bash", "clients/collection", UNSET))
    first = ModuleSourceRequest("git+https://example.com/a")
    source = answered(create_module_source.sync(module_id, client=client, body=first), ModuleSource)
    equal((source.module_id, source.scope, source.source), (module_id, ModuleScope.PROJECT, first.source))
    refused(create_module_source.sync_detailed(module_id, client=client, body=first), 409)
    second = ModuleSourceRequest("git+https://example.com/b")
    replaced = answered(replace_module_source.sync(module_id, client=client, body=second), ModuleSource)
    equal(answered(get_module.sync(module_id, client=client), ModuleDetails).sources, [replaced])
    equal(delete_module_source.sync_detailed(module_id, client=client).status_code, 204)
    refused(delete_module_source.sync_detailed(module_id, client=client), 404)


def make_plans(client: Client, profile: str) -> None:
    """Make the plan of a profile with a changed text of an agent, and read a session's plan in both forms."""
    overlay = MountPlanRequestAgentOverlay.from_dict({"zen": {"content": "Be quick."}})
    request = MountPlanRequest(profile, agent_overlay=overlay)
    generated = answered(generate_mount_plan.sync(client=client, body=request), MountPlan)
    equal([mount.resolved for mount in generated.mount_points], [True, True])
    equal(generated.agents[f"{profile}.agent.zen"].content, "Be quick.")
    session = answered(create_session.sync(client=client, body=CreateSessionRequest(profile=profile)), Session)
    plan = answered(get_session_mount_plan.sync(str(session.id), client=client), MountPlan)
    equal((plan.session.session_id, plan.session.created_at), (session.id, session.created_at))
    equal(plan.agents[f"{profile}.agent.zen"].content, "You are calm.")
    form = PlanForm.KERNEL
    kernel = answered(get_session_mount_plan.sync(str(session.id), client=client, form=form), KernelPlan)
    equal([(tool.module, tool.config.to_dict()) for tool in kernel.tools], [("tool-bash", {"timeout": 9})])
    equal(delete_session.sync_detailed(str(session.id), client=client).status_code, 204)


def open_session(client: Client) -> Session:
    """Create a session in the directory, whose profile it gets."""
    context = Context.from_dict({"task": "clients"})
    body = CreateSessionRequest(context=context, amplified_dir=DIRECTORY)
    session = answered(create_session.sync(client=client, body=body), Session)
    kept = answered(get_session_profile.sync(str(session.id), client=client), ProfileSettings)
    equal((session.profile, kept.name), (PROFILE, PROFILE))
    equal((session.context, session.amplified_dir, session.message_count), (context, body.amplified_dir, 0))
    return session


def read(client: Client, session: Session) -> Session:
    """The current state of the session."""
    return answered(get_session.sync(str(session.id), client=client), Session)


def send_messages(client: Client, session: Session) -> None:
    """Send a message of each role."""
    sent = [answered(send_message.sync(str(session.id), client=client, body=body), Message) for body in MESSAGES]
    equal([message.sequence for message in sent], [1, 2, 3])
    equal([message.metadata for message in sent], [SOURCE, Metadata(), Metadata()])


def send_parts(client: Client) -> None:
    """Send a message of parts, and read it among those with an open call."""
    session_id = str(open_session(client).id)
    call = ToolCallPart(ToolCallPartType.TOOL_CALL, "call_1", "weather", '{ "city": "Paris" }')
    body = SendMessageRequest(
        role=Role.ASSISTANT,
        parts=[TextPart(TextPartType.TEXT, "Let me look."), call],
        usage=UsageRequest(input_tokens=120, cost="0.0042"),
    )
    sent = answered(send_message.sync(session_id, client=client, body=body), Message)
    equal((sent.content, sent.parts), ("Let me look.", body.parts))
    waiting = answered(list_messages.sync(session_id, client=client, open_calls=True), Transcript)
    parts = [part for message in waiting.messages for part in message.parts or []]
    equal([part.input_ for part in parts if isinstance(part, ToolCallPart)], [call.input_])
    usage = answered(answered(get_session.sync(session_id, client=client), Session).usage, SessionUsage)
    equal((usage.input_tokens, usage.cost, usage.currency), (120, "0.0042", "USD"))
    equal(delete_session.sync_detailed(session_id, client=client).status_code, 204)


def correct_message(client: Client) -> None:
    """Correct a message, check its new version, and delete it."""
    session_id = str(open_session(client).id)
    body = SendMessageRequest("Helo!", metadata=Metadata.from_dict({"kept": True}))
    answered(send_message.sync(session_id, client=client, body=body), Message)
    patch = MessagePatch.from_dict({"content": "Hello!", "metadata": {"rating": 5}})
    edited = answered(update_message.sync(session_id, 1, client=client, body=patch), Message)
    equal((edited.content, edited.version, edited.metadata.to_dict()), ("Hello!", 2, {"kept": True, "rating": 5}))
    check("The message is not marked as edited.", that=isinstance(edited.edited_at, datetime))
    stale = delete_message.sync_detailed(session_id, 1, client=client, if_match='"1"')
    equal(refused(stale, 412).version, 2)
    left = answered(delete_message.sync(session_id, 1, client=client), Message)
    equal((left.content, left.version, left.metadata.to_dict()), ("", 3, {}))
    check("The message is not marked as deleted.", that=isinstance(left.deleted_at, datetime))
    equal(delete_session.sync_detailed(session_id, client=client).status_code, 204)


def send_file(client: Client) -> None:
    """Upload a file, send a message that names it, and download it; it is deleted with the session."""
    body = File(payload=BytesIO(PICTURE), mime_type="image/png")
    file = answered(create_file.sync(client=client, body=body, media="image/png", name="a.png"), StoredFile)
    equal((file.size, file.media, file.name), (len(PICTURE), "image/png", "a.png"))
    session_id = str(open_session(client).id)
    part = FilePart(FilePartType.FILE, file.media, file.url)
    answered(send_message.sync(session_id, client=client, body=SendMessageRequest(parts=[part])), Message)
    equal(get_file.sync_detailed(file.id, client=client).content, PICTURE)
    equal(get_file.sync_detailed(file.id, client=client, range_="bytes=1-3").content, PICTURE[1:4])
    equal(delete_file.sync_detailed(file.id, client=client).status_code, 409)
    equal(delete_session.sync_detailed(session_id, client=client).status_code, 204)
    equal(list_files.sync(client=client), [])


def import_history(client: Client) -> None:
    """Import a file of another program twice; the second import changes nothing."""
    payload = b'{"id": "tides", "messages": [{"role": "user", "content": "Why tides?"}]}\n{broken\n'
    for sessions in (1, 0):
        body = File(payload=BytesIO(payload))
        report = answered(import_sessions.sync(client=client, body=body, format_="auto"), ImportReport)
        equal((report.sessions, report.messages), (sessions, sessions))
        history = report.history
        check("The report has what was read.", that=not isinstance(history, Unset))
        if not isinstance(history, Unset):
            equal([(each.format_, each.files) for each in history.formats], [("openai-messages", 1)])
            equal([(each.kind, each.places[0].line) for each in history.not_understood], [("not JSON", 2)])
    refused(import_sessions.sync_detailed(client=client, body=File(payload=BytesIO(b"x")), format_="auto"), 422)
    [imported] = answered(list_sessions.sync(client=client, label=["source-id:tides"]), list)
    equal(delete_session.sync_detailed(str(imported.id), client=client).status_code, 204)


def export_and_import(client: Client, session: Session) -> None:
    """Export the session and import it again, which skips it; an import with a broken line names the line."""
    exported = answered(export_session.sync(str(session.id), client=client), File).payload.read()
    equal(next(iter(json.loads(exported.splitlines()[1]))), "session")
    body = File(payload=BytesIO(exported))
    report = answered(import_sessions.sync(client=client, body=body, on_conflict=OnConflict.SKIP), ImportReport)
    equal((report.sessions, report.skipped), (0, 1))
    broken = File(payload=BytesIO(exported.replace(b'"sequence":2', b'"sequence":"2"')))
    answer = import_sessions.sync_detailed(client=client, body=broken, on_conflict=OnConflict.SKIP)
    problem = refused(answer, 422)
    check(problem.detail, that="/message/sequence" in [error.pointer for error in problem.errors or []])


def keep_own_facts(client: Client) -> None:
    """Create a session with its own id, time and labels, and find it and its message by them."""
    began = datetime(2023, 3, 1, 10, tzinfo=timezone(timedelta(hours=1)))
    labels = Labels.from_dict({"origin": "clients", "topic": "a:b"})
    body = CreateSessionRequest(id=str(uuid4()), created_at=began, labels=labels, pinned=True)
    session = answered(create_session.sync(client=client, body=body), Session)
    equal((session.id, session.created_at, session.labels), (body.id, began, labels))
    sent = SendMessageRequest("Hello!", id="msg_1", timestamp=began)
    equal(answered(send_message.sync(str(session.id), client=client, body=sent), Message).timestamp, began)
    equal(refused(send_message.sync_detailed(str(session.id), client=client, body=sent), 409).sequence, 1)
    found = answered(list_messages.sync(str(session.id), client=client, id="msg_1"), Transcript)
    equal([message.sequence for message in found.messages], [1])
    statuses = [SessionStatus.ACTIVE, SessionStatus.FAILED]
    response = list_sessions.sync_detailed(
        client=client,
        created_after=began - timedelta(seconds=1),
        created_before=began + timedelta(seconds=1),
        label=["origin:clients", "topic"],
        status=statuses,
        archived=False,
        total=True,
    )
    [summary] = answered(response.parsed, list)
    equal((summary.id, answered(summary.last_message, LastMessage).content), (session.id, "Hello!"))
    equal(response.headers["X-Total-Count"], "1")
    equal(delete_session.sync_detailed(str(session.id), client=client).status_code, 204)


def list_transcript(client: Client, session: Session) -> None:
    """Read the transcript back."""
    transcript = answered(list_messages.sync(str(session.id), client=client), Transcript)
    equal(transcript.session_id, session.id)
    equal([message.role for message in transcript.messages], [Role.USER, Role.ASSISTANT, Role.TOOL])
    equal([message.content for message in transcript.messages], [message.content for message in MESSAGES])


def page_back(client: Client, session: Session) -> None:
    """Read the messages before the last one."""
    page = answered(list_messages.sync(str(session.id), client=client, limit=2, before_sequence=3), Transcript)
    equal([message.sequence for message in page.messages], [1, 2])


def page_through_sessions(client: Client, session: Session) -> None:
    """Create a second session, which is first in the list, and follow the link to the other."""
    second = open_session(client)
    first_page = list_sessions.sync_detailed(client=client, limit=1)
    equal([summary.id for summary in answered(first_page.parsed, list)], [second.id])
    next_page = list_sessions.sync(client=client, limit=1, cursor=next_cursor(first_page.headers.get("Link", "")))
    equal([summary.id for summary in answered(next_page, list)], [session.id])
    equal(delete_session.sync_detailed(str(second.id), client=client).status_code, 204)


def next_cursor(link: str) -> str:
    """The cursor in a `Link` header."""
    target = re.match('<([^>]*)>; rel="next"', link)
    if target is None:
        raise Unexpected(f"{link!r} is no link to the next page.")
    return parse_qs(urlsplit(target[1]).query)["cursor"][0]


def resume(client: Client, session: Session) -> None:
    """Resume the session; its update time increases."""
    before = read(client, session)
    resumed = answered(resume_session.sync(str(session.id), client=client), Session)
    equal(resumed.message_count, 3)
    check("updatedAt did not move on.", that=resumed.updated_at > before.updated_at)


def search(client: Client, session: Session) -> None:
    """Find a message by its words, and no old session."""
    hits = answered(search_messages.sync(client=client, q="resum* mean", session_id=str(session.id)), list)
    equal([hit.sequence for hit in hits], [1])
    check(hits[0].snippet, that="<mark>résumé</mark>" in hits[0].snippet)
    by_meaning = search_messages.sync(client=client, q="resum* mean", mode=SearchMode.HYBRID)
    similar = [hit.sequence for hit in answered(by_meaning, list) if hit.session_id == session.id]
    check("A search by meaning does not find the first message.", that=1 in similar)
    suggestions = answered(suggest_searches.sync(client=client, q="resmue"), list)
    equal([suggestion.q for suggestion in suggestions], ["resume"])
    body = CleanUpRequest(older_than_days=1, status=[SessionStatus.ACTIVE])
    old = answered(clean_up_sessions.sync(client=client, body=body), DeletionReport)
    equal((old.dry_run, old.sessions), (True, 0))
    selected = SessionDeletion(filter_=SessionFilter(ids=[str(session.id)], roots=True))
    found = answered(delete_sessions.sync(client=client, body=selected), DeletionReport)
    equal((found.dry_run, found.session_ids), (True, [str(session.id)]))


def fork(client: Client, session: Session) -> None:
    """Fork the session and end the branch, which then accepts no message."""
    body = ForkSessionRequest(at_sequence=1, name="Branch")
    branch = answered(fork_session.sync(str(session.id), client=client, body=body), Session)
    equal((branch.parent_session_id, branch.message_count), (session.id, 1))
    lineage = answered(get_session_lineage.sync(str(session.id), client=client), Lineage)
    equal([child.id for child in lineage.children], [branch.id])
    ended = answered(complete_session.sync(str(branch.id), client=client), Session)
    equal(ended.status, SessionStatus.COMPLETED)
    late = SendMessageRequest("Too late.")
    problem = refused(send_message.sync_detailed(str(branch.id), client=client, body=late), 409)
    check(problem.detail, that=problem.detail.endswith("resume it first"))
    equal(delete_session.sync_detailed(str(branch.id), client=client).status_code, 204)


def read_oddities(client: Client) -> None:
    """Read rare but valid values; each session has them twice, and they are returned unchanged."""
    summaries = answered(list_sessions.sync(client=client, name="Oddity"), list)
    check("No oddities were found.", that=len(summaries) > 1)
    for summary in summaries:
        session = answered(get_session.sync(str(summary.id), client=client), Session)
        transcript = answered(list_messages.sync(str(summary.id), client=client), Transcript)
        [message] = transcript.messages
        equal(message.metadata.to_dict(), session.context.to_dict())
        equal(message.content, "\0\u2028\ufeff\u202e\U0001f600")


def read_nobody(client: Client) -> None:
    """Read a session that does not exist."""
    problem = refused(get_session.sync_detailed(NOBODY, client=client), 404)
    equal(problem.detail, f"Session {NOBODY} not found")


def break_schema(client: Client, session: Session) -> None:
    """Send metadata with one member too many, the only schema violation that all languages allow."""
    body = SendMessageRequest("", metadata=Metadata.from_dict({str(number): number for number in range(1025)}))
    problem = refused(send_message.sync_detailed(str(session.id), client=client, body=body), 422)
    equal([error.pointer for error in problem.errors or []], ["/metadata"])


def delete(client: Client, session: Session) -> None:
    """Delete the session, and check that it is gone."""
    equal(delete_session.sync_detailed(str(session.id), client=client).status_code, 204)
    problem = refused(get_session.sync_detailed(str(session.id), client=client), 404)
    equal(problem.detail, f"Session {session.id} not found")


def ask_daemon(client: Client) -> None:
    """Request health and status."""
    equal(answered(get_live.sync(client=client), Liveness).status, LivenessStatus.ALIVE)
    equal(answered(get_health.sync(client=client), Health).status, HealthStatus.HEALTHY)
    equal(answered(get_status.sync(client=client), ServiceStatus).status, ServiceState.RUNNING)


@contextmanager
def step(name: str) -> Iterator[None]:
    """End the program with a sentence if the step fails for any reason."""
    try:
        yield
    except Exception as error:
        raise SystemExit(f"The step “{name}” failed: {error}") from error


def main() -> None:
    """Run the conversation."""
    base_url, *keys = sys.argv[1:]
    client = AuthenticatedClient(base_url, token=keys[0]) if keys else OpenClient(base_url)
    with step("create a profile and a directory"):
        prepare(client)
    with step("read collections, modules and plans"):
        read_collections(client)
    with step("create a session"):
        session = open_session(client)
    with step("read it back"):
        equal(read(client, session), session)
    with step("send three messages"):
        send_messages(client, session)
    with step("send parts"):
        send_parts(client)
    with step("correct and delete a message"):
        correct_message(client)
    with step("send a file"):
        send_file(client)
    with step("import a history"):
        import_history(client)
    with step("keep own ids, times and labels"):
        keep_own_facts(client)
    with step("list the transcript"):
        list_transcript(client, session)
    with step("page back through the transcript"):
        page_back(client, session)
    with step("export the session and import it"):
        export_and_import(client, session)
    with step("list sessions page by page"):
        page_through_sessions(client, session)
    with step("resume the session"):
        resume(client, session)
    with step("search, and look for old sessions"):
        search(client, session)
    with step("fork the session and end its branch"):
        fork(client, session)
    with step("read what few send"):
        read_oddities(client)
    with step("read a session that does not exist"):
        read_nobody(client)
    with step("send a message that breaks the schema"):
        break_schema(client, session)
    with step("delete the session"):
        delete(client, session)
    with step("delete the directory and the profile"):
        tidy_up(client)
    with step("ask for health and status"):
        ask_daemon(client)
    sys.stdout.write("conversation passed\n")


if __name__ == "__main__":
    main()
