// The operations of the contract that the page uses, with the types of the contract.

import { segment } from "./address.js";
import { json, page, records, request } from "./api.js";

/**
 * @typedef {import("./types.js").Session} Session
 * @typedef {import("./types.js").Message} Message
 * @typedef {AbortSignal | undefined} Signal
 */

/** @param {{ version?: number }} record A message has a version only after it was changed. */
function ifMatch({ version = 1 }) {
  return { "If-Match": `"${version}"` };
}

/**
 * @param {import("./address.js").Query} query
 * @param {Signal} [signal]
 * @returns {Promise<{ items: import("./types.js").SessionSummary[], cursor: string | undefined }>}
 */
export const listSessions = (query, signal) => page("sessions", { query, signal });

/** @type {(id: string, signal?: Signal) => Promise<Session>} */
export const getSession = (id, signal) => json(`sessions/${segment(id)}`, { signal });

/** @type {(name: string) => Promise<Session>} */
export const createSession = (name) => json("sessions", { method: "POST", body: name ? { name } : {} });

/** @type {(session: Session, patch: import("./types.js").SessionPatch) => Promise<Session>} */
export const updateSession = (session, patch) =>
  json(`sessions/${session.id}`, { method: "PATCH", body: patch, headers: ifMatch(session) });

/** @type {(session: Session) => Promise<unknown>} */
export const deleteSession = (session) =>
  request(`sessions/${session.id}`, { method: "DELETE", headers: ifMatch(session) });

/** @type {(session: Session, change: "complete" | "resume") => Promise<Session>} */
export const changeStatus = (session, change) =>
  json(`sessions/${session.id}/${change}`, { method: "POST", headers: ifMatch(session) });

/** @type {(id: string, sequence: number) => Promise<Session>} */
export const forkSession = (id, sequence) =>
  json(`sessions/${segment(id)}/fork`, { method: "POST", body: { at_sequence: sequence } });

/** @type {(id: string, signal?: Signal) => Promise<import("./types.js").Lineage>} */
export const getLineage = (id, signal) => json(`sessions/${segment(id)}/lineage`, { signal });

/** @type {(id: string, query: import("./address.js").Query, signal?: Signal) => Promise<Message[]>} */
export const listMessages = async (id, query, signal) =>
  (await json(`sessions/${segment(id)}/messages`, { query, signal })).messages;

/** @type {(id: string, content: string, expected: number, key: string) => Promise<Message>} */
export const sendMessage = (id, content, expected, key) =>
  json(`sessions/${segment(id)}/messages`, {
    method: "POST",
    body: { content, expected_sequence: expected },
    headers: { "Idempotency-Key": key },
  });

/** @type {(id: string, sequence: number) => Promise<Message>} */
export const getMessage = (id, sequence) => json(`sessions/${segment(id)}/messages/${sequence}`);

/** @type {(id: string, sequence: number) => Promise<string>} The message as JSON, with the digits of its numbers. */
export const getMessageText = async (id, sequence) =>
  (await request(`sessions/${segment(id)}/messages/${sequence}`)).text();

/** @type {(id: string, message: Message, patch: import("./types.js").MessagePatch | string) => Promise<Message>} */
export const updateMessage = (id, message, patch) =>
  json(`sessions/${segment(id)}/messages/${message.sequence}`, { method: "PATCH", body: patch, headers: ifMatch(message) });

/** @type {(id: string, message: Message) => Promise<Message>} The message without its content. */
export const deleteMessage = (id, message) =>
  json(`sessions/${segment(id)}/messages/${message.sequence}`, { method: "DELETE", headers: ifMatch(message) });

/** @type {(id: string) => Promise<Blob>} */
export const getMarkdown = async (id) =>
  (await request(`sessions/${segment(id)}/transcript`, { headers: { Accept: "text/markdown" } })).blob();

/** @type {(id: string, query: { format?: string, files?: boolean }) => Promise<Blob>} */
export const exportSession = async (id, query) =>
  (await request(`sessions/${segment(id)}/export`, { query })).blob();

/** @type {(id: string, signal?: Signal) => Promise<Blob>} */
export const getFile = async (id, signal) => (await request(`files/${segment(id)}`, { signal })).blob();

/** @type {(query: Record<string, string | number | undefined>, signal?: Signal) => Promise<{ items: import("./types.js").SearchHit[], cursor: string | undefined }>} */
export const searchMessages = (query, signal) => page("search", { query, signal });

/** @type {(query: { q: string }, signal?: Signal) => Promise<import("./types.js").SearchSuggestion[]>} */
export const suggestSearches = (query, signal) => json("search/suggestions", { query, signal });

/** @type {(signal?: Signal) => Promise<import("./types.js").ProfileSummary[]>} */
export const listProfiles = (signal) => records("profiles", { signal });

/** @type {(name: string, signal?: Signal) => Promise<import("./types.js").Profile>} */
export const getProfile = (name, signal) => json(`profiles/${segment(name)}`, { signal });

/** @type {(name: string, signal?: Signal) => Promise<string>} */
export const getProfileFile = async (name, signal) =>
  (await request(`profiles/${segment(name)}`, { headers: { Accept: "text/markdown" }, signal })).text();

/** @type {(file: string) => Promise<import("./types.js").Profile>} */
export const createProfile = (file) =>
  json("profiles", { method: "POST", body: file, headers: { "Content-Type": "text/markdown" } });

/** @type {(name: string, file: string) => Promise<import("./types.js").Profile>} */
export const replaceProfile = (name, file) =>
  json(`profiles/${segment(name)}`, { method: "PUT", body: file, headers: { "Content-Type": "text/markdown" } });

/** @type {(name: string) => Promise<import("./types.js").Profile>} */
export const activateProfile = (name) => json(`profiles/${segment(name)}/activate`, { method: "POST" });

/** @type {(name: string) => Promise<unknown>} */
export const deleteProfile = (name) => request(`profiles/${segment(name)}`, { method: "DELETE" });

/** @type {(signal?: Signal) => Promise<import("./types.js").CollectionSummary[]>} */
export const listCollections = (signal) => records("collections", { signal });

/** @type {(identifier: string, signal?: Signal) => Promise<import("./types.js").Collection>} */
export const getCollection = (identifier, signal) => json(`collections/${segment(identifier)}`, { signal });

/** @type {(type: string, signal?: Signal) => Promise<import("./types.js").ModuleSummary[]>} */
export const listModules = (type, signal) => records("modules", { query: { type }, signal });

/** @type {(id: string, signal?: Signal) => Promise<import("./types.js").Module>} */
export const getModule = (id, signal) => json(`modules/${segment(id)}`, { signal });

/** @type {(session: string, signal?: Signal) => Promise<import("./types.js").MountPlan>} */
export const getMountPlan = (session, signal) => json(`sessions/${segment(session)}/mount-plan`, { signal });

/** @type {(signal?: Signal) => Promise<import("./types.js").AmplifiedDirectory[]>} */
export const listDirectories = (signal) =>
  records("amplified-directories", { signal }, (/** @type {import("./types.js").DirectoryList} */ list) => list.directories);

/** @type {(body: import("./types.js").CreateDirectoryRequest) => Promise<unknown>} */
export const createDirectory = (body) => json("amplified-directories", { method: "POST", body });

/** @type {(path: string, patch: import("./types.js").DirectoryPatch) => Promise<unknown>} */
export const updateDirectory = (path, patch) =>
  json(`amplified-directories/${segment(path)}`, { method: "PATCH", body: patch });

/** @type {(signal?: Signal) => Promise<import("./types.js").ServiceStatus>} */
export const getStatus = (signal) => json("status", { signal });

/** @type {(signal?: Signal) => Promise<{ status: string }>} */
export const getHealth = (signal) => json("health", { signal });

/**
 * Let the browser save data that was requested with the key: a plain link could not send the key.
 *
 * @param {string} name
 * @param {Blob} content
 */
export function saveFile(name, content) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
