/**
 * Where a member writes, and what became of it: sending, held, not posted.
 *
 * Each post has one nonce for as long as it is tried. The connection repeats it after a reconnect, and this does after a passing error.
 */

import { button, el } from "./dom.js";
import { delayMs } from "./wire.js";

const TYPING_EVERY_MS = 3_000;
const TRIES_MAX = 5;

/**
 * @typedef {{nonce: string, body: string, replyTo: string | null, line: HTMLElement, tries: number, seq: number | null}} Draft
 */

export class Composer {
  /**
   * @param {{board: string, connection: import("./connection.js").Connection, cursor: () => number, sent: () => void,
   *          held: (post: string, line: HTMLElement) => void}} options
   *   `cursor`: the last seq that is on the page; `sent`: called when a post is on its way; `held`: takes the line of a post that waits
   *   for a moderator
   */
  constructor({ board, connection, cursor, sent, held }) {
    this.board = board;
    this.connection = connection;
    this.cursor = cursor;
    this.sent = sent;
    this.held = held;
    this.replyTo = null;
    this.typedAt = -TYPING_EVERY_MS;
    this.stopped = false;
    /** @type {Set<Draft>} */
    this.drafts = new Set();
    this.outbox = el("ol", { class: "outbox", "aria-label": "Posts being sent", "aria-live": "polite" });
    this.text = el("textarea", { id: "composer-text", rows: 2, maxlength: 8192, placeholder: "Write a post", oninput: () => this.typing(), onkeydown: (event) => this.key(event) });
    this.mark = el("div", { class: "row reply-mark", hidden: true });
    this.form = el(
      "form",
      { class: "composer", "aria-label": "Write a post", onsubmit: (event) => this.submit(event) },
      this.mark,
      el("label", { for: "composer-text", class: "sr-only", text: "Post" }),
      el("div", { class: "row write" }, this.text, el("button", { type: "submit", class: "primary", text: "Post" })),
      el("p", { class: "help", text: "Enter posts, Shift+Enter starts a new line." }),
    );
  }

  /** Answer a post. */
  reply(view) {
    this.replyTo = view.post;
    this.mark.replaceChildren(
      el("span", { text: `In reply to ${view.author.name}` }),
      button("Not a reply", () => this.noReply(), { class: "act" }),
    );
    this.mark.hidden = false;
    this.text.focus();
  }

  /** The page caught up with the log: posts that are in it now need no line of their own. */
  caughtUp() {
    for (const draft of [...this.drafts]) if (draft.seq !== null && draft.seq <= this.cursor()) this.drop(draft);
  }

  /** A post was hidden: nothing here answers it any more. */
  hidden(post) {
    if (this.replyTo === post) this.noReply();
  }

  stop() {
    this.stopped = true;
  }

  noReply() {
    this.replyTo = null;
    this.mark.hidden = true;
    this.mark.replaceChildren();
    this.text.focus();
  }

  key(event) {
    // While an input method composes (Chinese, Japanese …), Enter chooses a word.
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    this.form.requestSubmit();
  }

  typing() {
    const now = performance.now();
    if (now - this.typedAt < TYPING_EVERY_MS || this.text.value === "") return;
    this.typedAt = now;
    this.connection.tell({ type: "typing", board: this.board });
  }

  submit(event) {
    event.preventDefault();
    const body = this.text.value.trim();
    if (body === "") return;
    /** @type {Draft} */
    const draft = { nonce: nonce(), body, replyTo: this.replyTo, line: el("li", { class: "post pending" }), tries: 0, seq: null };
    this.text.value = "";
    if (this.replyTo !== null) this.noReply();
    this.drafts.add(draft);
    this.outbox.append(draft.line);
    void this.send(draft);
    this.sent();
  }

  async send(draft) {
    draft.tries += 1;
    this.show(draft, "Sending…");
    try {
      const frame = { type: "post", board: this.board, nonce: draft.nonce, body: draft.body };
      const answer = await this.connection.request(draft.replyTo === null ? frame : { ...frame, reply_to: draft.replyTo });
      if (answer.type === "held") {
        this.drafts.delete(draft);
        this.show(draft, "Held: waiting for a moderator. Only you and moderators can see it.");
        draft.line.classList.add("held");
        this.held(answer.post, draft.line);
      } else {
        draft.seq = answer.seq;
        this.caughtUp();
      }
    } catch (problem) {
      this.failed(draft, problem);
    }
  }

  failed(draft, problem) {
    if (this.stopped) return;
    if (problem.retry && draft.tries < TRIES_MAX) {
      this.show(draft, `${problem.message} Trying again…`);
      setTimeout(() => void this.send(draft), problem.retryAfterMs ?? delayMs(draft.tries, Math.random()));
      return;
    }
    this.show(
      draft,
      `Not posted. ${problem.message}`,
      problem.retry ? button("Try again", () => void this.send(draft), { class: "act" }) : null,
      button("Write it anew", () => this.again(draft), { class: "act" }),
      button("Discard", () => this.drop(draft), { class: "act" }),
    );
    draft.line.classList.add("failed");
  }

  /** Take the text back into the field: another post, with a nonce of its own. */
  again(draft) {
    this.drop(draft);
    this.text.value = this.text.value === "" ? draft.body : `${this.text.value}\n${draft.body}`;
    this.text.focus();
  }

  drop(draft) {
    this.drafts.delete(draft);
    draft.line.remove();
  }

  show(draft, state, ...buttons) {
    draft.line.classList.remove("failed");
    draft.line.replaceChildren(el("p", { class: "body", dir: "auto", text: draft.body }), el("div", { class: "row" }, el("span", { class: "state", text: state }), ...buttons));
  }
}

/** 128 random bits; `crypto.randomUUID` is missing where the page is not served over HTTPS or from this machine. */
function nonce() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
