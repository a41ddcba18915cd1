// The key of a server that wants one: asked for, and kept for the tab.

import { forgetEarly, KEY_NAME } from "./early.js";
import { signal } from "./preact.js";

export const key = signal(sessionStorage.getItem(KEY_NAME) ?? "");
/** Why a key is asked for, in a sentence of the server; empty if none is. */
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
