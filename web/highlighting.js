// Code in colours. The highlighter is read when the first code is seen, and works when the browser has nothing to do.

import DOMPurify from "./vendor/dompurify.js";

const MAX_CHARACTERS = 20_000;
const ALLOWED = { ALLOWED_TAGS: ["span"], ALLOWED_ATTR: ["class"], RETURN_DOM_FRAGMENT: /** @type {true} */ (true) };

/**
 * Colour `code`, if its language is known.
 *
 * @param {HTMLElement} code
 * @param {string} language
 */
export function highlight(code, language) {
  const text = code.textContent ?? "";
  if (text.length <= MAX_CHARACTERS) {
    whenIdle(() => void colour(code, text, language));
  }
}

/**
 * @param {HTMLElement} code
 * @param {string} text
 * @param {string} language
 */
async function colour(code, text, language) {
  if (!code.isConnected) {
    return;
  }
  const { default: highlighter } = await import("./vendor/highlight.js");
  if (highlighter.getLanguage(language)) {
    const { value } = highlighter.highlight(text, { language, ignoreIllegals: true });
    code.replaceChildren(DOMPurify.sanitize(value, ALLOWED));
  }
}

/** @param {() => void} work */
function whenIdle(work) {
  if ("requestIdleCallback" in window) {
    requestIdleCallback(work, { timeout: 1000 });
  } else {
    setTimeout(work, 50);
  }
}
