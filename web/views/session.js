// A session: its facts, its transcript, and its actions.

import { address } from "../address.js";
import { mayWrite, sentenceOf } from "../api.js";
import { Notice, useShown } from "../forms.js";
import { Age, Labels, Marks, SessionName, Status } from "../format.js";
import { Lazy, useLoaded, Waiting } from "../loading.js";
import { forkSession, getSession } from "../operations.js";
import { html, useEffect, useRef, useState } from "../preact.js";
import { navigate } from "../route.js";
import { TEXTS } from "../texts.js";
import { Chunks } from "../transcript/chunks.js";
import { Transcript } from "../transcript/transcript.js";
import { SessionActions } from "./actions.js";
import { Composer } from "./composer.js";
import { useLiveSession } from "./live.js";

/** @typedef {import("../types.js").Session} Session */

const branches = async () => (await import("./branches.js")).Branches;

/** @param {{ id: string, sequence: number | undefined }} props */
export function SessionView({ id, sequence }) {
  const loaded = useLoaded((signal) => getSession(id, signal), [id]);
  return loaded.value
    ? html`<${Opened} key=${loaded.value.id} first=${loaded.value} sequence=${sequence} />`
    : html`<${Waiting} loaded=${loaded} />`;
}

/** @param {{ first: Session, sequence: number | undefined }} props */
function Opened({ first, sequence }) {
  const chunks = useRef(new Chunks(first.id, first.messageCount)).current;
  const { session, setSession, count, revision, isDeleted, add, replace } = useLiveSession(first, chunks);
  const [notice, setNotice] = useState("");
  const [showsBranches, setShowsBranches] = useState(false);
  const [position, setPosition] = useState({ isAtEnd: sequence === undefined, sequence: 0 });
  const transcript = useRef(/** @type {Transcript | null} */ (null));
  const failed = (/** @type {unknown} */ error) => setNotice(sentenceOf(error));
  const changes = useRef({
    onChanged: (/** @type {import("../types.js").Message} */ message) => replace([message]),
    onFork: (/** @type {number} */ at) =>
      forkSession(first.id, at).then((branch) => navigate(address({ session: branch.id })), failed),
    onNotice: setNotice,
  }).current;
  useEffect(() => {
    document.title = `${session.name ?? TEXTS.session.untitled} · ${TEXTS.title}`;
  }, [session.name]);
  return html`<div class="session">
    <header class="session-header">
      <div class="session-title">
        <h1><${SessionName} session=${session} /></h1>
        <p class="row-details">
          <${Status} status=${session.status} />
          <${Marks} session=${session} />
          <span>${TEXTS.session.messages(count)}</span>
          ${session.tokenUsage > 0 && html`<span>${TEXTS.session.tokens(session.tokenUsage)}</span>`}
          <bdi>${session.profile}</bdi>
          ${session.amplifiedDir !== "." && html`<bdi class="path">${session.amplifiedDir}</bdi>`}
          <${Age} at=${session.updatedAt} />
          <${Labels} labels=${session.labels ?? {}} hrefOf=${(/** @type {string} */ label) => address({ label })} />
        </p>
      </div>
      <${SessionActions}
        session=${session} onChanged=${setSession} onNotice=${setNotice}
        onBranches=${() => setShowsBranches(!showsBranches)} showsBranches=${showsBranches}
      />
    </header>
    ${session.errorMessage && html`<p class="failure"><bdi>${session.errorMessage}</bdi></p>`}
    ${isDeleted && html`<p class="notice" role="alert">${TEXTS.session.deleted}</p>`}
    ${notice && html`<${Notice} text=${notice} onClose=${() => setNotice("")} />`}
    ${showsBranches && html`<${Lazy} load=${branches} session=${session} />`}
    <${Transcript}
      ref=${transcript} chunks=${chunks} count=${count} revision=${revision} target=${sequence}
      changes=${changes} onError=${failed}
      onMove=${(/** @type {{ isAtEnd: boolean, sequence: number }} */ moved) =>
        (moved.isAtEnd !== position.isAtEnd || moved.sequence !== position.sequence) && setPosition(moved)}
    />
    <${Position} position=${position} count=${count} onEnd=${() => transcript.current?.goToEnd()}
      onGo=${(/** @type {number} */ at) => navigate(address({ session: session.id }, at))} />
    ${mayWrite.value && html`<${Composer} session=${session} count=${count} onSent=${(/** @type {import("../types.js").Message} */ message) => {
      add(message);
      transcript.current?.goToEnd();
    }} />`}
  </div>`;
}

/**
 * The reader's position, unless it is the end, and the number of messages that arrived since.
 *
 * @param {object} props
 * @param {{ isAtEnd: boolean, sequence: number }} props.position
 * @param {number} props.count
 * @param {() => void} props.onEnd
 * @param {(sequence: number) => void} props.onGo
 */
function Position({ position, count, onEnd, onGo }) {
  const seen = useRef(count);
  if (position.isAtEnd) {
    seen.current = count;
    return null;
  }
  const unseen = count - seen.current;
  return html`<div class="position">
    <${GoTo} sequence=${position.sequence} count=${count} onGo=${onGo} />
    <button class=${unseen ? "primary" : ""} onClick=${onEnd}>
      ${unseen ? TEXTS.session.newMessages(unseen) : TEXTS.session.toEnd}
    </button>
  </div>`;
}

/** The message in view, and another one to go to. @param {{ sequence: number, count: number, onGo: (sequence: number) => void }} props */
function GoTo({ sequence, count, onGo }) {
  const field = useShown(String(sequence || ""));
  const go = (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    // As the page itself writes numbers: #77, 2,500.
    const wanted = Number((field.current?.value ?? "").replace(/[#,\s]/g, ""));
    if (Number.isInteger(wanted) && wanted > 0) {
      field.current?.blur();
      onGo(Math.min(wanted, count));
    } else {
      field.current?.select();
    }
  };
  return html`<form onSubmit=${go}>
    <input ref=${field} inputmode="numeric" aria-label=${TEXTS.session.goTo} />
    <span>/ ${count.toLocaleString("en")}</span>
  </form>`;
}
