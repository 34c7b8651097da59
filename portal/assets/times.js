// Times as they are said in France, in the amphi's own zone; durations. The same forms as
// `pages::wording::times`. Invariant: nothing here depends on the zone or language of the machine.

const NBSP = '\u00a0';
const MINUTE = 60_000;
// By as much do clocks go back, wherever French interns choose.
const HOUR = 60 * MINUTE;

export class Times {
  constructor(zone, label) {
    this.label = label;
    const of = (options) => new Intl.DateTimeFormat('fr-FR', { timeZone: zone, hourCycle: 'h23', ...options });
    this.clockForm = of({ hour: 'numeric', minute: '2-digit' });
    this.secondsForm = of({ hour: '2-digit', minute: '2-digit', second: '2-digit' });
    this.dayForm = of({ weekday: 'long', day: 'numeric', month: 'long' });
    this.keyForm = of({ year: 'numeric', month: '2-digit', day: '2-digit' });
    this.wallForm = of({ month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit' });
    this.offsetForm = of({ timeZoneName: 'longOffset' });
    this.known = new Map();
    this.elsewhere = this.secondsForm.format(0) !== new Intl.DateTimeFormat('fr-FR', {
      hourCycle: 'h23', hour: '2-digit', minute: '2-digit', second: '2-digit' }).format(0);
  }

  /** "10 h 47"; "2 h 30 (UTC+02:00)" in the hour that happens twice. */
  time(at) {
    return this.ofMinute(at).time;
  }

  /** "10:47:03". */
  timeToTheSecond(at) {
    return this.secondsForm.format(at);
  }

  /** "lundi 29 mars". */
  day(at) {
    return this.ofMinute(at).day;
  }

  /** "10 h 47", or "mardi 30 mars à 9 h 00" when that is not the day of `now`. */
  moment(at, now) {
    if (this.sameDay(at, now)) return this.time(at);
    return `${this.day(at)} à ${this.time(at)}`;
  }

  /** The same within a sentence: "à 10 h 47", or "le mardi 30 mars à 9 h 00". */
  when(at, now) {
    return `${this.sameDay(at, now) ? 'à' : 'le'} ${this.moment(at, now)}`;
  }

  sameDay(one, other) {
    return this.ofMinute(one).key === this.ofMinute(other).key;
  }

  /** Where the clock alone does not say when. */
  offsetIfTwice(at) {
    const wall = this.wallForm.format(at);
    if (![at - HOUR, at + HOUR].some((other) => this.wallForm.format(other) === wall)) return '';
    const offset = this.offsetForm.formatToParts(at).find(({ type }) => type === 'timeZoneName').value;
    return `${NBSP}(${offset.replace('\u2212', '-')})`;
  }

  ofMinute(at) {
    const minute = Math.floor(at / MINUTE);
    let said = this.known.get(minute);
    if (!said) {
      if (this.known.size > 5_000) this.known.clear();
      const parts = Object.fromEntries(this.clockForm.formatToParts(at).map(({ type, value }) => [type, value]));
      const day = Object.fromEntries(this.dayForm.formatToParts(at).map(({ type, value }) => [type, value]));
      said = {
        time: `${Number(parts.hour)}${NBSP}h${NBSP}${parts.minute}${this.offsetIfTwice(at)}`,
        day: `${day.weekday}${NBSP}${day.day === '1' ? '1er' : day.day}${NBSP}${day.month}`,
        key: this.keyForm.format(at),
      };
      this.known.set(minute, said);
    }
    return said;
  }
}

/** "45 s", "2 min 30 s", "12 min", "1 h 05 min". */
export function duration(ms) {
  const seconds = Math.floor(Math.max(0, ms) / 1000);
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor(seconds / 60) % 60;
  const rest = seconds % 60;
  if (hours === 0 && minutes === 0) return `${rest}${NBSP}s`;
  if (hours === 0 && minutes < 10 && rest > 0) return `${minutes}${NBSP}min${NBSP}${pad(rest)}${NBSP}s`;
  if (hours === 0) return `${minutes}${NBSP}min`;
  return minutes === 0 ? `${hours}${NBSP}h` : `${hours}${NBSP}h${NBSP}${pad(minutes)}${NBSP}min`;
}

/** "2:47", rounded up, so that "0:00" means that nothing is left. */
export function countdown(ms) {
  const seconds = Math.ceil(Math.max(0, ms) / 1000);
  return `${Math.floor(seconds / 60)}:${pad(seconds % 60)}`;
}

function pad(number) {
  return String(number).padStart(2, '0');
}
