// When each turn will open (A7): the sum of PROTOCOL.md, the same as the server's.
// Invariant: a function of the state and the instant only; integers (ms) in, integers out.
// No DOM here: it also runs under node, against the golden vectors of the server.

/**
 * `result[rank - 1]` is `{earliest, expected, latest}` (UTC, ms), or null for whoever is not waiting.
 * While the session is suspended: as if it went on at `now`.
 */
export function forecasts(state, now) {
  const result = state.participants.map(() => null);
  if (state.participants.some((participant) => participant.planned_at == null)) return result;
  const permille = state.pace_permille;
  const early = state.policies?.early_opening === true;
  const firstPlanned = state.participants[0]?.planned_at;
  // A clock that went back forecasts nothing earlier than what has happened.
  const free = endOfCurrentTurn(state, Math.max(now, state.at), permille);
  for (let index = state.next_rank - 1; index < state.participants.length; index += 1) {
    const participant = state.participants[index];
    if (participant.standing !== 'waiting') continue;
    const callable = early ? Math.min(participant.planned_at, firstPlanned) : participant.planned_at;
    const opens = (from) => firstOpen(state.opening, Math.max(callable, from));
    const forecast = {
      earliest: opens(free.earliest),
      expected: opens(free.expected),
      latest: opens(free.latest),
    };
    free.earliest = forecast.earliest;
    free.expected = forecast.expected + scaled(participant.turn_duration, permille);
    // A turn that opens early may last until the end of the one convoked.
    const countedFrom = early ? Math.max(forecast.latest, participant.planned_at) : forecast.latest;
    free.latest = countedFrom + participant.turn_duration + state.grace;
    result[index] = forecast;
  }
  return result;
}

function endOfCurrentTurn(state, now, permille) {
  const turn = state.turn;
  if (!turn) return { earliest: now, expected: now, latest: now };
  const left = turn.remaining_when_suspended ?? turn.deadline - now;
  const allowed = state.participants[turn.rank - 1].turn_duration + turn.extended_by;
  const gone = turn.deadline - turn.opened_at - turn.stopped_for - left;
  return {
    earliest: now,
    expected: now + Math.max(0, scaled(allowed, permille) - gone),
    latest: now + Math.max(0, left + state.grace),
  };
}

function scaled(duration, permille) {
  return Math.trunc((duration * permille) / 1000);
}

/** The first instant, `at` or later, at which a turn may open; the last range has no end. */
function firstOpen(opening, at) {
  for (let index = 0; index < opening.length - 1; index += 1) {
    if (at < opening[index].closes_at) return Math.max(at, opening[index].opens_at);
  }
  return Math.max(at, opening[opening.length - 1].opens_at);
}
