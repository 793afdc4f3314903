// The operations page: counters that run, and sales a second over the last two minutes.
import { live } from './live.js';

const LENGTH = 120;
const rates = new Array(LENGTH).fill(0);
const tiles = document.querySelector('[data-live]');
let latest, drawn;

live(tiles.dataset.live, state => {
  latest = state;
  for (const [name, texts] of Object.entries(state.tiles)) {
    tiles.querySelectorAll(`[data-tile=${name}] dd`).forEach((cell, n) => { if (cell.textContent !== texts[n]) cell.textContent = texts[n]; });
  }
  const body = document.querySelector('[data-sweeps]');
  body.replaceChildren(...state.sweeps.map(cells => {
    const row = document.createElement('tr');
    row.append(...cells.map(text => Object.assign(document.createElement('td'), { textContent: text })));
    return row;
  }));
});

// States arrive when something has changed; the chart goes on all the same.
setInterval(() => {
  if (!latest) return;
  rates.push(drawn === undefined ? 0 : Math.max(0, latest.buys - drawn));
  rates.shift();
  drawn = latest.buys;
  const top = Math.max(5, ...rates);
  const line = rates.map((rate, n) => `${n} ${(98 - 94 * rate / top).toFixed(1)}`).join('L');
  document.querySelector('[data-sales]').setAttribute('d', `M${line}`);
  document.querySelector('[data-under]').setAttribute('d', `M0 100L${line}L${LENGTH - 1} 100Z`);
  document.querySelector('[data-rate]').textContent = `${rates.at(-1).toLocaleString('en')} now, ${Math.max(...rates).toLocaleString('en')} at most`;
}, 1000);
