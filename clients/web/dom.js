/** Make elements. Text only ever enters the page through `textContent`; nothing here parses HTML. */

/**
 * Make an element.
 *
 * @param {string} tag
 * @param {Record<string, any>} props `class`, `text` (its textContent), `onclick` and other handlers, `data` (a map), any attribute;
 *   a boolean sets or leaves out the attribute, null and undefined leave it out
 * @param {(Node | string | null | undefined)[]} children strings become text nodes
 * @returns {any} the element, of the class of its tag
 */
export function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "text") node.textContent = value;
    else if (name === "data") Object.assign(node.dataset, value);
    else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

/** Make a plain button that never submits a form. */
export function button(text, onclick, props = {}) {
  return el("button", { type: "button", text, onclick, ...props });
}

let fields = 0;

/**
 * Make a labelled field.
 *
 * @param {string} label
 * @param {any} control an input, textarea or select
 * @param {string} [help] a sentence under it
 */
export function field(label, control, help) {
  fields += 1;
  control.id ||= `field-${fields}`;
  const parts = [el("label", { for: control.id, text: label }), control];
  if (help) {
    control.setAttribute("aria-describedby", `${control.id}-help`);
    parts.push(el("p", { class: "help", id: `${control.id}-help`, text: help }));
  }
  return el("div", { class: "field" }, ...parts);
}

/** Show a time of the wire (microseconds since the epoch) in the reader's own way. */
export function time(atUs) {
  const at = new Date(atUs / 1000);
  const today = at.toDateString() === new Date().toDateString();
  const text = today ? at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }) : at.toLocaleString([], { dateStyle: "short", timeStyle: "short" });
  return el("time", { datetime: at.toISOString(), title: at.toLocaleString(), text });
}
