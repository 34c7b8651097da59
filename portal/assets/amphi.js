// The amphi now: who passes, delay, progress, last choices; and the questions every page asks of the
// facts. The same sums as `pages::facts`. Invariant: questions are functions of the state only.

import { byId, make, setData, setText, show } from './dom.js';
import { duration } from './times.js';
import { say } from './words.js';

const LAST_CHOICES = 3;
const MINUTE = 60_000;

export function postLabel(state, number) {
  const post = state.posts[number - 1];
  return post ? `${post.establishment}, ${post.service}` : say('poste.numero', { n: number });
}

export function calledCount(state) {
  return Math.min(Math.max(0, state.next_rank - 1 - (state.turn ? 1 : 0)), state.participants.length);
}

export function delaySaid(ms) {
  return ms < MINUTE ? say('amphi.a_l_heure') : say('amphi.retard', { duree: duration(Math.floor(ms / MINUTE) * MINUTE) });
}

export function nextWaiting(state, count) {
  return state.participants
    .filter((participant) => participant.rank >= state.next_rank && participant.standing === 'waiting')
    .slice(0, count);
}

export function passingSaid(state, forecasts, times, now) {
  if (state.turn) {
    const { rank } = state.turn;
    return say('amphi.passe', { rang: rank, pseudonyme: state.participants[rank - 1].pseudonym });
  }
  if (!['open', 'published', 'suspended'].includes(state.status)) return say('amphi.personne');
  const [next] = nextWaiting(state, 1);
  if (!next) return say('amphi.fini');
  const forecast = forecasts[next.rank - 1];
  if (!forecast) return say('amphi.personne');
  const key = times.sameDay(forecast.expected, now) ? 'amphi.personne.prochain' : 'amphi.personne.prochain.jour';
  return say(key, { rang: next.rank, heure: times.moment(forecast.expected, now) });
}

/** How many people pass before `rank`, the turn in progress included. */
export function peopleBefore(state, rank) {
  const waiting = state.participants.filter((participant) => participant.rank >= state.next_rank
    && participant.rank < rank && participant.standing === 'waiting').length;
  return waiting + (state.turn && state.turn.rank < rank ? 1 : 0);
}

/** What `who` (`{me, mandate}`) may do with a post now: 'oui', 'echange' or 'non'; the core decides again. */
export function choosing(state, who) {
  const { standing } = state.participants[who.me.rank - 1];
  if (state.status !== 'open') return 'non';
  if (standing === 'placed') return state.policies.vacancy_round && turnsAreOver(state) ? 'echange' : 'non';
  if (isRepresented(state, who) || documentMissing(who)) return 'non';
  if (standing === 'in_turn') return 'oui';
  return standing === 'late' && lateMayChoose(state, who) ? 'oui' : 'non';
}

/** Whether only the holder acts: the turn of somebody who is represented has opened (3.4). */
export function isRepresented(state, who) {
  return !who.mandate && Boolean(who.me.proxy) && who.me.rank < state.next_rank;
}

/** Whether the holder has to file the signed document first (3.4). */
export function documentMissing(who) {
  return Boolean(who.mandate?.document_missing) && !who.me.proxy?.document_filed;
}

/**
 * The late policy (3.6) as it is by now for `who`, whose turn is over: what was put off to the end is due once the end
 * has come, and whose choice was undone has forfeited nothing.
 */
export function lateRule(state, who) {
  const { late } = state.policies;
  if (late === 'end_of_session' && turnsAreOver(state)) return 'now';
  return late === 'forfeit' && lostTheirChoice(state, who) ? 'now' : late;
}

/** Whether it lets them choose now; the core decides again. */
export function lateMayChoose(state, who) {
  return ['now', 'after_current_turn'].includes(lateRule(state, who));
}

/**
 * Whether they are late because their choice was undone, and not because they let a turn go by: after a rewind, the
 * turn that comes again may be let go by like any other (3.7).
 */
export function lostTheirChoice(state, who) {
  const { standing, since } = state.participants[who.me.rank - 1];
  return standing === 'late' && Boolean(who.me.undone) && who.me.undone.at >= since;
}

function turnsAreOver(state) {
  return !state.turn && !state.participants.some((participant) => participant.standing === 'waiting');
}

/** The rank whose turn makes a late choice wait (3.3, 3.6), or null. */
export function wouldWaitFor(state, rank, number) {
  const late = state.participants[rank - 1].standing === 'late';
  const last = state.posts[number - 1].seats_left === 1 || state.policies.late === 'after_current_turn';
  return late && last && state.turn && state.turn.rank !== rank ? state.turn.rank : null;
}

export function lastTaker(state, number) {
  const takers = state.participants.filter((p) => p.standing === 'placed' && p.post === number);
  return takers.sort((a, b) => b.at - a.at || b.rank - a.rank)[0]?.rank ?? null;
}

/** What is left of the turn in progress. */
export function timeLeft(turn, now) {
  return Math.max(0, turn.remaining_when_suspended ?? turn.deadline - now);
}

/** Brings the elements that all three pages have up to date. */
export function renderAmphi(state, { forecasts, times, now }) {
  const status = byId('amphi-etat');
  setData(status, 'statut', state.status);
  setText(status, say(`statut.${state.status}`));
  const delay = byId('retard');
  setData(delay, 'ms', state.delay);
  setText(delay, delaySaid(state.delay));
  const [called, total] = [calledCount(state), state.participants.length];
  const progress = byId('progres');
  setData(progress, 'faits', called);
  setData(progress, 'total', total);
  setText(progress, say('amphi.progres', { faits: called, total }));
  setData(byId('qui-passe'), 'rang', state.turn?.rank ?? '');
  renderLastChoices(state, times);
  return passingSaid(state, forecasts, times, now);
}

function renderLastChoices(state, times) {
  const list = byId('derniers-choix');
  if (!list) return;
  const placed = state.participants.filter((participant) => participant.standing === 'placed');
  placed.sort((a, b) => b.at - a.at || b.rank - a.rank);
  const last = placed.slice(0, LAST_CHOICES);
  const shown = [...list.children].map((item) => item.dataset.rang).join();
  if (shown !== last.map((participant) => participant.rank).join()) {
    list.replaceChildren(...last.map((participant) => make('li', { 'data-rang': participant.rank },
      make('time', { text: times.time(participant.at), datetime: new Date(participant.at).toISOString() }), ' ',
      make('span', { text: say('amphi.dernier', { rang: participant.rank, poste: postLabel(state, participant.post) }) }))));
  }
  show(byId('aucun-choix'), last.length === 0);
}
