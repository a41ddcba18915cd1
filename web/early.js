// The module that runs first: it requests the data for a session's address while the other modules are still loading.

import { readAddress, segment, urlOf } from "./address.js";
import { openingQuery } from "./transcript/opening.js";

/** Where the tab keeps its key. */
export const KEY_NAME = "amplifierd-key";

/** An early response is used only for this time. */
const KEPT_MS = 5_000;

/** @type {Map<string, Promise<Response>>} */
const asked = new Map();

/**
 * The early response for an address; it is returned only once.
 *
 * @param {string} url
 */
export function takeEarly(url) {
  const response = asked.get(url);
  asked.delete(url);
  return response;
}

/** Discard the early responses, after the key has changed. */
export function forgetEarly() {
  asked.clear();
}

/** @param {string} key @returns {Record<string, string>} */
export function authorizationOf(key) {
  return key ? { Authorization: `Bearer ${key}` } : {};
}

/** @param {string} url */
function ask(url) {
  const response = fetch(url, { headers: authorizationOf(sessionStorage.getItem(KEY_NAME) ?? "") });
  // The caller that takes the response handles its error.
  response.catch(() => undefined);
  asked.set(url, response);
}

const { view, query, sequence } = readAddress();
if (view === "session") {
  const path = `sessions/${segment(query.get("session") ?? "")}`;
  ask(urlOf(path));
  ask(urlOf(`${path}/messages`, openingQuery(sequence)));
  setTimeout(forgetEarly, KEPT_MS);
}
