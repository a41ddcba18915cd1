// Renders text of a conversation. It may be hostile: HTML in it is shown as text, and DOMPurify sanitizes the result.

import DOMPurify from "./vendor/dompurify.js";
import { Marked } from "./vendor/marked.js";
import { TEXTS } from "./texts.js";

/** Longer code, in characters, is not highlighted. */
const MAX_COLOURED = 20_000;

const ALLOWED = {
  ALLOWED_TAGS: [
    ..."a blockquote br code del div em h3 h4 h5 h6 hr li ol p pre s span strong".split(" "),
    ..."table tbody td th thead tr ul".split(" "),
  ],
  ALLOWED_ATTR: ["align", "class", "href", "start"],
  ALLOWED_URI_REGEXP: /^(?:https?|mailto):/i,
  // Attributes that are no addresses.
  ADD_URI_SAFE_ATTR: ["align", "start"],
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
};
const COLOURED = { ALLOWED_TAGS: ["span"], ALLOWED_ATTR: ["class"], RETURN_DOM_FRAGMENT: /** @type {true} */ (true) };

/** @param {string} text */
function escape(text) {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

/** The longest formula, in characters: one without an end is looked for only so far. */
const MAX_FORMULA = 2_000;
const FORMULA = /^(?:\\\([^]*?\\\)|\\\[[^]*?\\\]|\$\$[^]*?\$\$)/;

/** TeX is shown as it was written: Markdown would remove backslashes. @type {import("./vendor/marked.js").TokenizerAndRendererExtension} */
const formula = {
  name: "formula",
  level: "inline",
  start: (text) => /\\[([]|\$\$/.exec(text.slice(0, MAX_FORMULA))?.index,
  tokenizer(text) {
    const [raw] = FORMULA.exec(text.slice(0, MAX_FORMULA)) ?? [];
    return raw === undefined ? undefined : { type: "formula", raw };
  },
  renderer: ({ raw }) => escape(raw),
};

const markdown = new Marked({
  gfm: true,
  extensions: [formula],
  renderer: {
    html: ({ text }) => escape(text),
    heading({ tokens, depth }) {
      // The page and the message have the levels above.
      const level = Math.min(depth + 2, 6);
      return `<h${level}>${this.parser.parseInline(tokens)}</h${level}>`;
    },
    // A message cannot make the page load anything from other servers.
    image: ({ href, text }) => `<a href="${escape(href)}">${escape(text || href)}</a>`,
    checkbox: ({ checked }) => (checked ? "☑ " : "☐ "),
  },
});

/** A text of one line without Markdown syntax: most messages of people, and some of models. */
const PLAIN = /^(?![\s#>+=*-]|\d+[.)])[^\n\\`*_[\]<>&~|@]+$/;
const LINK = /:\/\/|www\./i;

/**
 * Markdown as elements.
 *
 * @param {string} text
 * @param {boolean} hasBreaks Whether each line break is one, as a person types them.
 * @param {number} most
 * @returns {Node | null} None if there are more than `most` elements, or they nest too deeply.
 */
export function elementsOf(text, hasBreaks, most) {
  if (PLAIN.test(text) && !LINK.test(text)) {
    const paragraph = document.createElement("p");
    paragraph.textContent = text;
    return paragraph;
  }
  const dirty = htmlOf(text, hasBreaks);
  if (dirty === null) {
    return null;
  }
  const fragment = DOMPurify.sanitize(dirty, { ...ALLOWED, RETURN_DOM_FRAGMENT: true });
  if (fragment.querySelectorAll("*").length > most) {
    return null;
  }
  for (const link of fragment.querySelectorAll("a")) {
    link.target = "_blank";
    link.rel = "noopener noreferrer nofollow";
  }
  for (const block of fragment.querySelectorAll("ul, ol, blockquote, table")) {
    block.setAttribute("dir", "auto");
  }
  for (const table of fragment.querySelectorAll("table")) {
    frame(table, "table");
  }
  for (const block of fragment.querySelectorAll("pre")) {
    const code = block.querySelector("code");
    const language = /(?:^| )language-(\S+)/.exec(code?.className ?? "")?.[1] ?? "";
    frame(block, "code").prepend(bar(language));
    if (code && language) {
      whenIdle(() => void highlight(code, language));
    }
  }
  return fragment;
}

/**
 * @param {string} text
 * @param {boolean} hasBreaks
 * @returns {string | null}
 */
function htmlOf(text, hasBreaks) {
  try {
    return /** @type {string} */ (markdown.parse(text, { async: false, breaks: hasBreaks }));
  } catch {
    // The parser is recursive, and the text nests thousands of levels deep.
    return null;
  }
}

/**
 * Put an element that may be wide into one that scrolls.
 *
 * @param {Element} element
 * @param {string} name
 */
function frame(element, name) {
  const outside = document.createElement("div");
  outside.className = `framed-${name}`;
  element.replaceWith(outside);
  element.setAttribute("tabindex", "0");
  outside.append(element);
  return outside;
}

/** @param {string} language */
function bar(language) {
  const element = document.createElement("div");
  element.className = "code-bar";
  const label = document.createElement("span");
  label.textContent = language.slice(0, 40);
  const button = document.createElement("button");
  button.type = "button";
  button.className = "copy";
  button.textContent = TEXTS.message.copy;
  element.append(label, button);
  return element;
}

/**
 * Colour code, if its language is known, it is not too long and it is still shown. The highlighter is read when the first
 * code is seen.
 *
 * @param {HTMLElement} code
 * @param {string} language
 */
async function highlight(code, language) {
  const { default: highlighter } = await import("./vendor/highlight.js");
  const text = code.textContent ?? "";
  if (code.isConnected && text.length <= MAX_COLOURED && highlighter.getLanguage(language)) {
    const { value } = highlighter.highlight(text, { language, ignoreIllegals: true });
    code.replaceChildren(DOMPurify.sanitize(value, COLOURED));
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
