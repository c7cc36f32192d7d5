/** A live room: one board's feed, its history, its composer. */

import { Awaited } from "./awaited.js";
import { Composer } from "./composer.js";
import { ask } from "./dialog.js";
import { button, el } from "./dom.js";
import { Feed } from "./feed.js";
import { Replica } from "./replica.js";

const PAGE = 50;
const GAP_PAGE = 500;
/** Pages that are read again for one suppression that was taken back; what lies beyond stays as it is. */
const AGAIN_PAGES_MAX = 10;
const TYPING_SHOWN_MS = 5_000;
const NEAR_END_PX = 120;
/** More than the reader's default: a person may scroll far back. */
const POSTS_KEPT = 5_000;
/** Roles that moderate a board. */
export const MODERATORS = new Set(["founder", "manager", "moderator"]);

export class Room {
  /**
   * @param {import("./app.js").App} app
   * @param {{id: string, name: string, summary?: string, role?: string}} board
   */
  constructor(app, board) {
    this.app = app;
    this.board = board;
    this.self = app.account?.id ?? null;
    this.moderator = app.account?.role === "administrator" || MODERATORS.has(board.role ?? "");
    this.replica = new Replica(board.id, "", 0, POSTS_KEPT);
    this.awaited = new Awaited();
    this.begun = false;
    /** The least seq that was asked for; what is before it is still on the server. */
    this.oldest = 1;
    /** @type {Map<string, {close: () => void}>} dialogs that hold a post's text */
    this.editors = new Map();
    /** @type {Map<string, number>} when each account was last seen to type */
    this.typists = new Map();
    this.feed = new Feed(this.replica, { self: this.self, acts: (view) => this.acts(view), policyTitle: (policy) => app.policyTitle(policy) });
    this.composer = new Composer({
      board: board.id,
      connection: app.connection,
      cursor: () => this.replica.seq,
      sent: () => this.toEnd(),
      held: (post, line) => app.notices.held(post, line),
    });
    this.build();
  }

  build() {
    this.online = el("span", { class: "quiet", text: "" });
    this.typing = el("p", { class: "typing quiet" });
    this.trouble = el("p", { class: "problem", role: "alert" });
    this.gaps = el("div", { class: "gaps", "aria-live": "polite" });
    this.older = button("Load older posts", () => void this.loadOlder(), { class: "older", hidden: true });
    this.scroller = el("div", { class: "scroller", tabindex: "0", role: "region", "aria-label": `Posts in ${this.board.name}` }, this.older, this.gaps, this.feed.list, this.composer.outbox);
    const writing = this.self === null ? el("p", { class: "guest" }, "You read as a guest. ", el("a", { href: "#/sign-in", text: "Sign in" }), " to write.") : this.composer.form;
    this.element = el(
      "section",
      { class: "room", "aria-labelledby": "title" },
      el("div", { class: "row title" }, el("h1", { id: "title", tabindex: "-1", text: this.board.name }), this.online),
      this.board.summary ? el("p", { class: "quiet summary", text: this.board.summary }) : null,
      this.trouble,
      this.scroller,
      this.typing,
      writing,
      this.feed.spoken,
    );
    this.clock = setInterval(() => this.showTyping(), 1_000);
    // Who reads the end keeps reading it, whatever grows or shrinks: posts, what is being sent, a notice above.
    this.pinned = true;
    this.scroller.addEventListener("scroll", () => (this.pinned = this.atEnd()));
    this.sizes = new ResizeObserver(() => this.pinned && this.toEnd());
    for (const part of [this.scroller, this.feed.list, this.composer.outbox]) this.sizes.observe(part);
  }

  start() {
    this.app.connection.follow(this.board.id, this);
  }

  stop() {
    clearInterval(this.clock);
    this.sizes?.disconnect();
    this.composer.stop();
    for (const editor of this.editors.values()) editor.close();
    this.app.connection.unfollow(this.board.id);
  }

  // What the connection asks and tells.

  cursor() {
    return this.begun ? { epoch: this.replica.epoch, seq: this.replica.seq } : null;
  }

  restart() {
    this.begun = false;
  }

  began(state) {
    this.trouble.textContent = "";
    if (this.begun && state.epoch === this.replica.epoch) {
      this.replica.begin(state.epoch, state.head, state.gap ?? null);
      this.awaited.begin(state.head, !state.gap);
      this.showAgain();
      if (state.gap) this.showGap(state.gap);
      this.composer.caughtUp();
      return;
    }
    if (this.begun) this.showNote("This board's log was started anew; what was shown before is gone.");
    this.begun = true;
    this.replica.reset(state.epoch, state.head);
    this.awaited = new Awaited();
    this.feed.clear();
    this.oldest = state.head + 1;
    void this.loadOlder(true);
  }

  take(frame) {
    switch (frame.type) {
      case "presence":
        this.online.textContent = `${frame.online} online`;
        return;
      case "typing":
        if (frame.account !== this.self) this.typists.set(frame.account ?? "", performance.now());
        this.showTyping();
        return;
      default:
        if (frame.type === "suppress" || frame.type === "unsuppress" || frame.seq !== undefined) this.event(frame);
    }
  }

  refused(problem) {
    this.trouble.textContent = problem.message;
  }

  event(frame) {
    this.awaited.take(frame);
    try {
      this.feed.take(frame, true);
    } catch (error) {
      // A kind of event that a newer server knows: its place in the log counts, its content cannot be drawn.
      console.warn(`parley: ${error}`);
    }
    if (frame.post && this.replica.post(frame.post) === null) {
      this.editors.get(frame.post)?.close();
      this.composer.hidden(frame.post);
    }
    if (frame.author) this.typists.delete(frame.author.id);
    this.composer.caughtUp();
    if (frame.type === "unsuppress") void this.readAgain();
    else this.showAgain();
  }

  /** Show again what a server hid that then stopped before it could say why. */
  showAgain() {
    for (const post of this.awaited.reached(this.replica.seq)) this.event({ type: "unsuppress", board: this.board.id, post });
  }

  /** Read what came without its text while a retraction was tried that came to nothing. */
  async readAgain() {
    const first = this.replica.readAgain();
    if (first === null) return;
    try {
      for (let after = first - 1, page = 0; after < this.replica.seq && page < AGAIN_PAGES_MAX; after += PAGE, page += 1) await this.load(after, PAGE);
    } catch (problem) {
      this.trouble.textContent = problem.message;
    }
  }

  // History.

  async loadOlder(first = false) {
    const after = Math.max(0, this.oldest - 1 - PAGE);
    const before = this.oldest;
    this.older.disabled = true;
    const height = this.scroller.scrollHeight - this.scroller.scrollTop;
    try {
      if (before > 1 && (await this.load(after, before - 1 - after))) this.oldest = after + 1;
      this.trouble.textContent = "";
    } catch (problem) {
      this.trouble.textContent = `Older posts could not be loaded. ${problem.message}`;
    }
    // Past what the replica keeps, older posts have no room on this page.
    this.older.hidden = this.oldest <= 1 || this.replica.floor > 0;
    this.older.disabled = false;
    if (!first) this.scroller.scrollTop = this.scroller.scrollHeight - height;
  }

  /** Read `limit` events after seq `after`, unless the log has become another one meanwhile. */
  async load(after, limit) {
    const path = `/v1/boards/${encodeURIComponent(this.board.id)}/events?after=${after}&limit=${limit}`;
    const page = await this.app.http.get(path);
    if (page.epoch !== this.replica.epoch) return false;
    for (const event of page.events) this.feed.take(event, false);
    return true;
  }

  showGap(gap) {
    const count = gap.last - gap.first + 1;
    const note = el("div", { class: "gap" }, el("p", { text: `${count} ${count === 1 ? "event was" : "events were"} missed while you were away.` }));
    const fill = button("Load what was missed", async () => {
      fill.disabled = true;
      try {
        for (let after = gap.first - 1; after < gap.last; after += GAP_PAGE) await this.load(after, Math.min(GAP_PAGE, gap.last - after));
        note.remove();
      } catch (problem) {
        this.trouble.textContent = problem.message;
        fill.disabled = false;
      }
    });
    note.append(fill);
    this.gaps.append(note);
  }

  showNote(text) {
    this.gaps.replaceChildren(el("p", { class: "gap", text }));
  }

  // What a person may do.

  /** @returns {import("./feed.js").Acts} */
  acts(view) {
    const own = view.author.id === this.self;
    const member = this.self !== null;
    return {
      reply: member ? (post) => this.composer.reply(post) : undefined,
      react: member ? (post, emoji, on) => void this.doing({ type: "react", post: post.post, emoji, on }) : undefined,
      edit: own ? (post) => this.edit(post) : undefined,
      remove: own ? (post) => this.remove(post) : undefined,
      report: own ? undefined : (post) => this.report(post),
      retract: this.moderator ? (post) => void this.retract(post) : undefined,
    };
  }

  async doing(frame) {
    try {
      await this.app.connection.request(frame);
      this.trouble.textContent = "";
    } catch (problem) {
      this.trouble.textContent = problem.message;
    }
  }

  edit(view) {
    let rev = view.rev;
    const editor = ask({
      title: "Edit your post",
      fields: [{ name: "body", label: "Post", value: view.body, max: 8192 }],
      action: "Save",
      submit: async ({ body }) => {
        const seen = rev;
        // Told once that the post changed meanwhile (by an edit elsewhere), its author may save over it.
        rev = this.replica.post(view.post)?.rev ?? rev;
        const answer = await this.app.connection.request({ type: "edit", post: view.post, rev: seen, body });
        if (answer.type === "held") this.app.notices.held(view.post, el("li", { class: "post held" }, el("p", { class: "state", text: "Your edit is held: it waits for a moderator. The earlier text stays." })));
      },
    });
    this.editors.set(view.post, editor);
  }

  remove(view) {
    ask({
      title: "Delete your post?",
      intro: "It disappears for everyone and cannot be brought back.",
      fields: [],
      action: "Delete",
      submit: async () => void (await this.app.connection.request({ type: "delete", post: view.post })),
    });
  }

  report(view) {
    ask({
      title: `Report a post by ${view.author.name}`,
      intro: "Moderators will look at it. You need no account.",
      fields: [{ name: "text", label: "What is wrong with it?", max: 4000 }],
      action: "Send report",
      submit: async ({ text }) => {
        await this.app.http.post(`/v1/posts/${encodeURIComponent(view.post)}/reports`, { text });
        this.app.say("Your report was sent. Thank you.");
      },
    });
  }

  async retract(view) {
    const options = await this.app.policyOptions();
    ask({
      title: `Retract a post by ${view.author.name}`,
      intro: "It disappears for everyone at once. Its author is told the policy and the reason, and may appeal.",
      fields: [
        { name: "policy", label: "Policy", kind: "choice", options },
        { name: "reason", label: "Reason", max: 4000 },
      ],
      action: "Retract",
      submit: async ({ policy, reason }) => {
        await this.app.connection.request({ type: "retract", post: view.post, policy, reason });
        this.app.say("The post was retracted.");
      },
    });
  }

  // Small things on the page.

  showTyping() {
    const now = performance.now();
    for (const [account, at] of this.typists) if (now - at > TYPING_SHOWN_MS) this.typists.delete(account);
    const names = [...this.typists.keys()].map((account) => this.feed.names.get(account) ?? "Somebody");
    const text = names.length === 0 ? "" : names.length > 2 ? "Several people are writing…" : `${names.join(" and ")} ${names.length === 1 ? "is" : "are"} writing…`;
    if (this.typing.textContent !== text) this.typing.textContent = text;
  }

  atEnd() {
    return this.scroller.scrollHeight - this.scroller.scrollTop - this.scroller.clientHeight < NEAR_END_PX;
  }

  toEnd() {
    this.pinned = true;
    this.scroller.scrollTop = this.scroller.scrollHeight;
  }
}
