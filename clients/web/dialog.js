/** One dialog for everything that is asked of a person. What was typed stays until it was accepted. */

import { button, el, field } from "./dom.js";

/**
 * @typedef {{name: string, label: string, kind?: "line" | "text" | "choice", value?: string, help?: string, required?: boolean,
 *            max?: number, options?: {value: string, label: string}[], autocomplete?: string}} Field
 */

/**
 * Ask for something. The dialog closes when `submit` succeeds; when it fails it says why and keeps what was typed.
 *
 * @param {{title: string, intro?: string, fields: Field[], action: string, submit: (values: Record<string, string>) => Promise<void>}} question
 * @returns {{close: () => void}}
 */
export function ask({ title, intro, fields, action, submit }) {
  const controls = fields.map((entry) => ({ entry, control: control(entry) }));
  const problem = el("p", { class: "problem", role: "alert" });
  const send = el("button", { type: "submit", class: "primary", text: action });
  const heading = el("h2", { text: title, id: "dialog-title" });
  const form = el(
    "form",
    { method: "dialog", onsubmit },
    heading,
    intro ? el("p", { text: intro }) : null,
    ...controls.map(({ entry, control }) => field(entry.label, control, entry.help)),
    problem,
    el("div", { class: "row end" }, button("Cancel", () => dialog.close()), send),
  );
  const dialog = el("dialog", { "aria-labelledby": "dialog-title", onclose: () => dialog.remove() }, form);

  async function onsubmit(event) {
    event.preventDefault();
    send.disabled = true;
    problem.textContent = "";
    try {
      await submit(Object.fromEntries(controls.map(({ entry, control }) => [entry.name, control.value])));
      dialog.close();
    } catch (error) {
      problem.textContent = error instanceof Error ? error.message : String(error);
      send.textContent = "Try again";
    } finally {
      send.disabled = false;
    }
  }

  document.body.append(dialog);
  dialog.showModal();
  controls[0]?.control.focus();
  return { close: () => dialog.close() };
}

/** @param {Field} entry */
function control(entry) {
  const props = { name: entry.name, required: entry.required ?? true, maxlength: entry.max, autocomplete: entry.autocomplete ?? "off" };
  if (entry.kind === "choice") {
    const select = el("select", { name: entry.name, required: props.required });
    // Nothing is chosen for anybody: the first entry has no value, and a required choice refuses it.
    for (const option of [{ value: "", label: "Choose…" }, ...(entry.options ?? [])]) {
      select.append(el("option", { value: option.value, text: option.label, selected: option.value === entry.value }));
    }
    return select;
  }
  const input = entry.kind === "line" ? el("input", { type: "text", ...props }) : el("textarea", { rows: 4, ...props });
  input.value = entry.value ?? "";
  return input;
}
