// Modules: the list, by type, and the details of each with its configuration schema.

import { address } from "../address.js";
import { Facts } from "../format.js";
import { Select } from "../forms.js";
import { LoadedList, useLoaded, Waiting } from "../loading.js";
import { getModule, listModules } from "../operations.js";
import { html } from "../preact.js";
import { navigate } from "../route.js";
import { Text } from "../text.js";
import { TEXTS } from "../texts.js";

/** @typedef {import("../types.js").ModuleSummary} ModuleSummary */

/** @param {{ type: string }} props */
export function ModulesView({ type }) {
  const loaded = useLoaded((signal) => listModules(type, signal), [type]);
  return html`<div class="column">
    <div class="title">
      <h1>${TEXTS.modules.title}</h1>
      <${Select}
        label=${TEXTS.modules.type} value=${type} choices=${TEXTS.modules.types}
        onChosen=${(/** @type {string} */ chosen) => navigate(address({ view: "modules", type: chosen }))}
      />
    </div>
    <${LoadedList} loaded=${loaded} items=${loaded.value} none=${TEXTS.modules.none}>
      ${(/** @type {ModuleSummary} */ one) => html`<li key=${one.id}><${Row} module=${one} /></li>`}
    <//>
  </div>`;
}

/** @param {{ module: ModuleSummary }} props */
function Row({ module }) {
  const { id, type, version, description } = module;
  return html`<a class="row" href=${address({ view: "module", id })} data-item>
    <span class="row-main"><bdi class="name">${id}</bdi></span>
    <span class="row-side"><bdi>${version}</bdi></span>
    <span class="row-details">
      <span class="sign">${TEXTS.moduleTypes[type]}</span>
      ${description && html`<bdi>${description}</bdi>`}
    </span>
  </a>`;
}

/** @param {{ id: string }} props */
export function ModuleView({ id }) {
  const loaded = useLoaded((signal) => getModule(id, signal), [id]);
  if (!loaded.value) {
    return html`<${Waiting} loaded=${loaded} />`;
  }
  const { name, type, version, location, collection, entryPoint, description, sources = [], configSchema } = loaded.value;
  const brings = html`<a href=${address({ view: "collection", id: collection })}><bdi>${collection}</bdi></a>`;
  /** @type {[string, unknown][]} */
  const facts = [
    [TEXTS.modules.name, html`<bdi>${name}</bdi>`],
    [TEXTS.modules.version, html`<bdi>${version}</bdi>`],
    ...(collection ? [fact(TEXTS.modules.collection, brings)] : []),
    ...sources.map(({ scope, source }) => fact(TEXTS.modules.scopes[scope], html`<bdi class="path">${source}</bdi>`)),
    [TEXTS.modules.location, html`<bdi class="path">${location}</bdi>`],
    ...(entryPoint ? [fact(TEXTS.modules.entryPoint, html`<bdi class="path">${entryPoint}</bdi>`)] : []),
  ];
  return html`<div class="column">
    <div class="title">
      <h1><bdi>${loaded.value.id}</bdi></h1>
      <span class="sign">${TEXTS.moduleTypes[type]}</span>
    </div>
    ${description && html`<p><bdi>${description}</bdi></p>`}
    <${Facts} facts=${facts} />
    ${configSchema &&
    html`<section class="contents">
      <h2>${TEXTS.modules.configuration}</h2>
      <${Text} text=${JSON.stringify(configSchema, null, 2)} isPlain />
    </section>`}
  </div>`;
}

/** @param {string} name @param {unknown} value @returns {[string, unknown]} */
function fact(name, value) {
  return [name, value];
}
