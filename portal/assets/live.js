// The live connection: hello or resume, changes in order, commands that are answered exactly once.
// Invariant: a command keeps its id until it has been answered, over any number of connections; a
// change is applied only where it belongs, else the whole is asked for again. See PROTOCOL.md.

import { apply, follows, fromSnapshot } from './state.js';

const PROTOCOL = 1;
const JITTER_MAX_MS = 3_000;
const BACKOFF_MAX_MS = 30_000;
/** The clock is asked for at this pace; no answer within the next means that the line is dead. */
const HEARTBEAT_MS = 15_000;
const ANSWER_MAX_MS = 10_000;
const STOPPED_BY = { 401: 4502, 403: 4502, 404: 4502, 410: 4502 };

export class Live {
  /**
   * `handlers`: `connection(state, detail)`, `changed(change | null)`, `me(me)`, `presence(message)`,
   * `dossiers(dossiers)`,
   * `service(available)`, `busy(id)`.
   */
  constructor({ path, state, clock, handlers }) {
    Object.assign(this, { path, state, clock, handlers });
    this.pending = new Map();
    this.failures = 0;
    this.stopped = false;
    this.waitingForSnapshot = false;
    addEventListener('online', () => this.hurry());
    addEventListener('pageshow', (event) => event.persisted && this.hurry());
    document.addEventListener('visibilitychange', () => {
      if (document.hidden) return;
      if (this.ready()) this.askClock();
      else this.hurry();
    });
  }

  connect() {
    clearTimeout(this.retry);
    this.retry = null;
    if (this.stopped || this.socket) return;
    const address = new URL(`${this.path}/direct`, location.href);
    address.protocol = address.protocol === 'https:' ? 'wss:' : 'ws:';
    this.opened = false;
    const socket = new WebSocket(address);
    this.socket = socket;
    socket.onopen = () => {
      this.opened = true;
      const hello = { type: 'hello', protocol: PROTOCOL };
      if (this.state) hello.resume = { epoch: this.state.epoch, seq: this.state.seq };
      this.send(hello);
    };
    socket.onmessage = (event) => this.receive(JSON.parse(event.data));
    socket.onclose = (event) => this.lost(socket, event.code);
  }

  /** Sends a command; resolves with its one `outcome`. */
  command(fields) {
    const id = randomId();
    const message = { type: 'command', command_id: id, ...fields };
    return new Promise((resolve) => {
      this.pending.set(id, { message, resolve });
      if (this.ready()) this.send(message);
    });
  }

  ready() {
    return this.welcomed === true && this.socket?.readyState === WebSocket.OPEN;
  }

  // --- messages -------------------------------------------------------------------------------

  receive(message) {
    this.heard = performance.now();
    switch (message.type) {
      case 'welcome': return this.onWelcome(message);
      case 'snapshot': return this.onSnapshot(message);
      case 'change': return this.onChange(message);
      case 'me': return this.handlers.me?.(message);
      case 'dossiers': return this.handlers.dossiers?.(message.dossiers);
      case 'presence': return this.handlers.presence?.(message);
      case 'service': return this.handlers.service?.(message.available);
      case 'clock': return this.clock.answer(message.server_time, message.client_time);
      case 'outcome': return this.onOutcome(message);
      case 'busy': return this.onBusy(message);
      default: return undefined; // version 1 may grow
    }
  }

  onWelcome(message) {
    this.welcomed = true;
    this.failures = 0;
    this.clock.welcome(message.server_time, message.speed);
    this.target = message.position.seq;
    this.waitingForSnapshot = !message.resumed;
    for (const { message: command } of this.pending.values()) this.send(command);
    this.askClock();
    this.heartbeat = setInterval(() => this.beat(), HEARTBEAT_MS);
    this.caughtUp();
  }

  onSnapshot(message) {
    const { type, epoch, seq, ...snapshot } = message;
    this.state = fromSnapshot(snapshot, { epoch, seq });
    this.waitingForSnapshot = false;
    this.handlers.changed(null);
    this.caughtUp();
  }

  onChange(change) {
    if (this.waitingForSnapshot) return;
    if (!follows(this.state, change)) {
      this.waitingForSnapshot = true;
      this.handlers.connection('rattrapage');
      this.send({ type: 'resync' });
      return;
    }
    this.handlers.before?.(change);
    apply(this.state, change);
    this.handlers.changed(change);
    this.caughtUp();
  }

  caughtUp() {
    const behind = this.waitingForSnapshot || !this.state || this.state.seq < this.target;
    this.handlers.connection(behind ? 'rattrapage' : 'connecte');
  }

  onOutcome(message) {
    const waiting = this.pending.get(message.command_id);
    if (!waiting) return;
    this.pending.delete(message.command_id);
    waiting.resolve(message);
  }

  onBusy(message) {
    const waiting = this.pending.get(message.command_id);
    if (!waiting) return;
    this.handlers.busy?.(message.command_id);
    const delay = message.retry_after * (1 + Math.random());
    setTimeout(() => {
      if (this.pending.has(message.command_id) && this.ready()) this.send(waiting.message);
    }, delay);
  }

  // --- the line -------------------------------------------------------------------------------

  send(message) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  askClock() {
    this.send({ type: 'clock', client_time: this.clock.stamp() });
  }

  beat() {
    const asked = performance.now();
    const socket = this.socket;
    this.askClock();
    setTimeout(() => {
      if (socket === this.socket && this.ready() && this.heard < asked) {
        socket.close();
        this.lost(socket, 1006); // a dead line may take a minute to say that it has closed
      }
    }, ANSWER_MAX_MS);
  }

  lost(socket, code) {
    if (socket !== this.socket) return;
    clearInterval(this.heartbeat);
    this.socket = null;
    this.welcomed = false;
    if (code >= 4500 && code <= 4999) return this.stop(code);
    this.handlers.connection('hors-ligne');
    if (!this.opened && this.failures >= 2) this.askWhy();
    const most = Math.min(JITTER_MAX_MS * 2 ** this.failures, BACKOFF_MAX_MS);
    this.failures += 1;
    this.retry = setTimeout(() => this.connect(), Math.random() * most);
    return undefined;
  }

  /** A refused upgrade looks like a lost line; the page itself says whether the right has ended. */
  async askWhy() {
    try {
      const answer = await fetch(this.path, { method: 'HEAD', redirect: 'manual' });
      if (STOPPED_BY[answer.status]) this.stop(STOPPED_BY[answer.status]);
    } catch {
      // no network: the retries go on
    }
  }

  stop(code) {
    this.stopped = true;
    clearTimeout(this.retry);
    this.handlers.connection('arretee', code);
  }

  /** The network or the person is back: do not sit out a long wait, but do not all come at once. */
  hurry() {
    if (!this.retry || this.stopped) return;
    clearTimeout(this.retry);
    this.retry = setTimeout(() => this.connect(), Math.random() * 1_000);
  }
}

/** A random UUID; `crypto.randomUUID` is missing on plain-http addresses. */
export function randomId() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
