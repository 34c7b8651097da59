// Small ways to touch the page. Invariant: an element whose text is right already is not touched, so
// that focus, selection and screen readers are left alone; markup never comes from data.

export const byId = (id) => document.getElementById(id);

export function setText(element, text) {
  if (element && element.textContent !== text) element.textContent = text;
}

export function show(element, visible) {
  if (element && element.hidden === visible) element.hidden = !visible;
}

/** Text, and hidden when there is none. */
export function fill(element, text) {
  setText(element, text);
  show(element, text !== '');
}

export function setData(element, name, value) {
  if (element && element.dataset[name] !== String(value)) element.dataset[name] = value;
}

export function make(tag, { text, className, ...attributes } = {}, ...children) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** Marks what changed, for a moment. */
export function mark(element) {
  element.classList.remove('vient-de-changer');
  void element.offsetWidth; // so that the mark begins again
  element.classList.add('vient-de-changer');
}

/** Says something to screen readers: politely, or at once. */
export function announce(text, urgent = false) {
  const voice = byId(urgent ? 'alertes-vocales' : 'annonces');
  voice.textContent = '';
  setTimeout(() => { voice.textContent = text; }, 50);
}

/** Shows what became of a command in #resultat. */
export function showResult({ meaning, result, code = '', title, lines = [] }) {
  const box = byId('resultat');
  box.className = 'message';
  Object.assign(box.dataset, { sens: meaning, resultat: result, code });
  box.setAttribute('role', result === 'refus' ? 'alert' : 'status');
  box.replaceChildren(
    make('p', { className: 'message-titre', text: title }),
    ...lines.filter(Boolean).map((line) => make('p', { text: line })),
  );
  box.hidden = false;
}

export function hideResult() {
  byId('resultat').hidden = true;
}

/** A button that copies the text of another element; stays hidden where that is not possible. */
export function copyButton(button, done) {
  if (!button || !navigator.clipboard) return;
  button.hidden = false;
  const label = button.textContent;
  button.addEventListener('click', async () => {
    await navigator.clipboard.writeText(document.querySelector(button.dataset.copie).textContent.trim());
    button.textContent = 'Copié';
    done?.('Le code est copié.');
    setTimeout(() => { button.textContent = label; }, 2_000);
  });
}
