// The messages of a session in chunks; only a few chunks are kept in memory.

import { listMessages } from "../operations.js";
import { CHUNK, chunkOf, openingQuery } from "./opening.js";

const MAX_KEPT = 24;

/** @typedef {import("../types.js").Message} Message */

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
   * Read the messages that are shown first with one request, which the page has sent early.
   *
   * @param {number | undefined} sequence The message to open at; without it, the end.
   */
  async open(sequence) {
    const found = await listMessages(this.id, openingQuery(sequence));
    const numbers = new Set(found.map((message) => chunkOf(message.sequence)));
    for (const number of numbers) {
      const messages = found
        .filter((message) => chunkOf(message.sequence) === number && message.sequence <= this.count)
        .sort((one, other) => one.sequence - other.sequence);
      // A chunk that got more messages since is read when it is drawn.
      if (messages.length === Math.min(CHUNK, this.count - number * CHUNK)) {
        this._kept.set(number, Promise.resolve(messages));
      }
    }
  }

  /**
   * The messages of a chunk.
   *
   * @param {number} number
   * @returns {Promise<Message[]>}
   */
  read(number) {
    const kept = this._kept.get(number) ?? listMessages(this.id, { after_sequence: number * CHUNK, limit: CHUNK });
    // The chunk that was requested last is evicted last.
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
   * Add messages that were appended to the session; known messages are ignored.
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

  /**
   * Replace messages that were corrected.
   *
   * @param {Message[]} messages
   */
  replace(messages) {
    for (const message of messages) {
      const number = chunkOf(message.sequence);
      const kept = this._kept.get(number);
      if (kept) {
        this._kept.set(number, kept.then((before) => before.map((one) => newer(one, message))));
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

/**
 * @param {Message} one
 * @param {Message} other
 */
function newer(one, other) {
  return one.sequence === other.sequence && (other.version ?? 1) > (one.version ?? 1) ? other : one;
}
