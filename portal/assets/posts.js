// The list of posts: facts change in place, order and filters only when the person asks; wishes first.
// Invariant: an item never moves or vanishes because of what somebody else did; focus stays where it
// is. The same search and order as `pages::posts`.

import { announce, byId, fill, mark, setData, setText, show } from './dom.js';
import { say } from './words.js';

const FILTERS_KEPT = 'amphi.filtres';
const SAID_AFTER_MS = 800;

export class PostList {
  /** `wishes()` gives the numbers of the wishes, best first. */
  constructor(state, path, wishes) {
    this.wishes = wishes;
    this.key = `${FILTERS_KEPT}.${path}`;
    this.list = byId('postes');
    this.form = byId('filtres');
    this.reorder = byId('reordonner');
    this.items = new Map();
    for (const element of this.list.children) {
      const post = state.posts[Number(element.dataset.poste) - 1];
      this.items.set(post.number, {
        element,
        seats: element.querySelector('.places'),
        mine: element.querySelector('.poste-mien'),
        wish: element.querySelector('.poste-voeu'),
        star: element.querySelector('.voeu'),
        choose: element.querySelector('.choisir'),
        text: fold([post.establishment, post.service, post.specialty, post.phase, ...post.criteria, post.imotep].join(' ')),
        order: `${fold(post.establishment)}\u0001${fold(post.service)}`,
        byService: `${fold(post.service)}\u0001${fold(post.establishment)}`,
      });
    }
    this.state = state;
    this.restore();
    this.form.addEventListener('submit', (event) => { event.preventDefault(); this.arrange(); });
    this.form.addEventListener('input', () => { this.arrange(); this.keep(); this.sayCount(); });
    this.reorder.addEventListener('click', () => {
      this.arrange();
      byId('recherche').focus({ preventScroll: true });
    });
  }

  // --- facts, in place ------------------------------------------------------------------------

  /** `may`: 'oui', 'echange' or 'non'. */
  update(state, rank, may) {
    this.state = state;
    setData(this.list, 'choix', may);
    const verb = say(may === 'echange' ? 'poste.echanger' : 'poste.choisir');
    const me = state.participants[rank - 1];
    const held = state.held.find((choice) => choice.rank === rank)?.post;
    for (const post of state.posts) {
      const item = this.items.get(post.number);
      if (item.element.dataset.places !== String(post.seats_left)) {
        item.element.dataset.places = post.seats_left;
        mark(item.element);
      }
      const args = { n: post.seats_left, total: post.seats };
      setText(item.seats, post.seats_left === 0 ? say('poste.complet.sur', args) : say('poste.places', args));
      let mine = '';
      if (me.standing === 'placed' && me.post === post.number) mine = say('poste.mon_choix');
      else if (held === post.number) mine = say('poste.mon_attente');
      setText(item.choose, verb);
      if (mine || item.element.dataset.mien) {
        fill(item.mine, mine);
        item.element.dataset.mien = mine ? 'oui' : '';
      }
    }
    this.count();
    this.offerReorder();
  }

  /** Says of each post whether it is a wish, and which; nothing moves. */
  showWishes(possible) {
    const wishes = this.wishes();
    for (const [number, item] of this.items) {
      const place = wishes.indexOf(number);
      fill(item.wish, place < 0 ? '' : say('poste.voeu', { n: place + 1 }));
      item.star.setAttribute('aria-pressed', String(place >= 0));
      show(item.star, possible);
    }
    setData(this.list, 'voeux', possible ? 'oui' : 'non');
    this.offerReorder();
  }

  /** How many posts would stand elsewhere, or not at all, if the list were arranged now. */
  offerReorder() {
    const wanted = this.arrangement();
    const shown = [...this.list.children].filter((element) => !element.hidden).map((element) => Number(element.dataset.poste));
    const changed = this.form.elements.libres.checked || this.form.elements.tri.value === 'places'
      ? [...shown, ...wanted].filter((number) => wanted.includes(number) !== shown.includes(number)
        || this.seatsWhenArranged?.get(number) !== this.state.posts[number - 1].seats_left)
      : [];
    const wishes = this.wishes();
    const before = this.wishesWhenArranged ?? [];
    changed.push(...[...wishes, ...before].filter((number) => wishes.indexOf(number) !== before.indexOf(number)));
    const different = wanted.join() !== shown.join();
    setText(this.reorder, say('poste.a_changer', { n: new Set(changed).size }));
    show(this.reorder, different && changed.length > 0);
  }

  // --- order and filters, on demand -----------------------------------------------------------

  arrangement() {
    const { q, libres, specialite, phase, tri } = this.form.elements;
    const words = fold(q.value).split(/\s+/).filter(Boolean);
    const criteria = [...this.form.querySelectorAll('[name=critere]:checked')].map((box) => box.value);
    const fits = (post) => (!libres.checked || post.seats_left > 0)
      && (!specialite?.value || post.specialty === specialite.value)
      && (!phase?.value || post.phase === phase.value)
      && criteria.every((criterion) => post.criteria.includes(criterion))
      && words.every((word) => this.items.get(post.number).text.includes(word));
    return this.sorted(tri.value).filter(fits).map((post) => post.number);
  }

  sorted(order) {
    const key = order === 'service' ? 'byService' : 'order';
    const wishes = this.wishes();
    const place = (post) => (wishes.includes(post.number) ? wishes.indexOf(post.number) : Infinity);
    const compare = (a, b) => {
      if (place(a) !== place(b)) return place(a) - place(b);
      if (order === 'places' && a.seats_left !== b.seats_left) return b.seats_left - a.seats_left;
      const [x, y] = [this.items.get(a.number)[key], this.items.get(b.number)[key]];
      if (order !== 'numero' && x !== y) return x < y ? -1 : 1;
      return a.number - b.number;
    };
    return [...this.state.posts].sort(compare);
  }

  arrange() {
    const wanted = new Set(this.arrangement());
    const focused = document.activeElement;
    for (const post of this.sorted(this.form.elements.tri.value)) {
      const { element } = this.items.get(post.number);
      show(element, wanted.has(post.number));
      if (this.list.lastElementChild !== element) this.list.append(element);
    }
    if (focused && focused !== document.activeElement && focused.isConnected) focused.focus({ preventScroll: true });
    this.wishesWhenArranged = [...this.wishes()];
    this.seatsWhenArranged = new Map(this.state.posts.map((post) => [post.number, post.seats_left]));
    show(this.reorder, false);
    this.count();
    const set = this.form.querySelectorAll('[name=critere]:checked').length
      + ['specialite', 'phase'].filter((name) => this.form.elements[name]?.value).length;
    setText(byId('nombre-filtres'), set ? ` (${set})` : '');
  }

  count() {
    const shown = [...this.list.children].filter((element) => !element.hidden).length;
    const total = this.state.posts.length;
    const places = this.state.posts.reduce((sum, post) => sum + post.seats_left, 0);
    setText(byId('compte'), shown === total
      ? say('poste.compte.tous', { n: shown, places })
      : say('poste.compte', { n: shown, total }));
    show(byId('aucun'), shown === 0);
  }

  /** The count is said when the person searched, never when somebody else chose. */
  sayCount() {
    clearTimeout(this.saying);
    this.saying = setTimeout(() => announce(byId('compte').textContent), SAID_AFTER_MS);
  }

  /** What was searched stays, in this tab. An address with filters of its own comes first. */
  restore() {
    let kept = null;
    try { kept = JSON.parse(sessionStorage.getItem(this.key)); } catch { /* nothing kept */ }
    const inAddress = ['q', 'libres', 'specialite', 'phase', 'critere', 'tri'].some((name) => new URLSearchParams(location.search).has(name));
    if (kept && !inAddress) {
      const values = new URLSearchParams(kept);
      for (const field of this.form.elements) {
        if (!field.name) continue;
        if (field.type === 'checkbox') field.checked = values.getAll(field.name).includes(field.value);
        else field.value = values.get(field.name) ?? '';
      }
      byId('plus-de-filtres').open ||= ['specialite', 'phase', 'critere'].some((name) => values.get(name));
    }
    this.arrange();
  }

  keep() {
    try {
      sessionStorage.setItem(this.key, JSON.stringify(new URLSearchParams(new FormData(this.form)).toString()));
    } catch { /* private browsing: nothing is kept */ }
  }
}

/** Lower case without accents, so that "hemato" finds "Hématologie". */
export function fold(text) {
  return text.normalize('NFD').replace(/[\u0300-\u036f]/g, '').toLowerCase()
    .replaceAll('œ', 'oe').replaceAll('æ', 'ae').replaceAll('’', "'");
}
