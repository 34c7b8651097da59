// The steady mark of the connection, and one line after three seconds offline.
// Invariant: no full-screen alarms, nothing blinks; the mark is always there and always true.

import { byId, fill, setText } from './dom.js';
import { say } from './words.js';

/** A line that comes back within this is not worth a sentence. */
const SAID_AFTER_MS = 3_000;

export class ConnectionMark {
  /** `offlineLine(since)` says what a lost connection means on this page. */
  constructor({ clock, times, offlineLine }) {
    Object.assign(this, { clock, times, offlineLine });
    this.mark = byId('connexion');
    this.line = byId('ligne-connexion');
    this.mark.hidden = false;
    this.since = null;
  }

  set(state, code) {
    if (state === 'hors-ligne' && this.since === null) this.lostNow();
    this.mark.dataset.etat = state;
    const text = this.mark.querySelector('.texte');
    if (state === 'hors-ligne') setText(text, say('connexion.hors-ligne', { heure: this.times.time(this.since) }));
    else setText(text, say(`connexion.${state}`));
    if (state === 'connecte') this.backNow();
    if (state === 'arretee') {
      clearTimeout(this.timer);
      fill(this.line, say(`connexion.fin.${[4500, 4501, 4502].includes(code) ? code : 4500}`));
    }
  }

  lostNow() {
    this.since = this.clock.now();
    this.timer = setTimeout(() => fill(this.line, this.offlineLine(this.since)), SAID_AFTER_MS);
  }

  backNow() {
    clearTimeout(this.timer);
    this.since = null;
    fill(this.line, '');
  }
}
