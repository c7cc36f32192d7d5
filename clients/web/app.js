/**
 * The page as a whole: who is signed in, the one connection, and which view shows. Views are chosen by the part of the address after `#`.
 *
 * Read on from here: people.js (sign in), room.js (a board: feed.js draws it, replica.js knows it, awaited.js what is hidden for
 * now, composer.js writes to it), notices.js (what authors are told), moderation.js; connection.js and http.js talk to the server by the
 * rules of wire.js; dialog.js asks, dom.js makes elements.
 */

import { Connection } from "./connection.js";
import { ask } from "./dialog.js";
import { button, el } from "./dom.js";
import { Http } from "./http.js";
import { ModerationPage } from "./moderation.js";
import { Notices } from "./notices.js";
import { signInPage } from "./people.js";
import { Room } from "./room.js";

const SESSION_KEY = "parley.session";
const SAY_AFTER_MS = 100;
const SAID_MS = 6_000;
/** What stands in an alert's `policy` where people spoke and no policy was named. */
const NO_POLICIES = new Map([
  ["report", "Report"],
  ["appeal", "Appeal"],
]);

/** @typedef {{id: string, handle: string, display_name: string, level: string, role: string}} Account */

export class App {
  constructor() {
    const session = readSession();
    /** @type {Account | null} */
    this.account = session?.account ?? null;
    this.http = new Http(session?.token ?? null);
    this.notices = new Notices(this);
    /** @type {ModerationPage | null} */
    this.onModeration = null;
    /** @type {{stop: () => void} | null} */
    this.view = null;
    /** @type {Map<string, string>} */
    this.policies = new Map();
    this.main = find("main");
    this.status = find("status");
    this.said = find("said");
    find("notices").append(this.notices.element);
    this.connection = this.connect();
  }

  start() {
    window.addEventListener("hashchange", () => this.show());
    // The link is for the keyboard; its address would be taken for a view.
    find("skip").addEventListener("click", (event) => {
      event.preventDefault();
      this.main.focus();
    });
    this.showPerson();
    void this.showSite();
    void this.loadPolicies();
    this.show();
  }

  // Who.

  async signIn(handle, password) {
    const session = await this.http.post("/v1/sessions", { handle, password });
    sessionStorage.setItem(SESSION_KEY, JSON.stringify({ token: session.token, account: session.account }));
    this.become(session.token, session.account);
    location.hash = "#/";
  }

  signOut() {
    // The token is forgotten here in any case; that the server forgets it too is asked for, not waited for.
    this.http.call("DELETE", "/v1/sessions/current").catch(() => {});
    this.leave();
  }

  /** Be a guest again. */
  leave() {
    sessionStorage.removeItem(SESSION_KEY);
    this.become(null, null);
    location.hash = "#/";
  }

  /** Be somebody else: nothing of the person before stays on the page. */
  become(token, account) {
    this.view?.stop();
    this.view = null;
    this.connection.close();
    this.account = account;
    this.http = new Http(token);
    this.notices.element.remove();
    this.notices = new Notices(this);
    find("notices").append(this.notices.element);
    this.connection = this.connect();
    this.showPerson();
    void this.loadPolicies();
    this.show();
  }

  showPerson() {
    const nav = find("person");
    if (this.account === null) {
      nav.replaceChildren(el("a", { href: "#/", text: "Boards" }), el("a", { href: "#/sign-in", text: "Sign in" }));
      return;
    }
    nav.replaceChildren(
      el("a", { href: "#/", text: "Boards" }),
      el("a", { href: "#/moderation", text: "Moderation" }),
      el("span", { class: "quiet", text: this.account.display_name }),
      button("Sign out", () => this.signOut(), { class: "act" }),
    );
  }

  // The connection.

  connect() {
    const address = new URL("/v1/ws", location.origin);
    address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    const connection = new Connection({
      url: address.href,
      token: this.http.token,
      listener: {
        status: (state, detail) => this.showStatus(state, detail),
        welcome: () => void this.onModeration?.watch(),
        frame: (frame) => (frame.type === "verdict" ? this.notices.verdict(frame) : this.onModeration?.take(frame)),
      },
    });
    connection.open();
    return connection;
  }

  showStatus(state, detail) {
    if (state === "ended" && detail.signIn) {
      this.leave();
      this.say("Your sign-in has ended. Sign in again.");
      location.hash = "#/sign-in";
      return;
    }
    const text = {
      connecting: this.status.textContent,
      open: "",
      waiting: `Not connected. ${detail.why ?? ""} Trying again…`,
      ended: `The connection was ended. ${detail.why ?? ""} Reload the page to try again.`,
    }[state];
    this.status.textContent = text ?? "";
    this.status.hidden = text === "";
  }

  // Views.

  show() {
    this.view?.stop();
    this.view = null;
    const [, place = "", id = ""] = location.hash.split("/");
    switch (place) {
      case "sign-in":
        this.place(signInPage(this), "Sign in");
        break;
      case "boards":
        void this.showRoom(decodeURIComponent(id));
        break;
      case "moderation":
        this.showModeration();
        break;
      default:
        void this.showBoards();
    }
  }

  place(element, title) {
    this.main.replaceChildren(element);
    document.title = `${title} · Parley`;
    // After the first view, a new one begins at its heading: for the keyboard, and so that a screen reader says where one is.
    if (this.placed) /** @type {HTMLElement | null} */ (element.querySelector("#title"))?.focus();
    this.placed = true;
  }

  async showBoards() {
    const list = el("ul", { class: "boards" });
    const trouble = el("p", { class: "problem", role: "alert" });
    const create = this.account?.role === "administrator" ? button("New board", () => this.newBoard()) : null;
    const heading = el("div", { class: "row title" }, el("h1", { id: "title", tabindex: "-1", text: "Boards" }), create);
    this.place(el("section", { "aria-labelledby": "title" }, heading, trouble, list), "Boards");
    try {
      const boards = await this.boards();
      list.append(...boards.map((board) => el("li", {}, el("a", { href: `#/boards/${encodeURIComponent(board.id)}`, text: board.name }), el("p", { class: "quiet", text: board.summary ?? "" }))));
      if (boards.length === 0) list.append(el("li", { class: "quiet", text: "There is no board yet." }));
    } catch (problem) {
      trouble.textContent = problem.message;
    }
  }

  newBoard() {
    ask({
      title: "New board",
      fields: [
        { name: "slug", label: "Short name", kind: "line", max: 64, help: "a–z, 0–9 and hyphens; it becomes the address." },
        { name: "name", label: "Name", kind: "line", max: 48 },
        { name: "summary", label: "What it is about (optional)", required: false, max: 200 },
      ],
      action: "Create board",
      submit: async (values) => {
        const board = await this.http.post("/v1/boards", values);
        location.hash = `#/boards/${encodeURIComponent(board.id)}`;
      },
    });
  }

  async showRoom(id) {
    const asked = location.hash;
    let board = { id, name: id };
    try {
      board = (await this.boards()).find((entry) => entry.id === id) ?? board;
    } catch {
      // The room works without the list; it only knows the board's address, not its name.
    }
    if (location.hash !== asked || this.view !== null) return;
    const room = new Room(this, board);
    this.view = room;
    this.place(room.element, board.name);
    room.start();
  }

  showModeration() {
    if (this.account === null) {
      location.hash = "#/sign-in";
      return;
    }
    const page = new ModerationPage(this);
    this.view = page;
    this.place(page.element, "Moderation");
    void page.start();
  }

  // What views share.

  /** @returns {Promise<{id: string, name: string, summary?: string, role?: string}[]>} */
  async boards() {
    return (await this.http.get("/v1/boards")).items;
  }

  async loadPolicies() {
    try {
      const { items } = await this.http.get("/v1/policies");
      this.policies = new Map(items.map((policy) => [policy.id, policy.title]));
    } catch {
      // Policies are then named by their id, and asked for again when a moderator needs them.
    }
  }

  policyTitle(policy) {
    return this.policies.get(policy) ?? NO_POLICIES.get(policy) ?? policy;
  }

  async policyOptions() {
    if (this.policies.size === 0) await this.loadPolicies();
    return [...this.policies].map(([value, label]) => ({ value, label }));
  }

  /** Say something short, for eyes and screen readers. */
  say(text) {
    clearTimeout(this.saying);
    this.said.hidden = false;
    // A moment later: a dialog that is closing still hides the page from screen readers, and they read what changes.
    this.saying = setTimeout(() => {
      this.said.textContent = text;
      this.saying = setTimeout(() => {
        this.said.textContent = "";
        this.said.hidden = true;
      }, SAID_MS);
    }, SAY_AFTER_MS);
  }

  async showSite() {
    try {
      const site = await this.http.get("/v1/site");
      find("unverified").hidden = site.identity !== "unverified";
    } catch {
      // Without an answer the status line already says that the server is not there.
    }
  }
}

/** @returns {{token: string, account: Account} | null} */
function readSession() {
  try {
    return JSON.parse(sessionStorage.getItem(SESSION_KEY) ?? "null");
  } catch {
    return null;
  }
}

/** @returns {HTMLElement} an element that index.html has */
function find(id) {
  const node = document.getElementById(id);
  if (node === null) throw new Error(`index.html has no #${id}`);
  return node;
}

new App().start();
