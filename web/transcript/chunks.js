// The messages of a session in chunks, of which a few are kept.

import { listMessages } from "../operations.js";

/** Messages in a chunk. Chunk 0 has the messages 1 to 20. */
export const CHUNK = 20;
const MAX_KEPT = 24;

/** @typedef {import("../types.js").Message} Message */

/** @param {number} sequence */
export function chunkOf(sequence) {
  return Math.floor((Math.max(sequence, 1) - 1) / CHUNK);
}

export class Chunks {
  /**
   * @param {string} id
   * @param {number} count Messages of the session.
   */
  constructor(id, count) {
    this.id = id;
    this.count = count;
    /** @type {Map<number, Promise<Message[]>>} */
    this._kept = new Map();
  }

  get last() {
    return chunkOf(this.count);
  }

  /**
   * The messages of a chunk.
   *
   * @param {number} number
   * @returns {Promise<Message[]>}
   */
  read(number) {
    const kept = this._kept.get(number) ?? listMessages(this.id, number * CHUNK, CHUNK);
    // The chunk that was asked for last is the last to go.
    this._kept.delete(number);
    this._kept.set(number, kept);
    kept.catch(() => this._kept.delete(number));
    if (this._kept.size > MAX_KEPT) {
      this._kept.delete(/** @type {number} */ (this._kept.keys().next().value));
    }
    return kept;
  }

  /**
   * Several chunks.
   *
   * @param {number} first
   * @param {number} last
   */
  readAll(first, last) {
    return Promise.all(Array.from({ length: last - first + 1 }, (_, index) => this.read(first + index)));
  }

  /**
   * Add messages that were appended to the session; those that are here already are left out.
   *
   * @param {Message[]} messages
   */
  append(messages) {
    for (const message of messages) {
      if (message.sequence === this.count + 1) {
        this.count = message.sequence;
        const number = chunkOf(message.sequence);
        const kept = this._kept.get(number) ?? (message.sequence % CHUNK === 1 ? Promise.resolve([]) : undefined);
        if (kept) {
          this._kept.set(number, kept.then((before) => with_(before, message)));
        }
      }
    }
  }
}

/**
 * @param {Message[]} messages
 * @param {Message} message
 */
function with_(messages, message) {
  return messages.some(({ sequence }) => sequence === message.sequence) ? messages : [...messages, message];
}
