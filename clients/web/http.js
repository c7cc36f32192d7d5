/** HTTP v1: JSON in, JSON out, problem documents as `Problem`. */

import { Problem } from "./wire.js";

const WITHIN_MS = 20_000;

export class Http {
  /** @param {string | null} token */
  constructor(token) {
    this.token = token;
  }

  /** @returns {Promise<any>} */
  get(path) {
    return this.call("GET", path);
  }

  /** @returns {Promise<any>} */
  post(path, value) {
    return this.call("POST", path, value);
  }

  /**
   * Make one call.
   *
   * @param {string} method
   * @param {string} path of this server; an address elsewhere is refused, since the token goes with it
   * @param {unknown} [value] sent as JSON
   * @returns {Promise<any>} the answer's JSON, or null where there is none; rejects with a `Problem`
   */
  async call(method, path, value) {
    const address = new URL(path, location.origin);
    if (address.origin !== location.origin) throw new Problem("elsewhere", "The address is not on this server.");
    /** @type {Record<string, string>} */
    const headers = { accept: "application/json" };
    if (this.token !== null) headers.authorization = `Bearer ${this.token}`;
    if (value !== undefined) headers["content-type"] = "application/json";
    const body = value === undefined ? undefined : JSON.stringify(value);
    let response;
    let text;
    try {
      response = await fetch(address, { method, headers, body, signal: AbortSignal.timeout(WITHIN_MS), credentials: "omit" });
      text = await response.text();
    } catch {
      throw new Problem("unavailable", "The server did not answer. Try again.");
    }
    const answer = parse(text);
    if (response.ok) return answer;
    const said = answer ?? {};
    throw new Problem(said.code ?? `http_${response.status}`, said.detail ?? said.title ?? `The server answered ${response.status}.`, {
      retryAfterMs: said.retry_after_ms,
      standing: said.standing,
      status: response.status,
    });
  }
}

function parse(text) {
  if (text === "") return null;
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
