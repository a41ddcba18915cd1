// The module that runs first: it asks for what a session's address needs, while the others are still being read.

import { readAddress, segment, urlOf } from "./address.js";
import { openingQuery } from "./transcript/opening.js";

/** Where the tab keeps its key. */
export const KEY_NAME = "amplifierd-key";

/** What is asked for is of now: after a while it is no longer used. */
const KEPT_MS = 5_000;

/** @type {Map<string, Promise<Response>>} */
const asked = new Map();

/**
 * The response that this address had early, once.
 *
 * @param {string} url
 */
export function takeEarly(url) {
  const response = asked.get(url);
  asked.delete(url);
  return response;
}

/** Forget what was asked for, with another key. */
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
  // Who takes it hears of it.
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
