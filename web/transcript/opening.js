// Selects the messages that are shown first.

/** Messages in a chunk. Chunk 0 has the messages 1 to 20. */
export const CHUNK = 20;

/** @param {number} sequence */
export function chunkOf(sequence) {
  return Math.floor((Math.max(sequence, 1) - 1) / CHUNK);
}

/**
 * The chunks that are drawn first to show a message at the top; their neighbors are drawn a moment later.
 *
 * @param {number} sequence
 */
export function chunksBelow(sequence) {
  const first = chunkOf(sequence);
  return { first, last: chunkOf(sequence + CHUNK / 2) };
}

/**
 * The chunks that are drawn first to show the end.
 *
 * @param {number} count Messages of the session.
 */
export function chunksAbove(count) {
  return { first: chunkOf(count - CHUNK / 2), last: chunkOf(count) };
}

/**
 * The query when a session is opened, before its length is known: it returns more messages than are drawn first.
 *
 * @param {number | undefined} sequence The message to open at; without it, the end.
 */
export function openingQuery(sequence) {
  return sequence === undefined
    ? { order: "desc", limit: 2 * CHUNK }
    : { after_sequence: Math.max(chunkOf(sequence) - 1, 0) * CHUNK, limit: 3 * CHUNK };
}
