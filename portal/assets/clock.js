// The server's clock on this machine: offset and speed over a monotonic local clock.
// Invariant: never reads the machine's date; a person with a wrong clock sees the right time.
// No DOM here.

const local = () => performance.now();
/** An answer that disagrees by more than its own round trip and this was preceded by a sleep. */
const SLEPT_MS = 1500;
/** The best answer is trusted this long; then any newer one replaces it. */
const TRUSTED_MS = 600_000;

export class Clock {
  constructor(serverTime, speed) {
    this.speed = speed;
    this.set(serverTime, local(), Infinity);
  }

  /** The server's clock, now. */
  now() {
    return this.server + (local() - this.at) * this.speed;
  }

  /** From `welcome`: its clock at the instant of receipt, however long it travelled. */
  welcome(serverTime, speed) {
    this.speed = speed;
    this.set(serverTime, local(), Infinity);
  }

  /** From `clock`: keeps the answer with the shortest round trip. */
  answer(serverTime, sentAt) {
    const received = local();
    const roundTrip = Math.max(0, received - sentAt);
    const estimate = serverTime + (roundTrip / 2) * this.speed;
    const slept = Math.abs(estimate - this.now()) > (roundTrip + SLEPT_MS) * this.speed;
    const stale = received - this.at > TRUSTED_MS;
    if (roundTrip <= this.roundTrip || slept || stale) this.set(estimate, received, roundTrip);
  }

  /** What to send as `client_time`. */
  stamp() {
    return Math.round(local());
  }

  set(server, at, roundTrip) {
    this.server = server;
    this.at = at;
    this.roundTrip = roundTrip;
  }
}
