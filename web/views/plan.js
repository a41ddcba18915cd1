// The mount plan of a session: its modules with their configuration, and the texts of its profile.

import { address } from "../address.js";
import { Facts } from "../format.js";
import { LongList, useLoaded, Waiting } from "../loading.js";
import { getMountPlan } from "../operations.js";
import { html } from "../preact.js";
import { Fold, Text } from "../text.js";
import { TEXTS } from "../texts.js";

const SINGLE = /** @type {const} */ (["orchestrator", "contextManager"]);
const SEVERAL = /** @type {const} */ (["providers", "tools", "hooks", "agents", "context"]);

/**
 * @typedef {import("../types.js").Mount} Mount
 * @typedef {import("../types.js").MountPlan} MountPlan
 */

/** @param {{ session: string }} props */
export function PlanView({ session }) {
  const loaded = useLoaded((signal) => getMountPlan(session, signal), [session]);
  if (!loaded.value) {
    return html`<${Waiting} loaded=${loaded} />`;
  }
  const plan = loaded.value;
  const { profileId, profileVersion, amplifiedDir } = plan.session;
  /** @type {[string, unknown][]} */
  const facts = [
    [
      TEXTS.plan.profile,
      html`<a href=${address({ view: "profile", name: profileId })}><bdi>${profileId}</bdi></a> <bdi>${profileVersion}</bdi>`,
    ],
    [TEXTS.plan.directory, html`<bdi class="path">${amplifiedDir}</bdi>`],
  ];
  return html`<div class="column">
    <div class="title">
      <h1>${TEXTS.plan.title}</h1>
      <a href=${address({ session })}>${TEXTS.session.transcript}</a>
    </div>
    <p class="faint">${TEXTS.plan.of}</p>
    <${Facts} facts=${facts} />
    ${plan.instructions &&
    html`<section class="contents"><h2>${TEXTS.plan.instructions}</h2><${Text} text=${plan.instructions} /></section>`}
    ${groupsOf(plan).map(
      ([name, mounts]) => html`<${LongList} key=${name} title=${TEXTS.plan.groups[name]} items=${mounts}>
        ${(/** @type {Mount} */ mount) => html`<li key=${mount.moduleId}><${OneMount} mount=${mount} /></li>`}
      <//>`,
    )}
  </div>`;
}

/**
 * The parts of a plan by kind, without empty kinds.
 *
 * @param {MountPlan} plan
 * @returns {[typeof SINGLE[number] | typeof SEVERAL[number], Mount[]][]}
 */
function groupsOf(plan) {
  /** @type {[typeof SINGLE[number] | typeof SEVERAL[number], Mount[]][]} */
  const groups = [
    ...SINGLE.map((name) => /** @type {[typeof name, Mount[]]} */ ([name, [plan[name]].flatMap((one) => one ?? [])])),
    ...SEVERAL.map((name) => /** @type {[typeof name, Mount[]]} */ ([name, Object.values(plan[name])])),
  ];
  return groups.filter(([, mounts]) => mounts.length > 0);
}

/** @param {{ mount: Mount }} props */
function OneMount({ mount }) {
  const { moduleId, resolved, content } = mount;
  return html`<${Fold}
    kind="mount" name=${moduleId} length=${content?.length ?? 0} failure=${resolved ? "" : TEXTS.plan.notFound}
  >
    ${() => html`<${MountDetails} mount=${mount} />`}
  <//>`;
}

/** @param {{ mount: Mount }} props */
function MountDetails({ mount }) {
  const { version, source, entryPoint, config, content } = mount;
  /** @type {[string, string | undefined][]} */
  const given = [
    [TEXTS.plan.version, version],
    [TEXTS.plan.source, source],
    [TEXTS.modules.entryPoint, entryPoint],
  ];
  const facts = given.filter(([, value]) => value).map(([name, value]) => [name, html`<bdi class="path">${value}</bdi>`]);
  return html`
    ${facts.length > 0 && html`<${Facts} facts=${facts} />`}
    ${config && html`<${Text} text=${JSON.stringify(config, null, 2)} isPlain />`}
    ${content !== undefined && html`<${Text} text=${content} />`}
  `;
}
