// The public facts, as the server told them: a snapshot and the changes laid over it.
// Invariant: after `apply`, the state equals the server's snapshot at `seq`; a change that does not
// start where the state stands is never applied (the caller asks for a resync instead).
// No DOM here: it also runs under node.

const STANDING_FIELDS = ['standing', 'since', 'passed', 'post', 'seat', 'at', 'manner'];
const MOVING_FIELDS = ['status', 'turn', 'next_rank', 'delay', 'pace_permille', 'held', 'at'];
const STATUS_FIELDS = ['reason', 'since'];

/** The state at a position of the journal. */
export function fromSnapshot(snapshot, position) {
  return { ...snapshot, epoch: position.epoch, seq: position.seq };
}

/** Whether `change` starts where `state` stands. */
export function follows(state, change) {
  return state !== null && change.from_seq === state.seq;
}

/** Lays `change` over `state`, in place. Call only when it `follows`. */
export function apply(state, change) {
  for (const changed of change.participants) {
    const participant = state.participants[changed.rank - 1];
    for (const field of STANDING_FIELDS) delete participant[field];
    Object.assign(participant, changed);
  }
  for (const changed of change.posts) state.posts[changed.number - 1].seats_left = changed.seats_left;
  for (const field of MOVING_FIELDS) state[field] = change[field];
  for (const field of STATUS_FIELDS) {
    if (field in change) state[field] = change[field];
    else delete state[field];
  }
  state.seq = change.seq;
  state.epoch = change.epoch;
}
