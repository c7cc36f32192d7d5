/**
 * Suppressions of one board whose event has not come, and which of them a resume ends. Pure.
 *
 * A server that stops in the middle of a retraction takes the knowledge of its `suppress` with it: no `unsuppress` will come. But a
 * subscription begins by saying again what is suppressed beyond its head. So once a reader has every event up to that head, what was
 * suppressed before and neither stopped by an event nor suppressed again is not stopped at all.
 *
 * Source: protocol/SPEC.md, "Replica"; the same rules as protocol/parley_protocol/awaited.py.
 */

const AWAITED_MAX = 10_000;
const ENDS = new Set(["retracted", "deleted", "restored", "unsuppress"]);

export class Awaited {
  constructor() {
    /** @type {Map<string, boolean>} posts that are suppressed; whether that was said before the subscription in force */
    this.posts = new Map();
    /** @type {number | null} */
    this.head = null;
  }

  /** Take an event or control frame of the board. */
  take(frame) {
    if (frame.type === "suppress") {
      this.posts.delete(frame.post);
      this.posts.set(frame.post, false);
      // Full: the oldest is forgotten, and stays hidden.
      if (this.posts.size > AWAITED_MAX) this.posts.delete([...this.posts.keys()][0]);
    } else if (ENDS.has(frame.type)) this.posts.delete(frame.post);
  }

  /** A subscription begins anew; `whole`: every event up to `head` follows. */
  begin(head, whole) {
    if (whole) for (const post of this.posts.keys()) this.posts.set(post, true);
    else this.posts.clear();
    this.head = head;
  }

  /** Take the cursor. @returns {string[]} the posts that show again, each once */
  reached(seq) {
    if (this.head === null || seq < this.head) return [];
    this.head = null;
    const over = [...this.posts].filter(([, before]) => before).map(([post]) => post);
    for (const post of over) this.posts.delete(post);
    return over;
  }
}
