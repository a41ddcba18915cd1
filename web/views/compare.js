// Two branches side by side, from the point where they diverge.

import { address } from "../address.js";
import { SessionName } from "../format.js";
import { useLoaded, Waiting } from "../loading.js";
import { getLineage, getSession, listMessages } from "../operations.js";
import { html } from "../preact.js";
import { TEXTS } from "../texts.js";
import { differences } from "./differences.js";

const PAGE = 20;
const MAX_CHARACTERS = 6_000;

/**
 * @typedef {import("../types.js").Session} Session
 * @typedef {import("../types.js").Message} Message
 */

/** @param {{ a: string, b: string, from: number }} props */
export function CompareView({ a, b, from }) {
  const loaded = useLoaded((signal) => read(a, b, from, signal), [a, b, from]);
  if (!loaded.value) {
    return html`<${Waiting} loaded=${loaded} />`;
  }
  const { sessions, shared, start, pairs } = loaded.value;
  const turn = (/** @type {number} */ to) => address({ view: "compare", a, b, from: to });
  return html`<div class="compare">
    <div class="title"><h1>${TEXTS.compare.title}</h1></div>
    <p class="faint">${TEXTS.compare.shared(shared)} ${TEXTS.compare.legend}</p>
    <div class="pair pair-head">
      ${sessions.map((session) => html`<h2 key=${session.id}><a href=${address({ session: session.id }, shared || undefined)}><${SessionName} session=${session} /></a></h2>`)}
    </div>
    ${pairs.map(([left, right], index) => html`<${Pair} key=${start + index} left=${left} right=${right} sessions=${sessions} />`)}
    ${pairs.length === 0 && html`<p class="empty">${TEXTS.compare.end}</p>`}
    <nav class="buttons" aria-label=${TEXTS.compare.later}>
      ${start > shared && html`<a class="button" href=${turn(Math.max(shared, start - PAGE))}>${TEXTS.compare.earlier}</a>`}
      ${pairs.length === PAGE && html`<a class="button" href=${turn(start + PAGE)}>${TEXTS.compare.later}</a>`}
    </nav>
  </div>`;
}

/**
 * @param {string} a
 * @param {string} b
 * @param {number} from The number of messages of each to omit.
 * @param {AbortSignal} signal
 */
async function read(a, b, from, signal) {
  const sessions = await Promise.all([getSession(a, signal), getSession(b, signal)]);
  const shared = await sharedMessages(sessions, signal);
  const start = Math.max(from, shared);
  const query = { after_sequence: start, limit: PAGE };
  const [left, right] = await Promise.all([listMessages(a, query, signal), listMessages(b, query, signal)]);
  const length = Math.max(left.length, right.length);
  /** @type {[Message | undefined, Message | undefined][]} */
  const pairs = Array.from({ length }, (_, index) => [left[index], right[index]]);
  return { sessions, shared, start, pairs };
}

/**
 * The number of messages that both have from the same ancestor.
 *
 * @param {[Session, Session]} sessions
 * @param {AbortSignal} signal
 */
async function sharedMessages(sessions, signal) {
  const [left, right] = await Promise.all(sessions.map(async (session) => lines(session, signal)));
  let shared = 0;
  for (const [id, count] of left ?? []) {
    shared = Math.max(shared, Math.min(count, right?.get(id) ?? 0));
  }
  return shared;
}

/**
 * The number of messages that a session has from each of its ancestors, and of its own.
 *
 * @param {Session} session
 * @param {AbortSignal} signal
 */
async function lines(session, signal) {
  const { ancestors } = await getLineage(session.id, signal);
  const found = new Map([[session.id, session.messageCount]]);
  let count = session.messageCount;
  let child = /** @type {{ forkedAtSequence?: number }} */ (session);
  for (const ancestor of ancestors) {
    count = Math.min(count, child.forkedAtSequence ?? 0);
    found.set(ancestor.id, count);
    child = ancestor;
  }
  return found;
}

/** @param {{ left: Message | undefined, right: Message | undefined, sessions: [Session, Session] }} props */
function Pair({ left, right, sessions }) {
  const isSame = left?.role === right?.role && textOf(left) === textOf(right);
  const [before, after] = differences(textOf(left), textOf(right));
  return html`<div class=${`pair ${isSame ? "is-same" : ""}`}>
    <${Side} message=${left} words=${before} session=${sessions[0]} />
    <${Side} message=${right} words=${after} session=${sessions[1]} />
  </div>`;
}

/** @param {{ message: Message | undefined, words: import("./differences.js").Piece[], session: Session }} props */
function Side({ message, words, session }) {
  if (!message) {
    return html`<div class="side is-absent">${TEXTS.compare.nothing}</div>`;
  }
  return html`<article class=${`side is-${message.role}`}>
    <header>
      <span class="role">${TEXTS.roles[message.role]}</span>
      <span class="gap"></span>
      <a class="sequence" href=${address({ session: session.id }, message.sequence)}>#${message.sequence}</a>
    </header>
    <div class="plain" dir="auto">
      ${words.map(({ text, isOwn }) => (isOwn ? html`<mark>${text}</mark>` : text))}
    </div>
  </article>`;
}

/** The text of a message, with one line for each call and result. @param {Message | undefined} message */
function textOf(message) {
  const lines = (message?.parts ?? []).flatMap((part) =>
    part.type === "tool_call"
      ? [`${TEXTS.message.call} ${part.name} ${part.input}`]
      : part.type === "tool_result"
        ? [`${TEXTS.message.result} ${part.output ?? ""}`]
        : [],
  );
  const text = message?.deletedAt ? TEXTS.message.deleted : message?.content;
  return [text ?? "", ...lines].filter(Boolean).join("\n").slice(0, MAX_CHARACTERS);
}
