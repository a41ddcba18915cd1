// The state of the service.

import { sentenceOf } from "../api.js";
import { duration, Facts } from "../format.js";
import { useLoaded, Waiting } from "../loading.js";
import { getHealth, getStatus } from "../operations.js";
import { html } from "../preact.js";
import { TEXTS } from "../texts.js";

export function StatusView() {
  const loaded = useLoaded((signal) => getStatus(signal), []);
  const health = useLoaded((signal) => getHealth(signal), []);
  if (!loaded.value) {
    return html`<${Waiting} loaded=${loaded} />`;
  }
  const { version, uptimeSeconds, storage, searchIndex } = loaded.value;
  const isHealthy = health.error === undefined;
  /** @type {[string, unknown][]} */
  const facts = [
    [TEXTS.service.state, html`<span class="status is-active">${TEXTS.service.running}</span>`],
    [
      TEXTS.service.health,
      html`<span class=${`status is-${isHealthy ? "active" : "failed"}`}>
        ${isHealthy ? TEXTS.service.healthy : sentenceOf(health.error)}
      </span>`,
    ],
    [TEXTS.service.version, version],
    [TEXTS.service.uptime, duration(uptimeSeconds)],
    [TEXTS.service.storage, TEXTS.service.storages[storage]],
  ];
  if (searchIndex) {
    facts.push([TEXTS.service.index, TEXTS.service.indexed(searchIndex.waitingMessages)]);
  }
  return html`<div class="column">
    <div class="title"><h1>${TEXTS.service.title}</h1></div>
    <${Facts} facts=${facts} />
    <p><a href="docs">${TEXTS.service.reference}</a></p>
  </div>`;
}
