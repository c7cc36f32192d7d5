/** Sign in and sign up. */

import { el, field } from "./dom.js";

/**
 * Make the page.
 *
 * @param {import("./app.js").App} app
 * @returns {HTMLElement}
 */
export function signInPage(app) {
  return el(
    "section",
    { class: "people", "aria-labelledby": "title" },
    el("h1", { id: "title", tabindex: "-1", text: "Welcome to Parley" }),
    el(
      "div",
      { class: "columns" },
      form("Sign in", "current-password", [], (values) => app.signIn(values.handle, values.password)),
      form("Create an account", "new-password", [{ name: "display_name", label: "Name that others see", autocomplete: "nickname" }], async (values) => {
        await app.http.post("/v1/accounts", { handle: values.handle, display_name: values.display_name, password: values.password });
        await app.signIn(values.handle, values.password);
      }),
    ),
  );
}

/** Make one form; what was typed stays when it fails. */
function form(title, passwordKind, more, submit) {
  const problem = el("p", { class: "problem", role: "alert" });
  const send = el("button", { type: "submit", class: "primary", text: title });
  const extra = more.map((entry) => field(entry.label, el("input", { name: entry.name, required: true, maxlength: 48, autocomplete: entry.autocomplete })));
  const help = passwordKind === "new-password" ? "At least 8 characters; one that you use nowhere else." : undefined;
  const node = el(
    "form",
    { class: "card", "aria-label": title, onsubmit: run },
    el("h2", { text: title }),
    field("Handle", el("input", { name: "handle", required: true, maxlength: 32, autocomplete: "username", autocapitalize: "none", spellcheck: "false" })),
    ...extra,
    field("Password", el("input", { name: "password", type: "password", required: true, minlength: passwordKind === "new-password" ? 8 : null, maxlength: 256, autocomplete: passwordKind }), help),
    problem,
    send,
  );

  async function run(event) {
    event.preventDefault();
    send.disabled = true;
    problem.textContent = "";
    try {
      await submit(Object.fromEntries(new FormData(node)));
    } catch (error) {
      problem.textContent = error instanceof Error ? error.message : String(error);
    } finally {
      send.disabled = false;
    }
  }
  return node;
}
