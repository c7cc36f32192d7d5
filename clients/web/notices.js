/** What an author is told about their own posts: held, and the statement of reasons with its way to appeal. */

import { ask } from "./dialog.js";
import { button, el } from "./dom.js";

const OUTCOMES = {
  held: "Your post is held for a moderator",
  released: "Your post was released and is published",
  refused: "Your post was refused",
  retracted: "Your post was retracted",
  restored: "Your post was restored",
};

export class Notices {
  /** @param {import("./app.js").App} app */
  constructor(app) {
    this.app = app;
    /** @type {Map<string, HTMLElement>} lines of held posts, with their text, for the author's eyes */
    this.lines = new Map();
    /** @type {Map<string, HTMLElement>} */
    this.statements = new Map();
    this.element = el("section", { class: "notices", "aria-label": "Notices about your posts", "aria-live": "polite" });
  }

  /** Keep the line of a held post until it is decided. */
  held(post, line) {
    this.lines.set(post, line);
    if (!line.isConnected) this.element.append(line);
  }

  /** Show a statement of reasons; it takes the place of an earlier one about the same post. */
  verdict(frame) {
    if (frame.outcome !== "held") {
      this.lines.get(frame.post)?.remove();
      this.lines.delete(frame.post);
    }
    const statement = el(
      "article",
      { class: `notice ${frame.outcome}` },
      el("h2", { text: OUTCOMES[frame.outcome] ?? "A decision about your post" }),
      el(
        "dl",
        {},
        ...pair("Policy", this.app.policyTitle(frame.policy)),
        ...pair("Reason", frame.reason),
        ...pair("Decided by", frame.automated ? "an automated check" : "a person"),
        ...pair("Record", frame.takedown),
      ),
      el(
        "div",
        { class: "row" },
        frame.appeal ? button("Appeal", () => this.appeal(frame), { class: "primary" }) : null,
        button("Dismiss notice", () => this.drop(frame.post), { class: "act" }),
      ),
    );
    const had = this.statements.get(frame.post);
    if (had) had.replaceWith(statement);
    else this.element.prepend(statement);
    this.statements.set(frame.post, statement);
  }

  appeal(frame) {
    ask({
      title: "Appeal this decision",
      intro: "Say why the decision is wrong. A person will look at it again.",
      fields: [{ name: "text", label: "Your appeal", max: 4000 }],
      action: "Send appeal",
      submit: async ({ text }) => {
        await this.app.http.post(frame.appeal, { text });
        this.app.say("Your appeal was sent.");
        this.drop(frame.post);
      },
    });
  }

  drop(post) {
    this.statements.get(post)?.remove();
    this.statements.delete(post);
  }
}

function pair(term, text) {
  return [el("dt", { text: term }), el("dd", { text })];
}
