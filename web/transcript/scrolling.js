// Keeps the reader's place in a transcript while messages above it are added and removed.

import { CHUNK } from "./opening.js";

const END_PIXELS = 40;
/** A message of which less can be seen counts as out of view. */
const EDGE_PIXELS = 16;
/** The height of a message that has not been seen, and of all of them: browsers have a limit near 33 million pixels. */
const ROW_PIXELS = 96;
const MAX_PIXELS = 12_000_000;

/** @typedef {{ sequence: string, top: number, scrollTop: number }} Anchor */

/**
 * The first message in view, and its position.
 *
 * @param {HTMLElement} scroller
 * @returns {Anchor | null}
 */
export function anchorOf(scroller) {
  const edge = scroller.getBoundingClientRect().top;
  for (const row of rows(scroller)) {
    const { top, bottom } = row.getBoundingClientRect();
    if (bottom > edge + EDGE_PIXELS) {
      return { sequence: /** @type {string} */ (row.dataset["sequence"]), top: top - edge, scrollTop: scroller.scrollTop };
    }
  }
  return null;
}

/**
 * Scroll the message of `anchor` back to its position, except for the distance that the reader has scrolled since.
 *
 * @param {HTMLElement} scroller
 * @param {Anchor} anchor
 */
export function restore(scroller, anchor) {
  const row = rowOf(scroller, anchor.sequence);
  if (row) {
    const moved = row.getBoundingClientRect().top - scroller.getBoundingClientRect().top - anchor.top;
    const shift = moved + scrolledSince(scroller, anchor);
    if (Math.abs(shift) >= 1) {
      scroller.scrollTop += shift;
    }
  }
}

/**
 * The distance that the reader has scrolled since `anchor` was taken.
 *
 * @param {HTMLElement} scroller
 * @param {Anchor} anchor
 */
function scrolledSince(scroller, anchor) {
  // At the very end, the browser itself has scrolled, because the content got shorter.
  const isClamped = scroller.scrollHeight - scroller.clientHeight - scroller.scrollTop < 1;
  return isClamped ? 0 : scroller.scrollTop - anchor.scrollTop;
}

/** @param {HTMLElement} scroller */
export function isAtEnd(scroller) {
  return scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < END_PIXELS;
}

/**
 * @param {HTMLElement} scroller
 * @param {number | string} sequence
 * @returns {HTMLElement | null}
 */
export function rowOf(scroller, sequence) {
  return scroller.querySelector(`[data-sequence="${sequence}"]`);
}

/**
 * @param {HTMLElement} scroller
 * @returns {NodeListOf<HTMLElement>}
 */
export function rows(scroller) {
  return scroller.querySelectorAll("[data-sequence]");
}

/**
 * The chunks to show next: one more if the reader is near an end of the current ones, and none that are far away.
 *
 * @param {HTMLElement} scroller
 * @param {{ first: number, last: number }} range
 * @param {number} lastChunk
 * @returns {{ first: number, last: number } | "elsewhere"} The same range if nothing is to change.
 */
export function nextRange(scroller, { first, last }, lastChunk) {
  const view = scroller.getBoundingClientRect();
  const sections = [...scroller.querySelectorAll("section[data-chunk]")].map((one) => one.getBoundingClientRect());
  const [top, bottom] = [sections[0]?.top ?? 0, sections.at(-1)?.bottom ?? 0];
  if (top > view.bottom || bottom < view.top) {
    return "elsewhere";
  }
  const wantsMore = { above: view.top - top < view.height && first > 0, below: bottom - view.bottom < view.height };
  const range = { first: wantsMore.above ? first - 1 : first, last: wantsMore.below && last < lastChunk ? last + 1 : last };
  const isFar = (/** @type {number} */ distance) => distance > 2.5 * view.height;
  if (!wantsMore.above && isFar(view.top - (sections[0]?.bottom ?? view.top)) && first < last) {
    range.first = first + 1;
  }
  if (!wantsMore.below && isFar((sections.at(-1)?.top ?? view.bottom) - view.bottom) && first < last) {
    range.last = last - 1;
  }
  return range;
}

/**
 * The space for the messages that are not rendered, as a style.
 *
 * @param {{ first: number, last: number }} chunks Those that are elements; none if `last` is negative.
 * @param {number} count Messages of the session.
 */
export function emptySpace({ first, last }, count) {
  const below = last < 0 ? 0 : Math.max(count - (last + 1) * CHUNK, 0);
  return `--above: ${first * CHUNK * rowPixels(count)}px; --below: ${below * rowPixels(count)}px`;
}

/**
 * The message at a position in empty space.
 *
 * @param {number} pixels
 * @param {number} count Messages of the session.
 */
export function rowAt(pixels, count) {
  return Math.min(Math.floor(pixels / rowPixels(count)) + 1, count);
}

/** @param {number} count */
function rowPixels(count) {
  return Math.min(ROW_PIXELS, MAX_PIXELS / Math.max(count, 1));
}
