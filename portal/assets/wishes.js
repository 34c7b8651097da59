// My wishes: added from the posts, ordered by drag, by buttons, by keyboard; saved when the person says so.
// Invariant: what is shown and not saved is marked, and kept in this tab; what the server has replaces it
// only when it is newer, and then what was lost can be taken up again.

import { announce, byId, fill, make, setText, show } from './dom.js';
import { postLabel } from './amphi.js';
import { say } from './words.js';

const KEPT = 'amphi.voeux';
/** So close to the edge of the window, a drag scrolls. */
const EDGE_PX = 72;
const NEVER = 'never';

export class Wishes {
  /** `send(fields)` resolves with the outcome; `changed()` is told when the list is another one. */
  constructor({ path, state, times, now, saved, send, changed }) {
    Object.assign(this, { key: `${KEPT}.${path}`, state, times, now, saved, send, changed });
    this.panel = byId('voeux');
    this.list = byId('voeux-liste');
    this.rows = new Map();
    this.sending = false;
    this.lost = null;
    this.draft = this.restored() ?? this.fromSaved();
    if (!this.panel) return;
    this.list.replaceChildren();
    byId('postes').addEventListener('click', (event) => this.pressStar(event));
    this.list.addEventListener('click', (event) => this.pressButton(event));
    this.list.addEventListener('keydown', (event) => this.pressKey(event));
    this.list.addEventListener('pointerdown', (event) => this.drag(event));
    byId('filet')?.addEventListener('change', (event) => this.change({ net: event.target.value }));
    byId('voeux-enregistrer').addEventListener('click', () => this.save());
    byId('voeux-abandonner').addEventListener('click', () => this.abandon());
    byId('voeux-reprendre').addEventListener('click', () => this.takeUpAgain());
    addEventListener('beforeunload', (event) => this.sending && event.preventDefault());
    this.render();
  }

  /** The numbers of the wishes as they are shown, best first. */
  order() {
    return this.panel ? this.draft.wishes : (this.saved?.wishes ?? []);
  }

  // --- what is saved, and what is not ---------------------------------------------------------

  fromSaved() {
    return { wishes: [...(this.saved?.wishes ?? [])], net: this.saved?.safety_net ?? NEVER, base: this.saved?.version ?? 0 };
  }

  dirty() {
    return !same(this.draft, this.fromSaved());
  }

  restored() {
    try {
      const kept = JSON.parse(sessionStorage.getItem(this.key));
      return kept && kept.base === (this.saved?.version ?? 0) ? kept : null;
    } catch { return null; }
  }

  keep() {
    try {
      if (this.dirty()) sessionStorage.setItem(this.key, JSON.stringify(this.draft));
      else sessionStorage.removeItem(this.key);
    } catch { /* private browsing: nothing is kept */ }
  }

  /** What the server has now; it wins when it is newer than what these changes began with. */
  take(saved) {
    if (!saved || saved.version <= (this.saved?.version ?? 0)) return;
    const wasDirty = this.dirty();
    const ours = this.sent && same(this.sent, { wishes: saved.wishes, net: saved.safety_net });
    this.saved = saved;
    if (ours) this.draft.base = saved.version;
    else {
      this.lost = wasDirty && !same(this.draft, this.fromSaved()) ? this.draft : null;
      this.draft = this.fromSaved();
      if (this.lost) announce(say('voeux.remplaces', { n: saved.version }));
    }
    if (this.panel) this.edited();
  }

  async save() {
    if (this.sending || !this.dirty()) return;
    this.sending = true;
    this.sent = { wishes: [...this.draft.wishes], net: this.draft.net };
    this.render();
    const outcome = await this.send({ action: 'set_wishes', wishes: this.sent.wishes, safety_net: this.sent.net });
    this.sending = false;
    if (outcome.wishes) {
      this.take(outcome.wishes);
      this.lost = null;
      announce(this.stateSaid());
    }
    this.sent = null;
    this.edited();
  }

  abandon() {
    this.lost = { ...this.draft, base: this.saved?.version ?? 0 };
    this.draft = this.fromSaved();
    this.edited();
    byId('voeux-enregistrer').focus();
  }

  takeUpAgain() {
    this.draft = { ...this.lost, base: this.saved?.version ?? 0 };
    this.lost = null;
    this.edited();
    byId('voeux-enregistrer').focus();
  }

  // --- changing -------------------------------------------------------------------------------

  change(fields) {
    this.lost = null;
    Object.assign(this.draft, fields);
    this.edited();
  }

  edited() {
    this.keep();
    this.render();
    this.changed();
  }

  label(number) {
    return postLabel(this.state(), number);
  }

  add(number) {
    this.change({ wishes: [...this.draft.wishes, number] });
    announce(say('voeux.ajoute', { poste: this.label(number), n: this.draft.wishes.length }));
  }

  remove(number) {
    const { wishes } = this.draft;
    const place = wishes.indexOf(number);
    const next = wishes[place + 1] ?? wishes[place - 1];
    const hadFocus = this.rows.get(number)?.contains(document.activeElement);
    this.change({ wishes: wishes.filter((wish) => wish !== number) });
    announce(say('voeux.retire', { poste: this.label(number) }));
    if (hadFocus) (this.rows.get(next)?.querySelector('.poignee') ?? this.panel.querySelector('summary')).focus();
  }

  /** Puts a wish at a place, counted from 0; says where it is now. */
  move(number, to, focused = null) {
    const wishes = this.draft.wishes.filter((wish) => wish !== number);
    const place = Math.max(0, Math.min(to, wishes.length));
    wishes.splice(place, 0, number);
    this.change({ wishes });
    focused?.focus({ preventScroll: true });
    focused?.scrollIntoView?.({ block: 'nearest' });
    announce(say('voeux.position', { poste: this.label(number), n: place + 1, total: wishes.length }));
  }

  pressStar(event) {
    const star = event.target.closest('.voeu');
    if (!star) return;
    const number = Number(star.closest('[data-poste]').dataset.poste);
    if (this.draft.wishes.includes(number)) this.remove(number);
    else this.add(number);
  }

  pressButton(event) {
    const button = event.target.closest('button[data-vers]');
    if (!button) return;
    const number = Number(button.closest('[data-voeu]').dataset.voeu);
    const place = this.draft.wishes.indexOf(number);
    if (button.dataset.vers === 'dehors') this.remove(number);
    else if (button.getAttribute('aria-disabled') !== 'true') this.move(number, place + Number(button.dataset.vers), button);
  }

  pressKey(event) {
    const grip = event.target.closest('.poignee');
    if (!grip) return;
    const number = Number(grip.closest('[data-voeu]').dataset.voeu);
    const place = this.draft.wishes.indexOf(number);
    const to = { ArrowUp: place - 1, ArrowDown: place + 1, Home: 0, End: Infinity }[event.key];
    if (event.key === 'Delete' || event.key === 'Backspace') this.remove(number);
    else if (to !== undefined) this.move(number, to, grip);
    else return;
    event.preventDefault();
  }

  /** Pointer, pen or finger: the row follows from place to place; letting go leaves it there. */
  drag(event) {
    const grip = event.target.closest('.poignee');
    if (!grip || event.button !== 0) return;
    const row = grip.closest('[data-voeu]');
    const number = Number(row.dataset.voeu);
    grip.setPointerCapture(event.pointerId);
    row.classList.add('tenu');
    const follow = (moved) => {
      if (moved.clientY < EDGE_PX) scrollBy(0, -EDGE_PX / 4);
      else if (moved.clientY > innerHeight - EDGE_PX) scrollBy(0, EDGE_PX / 4);
      const others = [...this.list.children].filter((other) => other !== row);
      const to = others.filter((other) => middle(other) < moved.clientY).length;
      if (to === this.draft.wishes.indexOf(number)) return;
      this.move(number, to);
      // The row was put elsewhere in the page, which lets go of the pointer.
      if (!grip.hasPointerCapture(moved.pointerId)) grip.setPointerCapture(moved.pointerId);
    };
    const release = () => {
      row.classList.remove('tenu');
      grip.removeEventListener('pointermove', follow);
      for (const end of ['pointerup', 'pointercancel']) grip.removeEventListener(end, release);
      grip.focus({ preventScroll: true });
    };
    grip.addEventListener('pointermove', follow);
    for (const end of ['pointerup', 'pointercancel']) grip.addEventListener(end, release);
  }

  // --- showing --------------------------------------------------------------------------------

  stateSaid() {
    const { version, at } = this.saved ?? {};
    return version ? say('voeux.enregistres', { n: version, quand: this.times.when(at, this.now()) }) : say('voeux.jamais');
  }

  render() {
    if (!this.panel) return;
    const { wishes, net } = this.draft;
    const dirty = this.dirty();
    this.panel.dataset.version = this.saved?.version ?? 0;
    setText(byId('voeux-compte'), say('voeux.compte', { n: wishes.length }));
    show(byId('voeux-marque'), dirty);
    show(byId('voeux-vide'), wishes.length === 0);
    show(byId('voeux-aide'), wishes.length > 0);
    this.renderRows(wishes);
    for (const radio of byId('filet')?.querySelectorAll('input') ?? []) {
      radio.checked = radio.value === net;
      show(byId('filet').querySelector(`[data-filet=${radio.value}]`), radio.checked);
    }
    setText(byId('voeux-etat'), this.sending ? say('voeux.envoi') : `${this.stateSaid()}${dirty ? ` ${say('voeux.modifies')}` : ''}`);
    const receipt = this.saved && !dirty ? `${this.saved.amphi}:${this.saved.seq}:${this.saved.hash}` : '';
    setText(byId('voeux-recu').querySelector('code'), receipt);
    show(byId('voeux-recu'), receipt !== '');
    byId('voeux-enregistrer').setAttribute('aria-disabled', String(!dirty || this.sending));
    show(byId('voeux-abandonner'), dirty && !this.sending);
    show(byId('voeux-remplaces'), this.lost !== null);
    if (this.lost) {
      const replaced = this.lost.base !== (this.saved?.version ?? 0);
      fill(byId('voeux-remplaces').querySelector('p'), replaced ? say('voeux.remplaces', { n: this.saved?.version ?? 0 }) : say('voeux.abandonnes'));
    }
  }

  renderRows(wishes) {
    for (const [number, row] of this.rows) {
      if (!wishes.includes(number)) {
        row.remove();
        this.rows.delete(number);
      }
    }
    wishes.forEach((number, index) => {
      const row = this.rows.get(number) ?? this.newRow(number);
      const post = this.state().posts[number - 1];
      const [n, total] = [post.seats_left, post.seats];
      setText(row.querySelector('.voeu-rang'), String(index + 1));
      setText(row.querySelector('.voeu-places'), n === 0 ? say('poste.complet.sur', { total }) : say('poste.places', { n, total }));
      if (row.dataset.places !== String(n)) row.dataset.places = n;
      row.querySelector('.poignee').setAttribute('aria-label', say('voeux.deplacer', { poste: this.label(number), n: index + 1, total: wishes.length }));
      row.querySelector('[data-vers="-1"]').setAttribute('aria-disabled', String(index === 0));
      row.querySelector('[data-vers="1"]').setAttribute('aria-disabled', String(index === wishes.length - 1));
      if (this.list.children[index] !== row) this.list.insertBefore(row, this.list.children[index] ?? null);
    });
  }

  newRow(number) {
    const poste = this.label(number);
    const button = (vers, text, key) => make('button', { type: 'button', className: 'voeu-bouton', 'data-vers': vers, 'aria-label': say(key, { poste }), text });
    const row = make('li', { 'data-voeu': number },
      make('button', { type: 'button', className: 'poignee', 'aria-describedby': 'voeux-aide' }),
      make('span', { className: 'voeu-rang chiffres' }),
      make('span', { className: 'voeu-nom', text: poste }),
      make('span', { className: 'voeu-places chiffres' }),
      make('span', { className: 'voeu-actes' }, button(-1, '↑', 'voeux.monter'), button(1, '↓', 'voeux.descendre'), button('dehors', '×', 'voeux.retirer')));
    this.rows.set(number, row);
    return row;
  }
}

function same(a, b) {
  return a.net === b.net && a.wishes.join() === b.wishes.join();
}

function middle(element) {
  const box = element.getBoundingClientRect();
  return box.top + box.height / 2;
}
