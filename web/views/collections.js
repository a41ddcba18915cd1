// Collections: the list, and the content of each, with its problems.

import { address } from "../address.js";
import { Age, Facts } from "../format.js";
import { LoadedList, LongList, useLoaded, Waiting } from "../loading.js";
import { getCollection, listCollections } from "../operations.js";
import { html } from "../preact.js";
import { TEXTS } from "../texts.js";

const CONTENTS = /** @type {const} */ (["profiles", "agents", "context", "modules"]);
/** @type {Partial<Record<typeof CONTENTS[number], (name: string) => Record<string, string>>>} */
const VIEWS = {
  profiles: (name) => ({ view: "profile", name }),
  modules: (id) => ({ view: "module", id }),
};

/**
 * @typedef {import("../types.js").CollectionSummary} CollectionSummary
 * @typedef {import("../types.js").CollectionProblem} CollectionProblem
 */

export function CollectionsView() {
  const loaded = useLoaded((signal) => listCollections(signal), []);
  return html`<div class="column">
    <div class="title"><h1>${TEXTS.collections.title}</h1></div>
    <${LoadedList} loaded=${loaded} items=${loaded.value} none=${TEXTS.collections.none}>
      ${(/** @type {CollectionSummary} */ one) => html`<li key=${one.identifier}><${Row} collection=${one} /></li>`}
    <//>
  </div>`;
}

/** @param {{ collection: CollectionSummary }} props */
function Row({ collection }) {
  const { identifier, kind, source, status, syncedAt } = collection;
  return html`<a class="row" href=${address({ view: "collection", id: identifier })} data-item>
    <span class="row-main"><bdi class="name">${identifier}</bdi></span>
    <span class="row-side"><${Age} at=${syncedAt} /></span>
    <span class="row-details">
      <${SyncStatus} status=${status} />
      <span>${TEXTS.collections.kinds[kind]}</span>
      <bdi class="path">${source}</bdi>
    </span>
  </a>`;
}

/** @param {{ status: CollectionSummary["status"] }} props */
function SyncStatus({ status }) {
  return html`<span class=${`status is-${status === "failed" ? "failed" : "active"}`}>${TEXTS.collections.statuses[status]}</span>`;
}

/** @param {{ id: string }} props */
export function CollectionView({ id }) {
  const loaded = useLoaded((signal) => getCollection(id, signal), [id]);
  if (!loaded.value) {
    return html`<${Waiting} loaded=${loaded} />`;
  }
  const { identifier, kind, source, status, commit, syncedAt, problems } = loaded.value;
  const collection = loaded.value;
  /** @type {[string, unknown][]} */
  const facts = [
    [TEXTS.collections.source, html`<bdi class="path">${source}</bdi>`],
    ...(commit ? [/** @type {[string, unknown]} */ ([TEXTS.collections.commit, html`<code>${commit}</code>`])] : []),
    [TEXTS.collections.syncedAt, html`<${Age} at=${syncedAt} />`],
  ];
  const isEmpty = CONTENTS.every((name) => collection[name].length === 0);
  return html`<div class="column">
    <div class="title">
      <h1><bdi>${identifier}</bdi> <${SyncStatus} status=${status} /></h1>
      <span class="faint">${TEXTS.collections.kinds[kind]}</span>
    </div>
    <${Facts} facts=${facts} />
    ${problems.length > 0 && html`<${Problems} problems=${problems} />`}
    ${isEmpty && html`<p class="empty">${TEXTS.collections.empty}</p>`}
    ${CONTENTS.map((name) => collection[name].length > 0 && html`<${Contents} key=${name} kind=${name} names=${collection[name]} />`)}
  </div>`;
}

/** @param {{ problems: CollectionProblem[] }} props */
function Problems({ problems }) {
  return html`<section class="contents">
    <h2>${TEXTS.collections.problems} <span class="faint">${problems.length}</span></h2>
    <ul class="list">
      ${problems.map(
        ({ file, line, detail }, place) => html`<li key=${place} class="problem">
          ${file && html`<bdi class="path">${file}</bdi>`}
          ${line !== undefined && html`<span class="faint"> ${TEXTS.collections.line(line)}</span>`}
          <p><bdi>${detail}</bdi></p>
        </li>`,
      )}
    </ul>
  </section>`;
}

/** @param {{ kind: typeof CONTENTS[number], names: string[] }} props */
function Contents({ kind, names }) {
  return html`<${LongList} title=${TEXTS.collections.contents[kind]} items=${names}>
    ${(/** @type {string} */ name) => {
      const view = VIEWS[kind];
      return view
        ? html`<li key=${name}><a class="row" href=${address(view(name))} data-item><bdi class="name">${name}</bdi></a></li>`
        : html`<li key=${name} class="row"><bdi class="path">${name}</bdi></li>`;
    }}
  <//>`;
}
