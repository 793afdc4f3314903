// The seat map: keys, the coach that is shown, seats that others take meanwhile, and a field for each
// passenger.
import { live } from './live.js';

const form = document.getElementById('pick');
const soldOut = document.querySelector('[data-sold-out]');
const onSale = document.querySelector('[data-on-sale]');
const total = document.querySelector('[data-total]');
const coaches = form && document.getElementById('coaches');
const most = Number(coaches?.dataset.most);
const boxes = [...(form?.querySelectorAll('input[name=seat]') ?? [])];
const names = form?.querySelector('[data-names]');
const given = names ? JSON.parse(names.dataset.given) : [];
const isTaken = box => box.getAttribute('aria-disabled') === 'true';
const split = value => [value.slice(0, value.lastIndexOf('/')), value.slice(value.lastIndexOf('/') + 1)];
const say = text => { form.querySelector('[data-say]').textContent = text; };

// ---------------------------------------------------------------------------------------------------
// One coach at a time
// ---------------------------------------------------------------------------------------------------
const sections = [...(coaches?.querySelectorAll('[data-coach]') ?? [])];
const tabs = [...(form?.querySelectorAll('[data-strip] [data-coach]') ?? [])];

function showCoach(coach) {
  for (const section of sections) section.hidden = section.dataset.coach !== coach;
  for (const tab of tabs) {
    if (tab.dataset.coach === coach) tab.setAttribute('aria-current', 'true');
    else tab.removeAttribute('aria-current');
  }
  const tab = tabs.find(t => t.dataset.coach === coach);
  tab?.parentElement.scrollTo({ left: tab.offsetLeft - tab.parentElement.clientWidth / 2 + tab.offsetWidth / 2 });
  oneStop();
}

// ---------------------------------------------------------------------------------------------------
// Keys: the tab key stops once in a coach, arrows go to the nearest seat in their direction, as it is
// drawn: along the coach on a wide screen, across it on a narrow one.
// ---------------------------------------------------------------------------------------------------
const visible = () => boxes.filter(box => !box.closest('section').hidden);
let current;

function oneStop() {
  const shown = visible();
  if (!shown.includes(current)) current = shown.find(box => box.checked) ?? shown.find(box => !isTaken(box)) ?? shown[0];
  for (const box of shown) box.tabIndex = box === current ? 0 : -1;
}

function neighbour(box, key) {
  const middle = element => { const r = element.getBoundingClientRect(); return [r.left + r.width / 2, r.top + r.height / 2]; };
  const [x, y] = middle(box.parentElement);
  const along = key === 'ArrowLeft' || key === 'ArrowRight' ? 0 : 1;
  const sign = key === 'ArrowLeft' || key === 'ArrowUp' ? -1 : 1;
  let best, distance = Infinity;
  for (const other of visible()) {
    const there = middle(other.parentElement);
    const ahead = sign * (there[along] - [x, y][along]);
    const aside = Math.abs(there[1 - along] - [x, y][1 - along]);
    if (ahead > 4 && ahead + 4 * aside < distance && aside < 12) [best, distance] = [other, ahead + 4 * aside];
  }
  return best;
}

coaches?.addEventListener('keydown', event => {
  const box = event.target.closest('input[name=seat]');
  if (!box) return;
  let next;
  if (/^Arrow/.test(event.key)) next = neighbour(box, event.key);
  else if (event.key === 'Home') next = visible()[0];
  else if (event.key === 'End') next = visible().at(-1);
  else if (event.key === 'Enter') box.click();    // Enter would send the form
  else return;
  event.preventDefault();
  if (next) {
    current = next;
    oneStop();
    next.focus();
  }
});

// ---------------------------------------------------------------------------------------------------
// Picking
// ---------------------------------------------------------------------------------------------------
function basket() {
  const picked = boxes.filter(box => box.checked);
  const typed = new Map([...names.querySelectorAll('input')].map(field => [field.dataset.seat, field.value]));
  const fields = picked.map(box => {
    const [coach, seat] = split(box.value);
    const label = document.createElement('label');
    const field = document.createElement('input');
    Object.assign(field, { name: 'name', required: true, maxLength: 60, autocomplete: 'off', value: typed.get(box.value) ?? given.shift() ?? '' });
    field.dataset.seat = box.value;
    label.append(`Coach ${coach} seat ${seat}: who travels?`, field);
    return label;
  });
  names.replaceChildren(...fields);
  form.querySelector('[data-none]').hidden = picked.length > 0;
  const submit = form.querySelector('[data-submit]');
  submit.textContent = picked.length > 1 ? `Hold these ${picked.length} seats` : 'Hold this seat';
  submit.hidden = picked.length === 0;
  const jump = form.querySelector('[data-jump]');
  jump.hidden = picked.length === 0;
  jump.firstElementChild.textContent = picked.length === 1 ? 'One seat picked: go on' : `${picked.length} seats picked: go on`;
}

coaches?.addEventListener('click', event => {
  const box = event.target.closest('input[name=seat]');
  if (!box) return;
  current = box;
  oneStop();
  if (isTaken(box)) {
    event.preventDefault();
    say(`Seat ${split(box.value)[1]} is taken.`);
  } else if (box.checked && boxes.filter(other => other.checked).length > most) {
    event.preventDefault();
    say(`One order is for up to ${most} passengers.`);
  }
});
coaches?.addEventListener('change', basket);

// ---------------------------------------------------------------------------------------------------
// What others do meanwhile
// ---------------------------------------------------------------------------------------------------
function update({ taken, left }) {
  const now = new Set(taken);
  const lost = [];
  const free = new Map();
  for (const box of boxes) {
    const [coach, seat] = split(box.value);
    const is = now.has(box.value);
    if (!is) free.set(coach, (free.get(coach) ?? 0) + 1);
    if (is === isTaken(box)) continue;
    if (is) box.setAttribute('aria-disabled', 'true'); else box.removeAttribute('aria-disabled');
    box.setAttribute('aria-label', [`Coach ${coach} seat ${seat}`, is ? 'taken' : 'free', box.dataset.about].filter(Boolean).join(', '));
    if (is && box.checked) {
      box.checked = false;
      lost.push(`Seat ${seat} in coach ${coach}`);
    }
  }
  for (const section of sections) {
    const { coach } = section.dataset;
    const seats = section.querySelectorAll('input[name=seat]').length;
    section.querySelector('[data-free-of]').textContent = `${free.get(coach) ?? 0} of ${seats} free`;
    const tab = tabs.find(t => t.dataset.coach === coach);
    tab.querySelector('[data-left]').firstChild.data = free.get(coach) ?? 0;
    tab.querySelector('[data-bar]').setAttribute('width', Math.round(100 * (1 - (free.get(coach) ?? 0) / seats)));
  }
  if (total) total.textContent = left === 0 ? 'sold out' : `${left} left`;
  if (soldOut) soldOut.hidden = left > 0;
  if (onSale) onSale.hidden = left === 0;
  if (lost.length > 0) {
    basket();
    say(`${lost.join(', ')}: somebody else has just taken it.`);
    form.querySelector('[data-say]').classList.remove('for-readers');
  }
}

// A page that the back button brings as it was has the number of a purchase that was made already.
addEventListener('pageshow', event => { if (event.persisted) location.reload(); });

if (form) {
  const wanted = boxes.find(box => box.checked) ?? boxes.find(box => !isTaken(box)) ?? boxes[0];
  showCoach(split(wanted.value)[0]);
  for (const tab of tabs) {
    tab.addEventListener('click', event => {
      event.preventDefault();
      showCoach(tab.dataset.coach);
    });
  }
  basket();
  live(coaches.dataset.live, update);
}
