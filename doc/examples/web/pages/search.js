// The search: trains of a day with the seats that are left in each class, which count down while one
// looks. With an order, the same page offers the trains that its tickets can be exchanged for.
'use strict';
const { randomUUID } = require('crypto');
const input = require('../lib/input');
const { html, url, hidden } = require('../lib/html');
const { addDays, className, count, journey, longDay, notice } = require('../lib/page');
const { Told } = require('../lib/errors');

const FOUND = `SELECT train, service_date::text AS date, departs::text, arrives::text, seat_class, remaining
  FROM ticket_search($1::text, $2::text, $3::date) WITH ORDINALITY AS s (train, service_date, from_stop, to_stop, departs, arrives, seat_class, remaining, n)
  ORDER BY n`;
const key = row => `${row.train} ${row.date} ${row.departs} ${row.seat_class}`;

module.exports = ({ database, live, shop }) => {
  const find = ({ from, to, date }) => database.rows(FOUND, [from, to, date]);

  async function wanted(query) {
    const [stations, today] = await Promise.all([shop.stations(), shop.today()]);
    const known = name => stations.find(({ station }) => station === query.get(name))?.station;
    return {
      stations, today, asked: query.has('from'),
      from: known('from') ?? shop.first.from ?? stations[0]?.station, to: known('to') ?? shop.first.to ?? stations[1]?.station,
      date: query.has('date') ? input.day(query) : addDays(today, 1)
    };
  }

  const stationField = (name, label, chosen, stations) => html`<label>${label}<select name="${name}">
${stations.map(({ station, name: title }) => html`<option value="${station}"${station === chosen ? html` selected` : ''}>${title}</option>\n`)}</select></label>`;

  const searchForm = ({ from, to, date, stations, today }, order) => html`<form class="search" action="/" method="get">
${hidden({ change: order })}
${stationField('from', 'From', from, stations)}
<button class="swap" type="button" data-swap hidden aria-label="Exchange the two stations" title="Exchange the two stations">⇄</button>
${stationField('to', 'To', to, stations)}
<label>Day<input type="date" name="date" value="${date}" min="${today}" required></label>
<button class="button" type="submit">Search</button>
</form>`;

  const seatsLeft = remaining => remaining === 0 ? 'Sold out' : remaining < 10 ? `${remaining} left` : String(remaining);
  const level = remaining => remaining === 0 ? 'none' : remaining < 10 ? 'few' : 'many';
  const chipContent = row => html`<span class="class">${className(row.seat_class)}</span><span class="left" data-left>${seatsLeft(row.remaining)}</span>`;
  const chipName = row => `Train ${row.train}, ${row.seat_class} class, ${row.remaining === 0 ? 'sold out' : `${count(row.remaining, 'seat')} left`}`;

  const seatsLink = (row, trip) => html`<a class="chip ${level(row.remaining)}" data-key="${key(row)}"
 href="${url('/seats', { train: row.train, date: row.date, from: trip.from, to: trip.to, class: row.seat_class })}" aria-label="${chipName(row)}">${chipContent(row)}</a>`;
  const changeButton = (row, trip, order) => html`<form action="/orders/${order}/change" method="post">
${hidden({ train: row.train, date: row.date, from: trip.from, to: trip.to, class: row.seat_class, request: randomUUID() })}
<button class="chip ${level(row.remaining)}" data-key="${key(row)}" aria-label="Change to ${chipName(row)}">${chipContent(row)}</button></form>`;

  // Rows of one train that follow each other, a class each.
  function byTrain(rows) {
    const trains = [];
    for (const row of rows) {
      const last = trains.at(-1);
      if (last && last[0].train === row.train && last[0].departs === row.departs) last.push(row);
      else trains.push([row]);
    }
    return trains;
  }

  async function page(context, { problem, status } = {}) {
    const trip = await wanted(context.query);
    const order = context.query.has('change') ? await shop.orderOf(context, context.query.get('change')) : undefined;
    const number = order?.[0].order_id;
    const name = station => trip.stations.find(s => s.station === station)?.name ?? station;
    const rows = trip.from === trip.to || trip.from === undefined ? [] : await find(trip);
    const trains = byTrain(rows);
    context.scripts = ['search'];
    const day = (offset, label) => html`<a class="button quiet" href="${url('/', { from: trip.from, to: trip.to, date: addDays(trip.date, offset), change: number })}">${label}</a>`;
    const results = html`<section aria-labelledby="found">
<div class="spread"><h2 id="found">${longDay(trip.date)}: ${count(trains.length, 'train')} <span class="muted">${name(trip.from)} → ${name(trip.to)}</span></h2>
<div class="days">${trip.date > trip.today ? day(-1, html`<span aria-hidden="true">←</span><span class="for-readers">The day before</span>`) : ''}${day(1, html`<span class="for-readers">The next day</span><span aria-hidden="true">→</span>`)}</div></div>
${trains.length === 0 ? html`<p class="empty">No train goes from there to there on this day, or none that is still on sale.</p>` : ''}
<ol class="trains" data-live="${url('/live/search', { from: trip.from, to: trip.to, date: trip.date })}">
${trains.map(classes => html`<li class="card train">
<div class="name"><strong>${classes[0].train}</strong></div>
${journey({ ...classes[0], from_name: name(trip.from), to_name: name(trip.to) })}
<div class="classes">${classes.map(row => number ? changeButton(row, trip, number) : seatsLink(row, trip))}</div>
</li>`)}
</ol>
</section>`;
    return {
      status, title: order ? 'Change your trip' : 'Search',
      page: html`<h1>${order ? 'Change your trip' : 'Where do you want to go?'}</h1>
${notice(problem, 'bad')}
${order ? html`<p class="notice info">You exchange ${count(order.filter(t => t.status === 'sold').length, 'ticket')} of <a href="/orders/${number}">order ${number}</a> (${order[0].train}, ${longDay(order[0].departs)}) in one step: choose the new train and class. If it can't be had, you keep what you have.</p>` : ''}
${searchForm(trip, number)}
${results}`
    };
  }

  async function counts({ query, request, response }) {
    const trip = { from: input.one(query, 'from', 'The first station'), to: input.one(query, 'to', 'The last station'), date: input.day(query) };
    if (!live.watch(request, response, JSON.stringify(['search', trip]),
      async () => Object.fromEntries((await find(trip)).map(row => [key(row), row.remaining])))) throw new Told(503, 'Too many pages are open.');
  }

  return { page, routes: { 'GET /': page, 'GET /live/search': counts } };
};
