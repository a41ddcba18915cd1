// Light or dark: as the system says, unless a person chose otherwise.

import { signal } from "./preact.js";

const NAME = "amplifierd-theme";

/** @typedef {"system" | "light" | "dark"} Theme */

/** @returns {Theme} */
function kept() {
  const value = localStorage.getItem(NAME);
  return value === "light" || value === "dark" ? value : "system";
}

export const theme = signal(kept());
show(theme.value);

/** @param {Theme} value */
export function chooseTheme(value) {
  localStorage.setItem(NAME, value);
  theme.value = value;
  show(value);
}

/** @param {Theme} value */
function show(value) {
  document.documentElement.dataset["theme"] = value;
}
