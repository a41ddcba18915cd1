// Requests to the service, by its contract, and the key for a server that needs one, which the tab keeps.

import { urlOf } from "./address.js";
import { authorizationOf, forgetEarly, KEY_NAME, takeEarly } from "./early.js";
import { signal } from "./preact.js";
import { TEXTS } from "./texts.js";

/** After this time a request that failed for now is sent again. */
export const RETRY_MS = 2_000;
// The records of a list that the page shows.
const MOST_RECORDS = 1000;

export const key = signal(sessionStorage.getItem(KEY_NAME) ?? "");
/** The server's reason for requiring a key; empty if it requires none. */
export const keyRefusal = signal("");
/** Whether the key may change anything. */
export const mayWrite = signal(true);

/** @param {string} value The key, or nothing to forget it. */
export function keepKey(value) {
  if (value) {
    sessionStorage.setItem(KEY_NAME, value);
  } else {
    sessionStorage.removeItem(KEY_NAME);
  }
  forgetEarly();
  keyRefusal.value = "";
  mayWrite.value = true;
  key.value = value;
}

// The nil UUID (RFC 9562, section 5.9): no session has it.
const NO_SESSION = "00000000-0000-0000-0000-000000000000";

/** An error response; `message` is the sentence of its problem. */
export class ProblemError extends Error {
  /**
   * @param {number} status
   * @param {string} detail
   */
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }

  /** Whether somebody else changed the same thing first. */
  get isConflict() {
    return this.status === 409 || this.status === 412;
  }
}

/** Whether the same request may succeed later: the server was not reached, or refused it for now. @param {unknown} error */
export function isTemporary(error) {
  return error instanceof ProblemError ? error.status === 429 || error.status >= 500 : error instanceof TypeError;
}

/**
 * @typedef {object} Options
 * @property {string} [method]
 * @property {import("./address.js").Query} [query]
 * @property {unknown} [body] A JSON value, or the text of a file.
 * @property {Record<string, string>} [headers]
 * @property {AbortSignal | undefined} [signal]
 */

/**
 * The response to a request. Throws `ProblemError` for an error response.
 *
 * @param {string} path A path of the contract, without its first slash.
 * @param {Options} [options]
 */
export async function request(path, { method = "GET", query, body, headers = {}, signal } = {}) {
  /** @type {RequestInit} */
  const init = { method, headers: { ...authorizationOf(key.value), ...headers }, signal: signal ?? null };
  if (body !== undefined) {
    init.body = typeof body === "string" ? body : JSON.stringify(body);
    init.headers = { "Content-Type": "application/json", ...init.headers };
  }
  const url = urlOf(path, query);
  const response = await ((method === "GET" && takeEarly(url)) || fetch(url, init));
  if (!response.ok) {
    throw await problemOf(response);
  }
  return response;
}

/**
 * The JSON of a response.
 *
 * @param {string} path
 * @param {Options} [options]
 * @returns {Promise<any>}
 */
export async function json(path, options) {
  return (await request(path, options)).json();
}

/**
 * A page of a list, and the cursor of the next one.
 *
 * @param {string} path
 * @param {Options} options
 * @returns {Promise<{ items: any, cursor: string | undefined }>}
 */
export async function page(path, options) {
  const response = await request(path, options);
  const next = /<([^>]*)>;\s*rel="next"/.exec(response.headers.get("Link") ?? "");
  const cursor = next?.[1] ? (new URL(next[1], response.url).searchParams.get("cursor") ?? undefined) : undefined;
  return { items: await response.json(), cursor };
}

/**
 * The first records of a list, from all of its pages: a page ends early if its records are large.
 *
 * @param {string} path
 * @param {Options} options
 * @param {(page: any) => any[]} recordsOf The records of a page.
 * @returns {Promise<any[]>}
 */
export async function records(path, options, recordsOf = (page) => page) {
  /** @type {any[]} */
  const found = [];
  /** @type {string | undefined} */
  let cursor;
  do {
    const query = { ...options.query, limit: MOST_RECORDS - found.length, cursor };
    const next = await page(path, { ...options, query });
    found.push(...recordsOf(next.items));
    cursor = next.cursor;
  } while (cursor !== undefined && found.length < MOST_RECORDS);
  return found;
}

/** @param {Response} response */
async function problemOf(response) {
  const problem = await response.json().catch(() => ({}));
  const detail = typeof problem.detail === "string" ? problem.detail : `${response.status} ${response.statusText}`;
  if (response.status === 401) {
    keyRefusal.value = detail;
  }
  return new ProblemError(response.status, detail);
}

/**
 * What went wrong, in a sentence.
 *
 * @param {unknown} error
 */
export function sentenceOf(error) {
  if (error instanceof ProblemError) {
    return error.message;
  }
  if (error instanceof TypeError) {
    return TEXTS.offline;
  }
  return error instanceof Error ? error.message : String(error);
}

/** Find out whether the key may change anything, by a request to change a session that cannot exist. */
export async function learnScope() {
  if (!key.value) {
    return;
  }
  await request(`sessions/${NO_SESSION}`, { method: "PATCH", body: {} }).catch((error) => {
    mayWrite.value = !(error instanceof ProblemError && error.status === 403);
  });
}
