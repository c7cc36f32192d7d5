/**
 * The lines of a room: posts, and tombstones where a post was stopped. The replica says what shows; this only draws it.
 *
 * A post that no longer shows leaves nothing: its line is replaced as a whole, lines that answer it lose its author's name, and what was
 * said of it to a screen reader goes too.
 */

import { button, el, time } from "./dom.js";
import { Replica } from "./replica.js";

export const EMOJIS = ["👍", "❤️", "😂", "🎉", "👀"];
const SPOKEN_MAX = 5;

/**
 * @typedef {{policy: string, reason: string, seq: number}} Tombstone
 * @typedef {object} Acts what a person may do with a post; an absent one has no button
 * @property {(view: any) => void} [reply]
 * @property {(view: any, emoji: string, on: boolean) => void} [react]
 * @property {(view: any) => void} [edit]
 * @property {(view: any) => void} [remove]
 * @property {(view: any) => void} [report]
 * @property {(view: any) => void} [retract]
 */

export class Feed {
  /**
   * @param {Replica} replica
   * @param {{self: string | null, acts: (view: any) => Acts, policyTitle: (policy: string) => string}} options
   */
  constructor(replica, { self, acts, policyTitle }) {
    this.replica = replica;
    this.self = self;
    this.acts = acts;
    this.policyTitle = policyTitle;
    /** @type {Map<string, HTMLElement>} */
    this.lines = new Map();
    /** @type {Map<string, Tombstone>} */
    this.tombstones = new Map();
    /** @type {Set<string>} */
    this.deleted = new Set();
    /** @type {Map<string, string>} names by account, as last seen */
    this.names = new Map();
    this.list = el("ol", { class: "feed", "aria-label": "Posts" });
    this.spoken = el("div", { class: "spoken", "aria-live": "polite" });
  }

  /** Take an event of the board; `live` ones are said to a screen reader. */
  take(frame, live) {
    if (frame.author) this.names.set(frame.author.id, frame.author.name);
    if (frame.type === "retracted" && frame.seq > (this.tombstones.get(frame.post)?.seq ?? 0)) {
      this.tombstones.set(frame.post, { policy: frame.policy, reason: frame.reason, seq: frame.seq });
    }
    if (frame.type === "deleted") this.deleted.add(frame.post);
    const floor = this.replica.floor;
    const before = frame.post ? this.replica.post(frame.post) : null;
    const change = this.replica.apply(frame);
    if (frame.post) this.draw(frame.post);
    if (change?.kind === "hidden" || change?.kind === "shown") this.redrawReplies(frame.post);
    if (change?.kind === "hidden" || (change?.kind === "changed" && change.post.body !== before?.body)) this.unsay(frame.post);
    if (change?.kind === "shown" && live && change.post.author.id !== this.self) {
      this.say(frame.post, `${change.post.author.name}: ${change.post.body}`);
    }
    if (this.replica.floor !== floor) this.dropForgotten();
  }

  /** Forget every line: the log is another one. */
  clear() {
    this.lines.clear();
    this.tombstones.clear();
    this.deleted.clear();
    this.list.replaceChildren();
    this.spoken.replaceChildren();
  }

  /** Draw one post anew at its place, keeping the keyboard's focus in it. */
  draw(post) {
    const place = this.replica.place(post);
    const had = this.lines.get(post);
    const line = place === null ? null : this.line(post);
    if (line === null) {
      had?.remove();
      this.lines.delete(post);
      return;
    }
    line.dataset.place = String(place);
    line.dataset.post = post;
    this.lines.set(post, line);
    const focus = had?.contains(document.activeElement) ? document.activeElement?.getAttribute("data-act") : undefined;
    if (had && had.dataset.place === line.dataset.place) had.replaceWith(line);
    else {
      had?.remove();
      this.insert(line, Number(place));
    }
    if (focus !== undefined) /** @type {HTMLElement} */ (line.querySelector(`[data-act="${focus}"]`) ?? line).focus();
  }

  insert(line, place) {
    let before = null;
    let next = this.list.lastElementChild;
    while (next !== null && Number(next.dataset.place) > place) {
      before = next;
      next = next.previousElementSibling;
    }
    this.list.insertBefore(line, before);
  }

  /** @returns {HTMLElement} */
  line(post) {
    const view = this.replica.post(post);
    if (view !== null) return this.postLine(view);
    if (this.deleted.has(post)) return tombstoneLine("Deleted by its author.");
    const stone = this.tombstones.get(post);
    if (stone === undefined) return tombstoneLine("Removed by moderation.");
    return tombstoneLine(`Removed by moderation. Policy: ${this.policyTitle(stone.policy)}. Reason: ${stone.reason}`);
  }

  postLine(view) {
    const acts = this.acts(view);
    const own = view.author.id === this.self;
    return el(
      "li",
      { class: own ? "post own" : "post", tabindex: "-1" },
      el(
        "article",
        { "aria-label": `${view.author.name}, post` },
        el("header", {}, el("strong", { text: view.author.name }), time(view.at), view.rev > 1 ? el("span", { class: "quiet", text: "edited" }) : null),
        view.reply_to ? this.replyMark(view.reply_to) : null,
        el("p", { class: "body", dir: "auto", text: view.body }),
        el("footer", { class: "row" }, ...this.reactions(view, acts), ...actions(view, acts)),
      ),
    );
  }

  /** Name whom a post answers; never what it said. */
  replyMark(target) {
    const view = this.replica.post(target);
    if (view !== null) {
      return button(`↪ in reply to ${view.author.name}`, () => this.lines.get(target)?.focus(), { class: "link reply", "data-act": "jump" });
    }
    const stopped = this.replica.place(target) !== null;
    return el("p", { class: "quiet reply", text: stopped ? "↪ in reply to a removed post" : "↪ in reply to an earlier post" });
  }

  reactions(view, acts) {
    return view.reactions.map(([emoji, count]) => {
      const on = this.self !== null && this.replica.holds(view.post, this.self, emoji);
      if (!acts.react) return el("span", { class: "chip", text: `${emoji} ${count}` });
      return button(`${emoji} ${count}`, () => acts.react?.(view, emoji, !on), {
        class: "chip",
        "aria-pressed": String(on),
        "aria-label": `${emoji}, ${count} ${count === 1 ? "person" : "people"}`,
        "data-act": `chip-${emoji}`,
      });
    });
  }

  redrawReplies(target) {
    for (const post of [...this.lines.keys()]) if (this.replica.post(post)?.reply_to === target) this.draw(post);
  }

  /** Posts that the replica forgot for want of room leave the page, with what was noted of them. */
  dropForgotten() {
    for (const post of [...this.lines.keys()]) {
      if (this.replica.place(post) !== null) continue;
      this.draw(post);
      this.tombstones.delete(post);
      this.deleted.delete(post);
    }
  }

  say(post, text) {
    this.spoken.append(el("p", { text, data: { post } }));
    while (this.spoken.childElementCount > SPOKEN_MAX) this.spoken.firstElementChild?.remove();
  }

  unsay(post) {
    for (const said of [...this.spoken.children]) if (said.dataset.post === post) said.remove();
  }
}

function tombstoneLine(text) {
  return el("li", { class: "tombstone", tabindex: "-1" }, el("p", { text }));
}

function actions(view, acts) {
  const act = (name, label, run) =>
    run ? button(label, () => run(view), { class: "act", "data-act": name, "aria-label": `${label}: post by ${view.author.name}` }) : null;
  const picker = acts.react
    ? el(
        "details",
        { class: "picker" },
        el("summary", { class: "act", text: "React", "data-act": "pick" }),
        el("div", { class: "row" }, ...EMOJIS.map((emoji) => button(emoji, () => acts.react?.(view, emoji, true), { class: "chip", "aria-label": `React with ${emoji}` }))),
      )
    : null;
  return [
    act("reply", "Reply", acts.reply),
    picker,
    act("edit", "Edit", acts.edit),
    act("delete", "Delete", acts.remove),
    act("report", "Report", acts.report),
    act("retract", "Retract", acts.retract),
  ];
}
