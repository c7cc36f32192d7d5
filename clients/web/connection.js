/**
 * One live connection to the server that comes back by itself: hello with cursors, requests, liveness.
 *
 * A request stays until it is answered: after a reconnect it is sent again as it was (a post with the same nonce), which the wire
 * makes safe. Boards that are followed are resumed from their cursors.
 */

import { Problem, SUBPROTOCOL, SilenceWatch, delayMs, endsSignIn, isFinal, wasDone } from "./wire.js";

const CLIENT = "parley-web/1";
const WAITING_MAX = 100;
/** A connection that lasted this long was no failure. */
const LASTING_MS = 60_000;
const CONNECT_WITHIN_MS = 15_000;

/**
 * @typedef {{board: string, epoch: string, head: number, recovered: boolean, gap?: {first: number, last: number, reason: string}}} BoardState
 * @typedef {object} Follower what follows a board
 * @property {() => {epoch: string, seq: number} | null} cursor where to resume, or null to start from now on
 * @property {() => void} restart forget the cursor; the server does not know it
 * @property {(state: BoardState) => void} began
 * @property {(frame: any) => void} take an event or control frame of the board
 * @property {(problem: Problem) => void} refused
 *
 * @typedef {object} Listener
 * @property {(state: "connecting" | "open" | "waiting" | "ended", detail: {why?: string, afterMs?: number, signIn?: boolean}) => void} status
 * @property {(frame: any) => void} frame what belongs to no board: verdict, alert, case, an error about the watch
 * @property {(welcome: any) => void} welcome
 */

export class Connection {
  /**
   * @param {{url: string, token: string | null, listener: Listener, random?: () => number}} options
   */
  constructor({ url, token, listener, random = Math.random }) {
    this.url = url;
    this.token = token;
    this.listener = listener;
    this.random = random;
    /** @type {Map<string, Follower>} */
    this.followers = new Map();
    /** @type {Map<number, {frame: any, sent: number, once: boolean, resolve: (answer: any) => void, reject: (problem: Problem) => void}>} */
    this.waiting = new Map();
    this.lastId = 0;
    this.failures = 0;
    /** @type {WebSocket | null} */
    this.socket = null;
    this.welcomed = false;
    this.ended = false;
    this.heardAt = 0;
    this.quietMs = CONNECT_WITHIN_MS;
    this.welcomedAt = 0;
    /** @type {{code: string, why: string, after_ms?: number} | null} */
    this.bye = null;
    /** @type {Set<string>} boards that this connection's hello asked to resume */
    this.resuming = new Set();
    this.silence = new SilenceWatch();
    this.timer = 0;
    this.pulse = 0;
  }

  /** Connect, and stay connected until `close`. */
  open() {
    this.bye = null;
    this.listener.status("connecting", {});
    const socket = new WebSocket(this.url, [SUBPROTOCOL]);
    this.socket = socket;
    this.heardAt = performance.now();
    this.quietMs = CONNECT_WITHIN_MS;
    socket.onopen = () => this.hello();
    socket.onmessage = (message) => this.received(message.data);
    socket.onclose = (event) => this.lost(socket, event.code);
    clearInterval(this.pulse);
    this.pulse = setInterval(() => this.listen(socket), 1_000);
  }

  /** End for good. Requests that are not answered are given up. */
  close() {
    this.end();
    const socket = this.socket;
    this.socket = null;
    socket?.close(1000);
  }

  /** Follow a board from its follower's cursor on. */
  follow(board, follower) {
    this.followers.set(board, follower);
    if (this.welcomed) this.subscribe(board, follower);
  }

  /** Stop following a board. */
  unfollow(board) {
    this.followers.delete(board);
    if (this.welcomed) this.request({ type: "unsubscribe", board }, { once: true }).catch(() => {});
  }

  /**
   * Send a request and wait for its answer, however many connections that takes.
   *
   * @param {any} frame without `id`
   * @param {{once?: boolean}} options `once`: it belongs to this connection and is not repeated on the next
   * @returns {Promise<any>} `ok`, `held` or `pong`; rejects with a `Problem`
   */
  request(frame, { once = false } = {}) {
    if (this.ended) return Promise.reject(new Problem("closed", "The connection has ended."));
    if (this.waiting.size >= WAITING_MAX) return Promise.reject(new Problem("limited", "Too many requests wait for the server."));
    this.lastId += 1;
    const id = this.lastId;
    return new Promise((resolve, reject) => {
      const entry = { frame: { ...frame, id }, sent: 0, once, resolve, reject };
      this.waiting.set(id, entry);
      if (this.welcomed) this.transmit(entry);
      else if (once) this.giveUp(id, entry);
    });
  }

  /** Send what has no answer and may be lost (`typing`). */
  tell(frame) {
    if (this.welcomed) this.socket?.send(JSON.stringify(frame));
  }

  hello() {
    const resume = [];
    for (const [board, follower] of this.followers) {
      const cursor = follower.cursor();
      if (cursor !== null) resume.push({ board, ...cursor });
    }
    this.resuming = new Set(resume.map((entry) => entry.board));
    const hello = { type: "hello", v: 1, client: CLIENT, resume };
    this.socket?.send(JSON.stringify(this.token === null ? hello : { ...hello, token: this.token }));
  }

  received(data) {
    this.heardAt = performance.now();
    let frame;
    try {
      frame = JSON.parse(data);
    } catch {
      console.warn("parley: a frame that is no JSON was ignored");
      return;
    }
    switch (frame.type) {
      case "welcome":
        this.welcome(frame);
        break;
      case "ok":
      case "held":
      case "pong":
        this.answer(frame.re, (entry) => entry.resolve(frame));
        break;
      case "error":
        this.error(frame);
        break;
      case "beat":
        this.beat(frame.heads);
        break;
      case "bye":
        this.bye = frame;
        break;
      case "verdict":
      case "alert":
      case "case":
        this.listener.frame(frame);
        break;
      default:
        // What a newer server adds is ignored: a follower knows its own frames.
        if (typeof frame.board === "string") {
          if (frame.seq !== undefined || frame.type === "gap") this.silence.heard(frame.board);
          this.followers.get(frame.board)?.take(frame);
        }
    }
  }

  welcome(frame) {
    this.welcomed = true;
    this.welcomedAt = performance.now();
    this.quietMs = 2 * frame.beat_ms;
    this.silence = new SilenceWatch();
    this.listener.status("open", {});
    for (const state of frame.boards ?? []) this.followers.get(state.board)?.began(state);
    for (const [board, follower] of this.followers) {
      if (!this.resuming.has(board)) this.subscribe(board, follower);
    }
    for (const entry of [...this.waiting.values()]) if (entry.sent === 0 || !entry.once) this.transmit(entry);
    this.listener.welcome(frame);
  }

  subscribe(board, follower) {
    const cursor = follower.cursor();
    this.request({ type: "subscribe", board, ...cursor }, { once: true })
      // Another follower may have taken the board's place while the answer was out.
      .then((ok) => this.followers.get(board) === follower && follower.began(ok))
      .catch((problem) => this.unfollowed(board, problem));
  }

  /** A board could not be followed: from a cursor that the server does not know, start anew; else say why. */
  unfollowed(board, problem) {
    const follower = this.followers.get(board);
    if (follower === undefined || problem.code === "lost") return;
    if (problem.code === "bad_cursor") {
      follower.restart();
      this.subscribe(board, follower);
    } else if (problem.retry) {
      setTimeout(() => this.welcomed && this.subscribe(board, follower), problem.retryAfterMs ?? delayMs(2, this.random()));
    } else {
      follower.refused(problem);
    }
  }

  error(frame) {
    const problem = new Problem(frame.code, frame.message, { retryAfterMs: frame.retry_after_ms, standing: frame.standing });
    if (frame.re !== undefined && frame.re !== null) {
      this.answer(frame.re, (entry) => {
        if (entry.sent > 1 && wasDone(entry.frame.type, frame.code)) entry.resolve({ type: "ok", re: frame.re });
        else entry.reject(problem);
      });
    } else if (frame.scope !== undefined && this.resuming.has(frame.scope)) {
      this.unfollowed(frame.scope, problem);
    } else if (frame.scope === "watch") {
      this.listener.frame(frame);
    } else {
      console.warn(`parley: ${frame.code}: ${frame.message}`);
    }
  }

  answer(id, settle) {
    const entry = this.waiting.get(id);
    this.waiting.delete(id);
    if (entry !== undefined) settle(entry);
  }

  transmit(entry) {
    entry.sent += 1;
    this.socket?.send(JSON.stringify(entry.frame));
  }

  giveUp(id, entry) {
    this.waiting.delete(id);
    entry.reject(new Problem("lost", "The connection was lost."));
  }

  beat(heads) {
    for (const [board, head] of Object.entries(heads)) {
      const follower = this.followers.get(board);
      const cursor = follower?.cursor();
      if (follower && cursor && this.silence.beat(board, head, cursor.seq)) this.subscribe(board, follower);
    }
  }

  /** Give a connection up on which nothing was heard for too long: a dead network tells nobody. */
  listen(socket) {
    if (performance.now() - this.heardAt <= this.quietMs) return;
    socket.close();
    this.lost(socket, 1006);
  }

  lost(socket, closeCode) {
    if (socket !== this.socket) return;
    this.socket = null;
    socket.onmessage = null;
    clearInterval(this.pulse);
    const lasted = this.welcomed && performance.now() - this.welcomedAt >= LASTING_MS;
    this.failures = lasted ? 0 : this.failures + 1;
    this.welcomed = false;
    for (const [id, entry] of [...this.waiting]) if (entry.once) this.giveUp(id, entry);
    if (isFinal(closeCode)) {
      this.end();
      this.listener.status("ended", { why: this.bye?.why, signIn: endsSignIn(closeCode) });
      return;
    }
    const afterMs = delayMs(this.failures, this.random(), this.bye?.after_ms ?? 0);
    this.listener.status("waiting", { why: this.bye?.why, afterMs });
    this.timer = setTimeout(() => this.open(), afterMs);
  }

  end() {
    this.ended = true;
    this.welcomed = false;
    clearTimeout(this.timer);
    clearInterval(this.pulse);
    for (const [id, entry] of [...this.waiting]) this.giveUp(id, entry);
  }
}
