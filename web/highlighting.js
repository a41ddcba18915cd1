// Code in colours.

import DOMPurify from "./vendor/dompurify.js";
import highlighter from "./vendor/highlight.js";

const MAX_CHARACTERS = 20_000;
const ALLOWED = { ALLOWED_TAGS: ["span"], ALLOWED_ATTR: ["class"], RETURN_DOM_FRAGMENT: /** @type {true} */ (true) };

/**
 * Colour `code`, if its language is known, it is not too long and it is still shown.
 *
 * @param {HTMLElement} code
 * @param {string} language
 */
export function colour(code, language) {
  const text = code.textContent ?? "";
  if (code.isConnected && text.length <= MAX_CHARACTERS && highlighter.getLanguage(language)) {
    const { value } = highlighter.highlight(text, { language, ignoreIllegals: true });
    code.replaceChildren(DOMPurify.sanitize(value, ALLOWED));
  }
}
