// A notification and a sound, three turns before one's own and when it opens, for whoever asked for them.
// Invariant: nothing is asked of the browser and nothing sounds before the person has pressed the button;
// whatever the browser refuses, the page goes on without. No asset: two soft tones, once.

import { byId, setText, show } from './dom.js';
import { say } from './words.js';

const REMEMBERED = 'amphi-prevenir';
const TURNS_BEFORE = 3;
/** Frequencies, in Hz: rising for "soon", a chord of three for "now". */
const TONES = { trois_tours: [587, 784], tour: [587, 784, 988] };
const TONE_S = 0.22;
const LOUDNESS = 0.18;

export class Notifier {
  /** `title` stands under each notification. */
  constructor(title) {
    this.title = title;
    this.button = byId('prevenir');
    this.sound = byId('prevenir-son');
    this.on = false;
    this.stage = 0;
    this.button.addEventListener('click', () => (this.on ? this.stop() : this.start()));
    // A page that reloads itself goes on as it was asked to; sound needs one more gesture then.
    if (remembered()) this.listen();
    for (const gesture of ['pointerup', 'keyup']) addEventListener(gesture, () => this.said());
  }

  /** What the person sees now: how many pass before them (null: not waiting), and whether it is their turn. */
  update({ before, inTurn, waiting }) {
    show(byId('prevenir-bloc'), waiting);
    const stage = inTurn ? 2 : Number(before !== null && before <= TURNS_BEFORE);
    const was = this.stage;
    this.stage = stage;
    if (!this.on || stage <= was) return;
    this.tell(stage === 2 ? 'tour' : 'trois_tours');
  }

  async start() {
    this.audio();
    if ('Notification' in window && Notification.permission === 'default') {
      // An old browser may throw, or never answer: then there is the sound.
      await Promise.resolve(Notification.requestPermission()).catch(() => {});
    }
    this.listen();
    remember(true);
  }

  listen() {
    this.on = true;
    this.said();
  }

  stop() {
    this.on = false;
    remember(false);
    this.said();
  }

  said() {
    const allowed = 'Notification' in window && Notification.permission === 'granted';
    this.button.setAttribute('aria-pressed', String(this.on));
    this.button.dataset.etat = this.on ? (allowed ? 'oui' : 'son') : 'non';
    setText(this.button, say(this.on ? 'prevenir.arreter' : 'prevenir.demander'));
    setText(byId('prevenir-dit'), this.on ? this.how(allowed) : '');
  }

  how(allowed) {
    if (allowed) return say('prevenir.oui');
    return say(mayRing() ? 'prevenir.son_seul' : 'prevenir.toucher');
  }

  tell(what) {
    this.button.dataset.prevenu = what;
    this.ring(what);
    if (document.hasFocus() || !('Notification' in window) || Notification.permission !== 'granted') return;
    try {
      const shown = new Notification(say(`prevenir.${what}`), { body: this.title, tag: 'amphi', requireInteraction: what === 'tour' });
      shown.onclick = () => {
        window.focus();
        shown.close();
      };
    } catch {
      // Telephones allow it to service workers only; the sound has to do.
    }
  }

  ring(what) {
    const context = this.sound.checked && mayRing() ? this.audio() : null;
    if (!context) return;
    TONES[what].forEach((frequency, index) => {
      const [tone, volume] = [context.createOscillator(), context.createGain()];
      const begins = context.currentTime + index * TONE_S;
      tone.frequency.value = frequency;
      // Rises and falls softly: a click would startle.
      volume.gain.setValueAtTime(0, begins);
      volume.gain.linearRampToValueAtTime(LOUDNESS, begins + 0.03);
      volume.gain.linearRampToValueAtTime(0, begins + TONE_S);
      tone.connect(volume).connect(context.destination);
      tone.start(begins);
      tone.stop(begins + TONE_S);
    });
  }

  /** The sound of this page; not all browsers have it. */
  audio() {
    if (!this.context && window.AudioContext) this.context = new AudioContext();
    this.context?.resume().catch(() => {});
    return this.context ?? null;
  }
}

/** Browsers give sound only to pages that have been touched; old ones do not say so. */
function mayRing() {
  return navigator.userActivation?.hasBeenActive ?? true;
}

function remembered() {
  try {
    return sessionStorage.getItem(REMEMBERED) === 'oui';
  } catch {
    return false;
  }
}

function remember(wanted) {
  try {
    if (wanted) sessionStorage.setItem(REMEMBERED, 'oui');
    else sessionStorage.removeItem(REMEMBERED);
  } catch {
    // Without a memory it is asked again after a reload.
  }
}
