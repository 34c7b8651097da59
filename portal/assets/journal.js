// The journal as it grows, in words, since the page was opened; and the delay as a small curve.
// Invariant: lines are only added; they say what a change made true, nothing that was guessed.

import { postLabel } from './amphi.js';
import { byId, make, show } from './dom.js';
import { say } from './words.js';

const LINES_MAX = 300;
const POINTS_MAX = 400;
const SVG = 'http://www.w3.org/2000/svg';

export class Journal {
  constructor({ list, empty, times, name }) {
    Object.assign(this, { list, empty, times, name });
    this.points = [];
  }

  /** Before a change is laid over the state: what it is compared with. */
  before(change, state) {
    this.was = { status: state.status, turn: state.turn?.rank ?? null, held: new Map(state.held.map((h) => [h.rank, h.post])) };
  }

  after(change, state) {
    const { was } = this;
    if (!was) return;
    for (const changed of change.participants) this.standing(changed, state);
    for (const held of change.held) {
      if (was.held.get(held.rank) !== held.post) this.line(change.at, 'attente', { rank: held.rank, poste: postLabel(state, held.post) });
    }
    for (const rank of change.held_refused ?? []) this.line(change.at, 'attente_refusee', { rank });
    if (was.status !== state.status) {
      const reason = state.reason ? ` – ${state.reason}` : '';
      this.add(change.at, say('regie.journal.statut', { statut: say(`statut.${state.status}`) }) + reason);
    }
    if (state.turn && state.turn.rank !== was.turn) {
      this.line(state.turn.opened_at, 'tour', { rank: state.turn.rank });
      this.point(state.delay);
    }
  }

  standing({ rank, standing, post, manner, at, since }, state) {
    const now = at ?? since ?? state.at;
    if (standing === 'placed') this.line(now, 'choix', { rank, poste: postLabel(state, post), maniere: say(`maniere.${manner}`) });
    else if (standing === 'late') this.line(now, 'retard', { rank });
    else if (standing === 'placed_elsewhere') this.line(now, 'ailleurs', { rank });
    else if (standing === 'withdrawn') this.line(now, 'retire', { rank });
  }

  line(at, kind, { rank, ...args }) {
    this.add(at, say(`regie.journal.${kind}`, { rang: rank, nom: this.name(rank), ...args }));
  }

  add(at, text) {
    this.list.prepend(make('li', {}, make('time', { className: 'chiffres', text: this.times.timeToTheSecond(at) }), ' ', make('span', { text })));
    while (this.list.children.length > LINES_MAX) this.list.lastElementChild.remove();
    show(this.empty, false);
  }

  /** The delay at the opening of each turn. */
  point(delay) {
    this.points.push(delay);
    if (this.points.length > POINTS_MAX) this.points.shift();
    const box = byId('courbe');
    show(box, this.points.length > 2);
    const most = Math.max(60_000, ...this.points);
    const step = 300 / Math.max(1, this.points.length - 1);
    const line = document.createElementNS(SVG, 'polyline');
    line.setAttribute('points', this.points.map((value, index) => `${(index * step).toFixed(1)},${(46 - (value / most) * 42).toFixed(1)}`).join(' '));
    const svg = document.createElementNS(SVG, 'svg');
    svg.setAttribute('viewBox', '0 0 300 48');
    svg.setAttribute('preserveAspectRatio', 'none');
    svg.setAttribute('aria-hidden', 'true');
    svg.append(line);
    box.querySelector('svg')?.remove();
    box.append(svg);
  }
}
