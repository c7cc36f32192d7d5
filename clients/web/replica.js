/**
 * The reader's replica: what one board looks like after the events that this reader has. Pure.
 *
 * Events may come in any order and again and again; every order of the same events ends in the same picture, and a tombstone wins over
 * content whenever it comes. All that is known of a post is a join of values that only grow: the least seq is its place, the greatest
 * (rev, seq) its text, the greatest stop and the greatest restoration say whether it shows, and deletion never goes back. Only what a
 * `suppress` hid, and what came as `gone` since, is taken back by an `unsuppress`.
 *
 * Source: protocol/SPEC.md, "Replica"; the same rules as protocol/parley_protocol/replica.py, checked by protocol/vectors/replica.json.
 */

/** Below the restoration (0) of a post that was never restored, so that one comparison says whether it shows. */
const NEVER_STOPPED = -1;
const POSTS_MAX = 1_000;
const REACTIONS_MAX = 1_000;
const RANGES_MAX = 1_000;

/**
 * @typedef {{id: string, name: string}} Author
 * @typedef {{post: string, place: number, author: Author, body: string, at: number, rev: number, reply_to: string | null,
 *            reactions: [string, number][]}} PostView  `at` in microseconds; reactions most first, then by emoji
 * @typedef {{kind: "shown" | "changed", post: PostView} | {kind: "hidden", post: string}} Change
 */

/** All that is known of one post; every field but those of a `suppress` only grows (`place` only falls). */
class Known {
  /** @param {string} post */
  constructor(post) {
    this.post = post;
    /** @type {number | null} */
    this.place = null;
    /** @type {{rev: number, seq: number, body: string, author: Author} | null} */
    this.text = null;
    /** @type {{at: number, reply_to: string} | null} */
    this.origin = null;
    this.stopped = NEVER_STOPPED;
    /** A stop that an `unsuppress` takes back. */
    this.hushed = NEVER_STOPPED;
    /** @type {number | null} the least seq that came as `gone` while it was hushed */
    this.unread = null;
    this.restored = 0;
    this.deleted = false;
    /** @type {Map<string, {account: string, emoji: string, seq: number, on: boolean}>} */
    this.reactions = new Map();
    /** Whether an event came that gives it a place on the board (posted, gone, restored). */
    this.standing = false;
    /** @type {PostView | null} */
    this.view = null;
  }

  says(event) {
    const text = { rev: event.rev, seq: event.seq, body: event.body, author: event.author };
    if (this.text === null || compareText(text, this.text) > 0) this.text = text;
  }

  published(at, replyTo) {
    const origin = { at, reply_to: replyTo ?? "" };
    if (this.origin === null || at < this.origin.at || (at === this.origin.at && origin.reply_to < this.origin.reply_to)) {
      this.origin = origin;
    }
    this.standing = true;
  }

  get hiddenAt() {
    return Math.max(this.stopped, this.hushed);
  }

  hush(seq) {
    this.hushed = Math.max(this.hushed, seq);
  }

  gone(seq) {
    if (this.hushed === NEVER_STOPPED) this.stop(seq);
    else {
      this.hush(seq);
      this.unread = Math.min(this.unread ?? seq, seq);
    }
    this.standing = true;
  }

  stop(seq) {
    this.stopped = Math.max(this.stopped, seq);
  }

  restore(seq) {
    this.restored = Math.max(this.restored, seq);
    this.unread = null;
  }

  /** Take back what hushed the post. @returns {number | null} from where on it has to be read again */
  unhush() {
    const unread = this.unread;
    this.unread = null;
    this.hushed = NEVER_STOPPED;
    return unread;
  }

  react(event) {
    const key = JSON.stringify([event.account, event.emoji]);
    const had = this.reactions.get(key);
    if (had === undefined || event.seq > had.seq || (event.seq === had.seq && event.on)) {
      this.reactions.set(key, { account: event.account, emoji: event.emoji, seq: event.seq, on: event.on });
    }
    if (this.reactions.size > REACTIONS_MAX) {
      const first = [...this.reactions].reduce((a, b) => (b[1].seq < a[1].seq ? b : a));
      this.reactions.delete(first[0]);
    }
  }

  forgetContent() {
    this.text = null;
    this.origin = null;
    this.reactions.clear();
  }

  /** @returns {PostView | null} the post as it shows, or nothing where it is hidden or its text is not known */
  look() {
    if (this.deleted || this.hiddenAt >= this.restored) return null;
    if (this.place === null || this.text === null || this.origin === null) return null;
    return {
      post: this.post,
      place: this.place,
      author: this.text.author,
      body: this.text.body,
      at: this.origin.at,
      rev: this.text.rev,
      reply_to: this.origin.reply_to || null,
      reactions: this.counts(),
    };
  }

  /** @returns {[string, number][]} */
  counts() {
    /** @type {Map<string, number>} */
    const counts = new Map();
    for (const { emoji, on } of this.reactions.values()) {
      if (on) counts.set(emoji, (counts.get(emoji) ?? 0) + 1);
    }
    return [...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
  }
}

/** One board as one reader knows it. `seq` is the cursor: every event up to it was applied or declared missing. */
export class Replica {
  /**
   * @param {string} board events of another one may not be applied
   * @param {string} epoch the identity of its log
   * @param {number} seq the head where the subscription starts, or 0 to take the log from its beginning
   * @param {number} keep posts that are held, at least 1
   */
  constructor(board, epoch, seq = 0, keep = POSTS_MAX) {
    this.board = board;
    this.keep = keep;
    this.epoch = epoch;
    this.seq = seq;
    /** At or below it no post is taken up: those that stood there were forgotten for want of room. */
    this.floor = 0;
    this.top = seq;
    /** @type {number | null} */
    this.unread = null;
    /** @type {[number, number][]} ranges beyond the cursor that came already */
    this.ahead = [];
    /** @type {Map<string, Known>} */
    this.standing = new Map();
    /** @type {Map<string, Known>} */
    this.early = new Map();
  }

  /** Forget everything: the log is another one. */
  reset(epoch, seq = 0) {
    this.epoch = epoch;
    this.seq = seq;
    this.floor = 0;
    this.top = seq;
    this.unread = null;
    this.ahead = [];
    this.standing.clear();
    this.early.clear();
  }

  /**
   * Take the server's answer to a subscription or a resume; another epoch starts the picture again.
   * @param {string} epoch
   * @param {number} head
   * @param {{first: number, last: number} | null} gap
   */
  begin(epoch, head, gap = null) {
    if (epoch !== this.epoch) this.reset(epoch, gap ? gap.last : head);
    else if (gap) this.gap(gap.first, gap.last);
  }

  /** Let the cursor pass `first` … `last`: the server said that they do not come. */
  gap(first, last) {
    if (first <= last) this.settle(first, last);
  }

  /**
   * Take one event, `suppress` or `unsuppress`, in any order and any number of times. After an `unsuppress`, see `readAgain`.
   * @returns {Change | null} what a reader sees differently; posts forgotten for want of room just leave `posts`
   */
  apply(event) {
    if (event.board !== this.board) throw new Error("an event of another board");
    const control = event.type === "suppress" || event.type === "unsuppress";
    if (!control) this.settle(event.seq, event.seq);
    // Which post a nameless `gone` was is not known; the event that stopped it has a seq of its own.
    if (event.post === undefined || event.post === null) return null;
    const known = event.type === "unsuppress" ? this.held(event.post) : this.find(event.post, control ? null : event.seq);
    if (known === null) return null;
    const before = known.view;
    this.join(known, event);
    known.view = known.look();
    this.settleRoom(known);
    return change(known.post, before, this.post(known.post));
  }

  /** @returns {number | null} once, from which seq on history has to be read: events came as `gone` for a stop that was taken back */
  readAgain() {
    const unread = this.unread;
    this.unread = null;
    return unread;
  }

  /** @returns {PostView | null} a post as it shows, or null where it is hidden or not held */
  post(post) {
    return this.standing.get(post)?.view ?? null;
  }

  /** @returns {number | null} where a post stands on the board, also one that is hidden */
  place(post) {
    return this.standing.get(post)?.place ?? null;
  }

  /** @returns {boolean} whether `account` holds `emoji` on `post` */
  holds(post, account, emoji) {
    return this.standing.get(post)?.reactions.get(JSON.stringify([account, emoji]))?.on ?? false;
  }

  /** @returns {PostView[]} every post that shows, in the order of the board */
  posts() {
    const views = [];
    for (const known of this.standing.values()) if (known.view !== null) views.push(known.view);
    return views.sort((a, b) => a.place - b.place || (a.post < b.post ? -1 : 1));
  }

  held(post) {
    return this.standing.get(post) ?? this.early.get(post) ?? null;
  }

  find(post, seq) {
    let known = this.held(post);
    // Nothing at or below the floor is taken up: an old `posted` cannot bring a forgotten post back.
    if (known === null && (seq === null || seq > this.floor)) {
      known = new Known(post);
      this.early.set(post, known);
    }
    return known;
  }

  join(known, event) {
    if (event.type === "suppress") {
      known.hush(this.top);
      return;
    }
    if (event.type === "unsuppress") {
      const unread = known.unhush();
      if (unread !== null) this.unread = Math.min(this.unread ?? unread, unread);
      return;
    }
    known.place = known.place === null ? event.seq : Math.min(known.place, event.seq);
    switch (event.type) {
      case "posted":
        known.says(event);
        known.published(event.at, event.reply_to);
        break;
      case "edited":
        known.says(event);
        break;
      case "restored":
        known.says(event);
        known.published(event.posted_at, event.reply_to);
        known.restore(event.seq);
        break;
      case "retracted":
        known.stop(event.seq);
        break;
      case "gone":
        known.gone(event.seq);
        break;
      case "deleted":
        known.deleted = true;
        break;
      case "reacted":
        known.react(event);
        break;
      default:
        throw new Error(`not an event: ${event.type}`);
    }
    if (known.deleted) known.forgetContent();
  }

  /** Put a post among those that stand on the board or those known too early, and keep both within `keep`. */
  settleRoom(known) {
    if (known.standing && this.early.delete(known.post)) this.standing.set(known.post, known);
    for (const held of [this.standing, this.early]) {
      if (held.size > this.keep) {
        const first = [...held.values()].reduce((a, b) => (compareOrder(b, a) < 0 ? b : a));
        held.delete(first.post);
        this.floor = Math.max(this.floor, order(first));
      }
    }
  }

  /** Note that `first` … `last` need not come again, and move the cursor over what is whole. */
  settle(first, last) {
    this.top = Math.max(this.top, last);
    if (first <= this.seq + 1 && this.ahead.length === 0) {
      this.seq = Math.max(this.seq, last);
      return;
    }
    const ranges = [...this.ahead, /** @type {[number, number]} */ ([first, last])].sort((a, b) => a[0] - b[0] || a[1] - b[1]);
    this.ahead = [];
    for (const [low, high] of ranges) {
      const end = this.ahead.at(-1);
      if (low <= this.seq + 1) this.seq = Math.max(this.seq, high);
      else if (end !== undefined && low <= end[1] + 1) end[1] = Math.max(end[1], high);
      else this.ahead.push([low, high]);
    }
    this.ahead.length = Math.min(this.ahead.length, RANGES_MAX);
  }
}

/** Order texts by the rule of which one stands; names come last and only make the order total. */
function compareText(a, b) {
  if (a.rev !== b.rev) return a.rev - b.rev;
  if (a.seq !== b.seq) return a.seq - b.seq;
  for (const [left, right] of [[a.body, b.body], [a.author.id, b.author.id], [a.author.name, b.author.name]]) {
    if (left !== right) return left < right ? -1 : 1;
  }
  return 0;
}

/** What orders posts: the place, or for one that only a `suppress` named, where that stopped it. */
function order(known) {
  return known.place ?? known.hiddenAt;
}

function compareOrder(a, b) {
  return order(a) - order(b) || (a.post < b.post ? -1 : a.post > b.post ? 1 : 0);
}

/** @returns {Change | null} */
function change(post, before, after) {
  if (after === null) return before === null ? null : { kind: "hidden", post };
  if (before === null) return { kind: "shown", post: after };
  return sameView(before, after) ? null : { kind: "changed", post: after };
}

function sameView(a, b) {
  return JSON.stringify(a) === JSON.stringify(b);
}
