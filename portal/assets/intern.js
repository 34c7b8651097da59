// The intern's page, kept true: my time, the amphi now, the posts, choosing.
// Invariant: what the page shows is a function of the facts and the server's clock; only what the
// person typed or opened is kept here. Announcements are made at thresholds, never each second.

import { choosing, isRepresented, lateRule, peopleBefore, postLabel, renderAmphi } from './amphi.js';
import { Confirmation } from './confirm.js';
import { announce, byId, copyButton, fill, hideResult, make, mark, setText, show, showResult } from './dom.js';
import { forecasts } from './forecast.js';
import { Hemicycle } from './hemicycle.js';
import { Notifier } from './notify.js';
import { panelOf } from './panel.js';
import { PostList } from './posts.js';
import { openSession } from './session.js';
import { duration } from './times.js';
import { Wishes } from './wishes.js';
import { has, refusal, say } from './words.js';

const MINUTE = 60_000;
/** Close code: no right to be here any more. */
const GONE = 4502;
const FIELDS = ['label', 'post', 'range', 'convoked', 'detail', 'advice'];

const session = openSession({
  render,
  tick,
  me: takeMe,
  connection: (state, code) => {
    online = state === 'connecte';
    // The page itself says why, better than a line above it: the proxy has ended.
    if (code === GONE && who.mandate) location.reload();
    confirmation.line(state, byId('ligne-connexion').textContent);
  },
  busy: () => confirmation.wait(say('choix.occupe')),
  offlineLine: (since) => (chosen() ? say('connexion.pas_perdu.autre', { heure: session.times.time(since) }) : say('connexion.pas_perdu')),
});
let online = false;
let heldPost = null;
let previous = null;
const { rank } = session.data.me;
/** Who looks: the intern, or the holder of their proxy (`mandate`). */
const who = { me: session.data.me, mandate: session.data.mandate };
const panel = byId('mon-tour');
const wishes = new Wishes({
  path: session.data.path,
  state: session.state,
  times: session.times,
  now: () => session.clock.now(),
  saved: who.me.wishes,
  send: async (command) => {
    const outcome = await session.live.command(command);
    settled(command.action, outcome);
    return outcome;
  },
  changed: () => posts.showWishes(mayWish(session.state())),
});
const posts = new PostList(session.state(), session.data.path, () => wishes.order());
const hall = new Hemicycle(byId('hemicycle'), session.state().participants.length, rank);
const notifier = new Notifier(session.data.snapshot.title);
const confirmation = new Confirmation({
  who,
  online: () => online,
  send: (command) => session.live.command(command),
  settled: (outcome, action) => settled(action, outcome),
});

function chosen() {
  return session.state().participants[rank - 1].standing === 'placed';
}

function mayWish(state) {
  const toChoose = ['waiting', 'in_turn', 'late'].includes(state.participants[rank - 1].standing);
  return Boolean(byId('voeux')) && toChoose && ['published', 'open', 'suspended'].includes(state.status) && !isRepresented(state, who);
}

// --- facts and time ---------------------------------------------------------------------------

function situation(now) {
  const state = session.state();
  const all = forecasts(state, now);
  return { state, who, rank, all, forecast: all[rank - 1], now, turnNow: session.turnNow(), times: session.times };
}

function render() {
  const current = situation(session.clock.now());
  const { state } = current;
  posts.update(state, rank, choosing(state, who));
  show(byId('voeux'), mayWish(state));
  wishes.render();
  posts.showWishes(mayWish(state));
  showUndone(state);
  hall.update(state);
  confirmation.update(state, current.turnNow);
  showPanel(current);
  noticeHeld(state);
}

function tick(now, wholeSecond) {
  if (!wholeSecond) return;
  const current = situation(now);
  setText(byId('horloge'), session.times.timeToTheSecond(now));
  showPanel(current);
  confirmation.update(current.state, current.turnNow);
}

function showPanel(current) {
  const { state, all, times, now } = current;
  setText(byId('qui-passe'), renderAmphi(state, { forecasts: all, times, now }));
  const said = panelOf(current);
  const moved = panel.dataset.etat !== said.state;
  panel.dataset.etat = said.state;
  panel.dataset.sens = said.meaning;
  for (const field of FIELDS) fill(panel.querySelector(`[data-champ=${field}]`), said[field]);
  show(panel.querySelector('.tour-convoque'), said.convoked !== '');
  fill(byId('compte-a-rebours'), said.countdown);
  const time = byId('heure-prevue');
  if (time.textContent !== said.time && said.time && !moved) mark(time);
  fill(time, said.time);
  time.dateTime = said.machineTime;
  const me = state.participants[rank - 1];
  const acts = state.status === 'open' && !isRepresented(state, who);
  show(byId('passer-bloc'), acts && me.standing === 'in_turn');
  show(byId('retirer'), acts && state.held.some((held) => held.rank === rank));
  setText(byId('rappel'), said.countdown ? say('tour.rappel', { temps: said.countdown }) : `${said.label} ${said.time}`.trim());
  byId('rappel').dataset.sens = said.meaning;
  document.title = said.state === 'tour' ? `${said.countdown} – ${say('tour.tour')}` : `${said.label} ${said.time || said.post} – ${state.title}`;
  announceThresholds(current, said);
}

function announceThresholds({ state, forecast, now, turnNow, times }, said) {
  const mine = state.turn?.rank === rank && state.status === 'open';
  const current = {
    state: said.state,
    status: state.status,
    before: said.state === 'attente' && state.status === 'open' ? peopleBefore(state, rank) : null,
    until: said.state === 'attente' && forecast ? forecast.expected - now : null,
    left: mine ? state.turn.deadline - turnNow : null,
  };
  const waiting = ['published', 'open', 'suspended'].includes(state.status) && state.participants[rank - 1].standing === 'waiting';
  notifier.update({ before: current.before, inTurn: said.state === 'tour', waiting });
  const was = previous;
  previous = current;
  if (!was) return;
  const crossed = (key, limit) => was[key] !== null && current[key] !== null && was[key] > limit && current[key] <= limit;
  if (was.status !== current.status) return announceStatus(was, current, state);
  if (was.state !== 'tour' && current.state === 'tour') {
    announce(say('annonce.tour', { duree: duration(current.left ?? 0) }), true);
    hideResult();
    // The posts come right under the countdown.
    if (byId('voeux')) byId('voeux').open = false;
  } else if (was.state === 'tour' && current.state === 'retard') announce(say(`annonce.retard.${lateRule(state, who)}`), true);
  else if (crossed('left', 20_000)) announce(say('annonce.vingt_secondes'), true);
  else if (crossed('left', MINUTE)) announce(say('annonce.une_minute'), true);
  else if (crossed('before', 3)) announce(say('annonce.trois_tours'));
  else if (crossed('until', 10 * MINUTE)) announce(say('annonce.dix_minutes', { heure: times.time(forecast.expected) }));
  return undefined;
}

function announceStatus(was, current, state) {
  if (current.status === 'suspended') announce(say('annonce.suspendue', { motif: state.reason }), true);
  else if (current.status === 'annulled') announce(say('annonce.annulee', { motif: state.reason }), true);
  else if (current.status === 'closed') announce(say('annonce.terminee'));
  else if (was.status === 'suspended') announce(say('annonce.reprise'), true);
}

// --- what becomes of commands -----------------------------------------------------------------

/** What only this intern is told, and their holder. */
function takeMe(me) {
  who.me = me;
  wishes.take(me.wishes);
  takeReceipt(me);
  render();
}

/** A choice that was undone: why, and what to do now (3.7). */
function showUndone(state) {
  const { undone } = who.me;
  const { standing } = state.participants[rank - 1];
  const box = byId('defait');
  const shown = Boolean(undone) && standing !== 'placed';
  if (shown) {
    const over = ['closed', 'annulled'].includes(state.status);
    const key = standing === 'late' ? `defait.late.${lateRule(state, who)}` : `defait.${standing}`;
    const next = !over && has(key) ? key : 'defait.autre';
    const lines = [say('defait.titre', { poste: postLabel(state, undone.post) }),
      say('defait.motif', { quand: session.times.when(undone.at, session.clock.now()), motif: undone.reason }), say(next)];
    if (box.textContent.trim() !== lines.join('')) {
      box.replaceChildren(...lines.map((text, index) => make('p', index === 0 ? { text, className: 'message-titre' } : { text })));
      announce(lines.join(' '), true);
    }
    show(byId('recu'), false);
    hideResult();
  }
  show(box, shown);
}

function takeReceipt(me) {
  show(byId('recu'), Boolean(me.receipt)); // a choice that was undone has none
  if (!me.receipt) return;
  const { amphi, seq, hash } = me.receipt;
  const code = `${amphi}:${seq}:${hash}`;
  byId('recu').dataset.code = code;
  setText(byId('recu-code'), code);
  show(byId('recu'), true);
}

function settled(action, outcome) {
  if (outcome.result === 'refused') {
    const state = session.state();
    const said = refusal(outcome, { late: state.policies.late, label: (number) => postLabel(state, number) });
    showResult({ meaning: 'arret', result: 'refus', code: outcome.code, title: said.what, lines: [said.still, said.todo] });
    if (action === 'pass' || action === 'release_held') byId('resultat').focus();
    return;
  }
  if (action === 'set_wishes') return; // said in their own place
  if (outcome.result === 'held') {
    showResult({ meaning: 'retard', result: 'en_attente', title: say('retenu') });
  } else {
    showResult({ meaning: 'fait', result: 'fait', title: say(`fait.${action}`) });
    takeReceipt(outcome);
  }
  announce(byId('resultat').textContent.trim(), true);
  byId('mon-tour-titre').focus();
}

/** A held choice that came to nothing is said, also when that happened while the line was lost. */
function noticeHeld(state) {
  const held = state.held.find((choice) => choice.rank === rank)?.post ?? null;
  const late = state.participants[rank - 1].standing === 'late';
  if (heldPost !== null && held === null && late && state.posts[heldPost - 1].seats_left === 0) heldRefused();
  heldPost = held;
}

function heldRefused() {
  const poste = heldPost === null ? '' : postLabel(session.state(), heldPost);
  showResult({ meaning: 'arret', result: 'refus', code: 'held_refused', title: say('retenu.refuse.quoi', { poste }),
    lines: [say('retenu.refuse.reste'), say('retenu.refuse.faire')] });
}

// --- the person -------------------------------------------------------------------------------

byId('postes').addEventListener('click', (event) => {
  const link = event.target.closest('.choisir');
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const item = link.closest('[data-poste]');
  confirmation.open(session.state(), Number(item.dataset.poste), item);
});

for (const form of panel.querySelectorAll('form.acte')) {
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    const button = form.querySelector('button');
    if (button.getAttribute('aria-disabled')) return;
    const label = button.textContent;
    button.setAttribute('aria-disabled', 'true');
    button.textContent = say('choix.envoi');
    const { action } = form.dataset;
    const outcome = await session.live.command({ action });
    button.textContent = label;
    button.removeAttribute('aria-disabled');
    byId('passer-bloc').open = false;
    settled(action, outcome);
  });
}

copyButton(byId('copier'), (said) => announce(said));
new IntersectionObserver(([entry]) => show(byId('rappel'), !entry.isIntersecting), { rootMargin: '-56px 0px 0px 0px' })
  .observe(panel);
session.begin();
