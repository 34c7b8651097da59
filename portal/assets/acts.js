// The acts of the control room: each shows whom it touches, asks for its reason, and says what became
// of it. Invariant: one command per confirmation; nothing that cannot be undone goes without a dialog.

import { announce, byId, fill, setText, show, showResult } from './dom.js';
import { refusal, say } from './words.js';

const REASON_MAX = 500;
const ACTS = {
  open: { title: 'Ouvrir la séance', button: 'Ouvrir la séance' },
  suspend: { title: 'Suspendre la séance', button: 'Suspendre', reason: 'Motif, montré à tous', usual: 'Incident technique, reprise dès que possible' },
  resume: { direct: true },
  close: { title: 'Terminer la séance', button: 'Terminer la séance', danger: true },
  annul: { title: 'Annuler la séance', button: 'Annuler la séance', danger: true, reason: 'Motif, montré à tous' },
  end_turn: { title: 'Arrêter le tour en cours', button: 'Arrêter ce tour', danger: true, reason: 'Motif, inscrit au procès-verbal' },
  withdraw: { title: 'Retirer de la séance', button: 'Retirer cet interne', danger: true, reason: 'Motif, inscrit au procès-verbal' },
};

export class Acts {
  /** `touches(act, rank)` says whom an act touches; `label(post)` names a post; `available(act)`. */
  constructor({ live, touches, label, available }) {
    Object.assign(this, { live, touches, label, available });
    this.dialog = byId('acte');
    this.part = (name) => this.dialog.querySelector(`[data-role=${name}]`);
    this.button = byId('acte-confirmer');
    for (const form of document.querySelectorAll('form.acte')) {
      form.noValidate = true; // the dialog asks instead
      form.addEventListener('submit', (event) => {
        event.preventDefault();
        this.begin(form.dataset.acte, Number(form.elements.rank?.value) || null, form.querySelector('button'));
      });
    }
    byId('acte-formulaire').addEventListener('submit', (event) => { event.preventDefault(); this.confirm(); });
    byId('acte-renoncer').addEventListener('click', () => this.dialog.close());
    this.dialog.addEventListener('cancel', (event) => this.sending && event.preventDefault());
    byId('acte-motif').addEventListener('keydown', (event) => {
      if (event.key === 'Enter' && !event.shiftKey) { event.preventDefault(); this.confirm(); }
    });
    addEventListener('keydown', (event) => {
      if (event.key !== 'F8' || event.repeat) return;
      event.preventDefault();
      if (this.dialog.open && this.act === 'suspend') this.confirm();
      else if (!this.dialog.open && this.available('suspend')) this.begin('suspend', null);
    });
  }

  begin(act, rank, origin) {
    if (this.sending) return undefined;
    const kind = ACTS[act];
    this.pressed = kind.direct ? origin : this.button;
    this.act = act;
    this.rank = rank;
    this.sending = false;
    if (kind.direct) return this.send({ action: act });
    setText(byId('acte-titre'), kind.title);
    fill(this.part('touche'), this.touches(act, rank));
    this.part('touche').dataset.sens = kind.danger ? 'arret' : 'a-faire';
    fill(this.part('refus'), '');
    fill(this.part('attente'), '');
    show(this.part('motif'), Boolean(kind.reason));
    setText(this.part('motif').querySelector('label'), kind.reason ?? '');
    byId('acte-motif').value = kind.usual ?? '';
    this.button.className = kind.danger ? 'bouton danger' : 'bouton';
    setText(this.button, kind.button);
    this.dialog.showModal();
    if (kind.reason) byId('acte-motif').select();
    byId(kind.reason ? 'acte-motif' : 'acte-titre').focus();
    return undefined;
  }

  confirm() {
    if (this.sending) return undefined;
    const kind = ACTS[this.act];
    const fields = { action: this.act };
    if (this.rank !== null) fields.rank = this.rank;
    if (kind.reason) {
      fields.reason = byId('acte-motif').value.trim();
      if (!fields.reason || [...fields.reason].length > REASON_MAX) {
        fill(this.part('refus'), say('refus.reason_needed.faire'));
        byId('acte-motif').focus();
        return undefined;
      }
    }
    return this.send(fields);
  }

  async send(fields) {
    this.sending = true;
    const { pressed } = this;
    const label = pressed.textContent;
    setText(pressed, say('choix.envoi'));
    pressed.setAttribute('aria-disabled', 'true');
    if (!this.live.ready()) fill(this.part('attente'), say('choix.hors_ligne'));
    const outcome = await this.live.command(fields);
    this.sending = false;
    setText(pressed, label);
    pressed.removeAttribute('aria-disabled');
    fill(this.part('attente'), '');
    this.settled(fields.action, outcome);
  }

  settled(action, outcome) {
    if (outcome.result === 'refused') {
      const said = refusal(outcome, { audience: 'regie', label: this.label });
      showResult({ meaning: 'arret', result: 'refus', code: outcome.code, title: said.what, lines: [said.still, said.todo] });
      if (this.dialog.open) fill(this.part('refus'), `${said.what} ${said.still} ${said.todo}`);
      return;
    }
    showResult({ meaning: 'fait', result: 'fait', title: say(`fait.${action}`) });
    if (this.dialog.open) this.dialog.close();
    announce(say(`fait.${action}`));
  }

  busy() {
    fill(this.part('attente'), say('choix.occupe'));
  }
}
