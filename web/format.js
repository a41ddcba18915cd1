// Formats numbers, sizes and times.

import { html } from "./preact.js";
import { TEXTS } from "./texts.js";

const RELATIVE = new Intl.RelativeTimeFormat("en", { numeric: "auto", style: "short" });
const DAY = new Intl.DateTimeFormat("en", { dateStyle: "medium" });
const CLOCK = new Intl.DateTimeFormat("en", { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const EXACT = new Intl.DateTimeFormat("en", { dateStyle: "full", timeStyle: "long" });
/** @type {[Intl.RelativeTimeFormatUnit, number, number][]} */
const UNITS = [
  ["second", 1, 60],
  ["minute", 60, 60],
  ["hour", 3600, 24],
  ["day", 86_400, 7],
];

/** @param {number} bytes */
export function size(bytes) {
  const [unit, divisor] = bytes < 1e3 ? ["B", 1] : bytes < 1e6 ? ["kB", 1e3] : ["MB", 1e6];
  return `${(bytes / divisor).toLocaleString("en", { maximumFractionDigits: bytes < 1e3 ? 0 : 1 })} ${unit}`;
}

/** @param {number} seconds */
export function duration(seconds) {
  const parts = [Math.floor(seconds / 86_400), Math.floor(seconds / 3600) % 24, Math.floor(seconds / 60) % 60];
  const shown = parts.map((value, place) => (value ? `${value} ${["d", "h", "min"][place]}` : "")).filter(Boolean);
  return shown.slice(0, 2).join(" ") || `${Math.floor(seconds)} s`;
}

/** @param {Date} time */
function ago(time) {
  const seconds = (time.getTime() - Date.now()) / 1000;
  for (const [unit, length, limit] of UNITS) {
    if (Math.abs(seconds) < length * limit) {
      return Math.abs(seconds) < 60 ? "just now" : RELATIVE.format(Math.round(seconds / length), unit);
    }
  }
  return DAY.format(time);
}

/** A relative time, with the exact time on hover. @param {{ at: string }} props */
export function Age({ at }) {
  const time = new Date(at);
  return html`<time datetime=${at} title=${EXACT.format(time)}>${ago(time)}</time>`;
}

/** The time of day for today, else the date too. @param {{ at: string }} props */
export function Clock({ at }) {
  const time = new Date(at);
  const isToday = time.toDateString() === new Date().toDateString();
  const shown = isToday ? CLOCK.format(time) : `${DAY.format(time)}, ${CLOCK.format(time)}`;
  return html`<time datetime=${at} title=${EXACT.format(time)}>${shown}</time>`;
}

/** The name of a session, or a text for one without a name. @param {{ session: { name?: string, id: string } }} props */
export function SessionName({ session }) {
  return session.name
    ? html`<bdi class="name">${session.name}</bdi>`
    : html`<span class="name is-untitled">${TEXTS.session.untitled} <code>${session.id.slice(-6)}</code></span>`;
}

/** @param {{ status: import("./types.js").SessionStatus }} props */
export function Status({ status }) {
  return html`<span class=${`status is-${status}`}>${TEXTS.status[status]}</span>`;
}

/** Marks for a pinned or archived session. @param {{ session: { pinned?: boolean, archived?: boolean } }} props */
export function Marks({ session }) {
  return html`
    ${session.pinned && html`<span class="sign">${TEXTS.session.pinned}</span>`}
    ${session.archived && html`<span class="sign">${TEXTS.session.archived}</span>`}
  `;
}

/**
 * The labels of a session; each is a link to the sessions with that label, unless they are inside a link.
 *
 * @param {{ labels: Record<string, string>, hrefOf?: (label: string) => string }} props
 */
export function Labels({ labels, hrefOf }) {
  return Object.entries(labels).map(([key, value]) => {
    const text = html`<bdi>${key}: ${value}</bdi>`;
    return hrefOf
      ? html`<a key=${key} class="label" href=${hrefOf(`${key}:${value}`)}>${text}</a>`
      : html`<span key=${key} class="label">${text}</span>`;
  });
}

/** Names and values, one on each line. @param {{ facts: [string, unknown][] }} props */
export function Facts({ facts }) {
  return html`<dl class="facts">
    ${facts.map(([name, value]) => html`<div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`)}
  </dl>`;
}

/** A key for a POST that is retried. `crypto.randomUUID` is missing on plain HTTP. */
export function randomKey() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
