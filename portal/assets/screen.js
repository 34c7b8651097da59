// The public screen, kept true. Invariant: ranks and pseudonyms only; a tile dims and stays.

import { nextWaiting, renderAmphi, timeLeft } from './amphi.js';
import { byId, fill, make, mark, setData, setText, show } from './dom.js';
import { forecasts } from './forecast.js';
import { Hemicycle } from './hemicycle.js';
import { openSession } from './session.js';
import { countdown } from './times.js';
import { say } from './words.js';

const NEXT_SHOWN = 3;

const session = openSession({
  render,
  tick,
  offlineLine: (since) => say('connexion.pas_perdu.autre', { heure: session.times.time(since) }),
});
const hall = new Hemicycle(byId('hemicycle'), session.state().participants.length);
const tiles = new Map([...byId('services').children].map((tile) => [tile.dataset.service, tile]));

function render() {
  hall.update(session.state());
  showTiles(session.state());
  showAll(session.clock.now());
}

function tick(now, wholeSecond) {
  if (wholeSecond) showAll(now);
}

function showAll(now) {
  const state = session.state();
  const all = forecasts(state, now);
  setText(byId('horloge'), session.times.time(now));
  const nobody = renderAmphi(state, { forecasts: all, times: session.times, now });
  const { turn } = state;
  show(byId('passe-rang'), Boolean(turn));
  show(byId('passe-personne'), !turn);
  setText(byId('passe-personne'), nobody);
  setText(byId('passe-rang').querySelector('[data-role=rang]'), turn ? String(turn.rank) : '');
  setText(byId('passe-pseudonyme'), turn ? state.participants[turn.rank - 1].pseudonym : '');
  fill(byId('compte-a-rebours'), turn ? countdown(timeLeft(turn, session.turnNow())) : '');
  setText(byId('motif'), state.reason ?? '');
  showNext(state, all, now);
}

function showNext(state, all, now) {
  const list = byId('suivants');
  const next = nextWaiting(state, NEXT_SHOWN);
  if ([...list.children].map((item) => item.dataset.rang).join() !== next.map((p) => p.rank).join()) {
    list.replaceChildren(...next.map((participant) => make('li', { 'data-rang': participant.rank },
      make('span', { className: 'rang chiffres', text: String(participant.rank) }), ' ',
      make('span', { className: 'pseudonyme', text: participant.pseudonym }), ' ',
      make('span', { className: 'heure chiffres' }))));
  }
  next.forEach((participant, index) => {
    const forecast = all[participant.rank - 1];
    setText(list.children[index].querySelector('.heure'), forecast ? session.times.moment(forecast.expected, now) : '');
  });
}

function showTiles(state) {
  const left = new Map();
  let sum = 0;
  for (const post of state.posts) {
    left.set(post.service, (left.get(post.service) ?? 0) + post.seats_left);
    sum += post.seats_left;
  }
  for (const [service, n] of left) {
    const tile = tiles.get(service);
    if (tile.dataset.places !== String(n)) mark(tile);
    setData(tile, 'places', n);
    setText(tile.querySelector('.n'), n === 0 ? say('poste.complet') : String(n));
  }
  setText(byId('places-restantes'), say('ecran.places', { n: sum }));
}

session.begin();
