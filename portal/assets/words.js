// The phrases of the page, filled in. They are written once, in Rust (`pages::wording`), and come
// with the page as JSON (#mots). Invariant: the same slots as there: {nom}, {n|singulier|pluriel}.

import { duration } from './times.js';

const phrases = JSON.parse(document.getElementById('mots').textContent);

export function has(key) {
  return key in phrases;
}

export function say(key, args = {}) {
  const template = phrases[key];
  if (template === undefined) return key;
  return template.replace(/\{([^}]*)\}/g, (_, slot) => {
    const [name, one, many] = slot.split('|');
    if (many === undefined) return args[name] ?? '';
    return Math.abs(Number(args[name] ?? 0)) < 2 ? one : many;
  });
}

/** The three sentences of a refusal; `audience` is 'regie' in the control room, `late` the policy of the session. */
export function refusal(outcome, { audience = '', late = '', label = () => '' } = {}) {
  const args = { n: outcome.remaining, rang: outcome.rank ?? outcome.by ?? outcome.to, rangs: outcome.ranks?.join(', '), durees: outcome.steps?.map(duration).join(', '), poste: outcome.post ? label(outcome.post) : '' };
  const sentence = (part) => {
    const plain = `refus.${outcome.code}.${part}`;
    const variants = [`refus.${audience}.${outcome.code}.${part}`, `${plain}.${late}`, outcome.by == null ? `${plain}.inconnu` : '', plain];
    const key = variants.find((candidate) => candidate && has(candidate));
    return key ? say(key, args) : '';
  };
  const said = { what: sentence('quoi'), still: sentence('reste'), todo: sentence('faire') };
  return said.what ? said : { what: say('refus.titre'), still: outcome.code, todo: '' };
}
