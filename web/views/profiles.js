// Profiles: the list, and each one as a file.

import { address } from "../address.js";
import { mayWrite, sentenceOf } from "../api.js";
import { Field, Form, Notice } from "../forms.js";
import { Age } from "../format.js";
import { useLoaded, Waiting } from "../loading.js";
import {
  activateProfile,
  createProfile,
  deleteProfile,
  getProfile,
  getProfileFile,
  listProfiles,
  replaceProfile,
} from "../operations.js";
import { html, useState } from "../preact.js";
import { navigate } from "../route.js";
import { TEXTS } from "../texts.js";

/** @typedef {import("../types.js").ProfileSummary} ProfileSummary */

export function ProfilesView() {
  const loaded = useLoaded((signal) => listProfiles(signal), []);
  const [isCreating, setCreating] = useState(false);
  return html`<div class="column">
    <div class="title">
      <h1>${TEXTS.profiles.title}</h1>
      ${mayWrite.value && html`<button class="primary" onClick=${() => setCreating(true)}>${TEXTS.profiles.create}</button>`}
    </div>
    ${loaded.value
      ? html`<ul class="list">${loaded.value.map((one) => html`<li key=${one.name}><${Row} profile=${one} /></li>`)}</ul>`
      : html`<${Waiting} loaded=${loaded} />`}
    ${isCreating &&
    html`<${Form}
      title=${TEXTS.profiles.create} action=${TEXTS.actions.save} onClose=${() => setCreating(false)}
      onSubmit=${async (/** @type {Record<string, string>} */ { file }) =>
        navigate(address({ view: "profile", name: (await createProfile(file ?? "")).name }))}
    >
      <p class="faint">${TEXTS.profiles.createHint}</p>
      <${Field} label=${TEXTS.profiles.file} name="file" rows=${14} value=${TEXTS.profiles.template} isRequired />
    <//>`}
  </div>`;
}

/** @param {{ profile: ProfileSummary }} props */
function Row({ profile }) {
  const { name, description, version, isActive, updatedAt, source } = profile;
  return html`<a class="row" href=${address({ view: "profile", name })} data-item>
    <span class="row-main"><bdi class="name">${name}</bdi></span>
    <span class="row-side">${updatedAt ? html`<${Age} at=${updatedAt} />` : TEXTS.profiles.builtIn}</span>
    <span class="row-details">
      ${isActive && html`<span class="status is-active">${TEXTS.profiles.active}</span>`}
      <bdi>${version}</bdi>
      ${source && html`<bdi>${TEXTS.profiles.from(source)}</bdi>`}
      ${description && html`<bdi>${description}</bdi>`}
    </span>
  </a>`;
}

/** @param {{ name: string }} props */
export function ProfileView({ name }) {
  const loaded = useLoaded(
    async (signal) => ({ profile: await getProfile(name, signal), file: await getProfileFile(name, signal) }),
    [name],
  );
  const [dialog, setDialog] = useState("");
  const [notice, setNotice] = useState("");
  const close = () => setDialog("");
  if (!loaded.value) {
    return html`<${Waiting} loaded=${loaded} />`;
  }
  const { profile, file } = loaded.value;
  const activate = () => activateProfile(name).then(loaded.reload, (error) => setNotice(sentenceOf(error)));
  const save = async (/** @type {Record<string, string>} */ values) => {
    await replaceProfile(name, values["file"] ?? "");
    loaded.reload();
  };
  const remove = async () => {
    await deleteProfile(name);
    navigate(address({ view: "profiles" }));
  };
  return html`<div class="column">
    <div class="title">
      <h1><bdi>${profile.name}</bdi> ${profile.isActive && html`<span class="status is-active">${TEXTS.profiles.active}</span>`}</h1>
      ${mayWrite.value &&
      html`<div class="actions">
        ${!profile.isActive && html`<button onClick=${activate}>${TEXTS.profiles.activate}</button>`}
        ${profile.updatedAt &&
        !profile.source &&
        html`<button onClick=${() => setDialog("edit")}>${TEXTS.profiles.edit}</button>
          <button class="dangerous" onClick=${() => setDialog("remove")}>${TEXTS.actions.remove}</button>`}
      </div>`}
    </div>
    ${profile.source &&
    html`<p><a href=${address({ view: "collection", id: profile.source })}><bdi>${TEXTS.profiles.from(profile.source)}</bdi></a></p>`}
    ${profile.description && html`<p><bdi>${profile.description}</bdi></p>`}
    ${notice && html`<${Notice} text=${notice} onClose=${() => setNotice("")} />`}
    <pre class="file" tabindex="0" aria-label=${TEXTS.profiles.file}>${file}</pre>
    ${dialog === "edit" &&
    html`<${Form} title=${profile.name} action=${TEXTS.actions.save} onSubmit=${save} onClose=${close}>
      <${Field} label=${TEXTS.profiles.file} name="file" rows=${18} value=${file} isRequired />
    <//>`}
    ${dialog === "remove" &&
    html`<${Form}
      title=${TEXTS.profiles.removeTitle} action=${TEXTS.actions.remove} isDangerous onSubmit=${remove} onClose=${close}
    >
      <p>${TEXTS.profiles.removeText}</p>
    <//>`}
  </div>`;
}
