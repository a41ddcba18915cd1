// Runs a whole conversation against the daemon whose base URL is the first argument, with the key that is the second,
// through the generated functions. zod validates each request before it is sent, and each response.

import { ok } from "node:assert";
import { isDeepStrictEqual } from "node:util";

import * as api from "./amplifierd/index.js";
import type { Problem, SendMessageRequest, Session } from "./amplifierd/index.js";
import { createClient, createConfig } from "./amplifierd/client/index.js";
import { zMessage } from "./amplifierd/zod.gen.js";

type Answer<T> = { data?: T; error?: unknown; response?: Response };

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
const client = createClient(createConfig({ baseUrl, ...(key ? { auth: key } : {}) }));

function equal(found: unknown, expected: unknown): void {
  const sentence = `${JSON.stringify(found)} came where ${JSON.stringify(expected)} was expected.`;
  ok(isDeepStrictEqual(found, expected), sentence);
}

function answered<T>({ data, error }: Answer<T>): NonNullable<T> {
  ok(data !== undefined && data !== null, `The daemon refused: ${error instanceof Error ? error.message : JSON.stringify(error)}`);
  return data;
}

function refused<T>({ error, response }: Answer<T>, status: number): Problem {
  equal(response?.status, status);
  const problem = error as Problem;
  equal(problem.status, status);
  return problem;
}

function done<T>({ response }: Answer<T>): void {
  equal(response?.status, 204);
}

function at(session: Session): { client: typeof client; path: { session_id: string } } {
  return { client, path: { session_id: session.id } };
}

async function bytesOf(file: Blob | File): Promise<Uint8Array> {
  return new Uint8Array(await file.arrayBuffer());
}

async function prepare(): Promise<void> {
  const body = { name: PROFILE, providers: [{ module: "provider", config: { limit: 7 } }] };
  const { warnings, ...kept } = answered(await api.createProfile({ client, body }));
  equal([kept.name, kept.schemaVersion, kept.isActive, kept.providers], [PROFILE, 2, false, body.providers]);
  equal(warnings?.map(({ pointer }) => pointer), ["/providers/0"]);
  equal(answered(await api.getProfile({ client, path: { name: PROFILE } })), kept);
  const amplify = { relative_path: DIRECTORY, default_profile: PROFILE, metadata: { name: "Atlas" } };
  const directory = answered(await api.createAmplifiedDirectory({ client, body: amplify }));
  equal([directory.relativePath, directory.defaultProfileFrom], [DIRECTORY, DIRECTORY]);
  equal(answered(await api.getAmplifiedDirectory({ client, path: { relative_path: DIRECTORY } })), directory);
}

async function readCollections(): Promise<void> {
  equal(answered(await api.listCollections({ client })), []);
  const body = { identifier: "clients/collection", source: "/srv/collection" };
  const problem = refused(await api.createCollection({ client, body }), 422);
  ok(problem.detail.includes("--collections-path"), problem.detail);
  refused(await api.getCollection({ client, path: { identifier: body.identifier } }), 404);
}

async function runWithCollection(): Promise<void> {
  const body = { identifier: "clients/collection", source: process.env["COLLECTION"] ?? "" };
  const added = answered(await api.createCollection({ client, body }));
  equal([added.profiles, added.modules, added.problems], [["collection/base"], ["collection/tool/bash"], []]);
  const path = { identifier: body.identifier };
  equal(answered(await api.getCollection({ client, path })), added);
  await setSourceOfModule("collection/tool/bash");
  await makePlans("collection/base");
  equal((await api.deleteCollection({ client, path })).response?.status, 204);
  equal(answered(await api.listModules({ client })), []);
}

async function setSourceOfModule(module_id: string): Promise<void> {
  const listed = answered(await api.listModules({ client, query: { type: "tool" } }));
  equal([listed, answered(await api.listTools({ client }))].flat().map(({ id }) => id), [module_id, module_id]);
  const path = { module_id };
  const module = answered(await api.getModule({ client, path }));
  equal([module.name, module.collection, module.sources], ["tool-bash", "clients/collection", undefined]);
  const first = { source: "git+https://example.com/a", scope: "project" as const };
  equal(answered(await api.createModuleSource({ client, path, body: first })), { moduleId: module_id, ...first });
  refused(await api.createModuleSource({ client, path, body: first }), 409);
  const second = { source: "git+https://example.com/b", scope: "project" as const };
  const replaced = answered(await api.replaceModuleSource({ client, path, body: second }));
  equal(answered(await api.getModule({ client, path })).sources, [replaced]);
  equal((await api.deleteModuleSource({ client, path })).response?.status, 204);
  refused(await api.deleteModuleSource({ client, path }), 404);
}

async function makePlans(profile: string): Promise<void> {
  const body = { profile_id: profile, agent_overlay: { zen: { content: "Be quick." } } };
  const generated = answered(await api.generateMountPlan({ client, body }));
  ok(generated.form === "mounts", generated.form);
  equal(generated.mountPoints.map(({ resolved }) => resolved), [true, true]);
  equal(generated.agents[`${profile}.agent.zen`]?.content, "Be quick.");
  const session = answered(await api.createSession({ client, body: { profile } }));
  const path = { session_id: session.id };
  const plan = answered(await api.getSessionMountPlan({ client, path }));
  ok(plan.form === "mounts", plan.form);
  equal([plan.session.sessionId, plan.session.createdAt], [session.id, session.createdAt]);
  equal(plan.agents[`${profile}.agent.zen`]?.content, "You are calm.");
  const kernel = answered(await api.getSessionMountPlan({ client, path, query: { form: "kernel" } }));
  ok(kernel.form === "kernel", kernel.form);
  equal(kernel.tools.map(({ module, config }) => [module, config]), [["tool-bash", { timeout: 9 }]]);
  equal((await api.deleteSession({ client, path })).response?.status, 204);
}

async function open(): Promise<Session> {
  const body = { context: { task: "clients" }, amplified_dir: DIRECTORY };
  const session = answered(await api.createSession({ client, body }));
  equal([session.profile, session.amplifiedDir, session.messageCount], [PROFILE, DIRECTORY, 0]);
  equal(session.context, body.context);
  return session;
}

async function readBack(session: Session): Promise<void> {
  equal(answered(await api.getSession(at(session))), session);
  equal(answered(await api.getSessionProfile(at(session))).name, PROFILE);
}

async function sendMessages(session: Session): Promise<void> {
  const sequences = [];
  for (const body of MESSAGES) {
    const message = answered(await api.sendMessage({ ...at(session), body }));
    equal(message.metadata, body.metadata ?? {});
    sequences.push(message.sequence);
  }
  equal(sequences, [1, 2, 3]);
}

async function follow(session: Session): Promise<void> {
  const following = new AbortController();
  const sequences: number[] = [];
  const { stream } = await api.streamSessionEvents({
    ...at(session),
    query: { after_sequence: 0 },
    signal: following.signal,
    // The generator takes the schema of an event for that of its data, and would validate the data by it.
    responseValidator: async () => undefined,
    // What the stream yields is the data, which does not say what kind of event it is of.
    onSseEvent: ({ event, data }) => event === "message" && sequences.push(Number(zMessage.parse(data).sequence)),
    onSseError: (error) => {
      throw error;
    },
  });
  while (sequences.length < MESSAGES.length && !(await stream.next()).done);
  following.abort();
  equal(sequences, [1, 2, 3]);
}

async function sendParts(): Promise<void> {
  const waiting = await open();
  const call = { type: "tool_call", call: "call_1", name: "weather", input: '{ "city": "Paris" }' } as const;
  const body: SendMessageRequest = {
    role: "assistant",
    parts: [{ type: "text", text: "Let me look." }, call],
    usage: { input_tokens: 120, cost: "0.0042" },
  };
  const sent = answered(await api.sendMessage({ ...at(waiting), body }));
  equal([sent.content, sent.parts], ["Let me look.", body.parts]);
  const { messages } = answered(await api.listMessages({ ...at(waiting), query: { open_calls: true } }));
  const parts = messages.flatMap(({ parts }) => parts ?? []);
  equal(parts.flatMap((it) => (it.type === "tool_call" ? [it.input] : [])), [call.input]);
  const { usage } = answered(await api.getSession(at(waiting)));
  equal([usage?.inputTokens, usage?.cost, usage?.currency], [120, "0.0042", "USD"]);
  done(await api.deleteSession(at(waiting)));
}

async function correctMessage(): Promise<void> {
  const draft = await open();
  answered(await api.sendMessage({ ...at(draft), body: { content: "Helo!", metadata: { kept: true } } }));
  const message = { client, path: { session_id: draft.id, sequence: 1 } };
  const body = { content: "Hello!", metadata: { rating: 5 } };
  const edited = answered(await api.updateMessage({ ...message, body }));
  equal([edited.content, edited.version, edited.metadata], ["Hello!", 2, { kept: true, rating: 5 }]);
  equal(refused(await api.deleteMessage({ ...message, headers: { "If-Match": '"1"' } }), 412)["version"], 2);
  const left = answered(await api.deleteMessage(message));
  equal([left.content, left.version, left.metadata], ["", 3, {}]);
  done(await api.deleteSession(at(draft)));
}

async function sendFile(): Promise<void> {
  const upload = { client, query: { media: "image/png", name: "a.png" }, headers: { "Content-Type": "image/png" } };
  const file = answered(await api.createFile({ ...upload, body: new Blob([PICTURE]), bodySerializer: null }));
  equal([file.size, file.media, file.name], [PICTURE.length, "image/png", "a.png"]);
  const showing = await open();
  const body: SendMessageRequest = { parts: [{ type: "file", media: file.media, url: file.url }] };
  answered(await api.sendMessage({ ...at(showing), body }));
  const stored = { client, path: { file_id: file.id }, parseAs: "blob" } as const;
  equal(await bytesOf(answered(await api.getFile(stored))), PICTURE);
  const range = answered(await api.getFile({ ...stored, headers: { Range: "bytes=1-3" } }));
  equal(await bytesOf(range), PICTURE.slice(1, 4));
  refused(await api.deleteFile({ client, path: { file_id: file.id } }), 409);
  done(await api.deleteSession(at(showing)));
  equal(answered(await api.listFiles({ client })), []);
}

async function exportAndImport(session: Session): Promise<void> {
  const exported = answered(await api.exportSession({ ...at(session), parseAs: "blob" }));
  ok(exported instanceof Blob, "The export is not a file.");
  const lines = await exported.text();
  equal(Object.keys(JSON.parse(lines.split("\n")[1] ?? "")), ["session"]);
  const send = (body: Blob) =>
    api.importSessions({ client, body, bodySerializer: null, query: { on_conflict: "skip" } });
  const report = answered(await send(exported));
  equal([report.sessions, report.skipped], [0, 1]);
  const problem = refused(await send(new Blob([lines.replace('"sequence":2', '"sequence":"2"')])), 422);
  ok(problem.errors?.some(({ pointer }) => pointer === "/message/sequence"), problem.detail);
}

async function keepOwnFacts(): Promise<void> {
  const began = "2023-03-01T10:00:00+01:00";
  const labels = { origin: "clients", topic: "a:b" };
  const own = { id: crypto.randomUUID(), created_at: began, labels, pinned: true };
  const kept = answered(await api.createSession({ client, body: own }));
  equal([kept.id, kept.createdAt, kept.labels], [own.id, "2023-03-01T09:00:00.000000Z", labels]);
  const body = { content: "Hello!", id: "msg_1", timestamp: began };
  answered(await api.sendMessage({ ...at(kept), body }));
  equal(refused(await api.sendMessage({ ...at(kept), body }), 409)["sequence"], 1);
  equal(answered(await api.listMessages({ ...at(kept), query: { id: "msg_1" } })).messages.length, 1);
  const listed = await api.listSessions({
    client,
    query: {
      label: ["origin:clients", "topic"],
      status: ["active", "failed"],
      created_after: "2023-03-01T00:00:00Z",
      created_before: "2023-03-02T00:00:00+01:00",
      archived: false,
      total: true,
    },
  });
  equal(answered(listed).map(({ id, lastMessage }) => [id, lastMessage?.content]), [[kept.id, "Hello!"]]);
  equal(listed.response?.headers.get("X-Total-Count"), "1");
  done(await api.deleteSession(at(kept)));
}

async function readTranscript(session: Session): Promise<void> {
  const transcript = answered(await api.listMessages(at(session)));
  equal(transcript.messages.map(({ content }) => content), MESSAGES.map(({ content }) => content));
  const page = answered(await api.listMessages({ ...at(session), query: { limit: 2, before_sequence: 3 } }));
  equal(page.messages.map(({ sequence }) => sequence), [1, 2]);
}

async function listSessions(session: Session): Promise<void> {
  const second = await open();
  const first = await api.listSessions({ client, query: { limit: 1 } });
  equal(answered(first).map(({ id }) => id), [second.id]);
  const target = /<([^>]*)>; rel="next"/.exec(first.response?.headers.get("Link") ?? "")?.[1];
  const cursor = new URL(target ?? "", baseUrl).searchParams.get("cursor");
  ok(cursor, "The link to the next page is missing.");
  const next = answered(await api.listSessions({ client, query: { limit: 1, cursor } }));
  equal(next.map(({ id }) => id), [session.id]);
  done(await api.deleteSession(at(second)));
}

async function search(session: Session): Promise<void> {
  answered(await api.resumeSession(at(session)));
  const hits = answered(await api.searchMessages({ client, query: { q: "resum* mean", session_id: session.id } }));
  equal(hits.map(({ sequence }) => sequence), [1]);
  ok(hits[0]?.snippet.includes("<mark>résumé</mark>"), "The snippet marks nothing.");
  const query = { q: "resum* mean", mode: "hybrid" as const, session_id: session.id };
  const similar = answered(await api.searchMessages({ client, query }));
  ok(similar.some(({ sequence }) => sequence === 1), "A search by meaning does not find the first message.");
  const filter = { ids: [session.id], roots: true };
  const found = answered(await api.deleteSessions({ client, body: { filter, dry_run: true } }));
  equal([found.dryRun, ...found.sessionIds], [true, session.id]);
}

async function fork(session: Session): Promise<void> {
  const branch = answered(await api.forkSession({ ...at(session), body: { at_sequence: 1, name: "Branch" } }));
  equal([branch.parentSessionId, branch.messageCount], [session.id, 1]);
  equal(answered(await api.getSessionLineage(at(session))).children.map(({ id }) => id), [branch.id]);
  equal(answered(await api.completeSession(at(branch))).status, "completed");
  const problem = refused(await api.sendMessage({ ...at(branch), body: { content: "Too late." } }), 409);
  ok(problem.detail.endsWith("resume it first"), problem.detail);
  done(await api.deleteSession(at(branch)));
}

async function readOddities(): Promise<void> {
  const summaries = answered(await api.listSessions({ client, query: { name: "Oddity" } }));
  ok(summaries.length > 1, "No oddities were found.");
  for (const { id } of summaries) {
    const path = { session_id: id };
    const { context } = answered(await api.getSession({ client, path }));
    const { messages } = answered(await api.listMessages({ client, path }));
    equal(messages.map(({ metadata, content }) => [metadata, content]), [[context, "\0\u2028\ufeff\u202e\u{1f600}"]]);
  }
}

async function readNobody(): Promise<void> {
  const answer = await api.getSession({ client, path: { session_id: NOBODY } });
  equal(refused(answer, 404).detail, `Session ${NOBODY} not found`);
}

async function breakSchema(session: Session): Promise<void> {
  // zod refuses what breaks the schema before it is sent; sent all the same, the daemon names the place.
  const body = { content: "", role: "robot" } as unknown as SendMessageRequest;
  const message = String((await api.sendMessage({ ...at(session), body }).catch((error: unknown) => ({ error }))).error);
  ok(message.includes("role"), message);
  const options = { ...at(session), body, url: "/sessions/{session_id}/messages" };
  const headers = { "Content-Type": "application/json", ...(key ? { Authorization: `Bearer ${key}` } : {}) };
  equal(refused(await client.post({ ...options, headers }), 422).errors?.map(({ pointer }) => pointer), ["/role"]);
}

async function tidyUp(session: Session): Promise<void> {
  done(await api.deleteSession(at(session)));
  equal(refused(await api.getSession(at(session)), 404).detail, `Session ${session.id} not found`);
  done(await api.deleteAmplifiedDirectory({ client, path: { relative_path: DIRECTORY } }));
  done(await api.deleteProfile({ client, path: { name: PROFILE } }));
}

async function askDaemon(): Promise<void> {
  equal(answered(await api.getLive({ client })).status, "alive");
  equal(answered(await api.getHealth({ client })).status, "healthy");
  equal(answered(await api.getStatus({ client })).status, "running");
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
await step("follow the session", () => follow(session));
await step("send parts", sendParts);
await step("correct and delete a message", correctMessage);
await step("send a file", sendFile);
await step("keep own ids, times and labels", keepOwnFacts);
await step("read the transcript and its pages", () => readTranscript(session));
await step("export the session and import it", () => exportAndImport(session));
await step("list sessions page by page", () => listSessions(session));
await step("resume the session and search", () => search(session));
await step("fork the session and end its branch", () => fork(session));
await step("read what few send", readOddities);
await step("read a session that does not exist", readNobody);
await step("send a message that breaks the schema", () => breakSchema(session));
await step("delete what was created", () => tidyUp(session));
await step("ask for health and status", askDaemon);
console.log("conversation passed");
