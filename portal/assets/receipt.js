// The receipt page: copy and print. Without it, the page is complete all the same.

import { byId, copyButton, setText } from './dom.js';

document.documentElement.dataset.js = '';
copyButton(byId('copier'), (said) => setText(byId('copie-dite'), said));
const print = byId('imprimer');
print.hidden = false;
print.addEventListener('click', () => window.print());
