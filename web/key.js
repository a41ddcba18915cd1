// The key of a server that wants one: asked for, and kept for the tab.

import { signal } from "./preact.js";

const NAME = "amplifierd-key";

export const key = signal(sessionStorage.getItem(NAME) ?? "");
/** Why a key is asked for, in a sentence of the server; empty if none is. */
export const keyRefusal = signal("");
/** Whether the key may change anything. */
export const mayWrite = signal(true);

/** @param {string} value The key, or nothing to forget it. */
export function keepKey(value) {
  if (value) {
    sessionStorage.setItem(NAME, value);
  } else {
    sessionStorage.removeItem(NAME);
  }
  keyRefusal.value = "";
  mayWrite.value = true;
  key.value = value;
}

/** @returns {Record<string, string>} */
export function authorization() {
  return key.value ? { Authorization: `Bearer ${key.value}` } : {};
}
