// What the three live pages share: the facts that came with the page, the clock, the connection.
// Invariant: <html data-seq> is the last journal entry that the page shows.

import { Clock } from './clock.js';
import { ConnectionMark } from './connection.js';
import { byId, fill, setText } from './dom.js';
import { Live } from './live.js';
import { fromSnapshot } from './state.js';
import { Times } from './times.js';
import { say } from './words.js';

const TICK_MS = 250;

/**
 * `handlers`: those of `Live`, and `render(change)` after facts changed, `tick(now, wholeSecond)`,
 * `offlineLine(since)`. Returns `{data, live, clock, times, state()}`; call `begin()` when ready.
 */
export function openSession(handlers) {
  document.documentElement.dataset.js = '';
  const data = JSON.parse(byId('page-data').textContent);
  const clock = new Clock(data.now, data.speed);
  const times = new Times(data.snapshot.time_zone, data.zone_label);
  const mark = new ConnectionMark({ clock, times, offlineLine: handlers.offlineLine });
  const session = { data, clock, times, stoppedAt: null };
  const began = { status: data.snapshot.status, posts: data.snapshot.posts, participants: data.snapshot.participants };
  // Where participants see names, the page brought them; what comes live holds pseudonyms.
  const names = data.snapshot.policies?.names === 'names' ? began.participants.map(({ pseudonym }) => pseudonym) : [];
  const rendered = (change) => {
    const { state } = session.live;
    if (outgrown(began, state)) return location.reload();
    if (!change) names.forEach((name, index) => { state.participants[index].pseudonym = name; });
    handlers.render(change);
    const { seq, epoch } = session.live.state;
    Object.assign(document.documentElement.dataset, { seq, epoch });
    return undefined;
  };
  session.live = new Live({
    path: data.path,
    state: fromSnapshot(data.snapshot, data.position),
    clock,
    handlers: {
      ...handlers,
      connection: (state, code) => {
        mark.set(state, code);
        handlers.connection?.(state, code);
      },
      changed: rendered,
      service: (available) => {
        // The clock of the turn stands still meanwhile (A10): so does the countdown.
        session.stoppedAt = available ? null : (session.stoppedAt ?? clock.now());
        fill(byId('ligne-service'), available ? '' : say('connexion.service'));
        handlers.service?.(available);
      },
    },
  });
  session.state = () => session.live.state;
  /** The instant up to which the turn's clock has run. */
  session.turnNow = () => session.stoppedAt ?? clock.now();
  session.begin = () => {
    if (times.elsewhere && byId('zone')) setText(byId('zone'), say('amphi.zone.autre', { zone: data.zone_label }));
    rendered(null);
    let second = 0;
    const tick = () => {
      const now = clock.now();
      const whole = Math.floor(now / 1000);
      handlers.tick(now, whole !== second);
      second = whole;
    };
    tick();
    setInterval(tick, TICK_MS);
    session.live.connect();
  };
  return session;
}

/**
 * A draft may change wholly, and publication gives it its times: then the page itself is out of date. That
 * somebody was added to a published list is no reason to take the page away from under a hand.
 */
function outgrown(initial, state) {
  const drafted = initial.status === 'draft'
    && (state.status !== 'draft' || initial.participants.length !== state.participants.length);
  return drafted || initial.posts.length !== state.posts.length;
}
