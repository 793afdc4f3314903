// The seats of a train: a map to pick on, any seat by a wish, and the waiting list when none is left.
'use strict';
const { randomUUID } = require('crypto');
const input = require('../lib/input');
const { coachesOf, seatName } = require('../lib/coach');
const { html, url, hidden } = require('../lib/html');
const { className, count, journey, longDay, notice } = require('../lib/page');
const { Told } = require('../lib/errors');

const PLACES = `SELECT seat_class, coach, seat, free, seat_group, properties
  FROM ticket_places($1::text, $2::text, $3::text, $4::date, $5::text) WITH ORDINALITY
    AS p (seat_class, coach, seat, free, seat_group, x, y, deck, properties, n) ORDER BY n`;
const HOLD_SEATS = `SELECT order_id FROM ticket_hold_seats($1::text, $2::text, $3::text, user_id => $4::bigint, seats => $5::text[], service_date => $6::date,
    passengers => web_shop.passengers($4::bigint, $7::text[]), request_id => $8::uuid)`;
const HOLD_ANY = `SELECT order_id FROM ticket_hold($1::text, $2::text, $3::text, user_id => $4::bigint, service_date => $5::date, seat_class => $6::text,
    passengers => web_shop.passengers($4::bigint, $7::text[]), seat_choice => $8::text, request_id => $9::uuid)`;
const WISHES = { '': 'No wish', window: 'At the window', aisle: 'At the aisle' };

module.exports = ({ database, live, shop }) => {
  const places = trip => database.rows(PLACES, [trip.train, trip.from, trip.to, trip.date, trip.class]);

  // The classes of this train, the trip's times and how many seats are left.
  async function classesOf(trip, stations) {
    const rows = await database.rows(`SELECT departs::text, arrives::text, seat_class, remaining
      FROM generate_series(0, 3) AS later, ticket_search($1::text, $2::text, $3::date + later)
      WHERE train = $4::text AND service_date = $3::date ORDER BY remaining`, [trip.from, trip.to, trip.date, trip.train]);
    const name = code => stations.find(({ station }) => station === code)?.name ?? code;
    return rows.map(row => ({ ...row, from_name: name(trip.from), to_name: name(trip.to) }));
  }

  const seat = (place, chosen) => html`<label class="seat${place.about.includes('window') ? ' at-window' : ''}"><input type="checkbox" name="seat" value="${place.coach}/${place.seat}"
 aria-label="${seatName(place)}" data-about="${place.about.join(', ')}"${place.free ? '' : html` aria-disabled="true"`}${place.free && chosen.includes(`${place.coach}/${place.seat}`) ? html` checked` : ''}><span aria-hidden="true">${place.seat}</span></label>`;

  const coachMap = ({ coach, free, seats, rows }, chosen) => html`<section class="coach" id="coach-${coach}" data-coach="${coach}" role="group" aria-label="Coach ${coach}">
<h3><span>Coach ${coach}</span> <span class="muted" data-free-of="${coach}">${free} of ${seats} free</span></h3>
<div class="car"><div class="rows">
${rows.map(row => html`<div class="row">${row.map(place => place === 'aisle' ? html`<span class="aisle"></span>` : place === null ? html`<span class="no-seat"></span>` : seat(place, chosen))}</div>\n`)}</div></div>
</section>`;

  const tripFields = trip => hidden({ train: trip.train, from: trip.from, to: trip.to, date: trip.date, class: trip.class });

  const namesField = (names, id) => html`<label>Passengers, a line for each<textarea name="name" rows="3" id="${id}" required autocomplete="off" maxlength="400">${names.join('\n')}</textarea></label>`;

  const waitForm = (trip, names) => html`<section class="card wait" aria-labelledby="waiting">
<h2 id="waiting">Waiting list</h2>
<p>What another passenger gives back goes to whoever has waited longest for it, before anybody can buy it. It is then held for you, and you have the usual time to pay.</p>
<form action="/waits" method="post">${tripFields(trip)}${hidden({ request: randomUUID() })}
${namesField(names, 'wait-names')}
<button class="button" type="submit">Join the waiting list</button></form>
</section>`;

  const anyForm = (trip, names) => html`<details class="card any"><summary>Any seat will do</summary>
<form action="/holds" method="post">${tripFields(trip)}${hidden({ request: randomUUID() })}
${namesField(names, 'any-names')}
<label>Wish<select name="wish">${Object.entries(WISHES).map(([value, label]) => html`<option value="${value}">${label}</option>`)}</select></label>
<p class="hint">A wish never costs you the ticket, and a party sits together where it can.</p>
<button class="button" type="submit">Hold seats for us</button></form>
</details>`;

  async function page(context, { trip = input.trip(context.query), problem, status, chosen = [], names = [], request = randomUUID() } = {}) {
    const stations = await shop.stations();
    const classes = await classesOf(trip, stations);
    if (classes.length === 0) throw new Told(404, 'This train is not on sale, or not any more.');
    trip.class = trip.class ?? classes.at(-1).seat_class;
    const here = classes.find(({ seat_class: name }) => name === trip.class);
    const coaches = coachesOf(await places(trip));
    if (here) context.scripts = ['seats'];
    const link = name => url('/seats', { train: trip.train, date: trip.date, from: trip.from, to: trip.to, class: name });
    const map = html`<form action="/holds" method="post" id="pick" class="pick">
${tripFields(trip)}${hidden({ request })}
<div class="map">
<div class="spread tight"><p class="hint keys" id="keys">Arrow keys go from seat to seat, the space bar takes one or gives it back.</p>
<ul class="legend" aria-label="What the colours mean"><li><span class="swatch free"></span>free</li><li><span class="swatch mine"></span>yours</li><li><span class="swatch taken"></span>taken</li></ul></div>
<nav class="strip" aria-label="Coaches" data-strip>${coaches.map(({ coach, free, seats }) => html`<a href="#coach-${coach}" data-coach="${coach}"><span class="number">${coach}</span><svg class="bar" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true"><rect width="${Math.round(100 * (1 - free / seats))}" height="6" data-bar></rect></svg><span class="left" data-left>${free}<span class="for-readers"> of ${seats} free</span></span></a>`)}</nav>
<div data-live="${url('/live/seats', { train: trip.train, date: trip.date, from: trip.from, to: trip.to, class: trip.class })}" data-most="${input.MOST_TICKETS}" id="coaches">
${coaches.map(coach => coachMap(coach, chosen))}
</div>
<p class="jump" data-jump hidden><a class="button" href="#yours"></a></p></div>
<aside class="card basket" aria-labelledby="yours">
<h2 id="yours">Your seats</h2>
<p class="hint" data-none>None yet: pick up to ${input.MOST_TICKETS}.</p>
<div data-names data-given="${JSON.stringify(names)}"></div>
<noscript><label>Passengers, a line for each<textarea name="name" rows="3"></textarea></label></noscript>
<button class="button" type="submit" data-submit>Hold these seats</button>
<p class="for-readers" role="status" data-say></p>
</aside>
</form>`;
    const onSale = html`<div data-on-sale${here?.remaining === 0 ? html` hidden` : ''}>${anyForm(trip, names)}</div>`;
    return {
      status, title: `${trip.train}, ${longDay(classes[0].departs)}`,
      page: html`<p class="back"><a href="${url('/', { from: trip.from, to: trip.to, date: classes[0].departs.slice(0, 10) })}">All trains of the day</a></p>
<div class="card trip"><h1>${trip.train} <span class="muted">${longDay(classes[0].departs)}</span></h1>${journey(classes[0])}</div>
<nav class="tabs" aria-label="Classes">${classes.map(row => html`<a href="${link(row.seat_class)}"${row.seat_class === trip.class ? html` aria-current="page"` : ''}>${className(row.seat_class)} <span class="muted"${row.seat_class === trip.class ? html` data-total` : ''}>${row.remaining === 0 ? 'sold out' : `${row.remaining} left`}</span></a>`)}</nav>
${notice(problem, 'bad')}
<div data-sold-out${here?.remaining === 0 ? '' : html` hidden`}>${notice(`Every seat of ${trip.class} class is taken over this trip. Somebody may give one back.`)}
${waitForm(trip, names)}</div>
${coaches.length > 0 ? map : ''}
${here ? onSale : ''}`
    };
  }

  // Holds seats, and leads to the order, where they are paid.
  async function hold(context) {
    const { form } = context;
    const trip = input.trip(form);
    const seats = form.getAll('seat');
    const request = input.requestId(form);
    const again = (message, names) => page(context, { trip, problem: message, status: 409, chosen: seats, names });
    let names;
    try {
      names = input.passengers(form);
      if (form.has('wish') ? !Object.hasOwn(WISHES, form.get('wish')) : seats.length !== names.length) throw new Told(400, 'Please pick a seat for each passenger.');
    } catch (error) {
      if (!(error instanceof Told)) throw error;
      return { ...await again(error.message, form.getAll('name')), status: error.status };
    }
    const user = await shop.makeUser(context);
    const rows = form.has('wish')
      ? await database.rows(HOLD_ANY, [trip.train, trip.from, trip.to, user, trip.date, trip.class, names, form.get('wish') || null, request])
      : await database.rows(HOLD_SEATS, [trip.train, trip.from, trip.to, user, seats, trip.date, names, request]);
    if (rows.length > 0) return { redirect: `/orders/${rows[0].order_id}` };
    // No row is an answer: somebody else has taken one of them.
    return again(form.has('wish') ? `${count(names.length, 'seat')} can't be had any more.`
      : seats.length === 1 ? 'Somebody else has just taken this seat. Please pick another one.'
      : 'Somebody else has just taken one of these seats, so none is held for you. Please pick again.', names);
  }

  async function states({ query, request, response }) {
    const trip = input.trip(query);
    const free = async () => {
      const rows = await places(trip);
      return { taken: rows.filter(row => !row.free).map(row => `${row.coach}/${row.seat}`), left: rows.filter(row => row.free).length };
    };
    if (!live.watch(request, response, JSON.stringify(['seats', trip]), free)) throw new Told(503, 'Too many pages are open.');
  }

  return { routes: { 'GET /seats': context => page(context), 'POST /holds': hold, 'GET /live/seats': states } };
};
