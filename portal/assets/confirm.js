// The confirmation of a choice: repeats what is chosen, names the consequence, one button.
// Invariant: a choice is sent once; while its answer is on the way the button says so and does
// nothing; the answer is a receipt, a wait, or a reason, never silence.

import { choosing, lastTaker, postLabel, timeLeft, wouldWaitFor } from './amphi.js';
import { announce, byId, fill, make, setText, show } from './dom.js';
import { countdown } from './times.js';
import { refusal, say } from './words.js';

/** An answer that takes longer than this is spoken of. */
const LONG_MS = 4_000;

export class Confirmation {
  /** `send(command)` resolves with the outcome; `settled(outcome, action)` is told of every one. */
  constructor({ who, send, settled, online }) {
    Object.assign(this, { who, rank: who.me.rank, send, settled, online });
    this.extra = byId('surnombre');
    this.extra.addEventListener('change', () => this.update(this.state, null));
    this.dialog = byId('confirmation');
    this.button = byId('confirmer');
    this.part = (name) => this.dialog.querySelector(`[data-role=${name}]`);
    this.button.addEventListener('click', () => this.confirm());
    byId('renoncer').addEventListener('click', () => this.dialog.close());
    this.dialog.addEventListener('close', () => this.leave());
    this.dialog.addEventListener('cancel', (event) => this.sending && event.preventDefault());
  }

  open(state, number, origin) {
    this.number = number;
    this.origin = origin;
    this.phase = 'question';
    this.sending = false;
    const post = state.posts[number - 1];
    setText(this.part('etablissement'), post.establishment);
    setText(this.part('service'), post.service);
    setText(byId('confirmation-titre'), say('choix.titre'));
    fill(this.part('attente'), '');
    show(byId('renoncer'), true);
    this.extra.checked = false;
    this.update(state, null);
    this.dialog.showModal();
    byId('confirmation-titre').focus();
  }

  /** Facts changed, or a second went by (`now`). */
  update(state, now) {
    this.state = state;
    if (this.number == null) return;
    const post = state.posts[this.number - 1];
    const [n, total] = [post.seats_left, post.seats];
    setText(this.part('places'), n === 0 ? say('poste.complet.sur', { total }) : say('poste.places', { n, total }));
    const mine = state.turn?.rank === this.rank;
    if (now !== null) fill(this.part('temps'), mine ? say('choix.temps', { temps: countdown(timeLeft(state.turn, now)) }) : '');
    if (this.phase === 'question' && !this.sending) this.ask(state, post);
  }

  ask(state, post) {
    const may = choosing(state, this.who);
    const exchange = may === 'echange';
    const full = post.seats_left === 0;
    const extra = this.offerExtraSeat(exchange, full);
    const waitsFor = extra ? null : wouldWaitFor(state, this.rank, post.number);
    const mine = state.participants[this.rank - 1];
    const late = mine.standing === 'late';
    const possible = may !== 'non' && (!full || extra);
    let text = say(late ? 'choix.consequence.retard' : 'choix.consequence');
    let meaning = 'a-faire';
    if (exchange) text = say('choix.consequence.echange', { mien: postLabel(state, mine.post) });
    else if (waitsFor !== null) text = say('choix.consequence.retenu', { rang: waitsFor });
    if (full && extra) text = say('choix.surnombre.complet');
    else if (full) {
      text = say(late ? 'choix.pris_pendant.retard' : 'choix.pris_pendant', { rang: lastTaker(state, post.number) ?? '' });
      meaning = 'arret';
    } else if (!possible) {
      text = say('choix.pas_possible');
      meaning = 'arret';
    }
    if (this.part('consequence')?.textContent !== text) {
      this.explain(meaning, [text]);
      if (meaning === 'arret') announce(text, true);
    }
    let title = 'choix.titre.impossible';
    if (possible) title = exchange ? 'choix.titre.echange' : 'choix.titre';
    else if (full) title = 'choix.titre.pris';
    setText(byId('confirmation-titre'), say(title));
    let button = waitsFor !== null ? 'choix.bouton.retenu' : 'choix.bouton';
    if (exchange) button = 'choix.bouton.echange';
    if (extra) button = 'choix.bouton.surnombre';
    setText(this.button, say(button));
    if (!possible && document.activeElement === this.button) byId('renoncer').focus();
    show(this.button, possible);
  }

  /** Offers an extra seat to whoever has the right (3.3); says whether the choice would be one. */
  offerExtraSeat(exchange, full) {
    const right = this.who.me.supernumerary;
    const offered = Boolean(right) && !exchange && (right === 'non_validating' || !full);
    show(this.part('surnombre'), offered);
    if (offered) setText(this.part('surnombre-dit'), say(`choix.surnombre.${right}`));
    if (offered && full) this.extra.checked = true;
    this.extra.disabled = full;
    return offered && this.extra.checked;
  }

  explain(meaning, lines) {
    const box = this.part('suite');
    box.dataset.sens = meaning;
    box.className = 'message dialogue-suite';
    box.replaceChildren(...lines.filter(Boolean).map((text, index) => make('p', index === 0 ? { text, 'data-role': 'consequence' } : { text })));
  }

  async confirm() {
    if (this.sending || this.phase !== 'question') return;
    this.sending = true;
    setText(this.button, say('choix.envoi'));
    this.button.setAttribute('aria-disabled', 'true');
    show(byId('renoncer'), false);
    this.wait(this.online() ? '' : say('choix.hors_ligne'));
    const slow = setTimeout(() => this.wait(say(this.online() ? 'choix.long' : 'choix.hors_ligne')), LONG_MS);
    const action = choosing(this.state, this.who) === 'echange' ? 'exchange' : 'choose';
    const command = { action, post: this.number };
    if (this.extra.checked && action === 'choose') command.supernumerary = true;
    const outcome = await this.send(command);
    clearTimeout(slow);
    this.sending = false;
    this.button.removeAttribute('aria-disabled');
    this.wait('');
    show(byId('renoncer'), true);
    if (outcome.result === 'refused') this.refused(outcome);
    else {
      this.phase = 'fait';
      this.dialog.close(); // before the page says so, as closing gives the focus back to the list
    }
    this.settled(outcome, action);
  }

  refused(outcome) {
    this.phase = 'refus';
    const said = refusal(outcome, { late: this.state.policies.late, label: (number) => postLabel(this.state, number) });
    setText(byId('confirmation-titre'), say('refus.titre'));
    this.explain('arret', [said.what, said.still, said.todo]);
    show(this.button, false);
    byId('confirmation-titre').focus();
  }

  /** Says what is going on while the answer is on its way. */
  wait(text) {
    fill(this.part('attente'), this.sending ? text : '');
  }

  /** The line was lost, came back, or will not come back (`why` says so). */
  line(state, why) {
    if (!this.sending) return;
    if (state === 'arretee') {
      this.wait(why);
      show(byId('renoncer'), true);
    } else this.wait(state === 'connecte' ? '' : say('choix.hors_ligne'));
  }

  /** Back to the list, with one's place kept. */
  leave() {
    const { origin, phase } = this;
    this.number = null;
    if (phase === 'fait' || !origin) return;
    const link = origin.querySelector('.choisir');
    link.focus({ preventScroll: true });
    if (document.activeElement !== link) {
      origin.tabIndex = -1;
      origin.focus({ preventScroll: true });
    }
  }
}
