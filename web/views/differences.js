// Finds the words that differ between two texts, by their longest common subsequence.

const MAX_WORDS = 600;

/** @typedef {{ text: string, isOwn: boolean }} Piece */

/**
 * Both texts in pieces: pieces that both have, and pieces that only one has.
 *
 * @param {string} left
 * @param {string} right
 * @returns {[Piece[], Piece[]]}
 */
export function differences(left, right) {
  const [a, b] = [wordsOf(left), wordsOf(right)];
  if (a.length > MAX_WORDS || b.length > MAX_WORDS) {
    const isOwn = left !== right;
    return [[{ text: left, isOwn }], [{ text: right, isOwn }]];
  }
  const lengths = table(a, b);
  /** @type {[Piece[], Piece[]]} */
  const pieces = [[], []];
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      add(pieces[0], a[i++], false);
      add(pieces[1], b[j++], false);
    } else if (j >= b.length || (i < a.length && at(lengths, i + 1, j) >= at(lengths, i, j + 1))) {
      add(pieces[0], a[i++], true);
    } else {
      add(pieces[1], b[j++], true);
    }
  }
  return pieces;
}

/** @param {string} text */
function wordsOf(text) {
  return text.match(/\s+|[\p{L}\p{N}_]+|[^\s\p{L}\p{N}_]/gu) ?? [];
}

/**
 * The length of the longest common subsequence after each pair of places.
 *
 * @param {string[]} a
 * @param {string[]} b
 */
function table(a, b) {
  const lengths = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      const best = a[i] === b[j] ? at(lengths, i + 1, j + 1) + 1 : Math.max(at(lengths, i + 1, j), at(lengths, i, j + 1));
      /** @type {Uint16Array} */ (lengths[i])[j] = best;
    }
  }
  return lengths;
}

/**
 * @param {Uint16Array[]} lengths
 * @param {number} i
 * @param {number} j
 */
function at(lengths, i, j) {
  return lengths[i]?.[j] ?? 0;
}

/**
 * @param {Piece[]} pieces
 * @param {string | undefined} word
 * @param {boolean} isOwn
 */
function add(pieces, word, isOwn) {
  const last = pieces.at(-1);
  if (last?.isOwn === isOwn) {
    last.text += word ?? "";
  } else {
    pieces.push({ text: word ?? "", isOwn });
  }
}
