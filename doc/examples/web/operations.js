#!/usr/bin/env node
// What the pool, the worker and a departure look like at this moment: psql -f shop.sql, then
// PORT=8081 node operations.js
//
// It is a program and a port of its own, so that whoever publishes the shop does not publish this page.
// The role, web_operations, can change nothing.
'use strict';
const { join } = require('path');
const { connect } = require('./lib/database');
const { Told } = require('./lib/errors');
const { html, url } = require('./lib/html');
const { serve } = require('./lib/http');
const input = require('./lib/input');
const { makeLive } = require('./lib/live');
const { className } = require('./lib/page');
const { seatTimePicture } = require('./lib/seat_time');

const database = connect('web_operations', 3);
const live = makeLive();

const layout = (title, content, context) => html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title} · Ticketpool operations</title>
<link rel="icon" href="/public/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/public/style.css">
${context.problem ? '' : html`<script type="module" src="/public/operations.js"></script>`}
</head>
<body>
<header class="top"><a class="brand" href="/">Ticketpool operations</a></header>
<main id="content">${context.problem ? html`<h1>${title}</h1><p class="notice bad" role="alert">${context.problem}</p><p><a class="button quiet" href="/">Back</a></p>` : content}</main>
</body>
</html>
`;

const number = value => value === null ? '–' : Number(value).toLocaleString('en');
const bytes = value => Number(value) < 1048576 ? `${(Number(value) / 1024).toFixed(0)} kB` : `${(Number(value) / 1048576).toFixed(1)} MB`;

// The tiles: a name, a value, and what else is to be said.
async function state() {
  const [[stat], [held], sweeps] = await Promise.all([
    database.rows('SELECT * FROM ticket_pool_stat'),
    database.rows('SELECT count(*) AS transactions, coalesce(sum(claims), 0) AS claims FROM ticket_inflight'),
    database.rows(`SELECT database, sweeper, to_char(last_sweep, 'HH24:MI:SS') AS last_sweep, to_char(next_deadline, 'HH24:MI:SS') AS next_deadline, overdue, waits_for
      FROM ticket_sweep_status ORDER BY database`)]);
  return {
    buys: Number(stat.buys),
    tiles: {
      buys: [number(stat.buys), 'tickets and units sold since the start'], refunds: [number(stat.refunds), 'given back'],
      sold_outs: [number(stat.sold_outs), `times the answer; ${number(stat.lost_races)} races were lost`],
      in_flight: [number(held.claims), `claims of ${number(held.transactions)} running transactions`],
      memory: [bytes(stat.bytes_used), `of ${bytes(stat.bytes_reserved)} of shared memory`],
      evictions: [number(stat.evictions), `departures made room, ${number(stat.rebuilds)} were loaded`]
    },
    sweeps: sweeps.map(row => [row.database, row.last_sweep ?? '–', row.next_deadline ?? 'none', row.overdue ? `overdue: ${row.waits_for ?? 'no worker'}` : 'on time'])
  };
}
const TILES = { buys: 'Sold', refunds: 'Refunded', sold_outs: 'Sold out', in_flight: 'In flight', memory: 'Memory', evictions: 'Evictions' };

async function page({ query }) {
  const [now, departures] = await Promise.all([
    state(),
    database.rows(`SELECT train, service_date::text AS date, seats, segments, free_seat_segments, bytes, claims_in_flight, to_char(last_use, 'HH24:MI:SS') AS last_use
      FROM ticket_pool ORDER BY seats::bigint * segments - free_seat_segments DESC, train, service_date LIMIT 10`)]);
  const chosen = query.has('train') ? { train: input.one(query, 'train', 'The train'), date: input.day(query) }
    : departures.length > 0 ? { train: departures[0].train, date: departures[0].date } : undefined;
  const picture = kind => url(`/pictures/${kind}`, { ...chosen, class: query.get('class') || undefined });
  return {
    title: 'Operations',
    page: html`<h1>The pool, now</h1>
<dl class="tiles" data-live="/live">${Object.entries(TILES).map(([name, label]) => html`<div class="card tile" data-tile="${name}"><dt>${label}</dt><dd>${now.tiles[name][0]}</dd><dd>${now.tiles[name][1]}</dd></div>`)}</dl>
<section class="card" aria-labelledby="sales"><h2 id="sales">Sales a second <span class="muted" data-rate></span></h2>
<svg class="chart" viewBox="0 0 119 100" preserveAspectRatio="none" role="img" aria-label="Sales a second over the last two minutes"><path class="under" data-under></path><path class="sales" data-sales></path></svg></section>
<section class="card" aria-labelledby="worker"><h2 id="worker">The worker</h2>
<p class="hint">Holds expire, quotas return and the waiting list is served by a background worker, where no transaction does it.</p>
<div class="scroll" tabindex="0" role="region" aria-labelledby="worker"><table><thead><tr><th>Database</th><th>Last sweep</th><th>Next deadline</th><th>State</th></tr></thead>
<tbody data-sweeps>${now.sweeps.map(row => html`<tr>${row.map(cell => html`<td>${cell}</td>`)}</tr>`)}</tbody></table></div></section>
<section class="card" aria-labelledby="departures"><h2 id="departures">Departures in memory, the fullest first</h2>
<div class="scroll" tabindex="0" role="region" aria-labelledby="departures"><table><thead><tr><th>Train</th><th>Day</th><th class="number">Seats</th><th>Seat-segments sold</th><th class="number">Bytes</th><th class="number">Claims</th><th>Last use</th></tr></thead>
<tbody>${departures.map(row => {
    const sold = 1 - Number(row.free_seat_segments) / Math.max(1, row.seats * row.segments);
    return html`<tr><td><a href="${url('/', { train: row.train, date: row.date })}#picture">${row.train}</a></td><td>${row.date}</td><td class="number">${number(row.seats)}</td>
<td><svg class="bar" viewBox="0 0 100 6" preserveAspectRatio="none" role="img" aria-label="${Math.round(100 * sold)} percent"><rect width="${(100 * sold).toFixed(1)}" height="6"></rect></svg></td>
<td class="number">${number(row.bytes)}</td><td class="number">${number(row.claims_in_flight)}</td><td>${row.last_use ?? '–'}</td></tr>`;
  })}</tbody></table></div></section>
<section class="card" id="picture" aria-labelledby="shown"><h2 id="shown">A departure: its seats over time</h2>
<form class="choose" action="/#picture" method="get"><label>Train<input name="train" value="${chosen?.train}" required maxlength="63"></label><label>Day<input type="date" name="date" value="${chosen?.date}" required></label><button class="button" type="submit">Show</button></form>
${chosen ? html`<p class="hint">A line is a seat, a column a stretch between two stops: one seat is sold again and again.</p>
<div class="picture" tabindex="0" role="region" aria-label="Seats over time"><img src="${picture('time.svg')}" alt="Which seats of ${chosen.train} on ${chosen.date} are taken on which stretch"></div>
<h2>Its coaches</h2>
<div class="picture" tabindex="0" role="region" aria-label="Coaches"><img src="${picture('coaches.svg')}" alt="The coaches of ${chosen.train} on ${chosen.date} with free and taken seats"></div>` : html`<p class="empty">No departure is in memory yet.</p>`}
</section>`
  };
}

const departure = query => [input.one(query, 'train', 'The train'), input.day(query)];

// ticket_seat_svg escapes every label. The answer's headers see to it that nothing in it could run.
async function coaches({ query }) {
  const { svg } = await database.row('SELECT ticket_seat_svg($1::text, $2::date) AS svg', departure(query));
  return { picture: svg };
}

async function overTime({ query }) {
  const [train, date] = departure(query);
  const stops = await database.rows(`WITH pair AS MATERIALIZED (SELECT * FROM ticket_remaining_matrix($1::text, $2::date, NULL))
    SELECT stop_no, station, (SELECT min(name) FROM ticket_served($1::text, $2::date) AS v WHERE v.station = s.station) AS name
    FROM (SELECT from_stop AS stop_no, from_station AS station FROM pair UNION SELECT to_stop, to_station FROM pair) AS s ORDER BY stop_no`, [train, date]);
  if (stops.length === 0) throw new Told(404, 'This departure is not on sale.');
  const classes = await database.rows(`SELECT DISTINCT seat_class FROM ticket_places($1::text, $2::text, $3::text, $4::date) ORDER BY 1`,
    [train, `${stops[0].station}#${stops[0].stop_no}`, `${stops.at(-1).station}#${stops.at(-1).stop_no}`, date]);
  const maps = await Promise.all(classes.map(async ({ seat_class: name }) => ({
    name: className(name), lines: (await database.rows('SELECT line FROM ticket_seat_map($1::text, $2::date, $3::text) AS line', [train, date, name])).map(row => row.line)
  })));
  return { picture: String(seatTimePicture(`${train} of ${date}`, stops.map(stop => stop.name ?? stop.station), maps)) };
}

const server = serve({
  port: Number(process.env.PORT ?? 8081), folder: join(__dirname, 'public'), page: layout, cookies: false,
  routes: {
    'GET /': page, 'GET /pictures/coaches.svg': coaches, 'GET /pictures/time.svg': overTime,
    'GET /live': async ({ request, response }) => { if (!live.watch(request, response, 'state', state)) throw new Told(503, 'Too many pages are open.'); }
  }
});
server.on('listening', () => console.log(`operations: http://127.0.0.1:${server.address().port}/`));
server.on('error', error => {
  console.error(`operations: ${error.message}`);
  process.exit(1);
});
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => {
    live.close();
    server.close(() => database.end());
    server.closeIdleConnections();
  });
}
