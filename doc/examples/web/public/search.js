// The search page: seats that are left count down as they are sold.
import { live } from './live.js';

const list = document.querySelector('[data-live]');
const chips = new Map([...document.querySelectorAll('[data-key]')].map(chip => [chip.dataset.key, chip]));

function show(chip, remaining) {
  const left = chip.querySelector('[data-left]');
  const text = remaining === 0 ? 'Sold out' : remaining < 10 ? `${remaining} left` : String(remaining);
  if (left.textContent === text) return;
  left.textContent = text;
  for (const [name, is] of [['none', remaining === 0], ['few', remaining > 0 && remaining < 10], ['many', remaining >= 10]]) chip.classList.toggle(name, is);
  chip.setAttribute('aria-label', chip.getAttribute('aria-label').replace(/(sold out|\d+ seats? left)$/, remaining === 0 ? 'sold out' : `${remaining} seat${remaining === 1 ? '' : 's'} left`));
  chip.classList.remove('news');
  void chip.offsetWidth;       // so that the animation starts again
  chip.classList.add('news');
}

// A class that is not among the answers is not on sale any more.
live(list.dataset.live, counts => {
  for (const [key, chip] of chips) show(chip, counts[key] ?? 0);
});

const swap = document.querySelector('[data-swap]');
swap.hidden = false;
swap.addEventListener('click', () => {
  const { from, to } = swap.form.elements;
  [from.value, to.value] = [to.value, from.value];
});
