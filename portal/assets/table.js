// The list of all ranks in the control room: cells in place, sorted and filtered on demand.
// Invariant: `update` touches only cells whose text changed; it never moves or hides a row. The phrases of
// a cell are worked out only when what they are made of has changed: 490 rows at every second add up.

import { postLabel } from './amphi.js';
import { byId, make, mark, setData, setText, show } from './dom.js';
import { fold } from './posts.js';
import { say } from './words.js';

const STATE_ORDER = ['in_turn', 'held', 'late', 'waiting', 'placed', 'placed_elsewhere', 'withdrawn'];
const FAR = Number.MAX_SAFE_INTEGER;

export class Table {
  constructor({ people, presence, dossiers, times }) {
    Object.assign(this, { people, presence, dossiers, times });
    this.body = byId('internes');
    this.rows = [...this.body.rows].map((row) => this.cellsOf(row));
    this.sortBy = 'rang';
    this.descending = false;
    byId('cherche-rang').addEventListener('input', () => this.filter());
    byId('filtre-etat').addEventListener('change', () => this.filter());
    byId('filtre-liste').addEventListener('submit', (event) => event.preventDefault());
    this.headings();
  }

  cellsOf(row) {
    const rank = Number(row.dataset.rang);
    const [, , state, presence, time, wish, choice] = row.cells;
    const entry = this.people.get(rank);
    const text = fold(`${rank} ${row.cells[1].textContent} ${entry?.email ?? ''}`);
    const name = fold(`${entry?.last_name ?? ''} ${entry?.first_name ?? ''}`);
    return { rank, row, text, name, state: state.firstElementChild, presence, time, wish, choice };
  }

  row(rank) {
    return this.rows.find((cells) => cells.rank === rank)?.row;
  }

  /** Rows of people who were added to the list. */
  grow(rows) {
    for (const row of rows) {
      if (this.row(Number(row.dataset.rang))) continue;
      this.body.append(row);
      this.rows.push(this.cellsOf(row));
      mark(row);
    }
    this.filter();
  }

  // --- facts, in place ------------------------------------------------------------------------

  update(state, forecasts, now) {
    this.state = state;
    this.forecasts = forecasts;
    this.now = now;
    const held = new Map(state.held.map((choice) => [choice.rank, choice.post]));
    for (const cells of this.rows) {
      const participant = state.participants[cells.rank - 1];
      if (!participant) continue; // in a page that is newer than the state
      const standing = held.has(cells.rank) ? 'held' : participant.standing;
      if (cells.row.dataset.etat !== standing) {
        cells.row.dataset.etat = standing;
        mark(cells.row);
      }
      if (cells.said !== standing) {
        cells.said = standing;
        setText(cells.state, say(`etat.${standing}`));
      }
      this.updatePresence(cells);
      const forecast = forecasts[cells.rank - 1];
      setText(cells.time, forecast ? this.times.moment(forecast.expected, now) : '');
      const post = participant.post ?? held.get(cells.rank);
      setText(cells.choice, post ? postLabel(state, post) : '');
      const [wish] = this.dossiers.get(cells.rank)?.first_wishes ?? [];
      setText(cells.wish, wish ? postLabel(state, wish) : '');
    }
  }

  /** Once per message about somebody, and when the day changes under what is said. */
  updatePresence(cells) {
    const entry = this.presence.get(cells.rank);
    const day = Math.floor(this.now / 3_600_000);
    if (cells.presenceOf === entry && cells.presenceDay === day) return;
    Object.assign(cells, { presenceOf: entry, presenceDay: day });
    setData(cells.row, 'presence', this.whoIsThere(cells.rank));
    setText(cells.presence, this.presenceSaid(cells.rank));
  }

  devices(rank) {
    const entry = this.presence.get(rank);
    return (entry?.devices ?? 0) + (entry?.proxy_devices ?? 0);
  }

  whoIsThere(rank) {
    const entry = this.presence.get(rank);
    if (entry?.devices > 0) return 'present';
    return entry?.proxy_devices > 0 ? 'mandataire' : 'absent';
  }

  presenceSaid(rank) {
    const entry = this.presence.get(rank);
    if (!entry) return say('regie.absent');
    const heure = this.times.moment(entry.since, this.now ?? entry.since);
    const n = this.devices(rank);
    if (n === 0) return say('regie.absent.depuis', { heure });
    if (!entry.proxy_devices) return say('regie.present.depuis', { n, heure });
    return entry.devices > 0 ? say('regie.present.ensemble', { heure }) : say('regie.mandataire.depuis', { n, heure });
  }

  touched(rank) {
    const row = this.row(rank);
    if (row) mark(row);
  }

  // --- order and filter, on demand ------------------------------------------------------------

  /** The first time facts are there, what the browser kept in the fields is applied. */
  arrangeOnce(state) {
    if (this.arranged) return;
    this.arranged = true;
    this.state = state;
    this.filter();
  }

  headings() {
    for (const heading of document.querySelectorAll('th[data-tri]')) {
      const button = make('button', { type: 'button', className: 'tri', text: heading.textContent });
      heading.replaceChildren(button);
      button.addEventListener('click', () => {
        this.descending = this.sortBy === heading.dataset.tri && !this.descending;
        this.sortBy = heading.dataset.tri;
        for (const other of document.querySelectorAll('th[data-tri]')) other.removeAttribute('aria-sort');
        heading.setAttribute('aria-sort', this.descending ? 'descending' : 'ascending');
        this.sort();
      });
    }
  }

  sort() {
    const keys = {
      rang: (cells) => cells.rank,
      nom: (cells) => cells.name,
      etat: (cells) => STATE_ORDER.indexOf(cells.row.dataset.etat),
      presence: (cells) => -this.devices(cells.rank),
      heure: (cells) => this.forecasts[cells.rank - 1]?.expected ?? FAR,
      voeu: (cells) => cells.wish.textContent || '\uffff',
      choix: (cells) => cells.choice.textContent || '\uffff',
    };
    const key = keys[this.sortBy];
    const sorted = this.rows.map((cells) => [key(cells), cells]);
    const way = this.descending ? -1 : 1;
    sorted.sort(([a, x], [b, y]) => (a < b ? -way : a > b ? way : x.rank - y.rank));
    this.body.append(...sorted.map(([, cells]) => cells.row));
  }

  filter() {
    const words = fold(byId('cherche-rang').value).split(/\s+/).filter(Boolean);
    const wanted = byId('filtre-etat').value;
    let shown = 0;
    for (const cells of this.rows) {
      const fits = words.every((word) => (/^\d+$/.test(word) ? String(cells.rank) === word || cells.text.includes(` ${word}`) : cells.text.includes(word)))
        && this.inGroup(cells, wanted);
      show(cells.row, fits);
      shown += fits ? 1 : 0;
    }
    setText(byId('affiches'), say('regie.affiches', { n: shown, total: this.rows.length }));
  }

  inGroup(cells, group) {
    const { etat } = cells.row.dataset;
    switch (group) {
      case '': return true;
      case 'absents': return etat === 'waiting' && this.devices(cells.rank) === 0;
      case 'defaits': return Boolean(this.dossiers.get(cells.rank)?.undone);
      case 'late': return etat === 'late' || etat === 'held';
      case 'dehors': return etat === 'placed_elsewhere' || etat === 'withdrawn';
      default: return etat === group;
    }
  }
}
