// The directories that sessions work in.

import { address } from "../address.js";
import { Field, Form } from "../forms.js";
import { mayWrite } from "../key.js";
import { LoadedList, useLoaded } from "../loading.js";
import { createDirectory, listDirectories, updateDirectory } from "../operations.js";
import { html, useState } from "../preact.js";
import { TEXTS } from "../texts.js";

/** @typedef {import("../types.js").AmplifiedDirectory} AmplifiedDirectory */

export function DirectoriesView() {
  const loaded = useLoaded((signal) => listDirectories(signal), []);
  const [edited, setEdited] = useState(/** @type {AmplifiedDirectory | "new" | null} */ (null));
  const close = () => setEdited(null);
  const create = async (/** @type {Record<string, string>} */ { path = "", profile = "" }) => {
    await createDirectory({ relative_path: path, create_marker: true, ...(profile ? { default_profile: profile } : {}) });
    loaded.reload();
  };
  return html`<div class="column">
    <div class="title">
      <h1>${TEXTS.directories.title}</h1>
      ${mayWrite.value && html`<button class="primary" onClick=${() => setEdited("new")}>${TEXTS.directories.create}</button>`}
    </div>
    <${LoadedList} loaded=${loaded} items=${loaded.value?.directories} none=${TEXTS.directories.none}>
      ${(/** @type {AmplifiedDirectory} */ one) =>
        html`<li key=${one.relativePath}><${Row} directory=${one} onEdit=${() => setEdited(one)} /></li>`}
    <//>
    ${edited === "new" &&
    html`<${Form} title=${TEXTS.directories.create} action=${TEXTS.actions.save} onSubmit=${create} onClose=${close}>
      <${Field} label=${TEXTS.directories.path} name="path" isRequired />
      <${Field} label=${TEXTS.directories.profile} name="profile" />
    <//>`}
    ${edited !== null && edited !== "new" && html`<${Edit} directory=${edited} onSaved=${loaded.reload} onClose=${close} />`}
  </div>`;
}

/** @param {{ directory: AmplifiedDirectory, onEdit: () => void }} props */
function Row({ directory, onEdit }) {
  const { relativePath, defaultProfile, defaultProfileFrom, sessionCount } = directory;
  const isInherited = defaultProfileFrom !== undefined && defaultProfileFrom !== relativePath;
  return html`<div class="row">
    <a class="row-main" href=${address({ directory: relativePath })} data-item><bdi class="name path">${relativePath}</bdi></a>
    <span class="row-side">
      ${mayWrite.value && html`<button class="quiet" onClick=${onEdit}>${TEXTS.directories.edit}</button>`}
    </span>
    <span class="row-details">
      <span>${TEXTS.directories.sessions(sessionCount)}</span>
      ${defaultProfile && html`<bdi>${defaultProfile}</bdi>`}
      ${isInherited && html`<bdi>${TEXTS.directories.inherited(defaultProfileFrom)}</bdi>`}
    </span>
  </div>`;
}

/** @param {{ directory: AmplifiedDirectory, onSaved: () => void, onClose: () => void }} props */
function Edit({ directory, onSaved, onClose }) {
  const own = directory.defaultProfileFrom === directory.relativePath ? (directory.defaultProfile ?? "") : "";
  const save = async (/** @type {Record<string, string>} */ { profile = "", metadata = "" }) => {
    await updateDirectory(directory.relativePath, {
      default_profile: profile || null,
      metadata: patchOf(directory.metadata, objectOf(metadata)),
    });
    onSaved();
  };
  return html`<${Form} title=${directory.relativePath} action=${TEXTS.actions.save} onSubmit=${save} onClose=${onClose}>
    <${Field} label=${TEXTS.directories.profile} name="profile" value=${own} />
    <${Field} label=${TEXTS.directories.metadata} name="metadata" rows=${8} value=${JSON.stringify(directory.metadata, null, 2)} />
  <//>`;
}

/** @param {string} text @returns {Record<string, unknown>} */
function objectOf(text) {
  try {
    const value = JSON.parse(text);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) {
      return value;
    }
  } catch {
    // Said below, as for any other text.
  }
  throw new Error(TEXTS.directories.badJson);
}

/**
 * The merge patch (RFC 7396) from one object to another, one level deep.
 *
 * @param {Record<string, unknown>} before
 * @param {Record<string, unknown>} after
 */
function patchOf(before, after) {
  const removed = Object.keys(before).filter((name) => !(name in after));
  return { ...Object.fromEntries(removed.map((name) => [name, null])), ...after };
}
