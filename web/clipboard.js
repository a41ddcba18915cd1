// Copies texts to the clipboard.

import { TEXTS } from "./texts.js";

/** @param {string} text */
export async function copyText(text) {
  if (navigator.clipboard) {
    return navigator.clipboard.writeText(text);
  }
  // On plain HTTP from another machine, only a selection can be copied.
  const field = document.createElement("textarea");
  field.value = text;
  document.body.append(field);
  field.select();
  document.execCommand("copy");
  field.remove();
}

/**
 * Copy the code of a block whose button was pressed.
 *
 * @param {Event} event
 */
export async function copyCode(event) {
  const button = /** @type {Element} */ (event.target).closest("button.copy");
  const code = button?.closest(".framed-code")?.querySelector("pre")?.textContent;
  if (button && code !== undefined && code !== null) {
    await copyText(code);
    button.textContent = TEXTS.message.copied;
    setTimeout(() => {
      button.textContent = TEXTS.message.copy;
    }, 1500);
  }
}
