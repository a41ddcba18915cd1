// A session that is followed while it is open.

import { follow } from "../events.js";
import { getSession } from "../operations.js";
import { useEffect, useState } from "../preact.js";

const REFRESH_MS = 300;

/** @typedef {import("../types.js").Session} Session */

/**
 * The current state of the session. Messages that arrive are added to `chunks`, several at a time.
 *
 * @param {Session} first
 * @param {import("../transcript/chunks.js").Chunks} chunks
 */
export function useLiveSession(first, chunks) {
  const [session, setSession] = useState(first);
  const [count, setCount] = useState(first.messageCount);
  const [isDeleted, setDeleted] = useState(false);
  const [revision, setRevision] = useState(0);
  /** Show the current state of messages. @param {import("../types.js").Message[]} messages */
  const replace = (messages) => {
    chunks.replace(messages);
    setRevision((last) => last + 1);
  };
  useEffect(() => {
    const controller = new AbortController();
    /** @type {import("../types.js").Message[]} */
    let arrived = [];
    /** @type {import("../types.js").Message[]} */
    let corrected = [];
    let frame = 0;
    let timer = 0;
    const take = () => {
      frame = 0;
      chunks.append(arrived);
      setCount(chunks.count);
      if (corrected.length > 0) {
        replace(corrected);
      }
      [arrived, corrected] = [[], []];
      // The session's tokens, version and update time changed with its messages.
      timer ||= window.setTimeout(() => {
        timer = 0;
        getSession(first.id, controller.signal).then(setSession, () => undefined);
      }, REFRESH_MS);
    };
    const onEvent = (/** @type {string} */ kind, /** @type {any} */ data) => {
      if (kind === "message" || kind === "message_updated" || kind === "message_deleted") {
        (kind === "message" ? arrived : corrected).push(data);
        // A tab in the background has no frames.
        frame ||= window.setTimeout(take, 16);
      } else if (kind === "session") {
        setSession(data);
      } else if (kind === "deleted") {
        setDeleted(true);
      }
    };
    const { id, messageCount, version } = first;
    void follow(`sessions/${id}/events`, { after_sequence: messageCount }, onEvent, controller.signal, {
      // The contract says what it consists of: nothing is missed after what is shown.
      lastId: `${messageCount}.${version}`,
      onGone: () => setDeleted(true),
    });
    return () => {
      controller.abort();
      clearTimeout(frame);
      clearTimeout(timer);
    };
  }, []);
  /**
   * Show a message that this page appended, even if the stream is interrupted.
   *
   * @param {import("../types.js").Message} message
   */
  const add = (message) => {
    chunks.append([message]);
    setCount(chunks.count);
  };
  return { session, setSession, count, revision, isDeleted, add, replace };
}
