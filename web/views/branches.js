// The lineage of a session as a tree: its ancestors, itself, its branches.

import { address } from "../address.js";
import { Age, SessionName } from "../format.js";
import { useLoaded, Waiting } from "../loading.js";
import { getLineage } from "../operations.js";
import { html } from "../preact.js";
import { TEXTS } from "../texts.js";

/** @typedef {import("../types.js").SessionSummary} SessionSummary */

/** @param {{ session: import("../types.js").Session }} props */
export function Branches({ session }) {
  const loaded = useLoaded((signal) => getLineage(session.id, signal), [session.id]);
  if (!loaded.value) {
    return html`<${Waiting} loaded=${loaded} />`;
  }
  const { ancestors, children } = loaded.value;
  const [oldest, ...younger] = ancestors.toReversed();
  const own = html`<li>
    <div class="branch is-current" aria-current="true"><${SessionName} session=${session} /> <span class="faint">${TEXTS.branches.here}</span></div>
    ${children.length > 0 &&
    html`<ul>${children.map((child) => html`<li key=${child.id}><${Branch} branch=${child} other=${session.id} /></li>`)}</ul>`}
  </li>`;
  return html`<section class="branches" aria-label=${TEXTS.branches.title}>
    ${!oldest && children.length === 0
      ? html`<p class="faint">${TEXTS.branches.none}</p>`
      : html`<ul>${oldest ? chain([oldest, ...younger], session.id, own) : own}</ul>`}
  </section>`;
}

/**
 * Nested lists: each ancestor contains the next one.
 *
 * @param {SessionSummary[]} ancestors The oldest first.
 * @param {string} id
 * @param {unknown} own
 * @returns {unknown}
 */
function chain(ancestors, id, own) {
  return ancestors.reduceRight(
    (inside, ancestor) => html`<li><${Branch} branch=${ancestor} other=${id} /><ul>${inside}</ul></li>`,
    own,
  );
}

/** @param {{ branch: SessionSummary, other: string }} props */
function Branch({ branch, other }) {
  return html`<div class="branch">
    <a href=${address({ session: branch.id })}><${SessionName} session=${branch} /></a>
    ${branch.forkedAtSequence !== undefined && html`<span class="faint">${TEXTS.branches.at(branch.forkedAtSequence)}</span>`}
    <span class="faint"><${Age} at=${branch.updatedAt} /></span>
    <a class="compare" href=${address({ view: "compare", a: other, b: branch.id })}>${TEXTS.branches.compare}</a>
  </div>`;
}
