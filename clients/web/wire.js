/** The wire's rules that need no socket: when to come back, which errors pass, how an error reads. Pure. Source: protocol/SPEC.md. */

export const SUBPROTOCOL = "parley.v1.json";

const DELAY_MS_MIN = 100;
const DELAY_MS_MAX = 30_000;
const DELAY_MS_FIRST = 500;

/** Close codes by which the server says that the same attempt will be refused again. */
export function isFinal(closeCode) {
  return closeCode >= 4500 && closeCode <= 4999;
}

/** Close codes by which the server says that the token is no longer good; without it, one may come back as a guest. */
export function endsSignIn(closeCode) {
  return closeCode === 4510 || closeCode === 4511;
}

/**
 * Say how long to wait before the next attempt.
 *
 * @param {number} failures attempts that failed in a row
 * @param {number} random from 0 to 1
 * @param {number} afterMs what `bye` asked for, or 0
 * @returns {number} milliseconds
 */
export function delayMs(failures, random, afterMs = 0) {
  const most = Math.min(DELAY_MS_MAX, DELAY_MS_FIRST * 2 ** Math.min(failures, 16));
  return afterMs + Math.max(DELAY_MS_MIN, random * most);
}

const RETRY = new Set(["limited", "inspection_unavailable", "unavailable", "internal", "restart", "hello_late", "slow", "overloaded", "stale"]);

/** Answers to a repeated request that say that the first one was done. */
const DONE_BEFORE = new Map([
  ["retract", "post_stopped"],
  ["delete", "post_stopped"],
  ["restore", "not_retracted"],
  ["release", "not_held"],
  ["refuse", "not_held"],
]);

/** Whether `code`, in answer to a repeated request of this type, means that the first one was done. */
export function wasDone(type, code) {
  return DONE_BEFORE.get(type) === code;
}

/** What an `error` frame or a problem document says. */
export class Problem extends Error {
  /**
   * @param {string} code what a program compares
   * @param {string} message one sentence for a person
   * @param {{retryAfterMs?: number, standing?: any, status?: number}} more
   */
  constructor(code, message, more = {}) {
    super(message);
    this.code = code;
    this.retryAfterMs = more.retryAfterMs;
    this.standing = more.standing;
    this.status = more.status;
  }

  /** Whether the same request may succeed later. */
  get retry() {
    return RETRY.has(this.code);
  }
}

/**
 * Notices a silent subscription: a board whose head stands beyond the cursor in two beats in a row, with no event between them.
 */
export class SilenceWatch {
  constructor() {
    /** @type {Set<string>} */
    this.suspects = new Set();
  }

  /** An event of `board` came. */
  heard(board) {
    this.suspects.delete(board);
  }

  /** @returns {boolean} whether `board` is silent, by this beat and the one before it */
  beat(board, head, cursor) {
    if (head <= cursor) {
      this.suspects.delete(board);
      return false;
    }
    if (this.suspects.delete(board)) return true;
    this.suspects.add(board);
    return false;
  }
}
