// A transcript of any length: only the chunks around the reader are rendered; the others are empty space.

import { isTemporary, RETRY_MS } from "../api.js";
import { copyCode } from "../clipboard.js";
import { Component, html } from "../preact.js";
import { TEXTS } from "../texts.js";
import { Chunk } from "./message.js";
import { chunkOf, chunksAbove, chunksBelow } from "./opening.js";
import { anchorOf, emptySpace, isAtEnd, nextRange, restore, rowAt, rowOf } from "./scrolling.js";

const JUMP_WAIT_MS = 80;

/**
 * @typedef {{ kind: "end" } | { kind: "stay" } | { kind: "message", sequence: number }} Placement
 * @typedef {object} Props
 * @property {import("./chunks.js").Chunks} chunks
 * @property {number} count The number of messages of the session; the chunks have it too, at most a moment later.
 * @property {number | undefined} target The message to open at; without it, the end.
 * @property {number} revision Changes if a message that may be shown was corrected.
 * @property {import("./corrections.js").Changes} changes
 * @property {(state: { isAtEnd: boolean, sequence: number }) => void} onMove Called when the reader moves.
 * @property {(error: unknown) => void} onError
 */

/** @extends {Component<Props, { first: number, last: number, shown: import("../types.js").Message[][] }>} */
export class Transcript extends Component {
  constructor(/** @type {Props} */ props) {
    super(props);
    this.state = { first: 0, last: -1, shown: [] };
    /** @type {HTMLElement | null} */
    this.scroller = null;
    /** @type {Placement} */
    this.placement = { kind: "end" };
    /** @type {import("./scrolling.js").Anchor | null} */
    this.anchor = null;
    this.isStuck = true;
    this.isBusy = false;
    this.frame = 0;
    this.timer = 0;
    this.observer = new ResizeObserver(() => this.place());
  }

  componentDidMount() {
    const { scroller } = this;
    if (scroller) {
      this.observer.observe(/** @type {Element} */ (scroller.firstElementChild));
      this.observer.observe(scroller);
    }
    void this.open();
  }

  componentWillUnmount() {
    this.observer.disconnect();
    cancelAnimationFrame(this.frame);
    clearTimeout(this.timer);
  }

  /** @param {Props} before */
  componentDidUpdate(before) {
    this.place();
    if (before.target !== this.props.target) {
      void this.open();
    } else if (before.count !== this.props.count) {
      void this.grow();
    } else if (before.revision !== this.props.revision && this.state.last >= 0) {
      void this.show(this.state.first, this.state.last, { kind: "stay" });
    }
  }

  /** Open at the message that the address names, else at the end. */
  async open() {
    const { target, chunks } = this.props;
    // Retry a failed read, and report the error if it fails again.
    await chunks.open(target).catch(() => undefined);
    if (target === undefined) {
      this.goToEnd();
    } else {
      this.goTo(Math.min(target, Math.max(chunks.count, 1)));
    }
  }

  goToEnd() {
    const { first, last } = chunksAbove(this.props.chunks.count);
    void this.show(first, last, { kind: "end" });
  }

  /** @param {number} sequence */
  goTo(sequence) {
    const { first, last } = chunksBelow(sequence);
    void this.show(first, Math.min(last, this.props.chunks.last), { kind: "message", sequence });
  }

  /** Show the messages that were appended, if the last ones before them are shown. */
  async grow() {
    const { chunks } = this.props;
    const { first, last } = this.state;
    if (last >= chunks.last - 1 || this.isStuck) {
      await this.show(this.isStuck ? Math.max(first, chunks.last - 3) : first, chunks.last, { kind: "stay" });
    }
  }

  /**
   * @param {number} first
   * @param {number} last
   * @param {Placement} placement
   */
  async show(first, last, placement) {
    this.isBusy = true;
    try {
      const shown = await this.props.chunks.readAll(first, last);
      if (this.scroller) {
        this.placement = placement;
        if (placement.kind !== "stay") {
          this.isStuck = placement.kind === "end";
        }
        this.setState({ first, last, shown });
      }
    } catch (error) {
      this.props.onError(error);
      clearTimeout(this.timer);
      this.timer = window.setTimeout(() => isTemporary(error) && this.show(first, last, placement), RETRY_MS);
    } finally {
      this.isBusy = false;
    }
  }

  /** Scroll to where the reader wants to be, now that the elements are different. */
  place() {
    const { scroller, placement } = this;
    if (!scroller || this.state.last < 0) {
      return;
    }
    if (placement.kind === "message") {
      const row = rowOf(scroller, placement.sequence);
      if (row) {
        scroller.scrollTop += row.getBoundingClientRect().top - scroller.getBoundingClientRect().top - 12;
      }
      this.placement = { kind: "stay" };
      this.anchor = anchorOf(scroller);
    } else if (this.isStuck) {
      scroller.scrollTop = scroller.scrollHeight;
    } else if (this.anchor) {
      restore(scroller, this.anchor);
      this.anchor = anchorOf(scroller);
    }
    this.moved();
  }

  moved() {
    if (!this.frame) {
      this.frame = requestAnimationFrame(() => {
        this.frame = 0;
        this.look();
      });
    }
  }

  /** Look where the reader is, and show what will be needed next. */
  look() {
    const { scroller, state, props } = this;
    if (!scroller || state.last < 0) {
      return;
    }
    this.anchor = anchorOf(scroller);
    this.isStuck = isAtEnd(scroller) && state.last === props.chunks.last;
    props.onMove({ isAtEnd: this.isStuck, sequence: Number(this.anchor?.sequence ?? 0) });
    clearTimeout(this.timer);
    if (this.isBusy) {
      this.timer = window.setTimeout(() => this.moved(), JUMP_WAIT_MS);
      return;
    }
    const range = nextRange(scroller, state, props.chunks.last);
    if (range === "elsewhere") {
      // Nothing is read while the scroll bar is dragged.
      this.timer = window.setTimeout(() => this.goTo(rowAt(scroller.scrollTop, props.chunks.count)), JUMP_WAIT_MS);
    } else if (range.first !== state.first || range.last !== state.last) {
      void this.show(range.first, range.last, { kind: "stay" });
    }
  }

  render() {
    const { chunks, target, changes } = this.props;
    const { first, shown } = this.state;
    return html`<div
      class="transcript" role="region" aria-label=${TEXTS.session.transcript} tabindex="0"
      ref=${(/** @type {HTMLElement | null} */ element) => (this.scroller = element)}
      onScroll=${() => this.moved()} onClick=${copyCode}
    >
      <div class="transcript-content" style=${emptySpace(this.state, chunks.count)}>
        ${chunks.count === 0 && html`<p class="empty">${TEXTS.session.empty}</p>`}
        ${shown.map(
          (messages, index) => html`<${Chunk}
            key=${first + index} number=${first + index} messages=${messages} before=${shown[index - 1]} session=${chunks.id}
            target=${chunkOf(target ?? 1) === first + index ? target : undefined} changes=${changes}
          />`,
        )}
      </div>
    </div>`;
  }
}
