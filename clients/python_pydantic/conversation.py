"""Runs a whole conversation against a daemon, through the generated package.

Its base URL is the first argument, the key to it, where it has keys, the second.
"""

import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

from amplifierd_client import (
    AgentOverlay,
    ApiClient,
    ApiException,
    CleanUpRequest,
    CollectionsApi,
    Configuration,
    CreateCollectionRequest,
    CreateDirectoryRequest,
    CreateProfileRequest,
    CreateSessionRequest,
    DirectoriesApi,
    EventsApi,
    FilePart,
    FilePartType,
    FilesApi,
    ForkSessionRequest,
    HealthStatus,
    KernelPlan,
    LivenessStatus,
    Message,
    MessagePatch,
    MessagesApi,
    ModuleConfig,
    ModulesApi,
    ModuleScope,
    ModuleSourceRequest,
    ModuleType,
    MountPlan,
    MountPlanRequest,
    OnConflict,
    Part,
    PlanForm,
    PlansApi,
    Problem,
    ProfilesApi,
    Role,
    SearchApi,
    SearchMode,
    SendMessageRequest,
    ServiceApi,
    ServiceState,
    Session,
    SessionDeletion,
    SessionFilter,
    SessionsApi,
    SessionStatus,
    TextPart,
    TextPartType,
    ToolCallPart,
    ToolCallPartType,
    TransferApi,
    UsageRequest,
)

NOBODY = "non-existent-session-id"
PROFILE = "clients/base"
DIRECTORY = "projects/atlas"
PICTURE = b"\x89PNG\x00\xff\n"
MESSAGES = [
    SendMessageRequest(content="What does “résumé” mean?", metadata={"source": "clients"}),
    SendMessageRequest(content="A summary.", role=Role.ASSISTANT),
    SendMessageRequest(content='{"found": true}', role=Role.TOOL),
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


def refused(status: int, call: Callable[..., object], *arguments: object, **named: object) -> Problem:
    """The problem with this status that refuses the call."""
    try:
        call(*arguments, **named)
    except ApiException as error:
        equal(error.status, status)
        problem = error.data
        if not isinstance(problem, Problem):
            raise Unexpected(f"{problem!r} came where a problem was expected.") from error
        equal(problem.status, status)
        return problem
    raise Unexpected(f"The daemon did not refuse with {status}.")


class Conversation:
    """The generated API classes for one daemon."""

    def __init__(self, client: ApiClient) -> None:
        self.collections = CollectionsApi(client)
        self.directories = DirectoriesApi(client)
        self.events = EventsApi(client)
        self.files = FilesApi(client)
        self.messages = MessagesApi(client)
        self.modules = ModulesApi(client)
        self.plans = PlansApi(client)
        self.profiles = ProfilesApi(client)
        self.searches = SearchApi(client)
        self.service = ServiceApi(client)
        self.sessions = SessionsApi(client)
        self.transfer = TransferApi(client)

    def prepare(self) -> None:
        """Create a profile, and a directory with this default profile."""
        body = CreateProfileRequest(name=PROFILE, providers=[ModuleConfig(module="provider", config={"limit": 7})])
        profile = self.profiles.create_profile(create_profile_request=body)
        equal((profile.name, profile.schema_version, profile.is_active), (PROFILE, 2, False))
        equal([warning.pointer for warning in profile.warnings or []], ["/providers/0"])
        profile.warnings = None
        equal(self.profiles.get_profile(PROFILE), profile)
        amplify = CreateDirectoryRequest(relative_path=DIRECTORY, default_profile=PROFILE)
        directory = self.directories.create_amplified_directory(create_directory_request=amplify)
        equal((directory.relative_path, directory.default_profile_from), (DIRECTORY, DIRECTORY))
        equal(self.directories.get_amplified_directory(DIRECTORY), directory)

    def read_collections(self) -> None:
        """Check that there are no collections and modules, and that no source is allowed."""
        equal(self.collections.list_collections(), [])
        equal(self.modules.list_modules(), [])
        body = CreateCollectionRequest(identifier="clients/collection", source="/srv/collection")
        problem = refused(422, self.collections.create_collection, create_collection_request=body)
        check(problem.detail, that="--collections-path" in problem.detail)
        refused(404, self.collections.get_collection, "clients/collection")

    def run_with_collection(self) -> None:
        """Add a collection, set a source of its module, and make the plans of its profile and of a session with it."""
        body = CreateCollectionRequest(identifier="clients/collection", source=os.environ["COLLECTION"])
        added = self.collections.create_collection(create_collection_request=body)
        equal((added.profiles, added.modules, added.problems), (["collection/base"], ["collection/tool/bash"], []))
        equal(self.collections.get_collection(added.identifier), added)
        self.set_source_of_module(*added.modules)
        self.make_plans(*added.profiles)
        self.collections.delete_collection(added.identifier)
        equal(self.modules.list_modules(), [])

    def set_source_of_module(self, module_id: str) -> None:
        """Read a module, whose id has slashes, and set, replace and remove a source of it."""
        [summary] = self.modules.list_modules(type=ModuleType.TOOL)
        equal((summary.id, [tool.id for tool in self.modules.list_tools()]), (module_id, [module_id]))
        module = self.modules.get_module(module_id)
        equal((module.name, module.collection, module.sources), ("tool-bash", "clients/collection", None))
        first = ModuleSourceRequest(source="git+https://example.com/a")
        source = self.modules.create_module_source(module_id, first)
        equal((source.module_id, source.scope, source.source), (module_id, ModuleScope.PROJECT, first.source))
        refused(409, self.modules.create_module_source, module_id, first)
        second = ModuleSourceRequest(source="git+https://example.com/b")
        replaced = self.modules.replace_module_source(module_id, second)
        equal(self.modules.get_module(module_id).sources, [replaced])
        self.modules.delete_module_source(module_id)
        refused(404, self.modules.delete_module_source, module_id)

    def make_plans(self, profile: str) -> None:
        """Make the plan of a profile with a changed text of an agent, and read a session's plan in both forms."""
        request = MountPlanRequest(profile_id=profile, agent_overlay={"zen": AgentOverlay(content="Be quick.")})
        generated = self.plans.generate_mount_plan(request).actual_instance
        session = self.sessions.create_session(create_session_request=CreateSessionRequest(profile=profile))
        plan = self.plans.get_session_mount_plan(session.id).actual_instance
        if not isinstance(generated, MountPlan) or not isinstance(plan, MountPlan):
            raise Unexpected(f"{generated!r} and {plan!r} came where plans were expected.")
        equal([mount.resolved for mount in generated.mount_points], [True, True])
        equal(generated.agents[f"{profile}.agent.zen"].content, "Be quick.")
        equal((plan.session.session_id, plan.session.created_at), (session.id, session.created_at))
        equal(plan.agents[f"{profile}.agent.zen"].content, "You are calm.")
        kernel = self.plans.get_session_mount_plan(session.id, form=PlanForm.KERNEL).actual_instance
        if not isinstance(kernel, KernelPlan):
            raise Unexpected(f"{kernel!r} came where the kernel's form was expected.")
        equal([(tool.module, tool.config) for tool in kernel.tools], [("tool-bash", {"timeout": 9})])
        self.sessions.delete_session(session.id)

    def open(self) -> Session:
        """Create a session in the directory, whose profile it gets."""
        body = CreateSessionRequest(context={"task": "clients"}, amplified_dir=DIRECTORY)
        session = self.sessions.create_session(create_session_request=body)
        equal((session.profile, session.amplified_dir, session.message_count), (PROFILE, DIRECTORY, 0))
        equal(session.context, body.context)
        return session

    def read_back(self, session: Session) -> None:
        """Read the session and its profile."""
        equal(self.sessions.get_session(session.id), session)
        equal(self.sessions.get_session_profile(session.id).name, PROFILE)

    def send(self, session: Session, body: SendMessageRequest) -> Message:
        """Send a message."""
        return self.messages.send_message(session.id, body)

    def send_messages(self, session: Session) -> None:
        """Send a message of each role."""
        sent = [self.send(session, body) for body in MESSAGES]
        equal([message.sequence for message in sent], [1, 2, 3])
        equal([message.metadata for message in sent], [{"source": "clients"}, {}, {}])

    def follow(self, session: Session) -> None:
        """Read the session's events line by line, as they arrive."""
        response = self.events.stream_session_events_without_preload_content(session.id, after_sequence=0)
        kinds: list[str] = []
        sequences: list[int] = []
        rest = b""
        while len(sequences) < len(MESSAGES):
            rest += response.read1()
            *lines, rest = rest.split(b"\n")
            for line in lines:
                field, _, value = line.decode().partition(": ")
                if field == "event":
                    kinds.append(value)
                elif field == "data" and kinds[-1] == "message":
                    sequences.append(json.loads(value)["sequence"])
        response.close()
        equal(sequences, [1, 2, 3])

    def send_parts(self) -> None:
        """Send a message of parts, and read it among those with an open call."""
        session = self.open()
        call = ToolCallPart(type=ToolCallPartType.TOOL_CALL, call="call_1", name="weather", input='{ "city": "Paris" }')
        text = TextPart(type=TextPartType.TEXT, text="Let me look.")
        usage = UsageRequest(input_tokens=120, cost="0.0042")
        parts = [Part(text), Part(call)]
        sent = self.send(session, SendMessageRequest(role=Role.ASSISTANT, parts=parts, usage=usage))
        equal((sent.content, sent.parts), ("Let me look.", parts))
        waiting = self.messages.list_messages(session.id, open_calls=True)
        read = [part.actual_instance for message in waiting.messages for part in message.parts or []]
        equal([part.input for part in read if isinstance(part, ToolCallPart)], [call.input])
        total = self.sessions.get_session(session.id).usage
        equal(total and (total.input_tokens, total.cost, total.currency), (120, "0.0042", "USD"))
        self.sessions.delete_session(session.id)

    def correct_message(self) -> None:
        """Correct a message, check its new version, and delete it."""
        session = self.open()
        self.send(session, SendMessageRequest(content="Helo!", metadata={"kept": True}))
        patch = MessagePatch(content="Hello!", metadata={"rating": 5})
        edited = self.messages.update_message(session.id, 1, patch)
        equal((edited.content, edited.version, edited.metadata), ("Hello!", 2, {"kept": True, "rating": 5}))
        check("The message is not marked as edited.", that=edited.edited_at is not None)
        stale = refused(412, self.messages.delete_message, session.id, 1, if_match='"1"')
        equal(stale.version, 2)
        left = self.messages.delete_message(session.id, 1)
        equal((left.content, left.version, left.metadata), ("", 3, {}))
        check("The message is not marked as deleted.", that=left.deleted_at is not None)
        self.sessions.delete_session(session.id)

    def send_file(self) -> None:
        """Upload a file, send a message that names it, and download it; it is deleted with the session."""
        file = self.files.create_file(media="image/png", name="a.png", body=PICTURE)
        equal((file.size, file.media, file.name), (len(PICTURE), "image/png", "a.png"))
        session = self.open()
        part = FilePart(type=FilePartType.FILE, media=file.media, url=file.url)
        self.send(session, SendMessageRequest(parts=[Part(part)]))
        equal(bytes(self.files.get_file(file.id)), PICTURE)
        equal(bytes(self.files.get_file(file.id, range="bytes=1-3")), PICTURE[1:4])
        refused(409, self.files.delete_file, file.id)
        self.sessions.delete_session(session.id)
        equal(self.files.list_files(), [])

    def import_history(self) -> None:
        """Import a file of another program twice; the second import changes nothing."""
        payload = b'{"id": "tides", "messages": [{"role": "user", "content": "Why tides?"}]}\n{broken\n'
        for sessions in (1, 0):
            report = self.transfer.import_sessions(payload, format="auto")
            equal((report.sessions, report.messages), (sessions, sessions))
            history = report.history
            if history is None:
                raise Unexpected("The report does not have what was read.")
            equal([(each.format, each.files) for each in history.formats], [("openai-messages", 1)])
            equal([(each.kind, each.places[0].line) for each in history.not_understood], [("not JSON", 2)])
        refused(422, self.transfer.import_sessions, b"x", format="auto")
        [imported] = self.sessions.list_sessions(label=["source-id:tides"])
        self.sessions.delete_session(imported.id)

    def export_and_import(self, session: Session) -> None:
        """Export the session and import it again, which skips it; an import with a broken line names the line."""
        exported = bytes(self.transfer.export_session(session.id))
        equal(next(iter(json.loads(exported.splitlines()[1]))), "session")
        report = self.transfer.import_sessions(exported, on_conflict=OnConflict.SKIP)
        equal((report.sessions, report.skipped), (0, 1))
        broken = exported.replace(b'"sequence":2', b'"sequence":"2"')
        problem = refused(422, self.transfer.import_sessions, broken, on_conflict=OnConflict.SKIP)
        check(problem.detail, that="/message/sequence" in [error.pointer for error in problem.errors or []])

    def keep_own_facts(self) -> None:
        """Create a session with its own id, time and labels, and find it and its message by them."""
        began = datetime(2023, 3, 1, 10, tzinfo=timezone(timedelta(hours=1)))
        labels = {"origin": "clients", "topic": "a:b"}
        body = CreateSessionRequest(id=str(uuid4()), created_at=began, labels=labels, pinned=True)
        session = self.sessions.create_session(create_session_request=body)
        equal((session.id, session.created_at, session.labels), (body.id, began, labels))
        message = SendMessageRequest(content="Hello!", id="msg_1", timestamp=began)
        equal(self.send(session, message).timestamp, began)
        equal(refused(409, self.messages.send_message, session.id, message).sequence, 1)
        found = self.messages.list_messages(session.id, id="msg_1")
        equal([each.sequence for each in found.messages], [1])
        # Times in queries are written without their offset, as UTC.
        at = began.astimezone(UTC)
        response = self.sessions.list_sessions_with_http_info(
            label=["origin:clients", "topic"],
            status=[SessionStatus.ACTIVE, SessionStatus.FAILED],
            created_after=at - timedelta(seconds=1),
            created_before=at + timedelta(seconds=1),
            archived=False,
            total=True,
        )
        [summary] = response.data
        equal((summary.id, summary.last_message and summary.last_message.content), (session.id, "Hello!"))
        equal(header(response.headers, "X-Total-Count"), "1")
        equal(self.sessions.list_sessions(label=["origin:clients"], created_after=at + timedelta(days=1)), [])
        self.sessions.delete_session(session.id)

    def list_transcript(self, session: Session) -> None:
        """Read the transcript back, completely and as a page."""
        transcript = self.messages.list_messages(session.id)
        equal([message.role for message in transcript.messages], [Role.USER, Role.ASSISTANT, Role.TOOL])
        equal([message.content for message in transcript.messages], [message.content for message in MESSAGES])
        page = self.messages.list_messages(session.id, limit=2, before_sequence=3)
        equal([message.sequence for message in page.messages], [1, 2])

    def page_through_sessions(self, session: Session) -> None:
        """Create a second session, which is first in the list, and follow the link to the other."""
        second = self.open()
        first_page = self.sessions.list_sessions_with_http_info(limit=1)
        equal([summary.id for summary in first_page.data], [second.id])
        target = re.match('<([^>]*)>; rel="next"', header(first_page.headers, "Link"))
        if target is None:
            raise Unexpected("The link to the next page is missing.")
        cursor = parse_qs(urlsplit(target[1]).query)["cursor"][0]
        equal([summary.id for summary in self.sessions.list_sessions(limit=1, cursor=cursor)], [session.id])
        self.sessions.delete_session(second.id)

    def search(self, session: Session) -> None:
        """Resume the session, find a message by its words, and no old session."""
        before = self.sessions.get_session(session.id)
        check(
            "updatedAt did not move on.", that=self.sessions.resume_session(session.id).updated_at > before.updated_at
        )
        hits = self.searches.search_messages("resum* mean", session_id=session.id)
        equal([hit.sequence for hit in hits], [1])
        check(hits[0].snippet, that="<mark>résumé</mark>" in hits[0].snippet)
        similar = self.searches.search_messages("resum* mean", mode=SearchMode.HYBRID, session_id=session.id)
        check("A search by meaning does not find the first message.", that=1 in [hit.sequence for hit in similar])
        equal([suggestion.q for suggestion in self.searches.suggest_searches("resmue")], ["resume"])
        old = self.sessions.clean_up_sessions(CleanUpRequest(older_than_days=1, status=[SessionStatus.ACTIVE]))
        equal((old.dry_run, old.sessions), (True, 0))
        selected = SessionDeletion(filter=SessionFilter(ids=[session.id], roots=True), dry_run=True)
        found = self.sessions.delete_sessions(selected)
        equal((found.dry_run, found.session_ids), (True, [session.id]))

    def fork(self, session: Session) -> None:
        """Fork the session and end the branch, which then accepts no message."""
        body = ForkSessionRequest(at_sequence=1, name="Branch")
        branch = self.sessions.fork_session(session.id, fork_session_request=body)
        equal((branch.parent_session_id, branch.message_count), (session.id, 1))
        lineage = self.sessions.get_session_lineage(session.id)
        equal([child.id for child in lineage.children], [branch.id])
        equal(self.sessions.complete_session(branch.id).status, SessionStatus.COMPLETED)
        late = SendMessageRequest(content="Too late.")
        problem = refused(409, self.messages.send_message, branch.id, late)
        check(problem.detail, that=problem.detail.endswith("resume it first"))
        self.sessions.delete_session(branch.id)

    def read_oddities(self) -> None:
        """Read rare but valid values; each session has them twice, and they are returned unchanged."""
        summaries = self.sessions.list_sessions(name="Oddity")
        check("No oddities were found.", that=len(summaries) > 1)
        for summary in summaries:
            [message] = self.messages.list_messages(summary.id).messages
            equal(message.metadata, self.sessions.get_session(summary.id).context)
            equal(message.content, "\0\u2028\ufeff\u202e\U0001f600")

    def read_nobody(self) -> None:
        """Read a session that does not exist."""
        problem = refused(404, self.sessions.get_session, NOBODY)
        equal(problem.detail, f"Session {NOBODY} not found")

    def break_schema(self, session: Session) -> None:
        """Send metadata with one member too many, the only schema violation that all languages allow."""
        metadata: dict[str, Any] = {str(number): number for number in range(1025)}
        problem = refused(422, self.send, session, SendMessageRequest(content="", metadata=metadata))
        equal([error.pointer for error in problem.errors or []], ["/metadata"])

    def tidy_up(self, session: Session) -> None:
        """Delete the session, the directory and the profile, and check that they are gone."""
        self.sessions.delete_session(session.id)
        problem = refused(404, self.sessions.get_session, session.id)
        equal(problem.detail, f"Session {session.id} not found")
        self.directories.delete_amplified_directory(DIRECTORY)
        self.profiles.delete_profile(PROFILE)
        problem = refused(404, self.profiles.get_profile, PROFILE)
        check(problem.detail, that=problem.detail.startswith(f"Profile {PROFILE} not found"))

    def ask_daemon(self) -> None:
        """Request health and status."""
        equal(self.service.get_live().status, LivenessStatus.ALIVE)
        equal(self.service.get_health().status, HealthStatus.HEALTHY)
        equal(self.service.get_status().status, ServiceState.RUNNING)


def header(headers: Any, name: str) -> str:
    """A header of a response; the case of its name is ignored."""
    return str({key.lower(): value for key, value in headers.items()}[name.lower()])


@contextmanager
def step(name: str) -> Iterator[None]:
    """End the program with a sentence if the step fails for any reason."""
    try:
        yield
    except Exception as error:
        raise SystemExit(f"The step “{name}” failed: {error}") from error


def play(conversation: Conversation) -> None:
    """Run the conversation."""
    with step("create a profile and a directory"):
        conversation.prepare()
    with step("read collections and modules"):
        conversation.read_collections()
    with step("run with a collection"):
        conversation.run_with_collection()
    with step("create a session"):
        session = conversation.open()
    with step("read it back"):
        conversation.read_back(session)
    with step("send three messages"):
        conversation.send_messages(session)
    with step("follow the session"):
        conversation.follow(session)
    with step("send parts"):
        conversation.send_parts()
    with step("correct and delete a message"):
        conversation.correct_message()
    with step("send a file"):
        conversation.send_file()
    with step("import a history"):
        conversation.import_history()
    with step("keep own ids, times and labels"):
        conversation.keep_own_facts()
    with step("list the transcript"):
        conversation.list_transcript(session)
    with step("export the session and import it"):
        conversation.export_and_import(session)
    with step("list sessions page by page"):
        conversation.page_through_sessions(session)
    with step("resume the session and search"):
        conversation.search(session)
    with step("fork the session and end its branch"):
        conversation.fork(session)
    with step("read what few send"):
        conversation.read_oddities()
    with step("read a session that does not exist"):
        conversation.read_nobody()
    with step("send a message that breaks the schema"):
        conversation.break_schema(session)
    with step("delete what was created"):
        conversation.tidy_up(session)
    with step("ask for health and status"):
        conversation.ask_daemon()


def main() -> None:
    """Run the conversation against the daemon in the arguments."""
    base_url, *keys = sys.argv[1:]
    with ApiClient(Configuration(host=base_url, access_token=keys[0] if keys else None)) as client:
        play(Conversation(client))
    sys.stdout.write("conversation passed\n")


if __name__ == "__main__":
    main()
