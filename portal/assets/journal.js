// The journal of the session in words, from its beginning, and the delay as a small curve.
// Invariant: every line was said by the server (`regie/journal`), which says each fact once; here they are
// only asked for, in order, and put on top.

import { byId, setText, show } from './dom.js';
import { duration } from './times.js';

const LINES_MAX = 300;
/** Facts come in bursts; they are asked for together. */
const GATHER_MS = 250;
const SVG = 'http://www.w3.org/2000/svg';
const MINUTE = 60_000;

export class Journal {
  /** `delays`: in ms, of every turn opened so far. */
  constructor({ list, path, delays }) {
    Object.assign(this, { list, path, delays });
    this.seq = Number(list.firstElementChild?.dataset.seq ?? 0);
    this.draw();
  }

  /** The journal stands at `seq`: what is new is asked for. */
  follow(seq) {
    this.wanted = seq;
    if (seq <= this.seq || this.asking) return;
    this.asking = setTimeout(async () => {
      const came = await this.ask();
      this.asking = null;
      if (came) this.follow(this.wanted);
    }, GATHER_MS);
  }

  async ask() {
    try {
      const answer = await fetch(`${this.path}/journal?depuis=${this.seq}`, { credentials: 'same-origin' });
      if (!answer.ok) return false;
      const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
      const lines = [...page.querySelectorAll('.journal-lignes > li')];
      if (lines.length === 0) return false;
      this.seq = Number(lines[0].dataset.seq);
      this.list.prepend(...lines);
      while (this.list.children.length > LINES_MAX) this.list.lastElementChild.remove();
      const late = lines.filter((line) => 'retard' in line.dataset).reverse();
      this.delays.push(...late.map((line) => Number(line.dataset.retard)));
      if (late.length) this.draw();
      return true;
    } catch {
      return false; // no network: the next change asks again, for everything since
    }
  }

  /** The delay at the opening of each turn, since the first. */
  draw() {
    const box = byId('courbe');
    show(box, this.delays.length > 2);
    if (this.delays.length < 3) return;
    const most = Math.max(...this.delays);
    const scale = Math.max(MINUTE, most);
    const step = 300 / (this.delays.length - 1);
    const points = this.delays.map((value, index) => `${(index * step).toFixed(1)},${(46 - (value / scale) * 42).toFixed(1)}`);
    if (!this.line) {
      const svg = document.createElementNS(SVG, 'svg');
      svg.setAttribute('viewBox', '0 0 300 48');
      svg.setAttribute('preserveAspectRatio', 'none');
      svg.setAttribute('aria-hidden', 'true');
      this.line = document.createElementNS(SVG, 'polyline');
      svg.append(this.line);
      box.append(svg);
    }
    this.line.setAttribute('points', points.join(' '));
    setText(byId('courbe-plus'), duration(most));
  }
}
