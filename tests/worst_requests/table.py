"""The table of worst requests: the most expensive requests that a client can send for each operation.

A row creates its data, and returns the requests that eight clients send at a time.
`tests/service/connections/test_fair_share.py` asserts that other clients are still served, and
`python -m bench.fair_share` measures how well. A new operation needs a row (write a function that takes `Data` and
returns the requests, and add a `Row`), or a reason in `harmless.py`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256

from worst_requests import changes, collections_and_plans, files, imports, lists, searches, unread
from worst_requests.clients import JSON, KIB, MIB, Ask
from worst_requests.data import Data


@dataclass(frozen=True)
class Row:
    """Requests that clients send at the same time: each of those that `ask` returns, or one from eight clients.

    `options` are the server's options; rows without options share a server.
    """

    name: str
    operations: tuple[str, ...]
    ask: Callable[[Data], Ask | Sequence[Ask]]
    options: tuple[str, ...] = ()


def _accept_of_tabs(data: Data) -> Ask:
    session_id = data.of_one_text("x")
    return Ask("GET", f"/sessions/{session_id}/transcript", headers={"Accept": "application/json," + "\t" * 31_000})


def _long_key_over_a_long_list(_data: Data) -> list[Ask]:
    text = "---\n? " + "k" * 200_000 + "\n: [" + ",".join(["1"] * 50_000) + "]\n---\nx"
    places = [("POST", "/profiles"), ("PUT", "/profiles/a")]
    return [Ask(*place, text.encode(), {"Content-Type": "text/markdown"}) for place in places]


def _transcript_of_fences(data: Data) -> Ask:
    session_id = data.session()
    # A line break takes two characters in JSON.
    data.append(session_id, "```\n" * ((8 * MIB - 1_000) // 5))
    return Ask("GET", f"/sessions/{session_id}/transcript", headers={"Accept": "text/markdown"})


def _large_merge_patches(data: Data) -> list[Ask]:
    members = {f"member {number}": number for number in range(max(20_000, round(99_000 * data.scale)))}
    return [Ask.of_json("PATCH", f"/sessions/{data.session()}", {"context": members}) for _ in range(32)]


def _plans_of_long_texts(_data: Data) -> Ask:
    # A line break is two bytes in JSON, and each text is in the plan twice.
    overlay = {f"a{number}": {"content": "\n" * 500_000} for number in range(7)}
    return Ask.of_json("POST", "/mount-plans/generate", {"profile_id": "default", "agent_overlay": overlay})


def _unknown_members(_data: Data) -> Ask:
    return Ask.of_json("POST", "/sessions", {f"unknown {number}": number for number in range(100_000)})


def _forks(data: Data) -> Ask:
    return Ask.of_json("POST", f"/sessions/{data.long_session()}/fork", {})


def _pages_of_brackets(data: Data) -> Ask:
    """The time for each block of this text grows with the square of its length."""
    return Ask("GET", f"/sessions/{data.of_one_text('![' * (32 * KIB - 1))}/export?format=html")


def _keyed_writes_of_a_large_context(data: Data) -> list[Ask]:
    session_id = data.session(context={"text": "x" * (7 * MIB)})
    return [
        Ask("POST", f"/sessions/{session_id}/start", headers={"Idempotency-Key": f"large-{number}"}, repeats=False)
        for number in range(20)
    ]


def _tails(data: Data) -> list[Ask]:
    session_id = data.session()
    tail = Ask("GET", f"/sessions/{session_id}/events", reads=True, repeats=False)
    appends = [Ask.of_json("POST", f"/sessions/{session_id}/messages", {"content": "x" * KIB})] * 2
    return [*[tail] * max(50, round(1_900 * data.scale)), *appends]


def _workspace_tails(data: Data) -> list[Ask]:
    tail = Ask("GET", "/events", repeats=False)
    appends = [Ask.of_json("POST", f"/sessions/{data.session()}/messages", {"content": "x" * KIB})] * 2
    return [*[tail] * 50, *appends]


def _appends_with_labels(data: Data) -> list[Ask]:
    session_id = data.session(labels={f"{number:0200}": "v" * 200 for number in range(64)})
    patch = {"labels": {f"{number:0200}": "w" * 200 for number in range(64)}}
    append = Ask.of_json("POST", f"/sessions/{session_id}/messages", {"content": "x"})
    return [append, append, Ask.of_json("PATCH", f"/sessions/{session_id}", patch)]


def _large_batches(data: Data) -> Ask:
    messages = {"messages": [{"content": "x" * 8_000} for _ in range(1_000)]}
    return Ask.of_json("POST", f"/sessions/{data.session()}/messages/batch", messages)


def _large_messages(data: Data) -> Ask:
    return Ask.of_json("POST", f"/sessions/{data.session()}/messages", {"content": "x " * (4 * MIB - 1_000)})


def _escapes(data: Data) -> Ask:
    return Ask.of_json("POST", f"/sessions/{data.session()}/messages", {"content": '"' * (4 * MIB - 1_000)})


def _empty_objects(data: Data) -> Ask:
    return Ask.of_json("POST", f"/sessions/{data.session()}/messages/batch", {"messages": [{}] * 40_000})


def _deep_merge_patches(data: Data) -> Ask:
    text = '{"context":' + '{"a":' * 97 + '"' + "x" * (7 * MIB) + '"' + "}" * 98
    return Ask("PATCH", f"/sessions/{data.session()}", text.encode(), JSON)


def _known_ids(data: Data) -> Ask:
    session_id = data.session()
    messages = [{"content": "", "id": f"{number:0200}"} for number in range(1_000)]
    data.append_batch(session_id, messages)
    # Only the last id exists already.
    again = [{**message, "id": f"-{message['id'][1:]}"} for message in messages[:-1]]
    return Ask.of_json("POST", f"/sessions/{session_id}/messages/batch", {"messages": [*again, messages[-1]]})


def _many_parts(data: Data) -> Ask:
    parts = [{"type": "text", "text": ""}] * 100_000
    return Ask.of_json("POST", f"/sessions/{data.session()}/messages", {"parts": parts})


def _many_calls(data: Data) -> Ask:
    """As many calls as a body may have values, with their results in the next message."""
    calls = [{"type": "tool_call", "call": f"call {number}", "name": "x", "input": ""} for number in range(900)]
    results = [{"type": "tool_result", "call": f"call {number}"} for number in range(900)]
    messages = [{"parts": calls}, {"parts": results}] * 12
    return Ask.of_json("POST", f"/sessions/{data.session()}/messages/batch", {"messages": messages})


def _open_calls_of_a_rare_role(data: Data) -> Ask:
    session_id = data.session()
    for _ in range(10):
        calls = [{"type": "tool_call", "call": str(number), "name": "x", "input": ""} for number in range(1_000)]
        data.append_batch(session_id, [{"role": "assistant", "parts": [call]} for call in calls])
    return Ask("GET", f"/sessions/{session_id}/messages?open_calls=true&role=system&limit=1000")


def _large_native(data: Data) -> Ask:
    part = {"type": "text", "text": "", "native": {"x": "x" * (8 * MIB - 1_000)}}
    return Ask.of_json("POST", f"/sessions/{data.session()}/messages", {"parts": [part]})


def _deep_native(data: Data) -> Ask:
    text = '{"parts":[{"type":"data","kind":"x","value":' + "[" * 97 + '"' + "x" * (7 * MIB) + '"' + "]" * 97 + "}]}"
    return Ask("POST", f"/sessions/{data.session()}/messages", text.encode(), JSON)


def _wrong_parts(data: Data) -> Ask:
    parts = [{"type": "tool_call"}] * 1_000
    messages = {"messages": [{"parts": parts}] * 40}
    return Ask.of_json("POST", f"/sessions/{data.session()}/messages/batch", messages)


def _large_contexts(data: Data) -> Ask:
    session_id = data.session(context={"text": "x" * (7 * MIB)})
    return Ask("GET", f"/sessions/{session_id}")


def _large_message_read(data: Data) -> Ask:
    return Ask("GET", f"/sessions/{data.of_one_text('x' * (7 * MIB))}/messages/1")


def _large_message_compressed(data: Data) -> Ask:
    # The kind of text that gzip takes longest to compress.
    session_id = data.of_one_text("".join(sha256(b"%d" % number).hexdigest() for number in range(7 * MIB // 64)))
    return Ask("GET", f"/sessions/{session_id}/messages/1", headers={"Accept-Encoding": "gzip"})


def _unchanged_messages(data: Data) -> Ask:
    url = f"/sessions/{data.of_one_text('x' * (7 * MIB))}/messages/1"
    return Ask("GET", url, headers={"Accept-Encoding": "gzip", "If-None-Match": "*"})


def _unchanged_contexts(data: Data) -> Ask:
    session_id = data.session(context={"text": "x" * (7 * MIB)})
    return Ask("GET", f"/sessions/{session_id}", headers={"Accept-Encoding": "gzip", "If-None-Match": "*"})


def _changed_contexts(data: Data) -> Ask:
    session_id = data.session(context={"text": "x" * (7 * MIB)})
    data.append(session_id, "x")
    return Ask("GET", f"/sessions/{session_id}", headers={"If-None-Match": '"1"'})


def _messages_of_a_rare_role(data: Data) -> Ask:
    return Ask("GET", f"/sessions/{data.long_session()}/messages?role=tool&limit=1")


TABLE = [
    Row("Accept of 31,000 tabs", ("getTranscript",), _accept_of_tabs),
    Row(
        "profile in Markdown: a long key over a long list",
        ("createProfile", "replaceProfile"),
        _long_key_over_a_long_list,
    ),
    Row("all of 1,000,000 sessions", ("listSessions",), lists.all_sessions),
    Row("batches of 8 MiB", ("sendMessages",), _large_batches),
    Row("messages of 8 MiB", ("sendMessage",), _large_messages),
    Row("messages of a role that none has", ("listMessages",), _messages_of_a_rare_role),
    Row("search: one word ten times in 100 KiB of it", ("searchMessages",), searches.same_word_ten_times),
    Row("search: a* 333 times", ("searchMessages",), searches.prefix_of_one_letter),
    Row("search: a message of 8 MiB of one word", ("searchMessages",), searches.long_message),
    Row("search: phrases of a word that messages of 8 MiB repeat", ("searchMessages",), searches.long_phrases),
    Row("search: a message of 8 MiB of hyphens", ("searchMessages",), searches.message_of_hyphens),
    Row("search: t* f* q* o* d* in 1,000,000 messages", ("searchMessages",), searches.five_prefixes),
    Row("search: 1,000 characters without spaces", ("searchMessages",), searches.words_without_spaces),
    Row("search: many excluded tools and labels", ("searchMessages",), searches.excluding_filters),
    Row("search: filters of 4 labels and of days in its text", ("searchMessages",), searches.filters_in_the_text),
    Row("search: calls of a tool, by session", ("searchMessages",), searches.calls_by_session),
    Row(
        "searches beside batches of 1,000 that are to be indexed",
        ("searchMessages", "sendMessages"),
        searches.beside_batches,
    ),
    Row(
        "search by meaning in 200,000 messages",
        ("searchMessages",),
        searches.by_meaning,
        ("--embedder", "wordllama"),
    ),
    Row(
        "search by meaning, without a word, in messages of 4 MiB",
        ("searchMessages",),
        searches.by_meaning_without_a_word,
        ("--embedder", "wordllama"),
    ),
    Row("suggestions for 3 words of 32 letters", ("suggestSearches",), searches.mistyped_words),
    Row("suggestions for 246 words of identifiers", ("suggestSearches",), searches.words_of_identifiers),
    Row("suggestions for 2 words of 20 letters", ("suggestSearches",), searches.words_with_two_errors),
    Row("sessions of a name that none has", ("listSessions",), lists.sessions_where("name=nobody")),
    Row("sessions of a label and of a name that none has", ("listSessions",), lists.sessions_with("name=nobody")),
    Row("total of the sessions of a profile", ("listSessions",), lists.sessions_where("profile=nobody&total=true")),
    Row("64 labels of a session, on each append", ("sendMessage", "updateSession"), _appends_with_labels),
    Row("sessions of a profile that none has", ("listSessions",), lists.sessions_where("profile=nobody")),
    Row(
        "sessions by name, of a profile that none has",
        ("listSessions",),
        lists.sessions_where("sort=name&profile=nobody"),
    ),
    Row("sessions from before all", ("listSessions",), lists.sessions_where("created_before=2020-01-01T00:00:00Z")),
    Row("1,900 tails of one session", ("streamSessionEvents", "sendMessage"), _tails),
    Row("50 tails of a workspace", ("streamEvents",), _workspace_tails),
    Row("a context of 7 MiB", ("getSession",), _large_contexts),
    Row("a context of 7 MiB that the client has", ("getSession",), _unchanged_contexts),
    Row("a context of 7 MiB that has changed", ("getSession",), _changed_contexts),
    Row("merge patches of 99,000 members, 32 at once", ("updateSession",), _large_merge_patches),
    Row("100,000 unknown members", ("createSession",), _unknown_members),
    Row("fork of 1,000,000 messages", ("forkSession",), _forks),
    Row("corrections of 8 MiB", ("updateMessage",), changes.long_corrections),
    Row(
        "corrections of 999 calls with results in as many messages",
        ("updateMessage",),
        changes.corrections_of_calls,
    ),
    Row("deletions of 24 messages, each with 999 results", ("deleteMessage",), changes.deletions_of_results),
    Row("deletion of 8 sessions of 125,000 messages", ("deleteSession",), changes.deletions),
    Row("cleanup of 1,000,000 messages, dry", ("cleanUpSessions",), changes.cleanups),
    Row("deletions by a name that none has", ("deleteSessions",), changes.deletions_by_filter),
    Row(
        "deletion by filter of 8 sessions of 125,000 messages",
        ("deleteSessions",),
        changes.deletions_of_messages_by_filter,
    ),
    Row("deletions by 1,000 ids that none has", ("deleteSessions",), changes.deletions_by_ids),
    Row("100 imports whose line never ends", ("importSessions",), imports.lines_without_end),
    Row("60 unread messages of 7 MiB", ("getMessage",), unread.messages),
    Row("60 unread exports of a message of 7 MiB", ("exportSession",), unread.exports),
    Row("200 unread lists and contexts of 7 MiB", ("listMessages", "getSession"), unread.lists),
    Row("600 unread transcripts of 240 KiB", ("listMessages",), unread.transcripts),
    Row("200 unread changes and forks of 7 MiB", ("updateSession", "forkSession"), unread.changes),
    Row("40 exports of a session", ("exportSession",), unread.exports_at_once),
    Row("24 unread lists of 1,000,000 messages", ("listMessages",), unread.long_lists),
    Row("24 unread exports of 1,000,000 messages", ("exportSessions",), unread.long_exports),
    Row("24 unread exports of a session of 1,000,000", ("exportSession",), unread.exports_of_a_session),
    Row("24 unread records of a session of 1,000,000", ("exportSession",), unread.records_of_a_session),
    Row("600 unread replays of events of 4 MB", ("streamSessionEvents",), unread.replays),
    Row("100 unread replays of messages of 7 MiB", ("streamSessionEvents",), unread.replays_of_large_messages),
    Row("200 unread tails beside appends of 4 MiB", ("streamSessionEvents", "sendMessage"), unread.tails),
    Row("pages of 64 KiB of brackets", ("exportSession",), _pages_of_brackets),
    Row("exports of a file of 256 MiB, compressed", ("exportSession",), files.exports_of_a_large_file),
    Row("24 unread exports of a file of 256 MiB", ("exportSession",), files.unread_exports_of_a_large_file),
    Row(
        "exports of a message with a file of 15 MB 200 times, and of 50 with it",
        ("exportSession",),
        files.exports_of_one_file_many_times,
    ),
    Row(
        "exports of 2,000 messages without their files, and of a context of 7 MiB",
        ("exportSession",),
        files.exports_without_their_files,
    ),
    Row(
        "24 unread exports of messages with a file of 15 MB",
        ("exportSession",),
        files.unread_exports_of_files,
    ),
    Row("imports of 8 MiB of empty lines", ("importSessions",), imports.empty_lines),
    Row("32 imports whose file never ends", ("importSessions",), imports.file_without_end),
    Row("imports of an archive of 255 MiB of brackets", ("importSessions",), imports.bomb),
    Row("imports of a history of 43 MiB in a line", ("importSessions",), imports.history_in_one_line),
    Row("imports of a history of 12,000,000 small values", ("importSessions",), imports.history_of_small_values),
    Row("imports of a history of 900 branches", ("importSessions",), imports.history_of_branches),
    Row("imports of prompts of 1 MiB without an end", ("importSessions",), imports.history_of_open_elements),
    Row("imports of a database of computed values", ("importSessions",), imports.hostile_database),
    Row("20 keyed POSTs on a context of 7 MiB", ("startSession",), _keyed_writes_of_a_large_context),
    Row("transcript in Markdown: 8 MiB of fences", ("getTranscript",), _transcript_of_fences),
    Row("messages of 8 MiB of escapes", ("sendMessage",), _escapes),
    Row("batches of 40,000 empty objects", ("sendMessages",), _empty_objects),
    Row("mount plans with 7 MiB of texts", ("generateMountPlan",), _plans_of_long_texts),
    Row("merge patches 97 levels deep around 7 MiB", ("updateSession",), _deep_merge_patches),
    Row("messages of 100,000 parts", ("sendMessage",), _many_parts),
    Row("open calls of a role that none of 10,000 has", ("listMessages",), _open_calls_of_a_rare_role),
    Row("batches of 10,800 calls and their results", ("sendMessages",), _many_calls),
    Row("batches of 1,000 ids, the last of which is there", ("sendMessages",), _known_ids),
    Row("uploads of 256 MiB", ("createFile",), files.uploads),
    Row("uploads of 1 MiB in chunks of a byte", ("createFile",), files.uploads_in_small_chunks),
    Row("100 uploads that stop", ("createFile",), files.slow_uploads),
    Row("downloads of 256 MiB", ("getFile",), files.downloads),
    Row("24 unread downloads of 256 MiB", ("getFile",), files.unread_downloads),
    Row("ranges of two bytes", ("getFile",), files.ranges),
    Row("batches of 20,000 references to files", ("sendMessages",), files.many_files),
    Row("batches of 40,000 parts without what they need", ("sendMessages",), _wrong_parts),
    Row("a message of 7 MiB", ("getMessage",), _large_message_read),
    Row("a message of 7 MiB, compressed", ("getMessage",), _large_message_compressed),
    Row("a message of 7 MiB that the client has", ("getMessage",), _unchanged_messages),
    Row("parts with 8 MiB of native", ("sendMessage",), _large_native),
    Row("parts 97 levels deep around 7 MiB", ("sendMessage",), _deep_native),
    Row(
        "collection of 10,000 files: sync",
        ("createCollection", "syncCollection", "syncCollections"),
        collections_and_plans.syncs,
    ),
    Row(
        "lists of 100,000 modules",
        ("listModules", "listProviders", "listTools", "listHooks", "listOrchestrators", "listContexts"),
        collections_and_plans.lists_of_modules,
    ),
    Row("plan of 500 modules and 500 KiB of texts", ("getSessionMountPlan",), collections_and_plans.plans_of_sessions),
    Row(
        "plans with one text 10,000 times, or one configuration of 4 MB 2,000 times",
        ("getSessionMountPlan", "generateMountPlan"),
        collections_and_plans.plans_of_one_text_many_times,
    ),
    Row(
        "source of a module beside 100,000 profiles",
        ("replaceModuleSource",),
        collections_and_plans.sources_beside_many_profiles,
    ),
    Row(
        "deletion of 500 modules and 200 profiles",
        ("deleteCollection",),
        collections_and_plans.deletions_of_collections,
    ),
    Row("search in 8 MiB of outputs of tools", ("searchMessages",), searches.search_in_outputs),
    Row("search: a message of 7 MiB of different words", ("searchMessages",), searches.message_of_different_words),
    Row("sessions with labels of 100 KiB", ("listSessions",), lists.sessions_with_large_labels),
    Row(
        "lineage of 1,000 ancestors and children with labels of 100 KiB",
        ("getSessionLineage",),
        lists.lineages_of_large_labels,
    ),
    Row("1,000 directories with metadata of 250 KiB", ("listAmplifiedDirectories",), lists.large_directories),
    Row("1,000 profiles with descriptions of 12 KiB", ("listProfiles",), lists.large_profiles),
]
