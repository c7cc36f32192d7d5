/**
 * The moderators' page: cases as they stand, alerts as they come, decisions.
 *
 * One row per case. The cursor of the alert stream is kept for the tab, so that a reload or a reconnect misses none; delivery is at
 * least once, and a row that is there already is only brought up to date.
 */

import { ask } from "./dialog.js";
import { button, el, time } from "./dom.js";
import { MODERATORS } from "./room.js";

const ACTIONS = {
  release: { label: "Release", title: "Release the post", intro: "It is published.", reason: "optional" },
  refuse: { label: "Refuse", title: "Refuse the post", intro: "It stays unpublished, for good.", policy: true },
  retract: { label: "Retract", title: "Retract the post", intro: "It disappears for everyone at once.", policy: true },
  restore: { label: "Restore", title: "Restore the post", intro: "The retraction is undone." },
  dismiss: { label: "Dismiss", title: "Dismiss the case", intro: "The post stays as it is.", reason: "optional" },
};
/** Acts on a post that need no open case. */
const LATER = ["retract", "restore"];
const RETRY_MS = 5_000;
const PAGE = 100;
const PAGES_MAX = 10;
const STAGES = { inline: "before delivery", late: "after delivery", rescan: "at a rescan", moderator: "by a moderator", report: "by a report" };

/**
 * @typedef {{case: string, rev: number, state: string, by?: string | null, severity: string, policy: string, rule?: string | null, stage?: string,
 *            excerpt?: string, count: number, at: number, board?: string | null, post?: string | null, alerts: Set<number>}} CaseRow
 */

export class ModerationPage {
  /** @param {import("./app.js").App} app */
  constructor(app) {
    this.app = app;
    /** @type {Map<string, CaseRow>} */
    this.cases = new Map();
    /** @type {Map<string, HTMLElement>} */
    this.rows = new Map();
    this.scope = "";
    this.decidedUpTo = 0;
    this.list = el("ol", { class: "cases", "aria-label": "Cases" });
    this.trouble = el("p", { class: "problem", role: "alert" });
    this.spoken = el("p", { class: "sr-only", role: "status" });
    this.empty = el("p", { class: "quiet", text: "Nothing waits for a decision." });
    this.scopes = el("select", { id: "scope", onchange: () => void this.change(this.scopes.value) });
    this.element = el(
      "section",
      { class: "moderation", "aria-labelledby": "title" },
      el("h1", { id: "title", tabindex: "-1", text: "Moderation" }),
      el("div", { class: "row" }, el("label", { for: "scope", text: "Alerts of" }), this.scopes),
      this.trouble,
      this.spoken,
      this.empty,
      this.list,
    );
  }

  async start() {
    this.app.onModeration = this;
    const boards = await this.app.boards().catch(() => []);
    const administrator = this.app.account?.role === "administrator";
    const mine = boards.filter((board) => administrator || MODERATORS.has(board.role ?? ""));
    if (administrator) this.scopes.append(el("option", { value: "site", text: "Whole site" }));
    this.scopes.append(...mine.map((board) => el("option", { value: board.id, text: board.name })));
    if (this.scopes.value === "") this.trouble.textContent = "You moderate no board.";
    else await this.change(this.scopes.value);
  }

  stop() {
    this.app.onModeration = null;
  }

  async change(scope) {
    this.scope = scope;
    this.decidedUpTo = 0;
    this.cases.clear();
    this.rows.clear();
    this.list.replaceChildren();
    this.empty.hidden = false;
    this.trouble.textContent = "";
    try {
      await this.load(scope);
    } catch (problem) {
      this.trouble.textContent = problem.message;
    }
    if (this.scope === scope) await this.watch();
  }

  /** Read the open cases, and the alerts before the cursor that say what they are about. */
  async load(scope) {
    const cursor = this.cursor() ?? 0;
    const { alerts, head } = await this.app.http.get(`/v1/alerts?after=${Math.max(0, cursor - PAGE)}&limit=${PAGE}`);
    let whole = true;
    for (const state of ["new", "claimed"]) {
      let next = "";
      for (let page = 0; page < PAGES_MAX && next !== undefined; page += 1) {
        const answer = await this.app.http.get(`/v1/cases?state=${state}&limit=${PAGE}${next && `&after=${encodeURIComponent(next)}`}`);
        if (this.scope !== scope) return;
        for (const entry of answer.cases) if (scope === "site" || entry.board === scope) this.known(entry);
        next = answer.next;
      }
      whole &&= next === undefined;
    }
    // With every open case at hand, an alert up to here that belongs to none of them is of a case that is decided.
    this.decidedUpTo = whole ? head : 0;
    for (const alert of alerts) if (alert.n <= cursor && this.cases.has(alert.case)) this.alert(alert);
  }

  /** Follow the alerts from the cursor; asked again on each new connection. */
  async watch() {
    if (this.scope === "") return;
    const after = this.cursor();
    const frame = { type: "watch", scope: this.scope };
    try {
      await this.app.connection.request(after === null ? frame : { ...frame, after }, { once: true });
      this.trouble.textContent = "";
    } catch (problem) {
      // Lost with the connection, or before there was one: `welcome` asks again.
      if (problem.code === "lost") return;
      if (problem.code === "bad_cursor" && after !== null) {
        // The stream is another one than this tab knew.
        sessionStorage.removeItem(this.cursorKey());
        await this.watch();
        return;
      }
      this.trouble.textContent = problem.message;
      if (problem.retry) setTimeout(() => this.app.onModeration === this && void this.watch(), problem.retryAfterMs ?? RETRY_MS);
    }
  }

  /** @returns {number | null} the last alert that this tab has, or null where it has none */
  cursor() {
    const kept = sessionStorage.getItem(this.cursorKey());
    return kept === null ? null : Number(kept);
  }

  cursorKey() {
    return `parley.alerts.${this.app.account?.id ?? ""}.${this.scope}`;
  }

  /** A case from the list; its alerts may follow. */
  known(entry) {
    this.draw({
      case: entry.case,
      rev: entry.rev,
      state: entry.state,
      by: entry.claimed_by,
      severity: entry.severity,
      policy: entry.policy,
      count: 1,
      at: entry.opened_at,
      board: entry.board,
      post: entry.post,
      alerts: new Set(),
    });
  }

  /** Take an `alert`, a `case`, or an `error` about the watch itself. */
  take(frame) {
    if (frame.type === "alert") {
      this.alert(frame);
      return;
    }
    if (frame.type === "error") {
      this.trouble.textContent = frame.message;
      return;
    }
    const row = this.cases.get(frame.case);
    if (row && frame.rev >= row.rev) this.draw({ ...row, rev: frame.rev, state: frame.state, by: frame.by });
  }

  alert(frame) {
    if (this.scope !== "site" && frame.board !== this.scope) return;
    sessionStorage.setItem(this.cursorKey(), String(Math.max(this.cursor() ?? 0, frame.n)));
    const had = this.cases.get(frame.case);
    if (had?.alerts.has(frame.n) || (had === undefined && frame.n <= this.decidedUpTo)) return;
    const rev = frame.rev ?? 1;
    const alerts = new Set([...(had?.alerts ?? []), frame.n]);
    // An appeal or a report reopens a case at a greater revision; an alert replayed from before a decision does not.
    const state = had && had.rev >= rev ? had.state : "new";
    this.draw({ ...frame, rule: frame.rule ?? had?.rule, excerpt: frame.excerpt || had?.excerpt, by: had?.by, rev: Math.max(rev, had?.rev ?? 0), state, alerts });
    this.spoken.textContent = `${had ? "Another alert in a case" : "New alert"}: ${frame.severity}, ${this.app.policyTitle(frame.policy)}`;
  }

  /** @param {CaseRow} row */
  draw(row) {
    this.cases.set(row.case, row);
    this.empty.hidden = true;
    const had = this.rows.get(row.case);
    const line = this.row(row);
    const evidence = had?.querySelector(".evidence");
    if (evidence) line.append(evidence);
    this.rows.set(row.case, line);
    const focus = had?.contains(document.activeElement) ? document.activeElement?.getAttribute("data-act") : null;
    if (had) had.replaceWith(line);
    else this.list.prepend(line);
    if (focus) /** @type {HTMLElement} */ (line.querySelector(`[data-act="${focus}"]`) ?? line).focus();
  }

  /** @param {CaseRow} row */
  row(row) {
    const decided = row.state === "decided";
    const state = { new: "New", claimed: row.by === this.app.account?.id ? "Claimed by you" : "Claimed by another moderator", decided: "Decided" }[row.state] ?? row.state;
    const act = (name, label, run) => button(label, run, { class: "act", "data-act": name });
    const acts = decided ? LATER : Object.keys(ACTIONS);
    return el(
      "li",
      { class: `case ${row.severity} ${row.state}`, tabindex: "-1" },
      el(
        "header",
        { class: "row" },
        el("span", { class: "severity", text: row.severity }),
        el("strong", { text: this.app.policyTitle(row.policy) }),
        el("span", { class: "state", text: state }),
        row.count > 1 ? el("span", { class: "quiet", text: `seen ${row.count} times` }) : null,
        row.at ? time(row.at) : null,
      ),
      el("p", { class: "excerpt", dir: "auto", text: row.excerpt || "No excerpt." }),
      el("p", { class: "quiet" }, row.board ? el("a", { href: `#/boards/${encodeURIComponent(row.board)}`, text: row.board }) : null, where(row)),
      el(
        "div",
        { class: "row" },
        row.state === "new" ? act("claim", "Claim", () => void this.claim(row.case)) : null,
        ...(row.post || !decided ? acts.map((name) => act(name, ACTIONS[name].label, () => void this.decide(row.case, name))) : []),
        row.post ? act("evidence", "Show text", () => this.showText(row.case)) : null,
      ),
    );
  }

  async claim(id) {
    const row = this.cases.get(id);
    if (row === undefined) return;
    this.acknowledge(row);
    try {
      const answer = await this.app.connection.request({ type: "claim", case: id, rev: row.rev });
      this.update(id, { rev: answer.rev, state: "claimed", by: this.app.account?.id });
      this.trouble.textContent = "";
    } catch (problem) {
      this.stand(id, problem.standing);
      this.trouble.textContent = this.explain(problem);
    }
  }

  async decide(id, action) {
    const row = this.cases.get(id);
    if (row === undefined) return;
    const { title, intro, policy, reason } = ACTIONS[action];
    const options = policy ? await this.app.policyOptions() : [];
    ask({
      title,
      intro,
      fields: [
        ...(policy ? [{ name: "policy", label: "Policy", kind: /** @type {"choice"} */ ("choice"), options, value: row.policy }] : []),
        { name: "reason", label: reason ? "Reason (optional)" : "Reason", required: !reason, max: 4000 },
      ],
      action: ACTIONS[action].label,
      submit: async (values) => {
        const grounds = Object.fromEntries(Object.entries(values).filter(([, value]) => value.trim() !== ""));
        await this.send(id, action, grounds);
      },
    });
  }

  /** Decide the case as it stands; one that is decided already leaves the acts on its post. */
  async send(id, action, grounds) {
    const row = this.cases.get(id);
    if (row === undefined) return;
    this.acknowledge(row);
    try {
      if (row.state === "decided") {
        await this.app.connection.request({ type: action, post: row.post, ...grounds });
      } else {
        const answer = await this.app.connection.request({ type: "decide", case: id, rev: row.rev, action, ...grounds });
        this.update(id, { rev: answer.rev, state: "decided", by: this.app.account?.id });
      }
      this.app.say(`Done: ${ACTIONS[action].label.toLowerCase()}.`);
    } catch (problem) {
      this.stand(id, problem.standing);
      throw new Error(this.explain(problem));
    }
  }

  /** Say that a person has seen the alerts of a case. */
  acknowledge(row) {
    for (const n of row.alerts) this.app.connection.request({ type: "ack", alert: n }).catch(() => {});
  }

  update(id, changes) {
    const row = this.cases.get(id);
    if (row && changes.rev >= row.rev) this.draw({ ...row, ...changes });
  }

  stand(id, standing) {
    if (standing) this.update(id, { rev: standing.rev, state: standing.state, by: standing.by });
  }

  explain(problem) {
    const standing = problem.standing;
    if (!standing) return problem.message;
    const who = standing.by === this.app.account?.id ? "you" : "another moderator";
    if (!standing.action) return `${problem.message} The case is ${standing.state}${standing.by ? ` by ${who}` : ""}. What you typed is kept; sending again applies it to the case as it stands now.`;
    const parts = [`Decided already by ${who}: ${standing.action}.`];
    if (standing.policy) parts.push(`Policy: ${this.app.policyTitle(standing.policy)}.`);
    if (standing.reason) parts.push(`Reason: ${standing.reason}`);
    return `${parts.join(" ")} What you typed is kept.`;
  }

  showText(id) {
    const row = this.cases.get(id);
    if (!row?.post) return;
    const post = row.post;
    ask({
      title: "Show the sealed text",
      intro: "Reading is recorded, with your name and this purpose.",
      fields: [{ name: "purpose", label: "Purpose", kind: "line", max: 500 }],
      action: "Show text",
      submit: async ({ purpose }) => {
        this.acknowledge(row);
        const answer = await this.app.http.get(`/v1/posts/${encodeURIComponent(post)}/evidence?purpose=${encodeURIComponent(purpose)}`);
        const texts = answer.items ?? [];
        const shown = el("div", { class: "evidence" }, ...texts.map((text) => el("blockquote", { dir: "auto", text: text.body })));
        if (texts.length === 0) shown.append(el("p", { text: "There is no sealed text of this post: it was not stopped." }));
        shown.append(button("Hide text", () => shown.remove(), { class: "act" }));
        this.rows.get(id)?.querySelector(".evidence")?.remove();
        this.rows.get(id)?.append(shown);
      },
    });
  }
}

function where(row) {
  const found = row.stage ? ` · found ${STAGES[row.stage] ?? row.stage}` : "";
  return found + (row.rule ? ` · rule ${row.rule}` : "");
}
