// Runs a whole conversation against the daemon whose base URL is the first argument, with the key that is the second,
// through the generated types.

import { ok } from "node:assert";
import { isDeepStrictEqual } from "node:util";

import createClient from "openapi-fetch";

import type { components, paths } from "./amplifierd.js";

type Problem = components["schemas"]["Problem"];
type SendMessageRequest = components["schemas"]["SendMessageRequest"];
type Session = components["schemas"]["Session"];
type Answer<T> = { data?: T; error?: Problem; response: Response };

const NOBODY = "non-existent-session-id";
const PROFILE = "clients/base";
const DIRECTORY = "projects/atlas";
const PICTURE = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x00, 0xff, 0x0a);
const MESSAGES: SendMessageRequest[] = [
  { content: "What does “résumé” mean?", metadata: { source: "clients" } },
  { content: "A summary.", role: "assistant" },
  { content: '{"found": true}', role: "tool" },
];

const [, , baseUrl, key] = process.argv;
ok(baseUrl, "The base URL is missing.");
const client = createClient<paths>({ baseUrl, headers: key ? { Authorization: `Bearer ${key}` } : {} });

function equal(found: unknown, expected: unknown): void {
  const sentence = `${JSON.stringify(found)} came where ${JSON.stringify(expected)} was expected.`;
  ok(isDeepStrictEqual(found, expected), sentence);
}

function answered<T>({ data, error }: Answer<T>): T {
  ok(data !== undefined, `The daemon refused: ${error?.detail}`);
  return data;
}

function refused<T>({ error, response }: Answer<T>, status: number): Problem {
  equal(response.status, status);
  ok(error, "The refusal has no problem body.");
  equal(error.status, status);
  return error;
}

function at(session: Session): { params: { path: { session_id: string } } } {
  return { params: { path: { session_id: session.id } } };
}

async function prepare(): Promise<void> {
  const body = { name: PROFILE, providers: [{ module: "provider", config: { limit: 7 } }] };
  const profile = answered(await client.POST("/profiles", { body }));
  equal([profile.name, profile.schemaVersion, profile.isActive], [PROFILE, 2, false]);
  equal(profile.providers, body.providers);
  const { warnings, ...kept } = profile;
  equal(warnings?.map(({ pointer }) => pointer), ["/providers/0"]);
  equal(answered(await client.GET("/profiles/{name}", { params: { path: { name: PROFILE } } })), kept);
  const amplify = { relative_path: DIRECTORY, default_profile: PROFILE, metadata: { name: "Atlas" } };
  const directory = answered(await client.POST("/amplified-directories", { body: amplify }));
  equal([directory.relativePath, directory.defaultProfileFrom], [DIRECTORY, DIRECTORY]);
  const params = { path: { relative_path: DIRECTORY } };
  equal(answered(await client.GET("/amplified-directories/{relative_path}", { params })), directory);
}

async function readCollections(): Promise<void> {
  equal(answered(await client.GET("/collections")), []);
  const body = { identifier: "clients/collection", source: "/srv/collection" };
  const problem = refused(await client.POST("/collections", { body }), 422);
  ok(problem.detail.includes("--collections-path"), problem.detail);
  const missing = { params: { path: { identifier: body.identifier } } };
  refused(await client.GET("/collections/{identifier}", missing), 404);
  refused(await client.DELETE("/collections/{identifier}", missing), 404);
}

async function runWithCollection(): Promise<void> {
  const body = { identifier: "clients/collection", source: process.env["COLLECTION"] ?? "" };
  const added = answered(await client.POST("/collections", { body }));
  equal([added.profiles, added.modules, added.problems], [["collection/base"], ["collection/tool/bash"], []]);
  const ofCollection = { params: { path: { identifier: body.identifier } } };
  equal(answered(await client.GET("/collections/{identifier}", ofCollection)), added);
  await setSourceOfModule("collection/tool/bash");
  await makePlans("collection/base");
  equal((await client.DELETE("/collections/{identifier}", ofCollection)).response.status, 204);
  equal(answered(await client.GET("/modules")), []);
}

async function setSourceOfModule(module_id: string): Promise<void> {
  const listed = answered(await client.GET("/modules", { params: { query: { type: "tool" } } }));
  equal([listed, answered(await client.GET("/modules/tools"))].flat().map(({ id }) => id), [module_id, module_id]);
  const params = { path: { module_id } };
  const module = answered(await client.GET("/modules/{module_id}", { params }));
  equal([module.name, module.collection, module.sources], ["tool-bash", "clients/collection", undefined]);
  const first = { params, body: { source: "git+https://example.com/a", scope: "project" as const } };
  equal(answered(await client.POST("/modules/{module_id}/sources", first)), { moduleId: module_id, ...first.body });
  refused(await client.POST("/modules/{module_id}/sources", first), 409);
  const second = { params, body: { source: "git+https://example.com/b", scope: "project" as const } };
  const replaced = answered(await client.PUT("/modules/{module_id}/sources", second));
  equal(answered(await client.GET("/modules/{module_id}", { params })).sources, [replaced]);
  equal((await client.DELETE("/modules/{module_id}/sources", { params })).response.status, 204);
  refused(await client.DELETE("/modules/{module_id}/sources", { params }), 404);
}

async function makePlans(profile: string): Promise<void> {
  const body = { profile_id: profile, amplified_dir: ".", agent_overlay: { zen: { content: "Be quick." } } };
  const generated = answered(await client.POST("/mount-plans/generate", { body }));
  ok(generated.form === "mounts", generated.form);
  equal(generated.mountPoints.map(({ resolved }) => resolved), [true, true]);
  equal(generated.agents[`${profile}.agent.zen`]?.content, "Be quick.");
  const session = answered(await client.POST("/sessions", { body: { profile } }));
  const path = { session_id: session.id };
  const plan = answered(await client.GET("/sessions/{session_id}/mount-plan", { params: { path } }));
  ok(plan.form === "mounts", plan.form);
  equal([plan.session.sessionId, plan.session.createdAt], [session.id, session.createdAt]);
  equal(plan.agents[`${profile}.agent.zen`]?.content, "You are calm.");
  const query = { form: "kernel" as const };
  const kernel = answered(await client.GET("/sessions/{session_id}/mount-plan", { params: { path, query } }));
  ok(kernel.form === "kernel", kernel.form);
  equal(kernel.tools.map(({ module, config }) => [module, config]), [["tool-bash", { timeout: 9 }]]);
  equal((await client.DELETE("/sessions/{session_id}", { params: { path } })).response.status, 204);
}

async function open(): Promise<Session> {
  const body = { context: { task: "clients" }, amplified_dir: DIRECTORY };
  const session = answered(await client.POST("/sessions", { body }));
  equal(session.profile, PROFILE);
  equal(session.context, body.context);
  equal(session.amplifiedDir, body.amplified_dir);
  equal(session.messageCount, 0);
  return session;
}

async function readBack(session: Session): Promise<void> {
  equal(answered(await client.GET("/sessions/{session_id}", at(session))), session);
  equal(answered(await client.GET("/sessions/{session_id}/profile", at(session))).name, PROFILE);
}

async function sendMessages(session: Session): Promise<void> {
  const sequences = [];
  for (const body of MESSAGES) {
    const message = answered(await client.POST("/sessions/{session_id}/messages", { ...at(session), body }));
    equal(message.metadata, body.metadata ?? {});
    sequences.push(message.sequence);
  }
  equal(sequences, [1, 2, 3]);
}

async function sendParts(): Promise<void> {
  const waiting = await open();
  const call = { type: "tool_call", call: "call_1", name: "weather", input: '{ "city": "Paris" }' } as const;
  const body = {
    role: "assistant" as const,
    parts: [{ type: "text" as const, text: "Let me look." }, call],
    usage: { input_tokens: 120, cost: "0.0042" },
  };
  const sent = answered(await client.POST("/sessions/{session_id}/messages", { ...at(waiting), body }));
  equal([sent.content, sent.parts], ["Let me look.", body.parts]);
  const query = { open_calls: true };
  const { messages } = answered(
    await client.GET("/sessions/{session_id}/messages", { params: { ...at(waiting).params, query } }),
  );
  const inputs = messages.flatMap(({ parts }) => (parts ?? []).flatMap((it) => (it.type === "tool_call" ? [it.input] : [])));
  equal(inputs, [call.input]);
  const read = answered(await client.GET("/sessions/{session_id}", at(waiting)));
  equal([read.usage?.inputTokens, read.usage?.cost, read.usage?.currency], [120, "0.0042", "USD"]);
  equal((await client.DELETE("/sessions/{session_id}", at(waiting))).response.status, 204);
}

async function correctMessage(): Promise<void> {
  const draft = await open();
  const body = { content: "Helo!", metadata: { kept: true } };
  answered(await client.POST("/sessions/{session_id}/messages", { ...at(draft), body }));
  const path = { session_id: draft.id, sequence: 1 };
  const patch = { content: "Hello!", metadata: { rating: 5 } };
  const edited = answered(
    await client.PATCH("/sessions/{session_id}/messages/{sequence}", { params: { path }, body: patch }),
  );
  equal([edited.content, edited.version, edited.metadata], ["Hello!", 2, { kept: true, rating: 5 }]);
  ok(edited.editedAt, "The message is not marked as edited.");
  const stale = { params: { path, header: { "If-Match": '"1"' } } };
  equal(refused(await client.DELETE("/sessions/{session_id}/messages/{sequence}", stale), 412).version, 2);
  const left = answered(await client.DELETE("/sessions/{session_id}/messages/{sequence}", { params: { path } }));
  equal([left.content, left.version, left.metadata], ["", 3, {}]);
  ok(left.deletedAt, "The message is not marked as deleted.");
  equal((await client.DELETE("/sessions/{session_id}", at(draft))).response.status, 204);
}

async function sendFile(): Promise<void> {
  const query = { media: "image/png", name: "a.png" };
  // The generated types know bytes as a text.
  const upload = { params: { query }, body: "", bodySerializer: () => PICTURE, headers: { "Content-Type": "image/png" } };
  const file = answered(await client.POST("/files", upload));
  equal([file.size, file.media, file.name], [PICTURE.length, "image/png", "a.png"]);
  const showing = await open();
  const body = { parts: [{ type: "file" as const, media: file.media, url: file.url }] };
  answered(await client.POST("/sessions/{session_id}/messages", { ...at(showing), body }));
  const path = { file_id: file.id };
  const whole = answered(await client.GET("/files/{file_id}", { params: { path }, parseAs: "arrayBuffer" }));
  equal(new Uint8Array(whole), PICTURE);
  const header = { Range: "bytes=1-3" };
  const range = answered(await client.GET("/files/{file_id}", { params: { path, header }, parseAs: "arrayBuffer" }));
  equal(new Uint8Array(range), PICTURE.slice(1, 4));
  refused(await client.DELETE("/files/{file_id}", { params: { path } }), 409);
  equal((await client.DELETE("/sessions/{session_id}", at(showing))).response.status, 204);
  equal(answered(await client.GET("/files")), []);
}

async function importHistory(): Promise<void> {
  const file = `{"id": "tides", "messages": [{"role": "user", "content": "Why tides?"}]}\n{broken\n`;
  const headers = { "Content-Type": "application/octet-stream" };
  const send = (content: string) =>
    client.POST("/import", { params: { query: { format: "auto" } }, body: content, bodySerializer: () => content, headers });
  for (const sessions of [1, 0]) {
    const report = answered(await send(file));
    equal([report.sessions, report.messages], [sessions, sessions]);
    equal(report.history?.formats, [{ format: "openai-messages", files: 1 }]);
    equal(report.history?.notUnderstood.map(({ kind, places }) => [kind, places[0]?.line]), [["not JSON", 2]]);
  }
  refused(await send("x"), 422);
  const query = { label: ["source-id:tides"] };
  for (const imported of answered(await client.GET("/sessions", { params: { query } }))) {
    const path = { session_id: imported.id };
    equal((await client.DELETE("/sessions/{session_id}", { params: { path } })).response.status, 204);
  }
}

async function exportAndImport(session: Session): Promise<void> {
  const exported = await client.GET("/sessions/{session_id}/export", { ...at(session), parseAs: "text" });
  const lines = answered(exported);
  ok(typeof lines === "string" && lines.endsWith("}\n"), "The export is not a text of lines.");
  equal(lines.trimEnd().split("\n").flatMap((line) => Object.keys(JSON.parse(line))).slice(0, 2), ["header", "session"]);
  const send = (body: string) =>
    client.POST("/import", {
      params: { query: { on_conflict: "skip" } },
      body,
      bodySerializer: () => body,
      headers: { "Content-Type": "application/x-ndjson" },
    });
  const report = answered(await send(lines));
  equal([report.sessions, report.skipped], [0, 1]);
  const problem = refused(await send(lines.replace('"sequence":2', '"sequence":"2"')), 422);
  ok(problem.errors?.some(({ pointer }) => pointer === "/message/sequence"), problem.detail);
}

async function keepOwnFacts(): Promise<void> {
  const began = "2023-03-01T10:00:00+01:00";
  const labels = { origin: "clients", topic: "a:b" };
  const own = { id: crypto.randomUUID(), created_at: began, labels, pinned: true };
  const kept = answered(await client.POST("/sessions", { body: own }));
  equal([kept.id, kept.createdAt, kept.labels], [own.id, "2023-03-01T09:00:00.000000Z", labels]);
  const body = { content: "Hello!", id: "msg_1", timestamp: began };
  const sent = answered(await client.POST("/sessions/{session_id}/messages", { ...at(kept), body }));
  equal([sent.id, sent.timestamp], ["msg_1", "2023-03-01T09:00:00.000000Z"]);
  equal(refused(await client.POST("/sessions/{session_id}/messages", { ...at(kept), body }), 409).sequence, 1);
  const byId = { params: { ...at(kept).params, query: { id: "msg_1" } } };
  equal(answered(await client.GET("/sessions/{session_id}/messages", byId)).messages.length, 1);
  const query = {
    label: ["origin:clients", "topic"],
    status: ["active" as const, "failed" as const],
    archived: false,
    total: true,
    created_after: "2023-03-01T09:59:59+01:00",
    created_before: "2023-03-01T09:00:01Z",
  };
  const listed = await client.GET("/sessions", { params: { query } });
  equal(answered(listed).map(({ id, lastMessage }) => [id, lastMessage?.content]), [[kept.id, "Hello!"]]);
  equal(listed.response.headers.get("X-Total-Count"), "1");
  equal((await client.DELETE("/sessions/{session_id}", at(kept))).response.status, 204);
}

async function listTranscript(session: Session): Promise<void> {
  const transcript = answered(await client.GET("/sessions/{session_id}/messages", at(session)));
  equal(transcript.sessionId, session.id);
  equal(transcript.messages.map(({ role }) => role), ["user", "assistant", "tool"]);
  equal(transcript.messages.map(({ content }) => content), MESSAGES.map(({ content }) => content));
}

async function pageBack(session: Session): Promise<void> {
  const params = { ...at(session).params, query: { limit: 2, before_sequence: 3 } };
  const page = answered(await client.GET("/sessions/{session_id}/messages", { params }));
  equal(page.messages.map(({ sequence }) => sequence), [1, 2]);
}

async function listSessions(session: Session): Promise<void> {
  const second = await open();
  const first = await client.GET("/sessions", { params: { query: { limit: 1 } } });
  equal(answered(first).map(({ id }) => id), [second.id]);
  const cursor = nextCursor(first.response, baseUrl);
  const next = await client.GET("/sessions", { params: { query: { limit: 1, cursor } } });
  equal(answered(next).map(({ id }) => id), [session.id]);
  equal((await client.DELETE("/sessions/{session_id}", at(second))).response.status, 204);
}

function nextCursor(response: Response, base: string | undefined): string {
  const target = /<([^>]*)>; rel="next"/.exec(response.headers.get("Link") ?? "")?.[1];
  ok(target, "The link to the next page is missing.");
  const cursor = new URL(target, base).searchParams.get("cursor");
  ok(cursor, "The link to the next page has no cursor.");
  return cursor;
}

async function resume(session: Session): Promise<void> {
  const before = answered(await client.GET("/sessions/{session_id}", at(session)));
  const resumed = answered(await client.POST("/sessions/{session_id}/resume", at(session)));
  equal(resumed.messageCount, 3);
  ok(resumed.updatedAt > before.updatedAt, "updatedAt did not move on.");
}

async function search(session: Session): Promise<void> {
  const query = { q: "resum* mean", session_id: session.id };
  const hits = answered(await client.GET("/search", { params: { query } }));
  equal(hits.map(({ sequence }) => sequence), [1]);
  ok(hits[0]?.snippet.includes("<mark>résumé</mark>"), "The snippet marks nothing.");
  const mode = "hybrid" as const;
  const similar = answered(await client.GET("/search", { params: { query: { ...query, mode } } }));
  ok(similar.some(({ sequence }) => sequence === 1), "A search by meaning does not find the first message.");
  const suggestions = answered(await client.GET("/search/suggestions", { params: { query: { q: "resmue" } } }));
  equal(suggestions.map(({ q }) => q), ["resume"]);
  const old = answered(await client.POST("/sessions/cleanup", { body: { older_than_days: 1, status: ["active"] } }));
  equal([old.dryRun, old.sessions], [true, 0]);
  const filter = { ids: [session.id], roots: true };
  const found = answered(await client.POST("/sessions/delete", { body: { filter, dry_run: true } }));
  equal([found.dryRun, ...found.sessionIds], [true, session.id]);
}

async function fork(session: Session): Promise<void> {
  const body = { at_sequence: 1, name: "Branch" };
  const branch = answered(await client.POST("/sessions/{session_id}/fork", { ...at(session), body }));
  equal([branch.parentSessionId, branch.messageCount], [session.id, 1]);
  const lineage = answered(await client.GET("/sessions/{session_id}/lineage", at(session)));
  equal(lineage.children.map(({ id }) => id), [branch.id]);
  const ended = answered(await client.POST("/sessions/{session_id}/complete", at(branch)));
  equal(ended.status, "completed");
  const late = { ...at(branch), body: { content: "Too late." } };
  const problem = refused(await client.POST("/sessions/{session_id}/messages", late), 409);
  ok(problem.detail.endsWith("resume it first"), problem.detail);
  equal((await client.DELETE("/sessions/{session_id}", at(branch))).response.status, 204);
}

async function readOddities(): Promise<void> {
  const summaries = answered(await client.GET("/sessions", { params: { query: { name: "Oddity" } } }));
  ok(summaries.length > 1, "No oddities were found.");
  for (const { id } of summaries) {
    const params = { path: { session_id: id } };
    const { context } = answered(await client.GET("/sessions/{session_id}", { params }));
    const { messages } = answered(await client.GET("/sessions/{session_id}/messages", { params }));
    equal(messages.map(({ metadata, content }) => [metadata, content]), [[context, "\0\u2028\ufeff\u202e\u{1f600}"]]);
    ok(!JSON.stringify(context).includes("null"), "A number is out of the range of a double.");
  }
}

async function readNobody(): Promise<void> {
  const answer = await client.GET("/sessions/{session_id}", { params: { path: { session_id: NOBODY } } });
  equal(refused(answer, 404).detail, `Session ${NOBODY} not found`);
}

async function breakSchema(session: Session): Promise<void> {
  // The only schema violation that all languages allow: one metadata member too many.
  const metadata = Object.fromEntries(Array.from({ length: 1025 }, (_, number) => [`${number}`, number]));
  const body = { content: "", metadata };
  const answer = await client.POST("/sessions/{session_id}/messages", { ...at(session), body });
  equal(refused(answer, 422).errors?.map(({ pointer }) => pointer), ["/metadata"]);
}

async function deleteSession(session: Session): Promise<void> {
  equal((await client.DELETE("/sessions/{session_id}", at(session))).response.status, 204);
  const answer = await client.GET("/sessions/{session_id}", at(session));
  equal(refused(answer, 404).detail, `Session ${session.id} not found`);
}

async function tidyUp(): Promise<void> {
  const directory = { params: { path: { relative_path: DIRECTORY } } };
  equal((await client.DELETE("/amplified-directories/{relative_path}", directory)).response.status, 204);
  const profile = { params: { path: { name: PROFILE } } };
  equal((await client.DELETE("/profiles/{name}", profile)).response.status, 204);
  const missing = refused(await client.GET("/profiles/{name}", profile), 404);
  ok(missing.detail.startsWith(`Profile ${PROFILE} not found`), missing.detail);
}

async function askDaemon(): Promise<void> {
  equal(answered(await client.GET("/live")).status, "alive");
  equal(answered(await client.GET("/health")).status, "healthy");
  const status = answered(await client.GET("/status"));
  equal(status.status, "running");
  ok(status.version, "The daemon has no version.");
}

async function step<T>(name: string, play: () => Promise<T>): Promise<T> {
  try {
    return await play();
  } catch (error) {
    console.error(`The step “${name}” failed: ${error instanceof Error ? error.message : error}`);
    process.exit(1);
  }
}

await step("create a profile and a directory", prepare);
await step("read collections", readCollections);
await step("run with a collection", runWithCollection);
const session = await step("create a session", open);
await step("read it back", () => readBack(session));
await step("send three messages", () => sendMessages(session));
await step("send parts", sendParts);
await step("correct and delete a message", correctMessage);
await step("send a file", sendFile);
await step("import a history", importHistory);
await step("keep own ids, times and labels", keepOwnFacts);
await step("list the transcript", () => listTranscript(session));
await step("page back through the transcript", () => pageBack(session));
await step("export the session and import it", () => exportAndImport(session));
await step("list sessions page by page", () => listSessions(session));
await step("resume the session", () => resume(session));
await step("search, and look for old sessions", () => search(session));
await step("fork the session and end its branch", () => fork(session));
await step("read what few send", readOddities);
await step("read a session that does not exist", readNobody);
await step("send a message that breaks the schema", () => breakSchema(session));
await step("delete the session", () => deleteSession(session));
await step("delete the directory and the profile", tidyUp);
await step("ask for health and status", askDaemon);
console.log("conversation passed");
