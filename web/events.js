// Server-Sent Events through `fetch`, because an `EventSource` cannot send a key.
// https://html.spec.whatwg.org/multipage/server-sent-events.html

import { ProblemError, request } from "./api.js";

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 15_000;

/**
 * Follow a stream until `signal` aborts it. Whenever it ends, it is resumed after its last event. A hidden page has no
 * stream: a browser opens six connections to a server, and more tabs would wait for each other.
 *
 * @param {string} path
 * @param {Record<string, number>} query
 * @param {(kind: string, data: any) => void} onEvent
 * @param {AbortSignal} signal
 * @param {object} [options]
 * @param {string} [options.lastId] The event after which the stream begins; by default the next one.
 * @param {() => void} [options.onResumed] Called when a stream begins again, before its events. Without an id of an event,
 *   changes may have been missed.
 * @param {() => void} [options.onGone] Called if what is followed was deleted while the stream was interrupted.
 */
export async function follow(path, query, onEvent, signal, { lastId = "", onResumed, onGone } = {}) {
  // What a hidden page shows is as old as the page.
  let isFirst = !document.hidden;
  let wait = FIRST_WAIT_MS;
  for (;;) {
    await pageIsShown(signal);
    if (signal.aborted) {
      return;
    }
    const shown = whileShown(signal);
    try {
      /** @type {Record<string, string>} */
      const headers = { Accept: "text/event-stream", ...(lastId ? { "Last-Event-ID": lastId } : {}) };
      const response = await request(path, { query, headers, signal: shown.signal });
      if (!isFirst) {
        onResumed?.();
      }
      isFirst = false;
      for await (const { id, kind, data } of eventsOf(response)) {
        wait = FIRST_WAIT_MS;
        lastId = id || lastId;
        onEvent(kind, JSON.parse(data));
        if (kind === "deleted" && query["after_sequence"] !== undefined) {
          return;
        }
      }
    } catch (error) {
      if (signal.aborted || (error instanceof ProblemError && [401, 403, 404].includes(error.status))) {
        if (error instanceof ProblemError && error.status === 404) {
          onGone?.();
        }
        return;
      }
    } finally {
      shown.end();
    }
    if (!document.hidden) {
      await pause(wait, signal);
      wait = Math.min(2 * wait, LONGEST_WAIT_MS);
    }
  }
}

/** Wait until a person sees the page, or `signal` aborts. @param {AbortSignal} signal */
function pageIsShown(signal) {
  return new Promise((resolve) => {
    const look = () => {
      if (!document.hidden || signal.aborted) {
        document.removeEventListener("visibilitychange", look);
        resolve(undefined);
      }
    };
    document.addEventListener("visibilitychange", look);
    signal.addEventListener("abort", look, { once: true });
    look();
  });
}

/**
 * A signal that aborts with another one, or when the page is hidden.
 *
 * @param {AbortSignal} signal
 */
function whileShown(signal) {
  const controller = new AbortController();
  const look = () => document.hidden && controller.abort();
  const abort = () => controller.abort();
  document.addEventListener("visibilitychange", look);
  signal.addEventListener("abort", abort);
  return {
    signal: controller.signal,
    end() {
      document.removeEventListener("visibilitychange", look);
      signal.removeEventListener("abort", abort);
    },
  };
}

/** @param {Response} response */
async function* eventsOf(response) {
  const reader = /** @type {ReadableStream<Uint8Array>} */ (response.body).getReader();
  const decoder = new TextDecoder();
  let pending = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) {
        return;
      }
      const blocks = (pending + decoder.decode(value, { stream: true })).split(/\r?\n\r?\n/);
      pending = blocks.pop() ?? "";
      for (const block of blocks) {
        const event = parse(block);
        if (event.data) {
          yield event;
        }
      }
    }
  } finally {
    reader.cancel().catch(() => undefined);
  }
}

/** @param {string} block */
function parse(block) {
  const event = { id: "", kind: "message", data: "" };
  for (const line of block.split(/\r?\n/)) {
    const [, name, value] = /^(\w+): ?(.*)$/s.exec(line) ?? [];
    if (name === "id") {
      event.id = value ?? "";
    } else if (name === "event") {
      event.kind = value ?? "";
    } else if (name === "data") {
      event.data += (event.data ? "\n" : "") + (value ?? "");
    }
  }
  return event;
}

/**
 * Wait, at most until the machine is online or awake again.
 *
 * @param {number} milliseconds
 * @param {AbortSignal} signal
 */
function pause(milliseconds, signal) {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      window.removeEventListener("online", end);
      document.removeEventListener("visibilitychange", end);
      resolve(undefined);
    };
    const timer = setTimeout(end, milliseconds);
    window.addEventListener("online", end);
    document.addEventListener("visibilitychange", end);
    signal.addEventListener("abort", end, { once: true });
  });
}
