// The control room, kept true: the turn in progress, everybody's state, presence, wishes and expected time.
// Invariant: rows are the ones the page came with (and those of people added since); only cells whose text
// changed are touched, and the order changes only when a heading is pressed. Names never travel live: they
// came with the page.

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
  presence: takePresence,
  dossiers: takeDossiers,
  busy: () => acts.busy(),
  offlineLine: (since) => say('connexion.pas_perdu.autre', { heure: session.times.time(since) }),
});
const { data, times, clock } = session;
const path = data.path;
const byRank = (entries) => new Map(entries.map((entry) => [entry.rank, entry]));
const people = byRank(data.roster);
const presence = byRank(data.presence);
const dossiers = byRank(data.dossiers);
let connections = data.connections;
const name = (rank) => {
  const entry = people.get(rank);
  return entry ? `${entry.last_name} ${entry.first_name}` : session.state().participants[rank - 1]?.pseudonym ?? '';
};
const table = new Table({ people, presence, dossiers, times });
const present = (rank) => table.devices(rank) > 0;
const journal = new Journal({ list: byId('journal'), path, delays: data.delays });
const acts = new Acts({ live: session.live, path, available, label: (post) => postLabel(session.state(), post) });

// --- facts and time ---------------------------------------------------------------------------

function render() {
  const state = session.state();
  showAll(clock.now());
  table.arrangeOnce(state);
  journal.follow(state.seq);
  acts.changed();
  if (state.participants.length > table.rows.length) welcomeAdded();
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
  showPending(state);
  for (const act of document.querySelectorAll('.etat-regie [data-acte], .actes-horloge [data-acte]')) show(act, available(act.dataset.acte));
  const presents = [...presence.keys()].filter(present).length;
  setText(byId('connexions'), say('regie.connexions', { n: connections, presents }));
  document.title = state.turn ? `Rang ${state.turn.rank} – Régie` : `Régie – ${state.title}`;
}

function showTurn(state) {
  const { turn } = state;
  const box = byId('tour-en-cours');
  setText(byId('nom-en-cours'), turn ? name(turn.rank) : '');
  setText(byId('compte-a-rebours'), turn ? countdown(timeLeft(turn, session.turnNow())) : '–');
  const phone = turn && people.get(turn.rank)?.phone;
  setText(byId('presence-en-cours'), turn ? [table.presenceSaid(turn.rank), phone].filter(Boolean).join(' · ') : '');
  setData(byId('presence-en-cours'), 'presence', turn ? table.whoIsThere(turn.rank) : '');
  show(byId('actes-tour'), Boolean(turn) && state.status === 'open');
  const rank = String(turn?.rank ?? '');
  if (box.dataset.rang === rank && box.dataset.suivi) return;
  Object.assign(box.dataset, { rang: rank, suivi: '' });
  for (const link of box.querySelectorAll('a[data-apercu]')) link.href = actAddress(link.dataset.acte, rank, link.dataset.par);
  box.querySelector('a[data-dossier]').href = `${path}/rang/${rank}`;
}

function actAddress(act, rank, by) {
  return `${path}/apercu?action=${act}&rank=${rank}${by ? `&by=${by}` : ''}`;
}

function actLink(act, rank, text, danger = false) {
  return make('a', { className: `bouton secondaire petit${danger ? ' danger' : ''}`, 'data-apercu': '', 'data-acte': act, href: actAddress(act, rank), text });
}

/** Fills a list with one item per entry, when what it says has changed; else leaves it alone. */
function fillList(list, entries, item) {
  const key = entries.map(({ key: part }) => part).join('\n');
  if (list.dataset.cle === key) return;
  list.dataset.cle = key;
  list.replaceChildren(...entries.map(item));
}

function showAlerts(state) {
  const running = state.status === 'open' || state.status === 'suspended';
  const watched = running && state.round === 'live'
    ? [...(state.turn ? [state.participants[state.turn.rank - 1]] : []), ...nextWaiting(state, WATCHED_TURNS)]
    : [];
  const absent = watched.filter((participant) => !present(participant.rank)).map(({ rank }) => {
    const args = { rang: rank, nom: name(rank), n: Math.max(1, peopleBefore(state, rank)) };
    const text = state.turn?.rank === rank ? say('regie.alerte.tour', args) : say('regie.alerte', args);
    const proxy = Boolean(dossiers.get(rank)?.proxy);
    return { rank, text, proxy, key: `${text}${proxy}` };
  });
  fillList(byId('alertes'), absent, ({ rank, text, proxy }) => {
    const entry = people.get(rank);
    const reach = make('p', { className: 'joindre' });
    if (entry?.phone) reach.append(make('a', { href: `tel:${entry.phone.replace(/\s/g, '')}`, text: entry.phone }));
    else if (entry?.email) reach.append(make('a', { href: `mailto:${entry.email}`, text: entry.email }));
    reach.append(make('a', { 'data-dossier': '', href: `${path}/rang/${rank}`, text: 'Dossier' }));
    if (proxy) reach.append(make('a', { href: `${path}/procuration/${rank}`, text: say('regie.dossier.procuration') }));
    const item = make('li', { 'data-rang': rank }, make('p', { text }));
    if (proxy) item.append(make('p', { className: 'discret', text: say('regie.alerte.procuration') }));
    item.append(reach);
    return item;
  });
  setText(byId('nombre-alertes'), absent.length ? String(absent.length) : '');
  show(byId('aucune-alerte'), absent.length === 0);
}

/** Those about whom somebody has to decide: before the opening, and after the last turn. */
function showPending(state) {
  const { status, participants } = state;
  const found = status === 'published'
    ? participants.filter(({ rank, standing }) => standing === 'waiting' && dossiers.get(rank)?.ineligible) : [];
  const item = ({ rank, text }, links) => make('li', { 'data-rang': rank },
    make('p', {}, make('span', { className: 'chiffres rang', text: String(rank) }), ` ${text}`),
    make('p', { className: 'rangee' }, ...links));
  const said = ({ rank }, why = '') => {
    const text = why ? `${name(rank)}. ${why}` : name(rank);
    return { rank, text, key: `${rank} ${text}` };
  };
  fillList(byId('ineligibles'), found.map((one) => said(one, say(`regie.ineligible.${dossiers.get(one.rank).ineligible}`))),
    (entry) => item(entry, [actLink('admit', entry.rank, say('regie.lien.admettre')), ' ', actLink('withdraw', entry.rank, say('regie.lien.retirer'), true)]));
  show(byId('a-decider'), found.length > 0);
  const over = ['open', 'suspended', 'closed'].includes(status) && !state.turn
    && ['live', 'by_wishes'].includes(state.round ?? 'live') && !participants.some(({ standing }) => standing === 'waiting');
  const late = over ? participants.filter(({ standing }) => standing === 'late') : [];
  fillList(byId('non-choisis'), late.map((one) => said(one)),
    (entry) => item(entry, [actLink('assign', entry.rank, say('regie.lien.affecter'))]));
  show(byId('sans-poste'), late.length > 0);
}

function takePresence(message) {
  for (const entry of message.interns) {
    const before = table.devices(entry.rank);
    presence.set(entry.rank, entry);
    if (before !== table.devices(entry.rank)) table.touched(entry.rank);
  }
  connections = message.connections;
  showAll(clock.now());
}

function takeDossiers(changed) {
  for (const dossier of changed) dossiers.set(dossier.rank, dossier);
  showAll(clock.now());
}

/** Somebody was added: their row and their name come with the page as it is now. */
async function welcomeAdded() {
  const answer = await fetch(location.pathname, { credentials: 'same-origin' }).catch(() => null);
  if (!answer?.ok) return; // asked again at the next change
  const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
  const facts = JSON.parse(page.getElementById('page-data').textContent);
  for (const entry of facts.roster) people.set(entry.rank, entry);
  for (const dossier of facts.dossiers) dossiers.set(dossier.rank, dossier);
  table.grow([...page.querySelectorAll('#internes > tr')]);
  showAll(clock.now());
}

// --- acts -------------------------------------------------------------------------------------

function available(act) {
  const state = session.state();
  const { status } = state;
  const running = status === 'open' || status === 'suspended';
  const turns = (state.round ?? 'live') === 'live';
  switch (act) {
    case 'open': return status === 'published';
    case 'suspend': return status === 'open';
    case 'resume': return status === 'suspended';
    case 'explain_suspension': return status === 'suspended';
    case 'close': return running && (!turns || (!state.turn && !state.participants.some(({ standing }) => standing === 'waiting')));
    case 'annul': return status !== 'annulled';
    default: return true;
  }
}

byId('aller-au-tour').addEventListener('click', () => {
  const row = table.row(session.state().turn?.rank ?? Math.min(calledCount(session.state()) + 1, session.state().participants.length));
  row.hidden = false;
  row.scrollIntoView({ block: 'center' });
  mark(row);
});
session.begin();
