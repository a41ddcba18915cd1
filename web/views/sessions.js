// The list of sessions, and its filters, which are part of the address.

import { address, isId } from "../address.js";
import { mayWrite } from "../api.js";
import { follow } from "../events.js";
import { Age, Labels, Marks, SessionName, Status } from "../format.js";
import { Field, Form, SearchField, Select } from "../forms.js";
import { useLoaded, Waiting } from "../loading.js";
import { createSession, listSessions } from "../operations.js";
import { html, useEffect, useState } from "../preact.js";
import { navigate } from "../route.js";
import { TEXTS } from "../texts.js";

const PAGE = 50;
const REFRESH_MS = 300;
const TYPED = /** @type {const} */ (["name", "label", "profile", "directory"]);
const CHOSEN = /** @type {const} */ (["pinned", "archived"]);
const NAMES = [...TYPED, ...CHOSEN, "status", "sort"];
const WAIT_MS = 250;

/** @typedef {import("../types.js").SessionSummary} SessionSummary */

/** @param {{ query: URLSearchParams }} props */
export function SessionsView({ query }) {
  const filters = filtersOf(query);
  const chosen = JSON.stringify(filters);
  const [isCreating, setCreating] = useState(false);
  const [size, setSize] = useState(PAGE);
  const loaded = useLoaded((signal) => readPages(filters, size, signal), [chosen, size]);
  useEffect(() => setSize(PAGE), [chosen]);
  useChanges(loaded.reload);
  return html`<div class="column">
    <div class="title">
      <h1>${TEXTS.sessions.title}</h1>
      ${mayWrite.value && html`<button class="primary" onClick=${() => setCreating(true)}>${TEXTS.sessions.create}</button>`}
    </div>
    <${Filters} filters=${filters} />
    ${loaded.value && loaded.error !== undefined && html`<${Waiting} loaded=${loaded} />`}
    ${loaded.value
      ? html`<${List} sessions=${loaded.value.sessions} isFiltered=${chosen !== "{}"} />
          ${loaded.value.hasMore &&
          html`<button class="more" onClick=${() => setSize(size + PAGE)}>${TEXTS.sessions.more}</button>`}`
      : html`<${Waiting} loaded=${loaded} />`}
    ${isCreating &&
    html`<${Form}
      title=${TEXTS.actions.createTitle} action=${TEXTS.sessions.create} onClose=${() => setCreating(false)}
      onSubmit=${async (/** @type {Record<string, string>} */ values) =>
        navigate(address({ session: (await createSession(values["name"] ?? "")).id }))}
    >
      <${Field} label=${TEXTS.sessions.name} name="name" />
    <//>`}
  </div>`;
}

/**
 * @param {Record<string, string>} filters
 * @param {number} size
 * @param {AbortSignal} signal
 */
async function readPages(filters, size, signal) {
  /** @type {SessionSummary[]} */
  const sessions = [];
  let cursor;
  do {
    // A page with filters may be short, and still lead to the next.
    const page = await listSessions({ ...queryOf(filters), limit: Math.min(size - sessions.length, 1000), cursor }, signal);
    sessions.push(...page.items);
    cursor = page.cursor;
  } while (cursor && sessions.length < size);
  return { sessions, hasMore: cursor !== undefined };
}

/** Reload the list shortly after any change. @param {() => void} reload */
function useChanges(reload) {
  useEffect(() => {
    const controller = new AbortController();
    let timer = 0;
    const changed = () => {
      // Wait after a change, so that several changes cause one reload.
      timer ||= window.setTimeout(() => {
        timer = 0;
        reload();
      }, REFRESH_MS);
    };
    void follow("events", {}, changed, controller.signal, { onResumed: changed });
    return () => {
      controller.abort();
      clearTimeout(timer);
    };
  }, []);
}

/** @param {{ sessions: SessionSummary[], isFiltered: boolean }} props */
function List({ sessions, isFiltered }) {
  if (sessions.length === 0) {
    return html`<div class="empty">
      <p>${isFiltered ? TEXTS.sessions.noMatch : TEXTS.sessions.none}</p>
      ${!isFiltered && html`<p class="faint">${TEXTS.sessions.noneHint}</p>`}
    </div>`;
  }
  return html`<ul class="list">
    ${sessions.map((session) => html`<li key=${session.id}><${Row} session=${session} /></li>`)}
  </ul>`;
}

/** @param {{ session: SessionSummary }} props */
function Row({ session }) {
  const { id, status, profile, amplifiedDir, messageCount, tokenUsage, updatedAt, lastMessage } = session;
  return html`<a class="row" href=${address({ session: id })} data-item>
    <span class="row-main"><${SessionName} session=${session} /></span>
    <span class="row-side"><${Age} at=${updatedAt} /></span>
    ${lastMessage &&
    html`<span class="row-last"><span class="last-role">${TEXTS.roles[lastMessage.role]}</span> <bdi>${lastMessage.content}</bdi></span>`}
    <span class="row-details">
      <${Status} status=${status} />
      <${Marks} session=${session} />
      <span>${TEXTS.session.messages(messageCount)}</span>
      ${tokenUsage > 0 && html`<span>${TEXTS.session.tokens(tokenUsage)}</span>`}
      <bdi>${profile}</bdi>
      ${amplifiedDir !== "." && html`<bdi class="path">${amplifiedDir}</bdi>`}
      <${Labels} labels=${session.labels ?? {}} />
    </span>
  </a>`;
}

/**
 * @param {URLSearchParams} query
 * @returns {Record<string, string>} The filters that are set.
 */
function filtersOf(query) {
  return Object.fromEntries(NAMES.flatMap((name) => (query.get(name) ? [[name, query.get(name) ?? ""]] : [])));
}

/**
 * The query for the list. Archived sessions are omitted unless the address requests them, or one of them by its id.
 *
 * @param {Record<string, string>} filters
 */
function queryOf({ directory, label, archived = "false", ...same }) {
  if (isId(same["name"] ?? "")) {
    return { ids: same["name"] };
  }
  return {
    ...same,
    // The colon is typed, but nothing after it yet.
    label: label?.replace(/:$/, ""),
    archived: archived === "any" ? undefined : archived,
    amplified_dir: directory,
    recursive: directory ? true : undefined,
  };
}

/** @param {{ filters: Record<string, string> }} props */
function Filters({ filters }) {
  const set = (/** @type {string} */ name, /** @type {string} */ value) =>
    navigate(address({ ...filters, [name]: value }), { replace: true });
  const select = (/** @type {string} */ name, /** @type {string} */ label, /** @type {Record<string, string>} */ choices) =>
    html`<${Select}
      key=${name} label=${label} choices=${choices} value=${filters[name] ?? Object.keys(choices)[0]}
      onChosen=${(/** @type {string} */ value) => set(name, value)}
    />`;
  return html`<div class="filters" role="group" aria-label=${TEXTS.sessions.filters}>
    ${TYPED.map(
      (name) => html`<${SearchField}
        key=${name} label=${TEXTS.sessions[name]} value=${filters[name] ?? ""} wait=${WAIT_MS}
        onTyped=${(/** @type {string} */ value) => set(name, value)}
      />`,
    )}
    ${select("status", TEXTS.sessions.status, { "": TEXTS.sessions.any, ...TEXTS.status })}
    ${CHOSEN.map((name) => select(name, TEXTS.sessions[name], TEXTS.sessions.choices[name]))}
    ${select("sort", TEXTS.sessions.sort, TEXTS.sessions.sorts)}
  </div>`;
}
