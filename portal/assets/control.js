// The control room, kept true: the turn in progress, everybody's state, presence and expected time.
// Invariant: rows are the ones the page came with; only cells whose text changed are touched, and the
// order changes only when a heading is pressed. Names never travel live: they came with the page.

import { Acts } from './acts.js';
import { calledCount, nextWaiting, peopleBefore, postLabel, renderAmphi, timeLeft } from './amphi.js';
import { byId, fill, make, mark, setData, setText, show } from './dom.js';
import { forecasts } from './forecast.js';
import { Journal } from './journal.js';
import { openSession } from './session.js';
import { Table } from './table.js';
import { countdown } from './times.js';
import { say } from './words.js';

/** Somebody absent is worth a line this many turns before theirs. */
const WATCHED_TURNS = 5;

const session = openSession({
  render,
  tick,
  before: (change) => journal?.before(change, session.state()),
  presence: takePresence,
  busy: () => acts.busy(),
  offlineLine: (since) => say('connexion.pas_perdu.autre', { heure: session.times.time(since) }),
});
const { data, times, clock } = session;
const people = new Map(data.roster.map((entry) => [entry.rank, entry]));
const presence = new Map(data.presence.map((entry) => [entry.rank, entry]));
let connections = data.connections;
const name = (rank) => {
  const entry = people.get(rank);
  return entry ? `${entry.last_name} ${entry.first_name}` : session.state().participants[rank - 1]?.pseudonym ?? '';
};
const present = (rank) => (presence.get(rank)?.devices ?? 0) > 0;
const table = new Table({ people, presence, times, turnRank: () => session.state().turn?.rank ?? null });
const journal = new Journal({ list: byId('journal'), empty: byId('journal-vide'), times, name });
const acts = new Acts({ live: session.live, touches, available, label: (post) => postLabel(session.state(), post) });

// --- facts and time ---------------------------------------------------------------------------

function render(change) {
  const now = clock.now();
  if (change) journal.after(change, session.state());
  showAll(now);
  table.arrangeOnce(session.state());
}

function tick(now, wholeSecond) {
  if (wholeSecond) showAll(now);
}

function showAll(now) {
  const state = session.state();
  const all = forecasts(state, now);
  setText(byId('horloge'), times.timeToTheSecond(now));
  setText(byId('qui-passe'), renderAmphi(state, { forecasts: all, times, now }));
  fill(byId('motif'), state.reason ? (state.since
    ? say('tour.suspendu.depuis', { heure: times.moment(state.since, now), motif: state.reason })
    : say('tour.annule.detail', { motif: state.reason })) : '');
  showTurn(state);
  table.update(state, all, now);
  showAlerts(state);
  for (const form of document.querySelectorAll('form.acte')) {
    if (form.dataset.acte !== 'withdraw') show(form, available(form.dataset.acte));
  }
  const presents = [...presence.values()].filter((entry) => entry.devices > 0).length;
  setText(byId('connexions'), say('regie.connexions', { n: connections, presents }));
  document.title = state.turn ? `Rang ${state.turn.rank} – Régie` : `Régie – ${state.title}`;
}

function showTurn(state) {
  const { turn } = state;
  const box = byId('tour-en-cours');
  setData(box, 'rang', turn?.rank ?? '');
  setText(byId('nom-en-cours'), turn ? name(turn.rank) : '');
  setText(byId('compte-a-rebours'), turn ? countdown(timeLeft(turn, session.turnNow())) : '–');
  const phone = turn && people.get(turn.rank)?.phone;
  setText(byId('presence-en-cours'), turn ? [table.presenceSaid(turn.rank), phone].filter(Boolean).join(' · ') : '');
  setData(byId('presence-en-cours'), 'presence', turn && !present(turn.rank) ? 'absent' : 'present');
  box.querySelector('[name=rank]').value = turn?.rank ?? '';
}

function showAlerts(state) {
  const watched = state.status === 'open' || state.status === 'suspended'
    ? [...(state.turn ? [state.participants[state.turn.rank - 1]] : []), ...nextWaiting(state, WATCHED_TURNS)]
    : [];
  const absent = watched.filter((participant) => !present(participant.rank));
  const list = byId('alertes');
  const said = absent.map(({ rank }) => {
    const turns = peopleBefore(state, rank);
    const entry = people.get(rank);
    const text = state.turn?.rank === rank
      ? say('regie.alerte.tour', { rang: rank, nom: name(rank) })
      : say('regie.alerte', { rang: rank, nom: name(rank), n: Math.max(1, turns) });
    return { rank, text, phone: entry?.phone, email: entry?.email };
  });
  const key = said.map(({ text }) => text).join('\n');
  if (list.dataset.cle !== key) {
    list.dataset.cle = key;
    list.replaceChildren(...said.map(({ rank, text, phone, email }) => {
      const item = make('li', { 'data-rang': rank }, make('p', { text }));
      const reach = make('p', { className: 'joindre' });
      if (phone) reach.append(make('a', { href: `tel:${phone.replace(/\s/g, '')}`, text: phone }));
      else if (email) reach.append(make('a', { href: `mailto:${email}`, text: email }));
      item.append(reach);
      return item;
    }));
  }
  setText(byId('nombre-alertes'), absent.length ? String(absent.length) : '');
  show(byId('aucune-alerte'), absent.length === 0);
}

function takePresence(message) {
  for (const entry of message.interns) {
    const before = presence.get(entry.rank);
    presence.set(entry.rank, entry);
    if (before?.devices !== entry.devices) table.touched(entry.rank);
  }
  connections = message.connections;
  showAll(clock.now());
}

// --- acts -------------------------------------------------------------------------------------

function available(act) {
  const state = session.state();
  const { status } = state;
  const running = status === 'open' || status === 'suspended';
  switch (act) {
    case 'open': return status === 'published';
    case 'suspend': return status === 'open';
    case 'resume': return status === 'suspended';
    case 'end_turn': return status === 'open' && state.turn !== null;
    case 'close': return running && !state.turn && nextWaiting(state, 1).length === 0;
    case 'annul': return status !== 'closed' && status !== 'annulled';
    default: return running || status === 'published';
  }
}

function touches(act, rank) {
  const state = session.state();
  const n = state.participants.length;
  const places = state.participants.filter((participant) => participant.standing === 'placed').length;
  switch (act) {
    case 'open': return say('regie.touche.open', { n });
    case 'suspend': return say('regie.touche.suspend');
    case 'close': return say('regie.touche.close', { n: state.participants.filter((p) => p.standing === 'late').length });
    case 'annul': return say('regie.touche.annul', { n, places });
    case 'end_turn': return say('regie.touche.tour', { rang: rank, nom: name(rank) });
    default: return say('regie.touche.retrait', { rang: rank, nom: name(rank) });
  }
}

byId('internes').addEventListener('click', (event) => {
  const button = event.target.closest('[data-retirer]');
  if (button) acts.begin('withdraw', Number(button.dataset.retirer));
});
byId('aller-au-tour').addEventListener('click', () => {
  const row = table.row(session.state().turn?.rank ?? Math.min(calledCount(session.state()) + 1, session.state().participants.length));
  row.hidden = false;
  row.scrollIntoView({ block: 'center' });
  mark(row);
});
session.begin();
