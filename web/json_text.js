// JSON as text, of which numbers keep their digits, and objects the order of their keys: `JSON.parse` keeps neither.

const MAX_DEPTH = 100;
// An object or array that is empty, but for more blanks, is shown on two lines.
const MAX_BLANKS = 100;

/**
 * The texts of the items of an array, or of the members of an object.
 *
 * @param {string} text Valid JSON.
 */
export function itemsOf(text) {
  /** @type {string[]} */
  const items = [];
  let depth = 0;
  let start = 0;
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (character === '"') {
      at = endOfString(text, at);
    } else if (character === "[" || character === "{") {
      depth += 1;
      start = depth === 1 ? at + 1 : start;
    } else if ((character === "," && depth === 1) || ((character === "]" || character === "}") && --depth === 0)) {
      items.push(text.slice(start, at).trim());
      start = at + 1;
    }
  }
  return items.length === 1 && items[0] === "" ? [] : items;
}

/**
 * The text of a member's value; undefined without the member.
 *
 * @param {string} text An object.
 * @param {string} name
 */
export function valueOf(text, name) {
  const member = itemsOf(text).find((item) => nameOf(item) === name);
  return member?.slice(endOfString(member, 0) + 1).replace(/^\s*:\s*/, "");
}

/**
 * An object in which a member has another value.
 *
 * @param {string} text
 * @param {string} name
 * @param {string} value JSON.
 */
export function withValue(text, name, value) {
  const members = itemsOf(text).map((item) => (nameOf(item) === name ? `${JSON.stringify(name)}:${value}` : item));
  return `{${members.join()}}`;
}

/** JSON on several lines; any other text, or one that nests deeply, unchanged. @param {string} text */
export function indented(text) {
  if (!/^\s*[[{]/.test(text) || text.length > 100_000) {
    return text;
  }
  try {
    JSON.parse(text);
  } catch {
    return text;
  }
  return onLines(text) ?? text;
}

/**
 * @param {string} text Valid JSON.
 * @returns {string | undefined} Nothing if it nests too deeply.
 */
function onLines(text) {
  const pieces = [];
  let depth = 0;
  const line = () => `\n${"  ".repeat(depth)}`;
  for (let at = 0; at < text.length; at++) {
    const character = text.charAt(at);
    if (character === '"') {
      const end = endOfString(text, at);
      pieces.push(text.slice(at, end + 1));
      at = end;
    } else if (character === "[" || character === "{") {
      const [empty] = /^[[{]\s*[\]}]/.exec(text.slice(at, at + MAX_BLANKS)) ?? [];
      if (empty === undefined) {
        depth += 1;
        pieces.push(character, line());
      } else {
        pieces.push(character, empty.slice(-1));
        at += empty.length - 1;
      }
      if (depth > MAX_DEPTH) {
        return undefined;
      }
    } else if (character === "]" || character === "}") {
      depth -= 1;
      pieces.push(line(), character);
    } else if (character === "," || character === ":") {
      pieces.push(character, character === "," ? line() : " ");
    } else if (character > " ") {
      pieces.push(character);
    }
  }
  return pieces.join("");
}

/** @param {string} member */
function nameOf(member) {
  return JSON.parse(member.slice(0, endOfString(member, 0) + 1));
}

/**
 * The place of the quote that ends a string.
 *
 * @param {string} text
 * @param {number} start Of the quote that begins it.
 */
function endOfString(text, start) {
  let at = start + 1;
  while (text[at] !== '"') {
    at += text[at] === "\\" ? 2 : 1;
  }
  return at;
}
