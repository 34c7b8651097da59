// "Me and my time": a function of the facts, my rank, my forecast and the instant, as words. The same
// function as `pages::panel`, with the same phrases. Invariant: no DOM, no memory.

import {
  choosing, documentMissing, isRepresented, lateMayChoose, lateRule, lostTheirChoice, peopleBefore, postLabel, timeLeft,
} from './amphi.js';
import { countdown, duration } from './times.js';
import { say } from './words.js';

const MINUTE = 60_000;
const FAR = 20 * MINUTE;
const BE_BACK_BEFORE = 10 * MINUTE;
const EMPTY = { label: '', time: '', machineTime: '', countdown: '', post: '', range: '', convoked: '', detail: '', advice: '' };

export function panelOf(situation) {
  const { state, rank } = situation;
  const me = state.participants[rank - 1];
  const plain = (name, meaning, key) => ({ ...EMPTY, state: name, meaning, label: say(key), detail: say(`${key}.detail`) });
  if (state.status === 'annulled') {
    return { ...EMPTY, state: 'annule', meaning: 'arret', label: say('tour.annule'),
      detail: say('tour.annule.detail', { motif: state.reason }), advice: say('tour.annule.conseil') };
  }
  if (me.standing === 'placed') return placed(situation, me);
  if (me.standing === 'placed_elsewhere') return plain('ailleurs', 'fait', 'tour.ailleurs');
  if (me.standing === 'withdrawn') return plain('retire', 'arret', 'tour.retire');
  const turns = state.round === 'live';
  if (state.status === 'closed' && !turns) return plain('clos', 'calme', 'session.close');
  if (state.status === 'closed') return plain('clos', 'arret', 'tour.clos');
  if (state.status === 'draft') return plain('brouillon', 'calme', 'tour.brouillon');
  if (state.status === 'suspended') return suspended(situation, me);
  if (me.standing === 'in_turn') return inTurn(situation);
  if (me.standing === 'late') return late(situation, me);
  if (!turns) return { ...plain('voeux', 'a-faire', 'session.voeux'), advice: say('session.voeux.conseil') };
  return situation.forecast ? waiting(situation, me) : plain('brouillon', 'calme', 'tour.brouillon');
}

function waiting({ state, rank, forecast, now, times }, me) {
  const { expected, earliest, latest } = forecast;
  const published = state.status === 'published';
  const before = peopleBefore(state, rank);
  const beforeSaid = before === 0 ? say('tour.devant.0') : say('tour.devant', { n: before });
  const range = times.time(earliest) === times.time(latest) ? '' : say('tour.entre', {
    tot: times.moment(earliest, expected), tard: times.moment(nextMinute(latest), expected) });
  const moved = me.planned_at != null && expected - me.planned_at >= MINUTE;
  let advice = say('tour.rester');
  if (before === 0 && !published && expected <= now) advice = say('tour.a_l_instant');
  else if (earliest - now > FAR) {
    const back = earliest - BE_BACK_BEFORE;
    advice = say(times.sameDay(back, now) ? 'tour.revenir' : 'tour.revenir.jour', { heure: times.moment(back, now) });
  }
  return {
    ...EMPTY, state: 'attente', meaning: 'calme',
    label: times.sameDay(expected, now) ? say('tour.attente') : say('tour.attente.jour', { jour: times.day(expected) }),
    time: times.time(expected), machineTime: new Date(expected).toISOString(), range,
    convoked: moved ? times.moment(me.planned_at, expected) : '',
    detail: published ? say('tour.pas_ouverte', { devant: beforeSaid }) : beforeSaid,
    advice,
  };
}

function inTurn({ state, who, turnNow, times }) {
  const left = state.turn ? timeLeft(state.turn, turnNow) : 0;
  const heure = state.turn ? times.timeToTheSecond(state.turn.deadline) : '';
  if (isRepresented(state, who)) {
    return {
      ...EMPTY, state: 'represente', meaning: 'calme', label: say('tour.represente'), countdown: countdown(left),
      detail: say('tour.represente.detail', { heure }), advice: say('tour.represente.conseil'),
    };
  }
  let detail = left > 0 ? say('tour.tour.detail', { heure }) : say('tour.tour.ecoule');
  if (documentMissing(who)) detail = say('tour.tour.document');
  return {
    ...EMPTY, state: 'tour', meaning: 'a-faire', label: say('tour.tour'), countdown: countdown(left), detail,
    advice: say(`tour.tour.conseil.${state.policies.late}`),
  };
}

function late({ state, who, rank, now, times }, me) {
  const held = state.held.find((choice) => choice.rank === rank);
  if (held) {
    return {
      ...EMPTY, state: 'retenu', meaning: 'retard', label: say('tour.retenu'), post: postLabel(state, held.post),
      detail: state.turn ? say('tour.retenu.detail', { rang: state.turn.rank }) : say('tour.retenu.detail.sans'),
      advice: say('tour.retenu.conseil'),
    };
  }
  const may = lateMayChoose(state, who);
  let detail = say(`tour.retard.detail.${lateRule(state, who)}`);
  if (may && isRepresented(state, who)) detail = say('tour.retard.represente');
  else if (may && documentMissing(who)) detail = say('tour.tour.document');
  const quand = times.when(me.since, now);
  let ended = me.passed ? say('tour.retard.passe', { quand }) : say('tour.retard.fini', { quand });
  // Of a choice that was undone one reads above: that turn did not end without one.
  if (lostTheirChoice(state, who)) ended = '';
  return { ...EMPTY, state: 'retard', meaning: 'retard', label: say('tour.retard'), detail, advice: ended };
}

function placed({ state, who, now, times }, me) {
  const quand = times.when(me.at, now);
  const wish = me.manner === 'safety_net' ? (who.me.wishes?.wishes ?? []).indexOf(me.post) + 1 : 0;
  const key = me.seat == null ? 'tour.place.surnombre' : 'tour.place.detail';
  return {
    ...EMPTY, state: 'place', meaning: 'fait', label: say('tour.place'), post: postLabel(state, me.post),
    detail: wish > 0 ? say('tour.place.filet', { quand, n: wish }) : say(key, { quand, maniere: say(`maniere.${me.manner}`) }),
    advice: say(choosing(state, who) === 'echange' ? 'tour.place.echange' : 'tour.place.conseil'),
  };
}

function suspended({ state, who, rank, forecast, now, turnNow, times }, me) {
  const held = state.held.find((choice) => choice.rank === rank);
  let advice = '';
  if (me.standing === 'in_turn' && state.turn) {
    advice = say('tour.suspendu.tour', { temps: duration(timeLeft(state.turn, turnNow)) });
  } else if (me.standing === 'waiting' && forecast) {
    advice = say('tour.suspendu.attente', { quand: times.when(forecast.expected, now) });
  } else if (me.standing === 'late') {
    advice = held ? say('tour.suspendu.retenu', { poste: postLabel(state, held.post) }) : say(`tour.suspendu.retard.${lateRule(state, who)}`);
  }
  return {
    ...EMPTY, state: 'suspendu', meaning: 'arret', label: say('tour.suspendu'),
    detail: say('tour.suspendu.depuis', { heure: times.moment(state.since, now), motif: state.reason }), advice,
  };
}

/** The latest instant is said as the minute after it, so that it is never too early. */
function nextMinute(at) {
  return Math.ceil(at / MINUTE) * MINUTE;
}
