// Orders and trips: the countdown of a hold, and the page again whenever something has changed.
import { live } from './live.js';

const page = document.querySelector('[data-digest]');
// What the visitor has just sent changes the page, too; its answer is on its way then, and loading
// this page again would take its place.
let leaving = false;
addEventListener('submit', () => {
  leaving = true;
  setTimeout(() => { leaving = false; }, 10000);
});
addEventListener('pageshow', () => { leaving = false; });
live(page.dataset.live, digest => {
  if (digest !== page.dataset.digest && !leaving) location.reload();
});

const timer = document.querySelector('[data-seconds]');
if (timer) {
  const seconds = Number(timer.dataset.seconds);
  const ends = performance.now() + seconds * 1000;
  const [clock, ring, say] = ['[data-clock]', '[data-ring]', '[data-say]'].map(name => timer.querySelector(name));
  const whole = Math.max(seconds, 600);
  let told;
  const tick = () => {
    const left = Math.max(0, Math.ceil((ends - performance.now()) / 1000));
    clock.textContent = left === 0 ? 'Time is up' : `${Math.floor(left / 60)}:${String(left % 60).padStart(2, '0')}`;
    ring.setAttribute('stroke-dasharray', `${100 * left / whole} 100`);
    timer.classList.toggle('soon', left <= 60);
    // Not every second: whoever listens would hear nothing else.
    const news = [60, 30, 10].find(mark => left === mark);
    if (news !== undefined && news !== told) say.textContent = `${told = news} seconds left to pay`;
    if (left > 0) setTimeout(tick, 250);
  };
  tick();
}

// One click is one purchase even without this; the button says that something is under way.
for (const form of document.querySelectorAll('form[method=post]')) {
  form.addEventListener('submit', () => form.querySelector('[type=submit]')?.setAttribute('aria-busy', 'true'));
}
