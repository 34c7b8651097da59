// The acts of the control room. What an act would change comes from the server as a page
// (`regie/apercu`), which without scripts is a page and here the content of one dialog.
// Invariant: one command per confirmation; but for suspending (F8) and resuming, which make people wait
// or go on and undo nothing, no act goes without its preview.

import { announce, byId, fill, make, setText, show, showResult } from './dom.js';
import { refusal, say } from './words.js';

/** While a preview is open, the session goes on: its facts are asked for again, at most this often. */
const REFRESH_MS = 600;
const NUMBERS = ['rank', 'post', 'by'];

export class Acts {
  /** `label(post)` names a post; `available(act)` says whether an act is possible now. */
  constructor({ live, path, label, available }) {
    Object.assign(this, { live, path, label, available });
    this.dialog = byId('acte');
    this.sending = false;
    document.addEventListener('click', (event) => this.clicked(event));
    document.addEventListener('submit', (event) => this.submitted(event));
    this.dialog.addEventListener('change', (event) => event.target.closest('[data-relire]') && this.reread());
    this.dialog.addEventListener('cancel', (event) => this.sending && event.preventDefault());
    this.dialog.addEventListener('close', () => this.dialog.replaceChildren());
    this.dialog.addEventListener('keydown', (event) => {
      if (event.target.id === 'acte-motif' && event.key === 'Enter' && !event.shiftKey) {
        event.preventDefault();
        this.part('#acte-formulaire')?.requestSubmit(this.part('#acte-confirmer'));
      }
    });
    addEventListener('keydown', (event) => {
      if (event.key !== 'F8' || event.repeat) return;
      event.preventDefault();
      this.suspend();
    });
  }

  part(selector) {
    return this.dialog.querySelector(selector);
  }

  clicked(event) {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    const link = event.target.closest('a[data-apercu], a[data-dossier], #acte a.bouton');
    if (!link) return;
    if (link.id === 'acte-renoncer') {
      event.preventDefault();
      if (!this.sending) this.dialog.close();
    } else if ('apercu' in link.dataset || 'dossier' in link.dataset) {
      event.preventDefault();
      this.open(link.href);
    }
  }

  submitted(event) {
    const form = event.target;
    if (form.id === 'acte-formulaire') {
      event.preventDefault();
      this.confirm(form);
    } else if ('apercu' in form.dataset) {
      event.preventDefault();
      this.open(`${form.action}?${new URLSearchParams(new FormData(form))}`);
    } else if (form.dataset.acte === 'suspend' || form.dataset.acte === 'resume') {
      event.preventDefault();
      if (form.dataset.acte === 'suspend') this.suspend();
      else this.direct({ action: 'resume' }, form.querySelector('button'));
    }
  }

  // --- previews and dossiers ------------------------------------------------------------------

  /** The section of a page of ours; null when it could not be had. */
  async ask(address) {
    try {
      const answer = await fetch(address, { credentials: 'same-origin', redirect: 'error' });
      if (!answer.ok) return null;
      const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
      const section = page.querySelector('#apercu, #dossier');
      // On its own page it is the main heading; here the page has one already.
      const heading = section?.querySelector('h1');
      heading?.replaceWith(make('h2', { id: heading.id, tabindex: '-1', text: heading.textContent }));
      return section;
    } catch {
      return null;
    }
  }

  async open(address) {
    if (this.sending) return;
    const asked = Symbol(address);
    this.asked = asked;
    const section = await this.ask(address);
    if (this.asked !== asked) return; // something else was asked for meanwhile
    if (!section) {
      showResult({ meaning: 'arret', result: 'refus', title: say('regie.apercu.perdu') });
      return;
    }
    this.address = address;
    this.dialog.replaceChildren(section);
    if (!this.dialog.open) this.dialog.showModal();
    const reason = this.part('#acte-motif');
    const first = this.part('#acte-poste') ?? reason ?? this.part('#acte-titre');
    first.focus();
    if (first === reason) reason.select();
  }

  /** A choice in the form changes what would happen: asked anew, and what was typed is kept. */
  async reread() {
    const form = this.part('#acte-formulaire');
    const fields = new URLSearchParams(new FormData(form));
    fields.delete('command_id');
    const focused = document.activeElement;
    const section = await this.ask(`${this.path}/apercu?${fields}`);
    if (!section || !form.isConnected || this.sending) return;
    this.address = `${this.path}/apercu?${fields}`;
    this.dialog.replaceChildren(section);
    const again = focused.id ? byId(focused.id) : this.part(`[name="${focused.name}"][value="${focused.value}"]`);
    (again ?? this.part('#acte-titre')).focus();
  }

  /** The session went on while a preview is open: what it says of people is brought up to date. */
  changed() {
    if (!this.dialog.open || this.refreshing || !this.part('#apercu')) return;
    this.refreshing = setTimeout(async () => {
      const old = this.part('[data-role=touches]');
      const section = await this.ask(this.address);
      this.refreshing = null;
      const fresh = section?.querySelector('[data-role=touches]');
      if (!fresh || !old?.isConnected || this.sending) return;
      const open = [...old.querySelectorAll('details')].map((details) => details.open);
      fresh.querySelectorAll('details').forEach((details, index) => { details.open = open[index] ?? details.open; });
      old.replaceWith(fresh);
      const ready = 'pret' in section.dataset;
      this.part('#apercu').toggleAttribute('data-pret', ready);
      if (this.part('#acte-confirmer')) show(this.part('#acte-confirmer'), ready);
    }, REFRESH_MS);
  }

  // --- commands -------------------------------------------------------------------------------

  async confirm(form) {
    const button = this.part('#acte-confirmer');
    if (this.sending || !button || button.hidden) return;
    const fields = {};
    for (const [name, value] of new FormData(form)) {
      if (name === 'command_id' || value === '') continue;
      fields[name] = NUMBERS.includes(name) ? Number(value) : value.trim();
    }
    if ('supernumerary' in fields) fields.supernumerary = true;
    if (this.part('#acte-motif') && !fields.reason) {
      fill(this.part('[data-role=refus]'), say('refus.reason_needed.faire'));
      this.part('#acte-motif').focus();
      return;
    }
    if (fields.action === 'rewind') {
      fields.to = fields.rank;
      delete fields.rank;
    }
    if (!this.live.ready()) fill(this.part('[data-role=attente]'), say('choix.hors_ligne'));
    const outcome = await this.send(fields, button);
    this.settled(fields.action, outcome);
  }

  /** An act that has no dialog. */
  async direct(fields, button) {
    if (this.sending) return null;
    const outcome = await this.send(fields, button);
    this.settled(fields.action, outcome);
    return outcome;
  }

  /** At once, and the reason afterwards: whoever presses this is in a hurry. */
  async suspend() {
    if (this.sending || !this.available('suspend')) return;
    const button = document.querySelector('form[data-acte=suspend] button');
    const outcome = await this.direct({ action: 'suspend', reason: say('regie.motif_a_preciser') }, button);
    if (outcome.result === 'refused') return;
    showResult({ meaning: 'arret', result: 'fait', title: say('regie.suspendue') });
    await this.open(`${this.path}/apercu?action=explain_suspension`);
  }

  async send(fields, button) {
    this.sending = true;
    const label = [...button.childNodes];
    setText(button, say('choix.envoi'));
    button.setAttribute('aria-disabled', 'true');
    const outcome = await this.live.command(fields);
    this.sending = false;
    button.replaceChildren(...label);
    button.removeAttribute('aria-disabled');
    if (this.part('[data-role=attente]')) fill(this.part('[data-role=attente]'), '');
    return outcome;
  }

  settled(action, outcome) {
    if (outcome.result === 'refused') {
      const said = refusal(outcome, { audience: 'regie', label: this.label });
      showResult({ meaning: 'arret', result: 'refus', code: outcome.code, title: said.what, lines: [said.still, said.todo] });
      if (this.dialog.open) fill(this.part('[data-role=refus]'), `${said.what} ${said.still} ${said.todo}`);
      return;
    }
    const said = say(outcome.result === 'held' ? `fait.${action}.held` : `fait.${action}`);
    showResult({ meaning: 'fait', result: 'fait', title: said });
    if (this.dialog.open) this.dialog.close();
    announce(said);
  }

  busy() {
    if (this.part('[data-role=attente]')) fill(this.part('[data-role=attente]'), say('choix.occupe'));
  }
}
