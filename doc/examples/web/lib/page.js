// The frame of every page of the shop, and the words that several pages use.
'use strict';
const { html, url } = require('./html');

function layout(title, content, context) {
  const here = path => html`${context.path === path ? html` aria-current="page"` : ''}`;
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title} · Ticketpool Rail</title>
<link rel="icon" href="/public/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/public/style.css">
${(context.scripts ?? []).map(name => html`<script type="module" src="/public/${name}.js"></script>\n`)}</head>
<body>
<a class="skip" href="#content">Skip to the content</a>
<header class="top">
<a class="brand" href="/"><svg viewBox="0 0 32 32" width="28" height="28" aria-hidden="true"><path d="M4 7h13c6 0 11 5 11 11v5H4z" fill="currentColor"/><path d="M8 11h7v5H8zM18 11c3 .6 5 2.5 5.8 5H18z" class="glass"/><path d="M2 27h28" stroke="currentColor" stroke-width="2"/></svg>Ticketpool Rail</a>
<nav aria-label="Main"><a href="/"${here('/')}>Search</a><a href="/trips"${here('/trips')}>My trips</a></nav>
</header>
<main id="content">
${context.problem ? html`<h1>${title}</h1><p class="notice bad" role="alert">${context.problem}</p><p><a class="button quiet" href="/">To the search</a> <a class="button quiet" href="/trips">My trips</a></p>` : content}
</main>
<footer>A demonstration shop: no money changes hands. Every seat is a bit in shared memory, and every ticket a row in PostgreSQL.</footer>
</body>
</html>
`;
}

// '2026-12-02 09:00:00' is a station's clock, without a time zone.
const clock = text => text.slice(11, 16);
const dayOf = text => text.slice(0, 10);
const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
function longDay(text) {
  const date = new Date(`${dayOf(text)}T00:00:00Z`);
  return `${DAYS[date.getUTCDay()]} ${date.getUTCDate()} ${MONTHS[date.getUTCMonth()]}`;
}
function addDays(text, days) {
  const date = new Date(`${dayOf(text)}T00:00:00Z`);
  date.setUTCDate(date.getUTCDate() + days);
  return date.toISOString().slice(0, 10);
}
function duration(departs, arrives) {
  const minutes = Math.round((Date.parse(`${arrives.replace(' ', 'T')}Z`) - Date.parse(`${departs.replace(' ', 'T')}Z`)) / 60000);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, '0')} min`;
}
const className = name => name.charAt(0).toUpperCase() + name.slice(1);
const count = (number, word) => `${number} ${word}${number === 1 ? '' : 's'}`;
const place = ticket => ticket.seat === null ? `Coach ${ticket.coach}, no reserved seat` : `Coach ${ticket.coach} seat ${ticket.seat}`;

// Two stations, their times and the line between them.
const journey = ({ departs, arrives, from_name: from, to_name: to }) => html`<div class="journey">
<div class="end"><time datetime="${departs.replace(' ', 'T')}">${clock(departs)}</time><span>${from}</span></div>
<div class="line"><span>${duration(departs, arrives)}</span></div>
<div class="end"><time datetime="${arrives.replace(' ', 'T')}">${clock(arrives)}${dayOf(arrives) > dayOf(departs) ? html`<sup title="the next day">+1</sup>` : ''}</time><span>${to}</span></div>
</div>`;

const notice = (text, kind = 'info') => text ? html`<p class="notice ${kind}" role="${kind === 'bad' ? 'alert' : 'status'}">${text}</p>` : '';

module.exports = { layout, clock, dayOf, longDay, addDays, duration, className, count, place, journey, notice, url };
