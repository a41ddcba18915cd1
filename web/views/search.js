// The results of a search, by session.

import { address, isId } from "../address.js";
import { SessionName } from "../format.js";
import { useLoaded, Waiting } from "../loading.js";
import { getStatus, listSessions, searchMessages, suggestSearches } from "../operations.js";
import { html, useEffect, useState } from "../preact.js";
import { navigate } from "../route.js";
import { TEXTS } from "../texts.js";

const LIMIT = 40;
// The hits that the page shows.
const MOST = 1000;
const HYBRID = "hybrid";
const ENTITIES = new Map([
  ["&lt;", "<"],
  ["&gt;", ">"],
  ["&amp;", "&"],
  ["&quot;", '"'],
  ["&#34;", '"'],
  ["&#39;", "'"],
  ["&#x27;", "'"],
]);

/**
 * @typedef {import("../types.js").SearchHit} SearchHit
 * @typedef {{ id: string, name: string | undefined, hits: SearchHit[] }} Group
 */

/** @param {{ words: string, mode: string }} props The mode is empty for a search by words. */
export function SearchView({ words, mode }) {
  const [limit, setLimit] = useState(LIMIT);
  useEffect(() => setLimit(LIMIT), [words, mode]);
  const loaded = useLoaded((signal) => find(words, mode, limit, signal), [words, mode, limit]);
  const groups = loaded.value?.groups;
  const hasMore = loaded.value?.hasMore === true;
  const isEmpty = groups?.length === 0 && loaded.error === undefined;
  const none = loaded.value?.mode === HYBRID ? TEXTS.search.noneSimilar : TEXTS.search.none;
  return html`<div class="column">
    <div class="title"><h1>${TEXTS.search.title(words)}</h1></div>
    <p class="faint" role="status">
      ${groups?.length
        ? TEXTS.search.count(groups.reduce((sum, { hits }) => sum + hits.length, 0), groups.length, hasMore)
        : TEXTS.search.hint}
    </p>
    ${isId(words) && html`<p><a href=${address({ session: words })} data-item>${TEXTS.search.openSession}</a></p>`}
    <${ByMeaning} words=${words} mode=${mode} />
    ${(groups === undefined || loaded.error !== undefined) && html`<${Waiting} loaded=${loaded} />`}
    ${isEmpty && html`<p class="empty">${none}</p>`}
    ${isEmpty && words && html`<${Suggestions} words=${words} mode=${mode} />`}
    ${groups?.map(
      (group) => html`<section class="hits" key=${group.id}>
        <h2><a href=${address({ session: group.id })}><${SessionName} session=${group} /></a></h2>
        <ul class="list">
          ${group.hits.map((hit) => html`<li key=${hit.sequence}><${Hit} hit=${hit} /></li>`)}
        </ul>
      </section>`,
    )}
    ${hasMore &&
    html`<button class="more" onClick=${() => setLimit(limit + LIMIT)}>${TEXTS.sessions.more}</button>`}
  </div>`;
}

/**
 * The switch for the search by meaning, if the server has an embedder, or the address already selects it.
 *
 * @param {{ words: string, mode: string }} props
 */
function ByMeaning({ words, mode }) {
  const { value } = useLoaded((signal) => getStatus(signal), []);
  const isChosen = mode === HYBRID;
  const change = () =>
    navigate(address({ view: "search", q: words, mode: isChosen ? "" : HYBRID }), { replace: true });
  return (
    (isChosen || value?.searchIndex?.waitingVectors !== undefined) &&
    html`<label class="choice">
      <input type="checkbox" checked=${isChosen} onChange=${change} /> ${TEXTS.search.byMeaning}
    </label>`
  );
}

/** Suggested corrections of the query. @param {{ words: string, mode: string }} props */
function Suggestions({ words, mode }) {
  const { value } = useLoaded((signal) => suggestSearches({ q: words }, signal), [words]);
  return (
    value !== undefined &&
    value.length > 0 &&
    html`<p role="status">
      ${TEXTS.search.suggestions}${" "}
      ${value.map(({ q }) => html`<a key=${q} href=${address({ view: "search", q, mode })} data-item>${q}</a> `)}
    </p>`
  );
}

/** @param {{ hit: SearchHit }} props */
function Hit({ hit }) {
  return html`<a class="row" href=${address({ session: hit.sessionId }, hit.sequence)} data-item>
    <span class="row-main snippet" dir="auto">${marked(hit.snippet)}</span>
    <span class="row-side">${TEXTS.roles[hit.role]} #${hit.sequence}</span>
  </a>`;
}

/**
 * The hits by session; the session with the best hit comes first.
 *
 * @param {string} words
 * @param {string} mode
 * @param {number} limit
 * @param {AbortSignal} signal
 * @returns {Promise<{ mode: string, groups: Group[], hasMore: boolean }>}
 */
async function find(words, mode, limit, signal) {
  if (!words) {
    return { mode, groups: [], hasMore: false };
  }
  const query = { q: words, mode, limit: Math.min(limit, MOST), group: "session" };
  const { items: hits, cursor } = await searchMessages(query, signal);
  /** @type {Map<string, SearchHit[]>} */
  const groups = new Map();
  for (const hit of hits) {
    groups.set(hit.sessionId, [...(groups.get(hit.sessionId) ?? []), hit]);
  }
  const names = hits.length ? await namesOf([...groups.keys()], signal) : new Map();
  const found = [...groups].map(([id, own]) => ({ id, name: names.get(id), hits: own }));
  return { mode, groups: found, hasMore: cursor !== undefined && limit < MOST };
}

/**
 * The names of sessions, by id. A session without a name, or deleted since the search, has none.
 *
 * @param {string[]} ids
 * @param {AbortSignal} signal
 * @returns {Promise<Map<string, string | undefined>>}
 */
async function namesOf(ids, signal) {
  const starts = [...ids.keys()].filter((place) => place % LIMIT === 0);
  const found = await Promise.all(
    // The hits are shown without names rather than not at all.
    starts.map((start) =>
      listSessions({ ids: ids.slice(start, start + LIMIT), limit: LIMIT }, signal).catch(() => ({ items: [] })),
    ),
  );
  return new Map(found.flatMap(({ items }) => items.map((session) => [session.id, session.name])));
}

/**
 * A snippet, HTML with only `<mark>`, as text and marks; none of it is parsed as HTML here.
 *
 * @param {string} snippet
 */
function marked(snippet) {
  return snippet.split(/<mark>(.*?)<\/mark>/s).map((piece, index) => {
    const text = piece.replace(/&[#\w]+;/g, (entity) => ENTITIES.get(entity) ?? entity);
    return index % 2 ? html`<mark>${text}</mark>` : text;
  });
}
