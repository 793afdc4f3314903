// What a visitor has: orders with the time that is left to pay, refunds, exchanges, and waits.
'use strict';
const { randomUUID } = require('crypto');
const input = require('../lib/input');
const { html, url, hidden } = require('../lib/html');
const { className, count, journey, longDay, notice, place } = require('../lib/page');
const { Told } = require('../lib/errors');

const WAITS = `SELECT w.wait_id, w.status, w.order_id, w.tickets, w.train, w.from_name, w.to_name, w.departs::text, w.arrives::text, w.seat_class, s.ahead, s.reason
  FROM web_shop.waits_of($1::bigint) AS w LEFT JOIN LATERAL ticket_wait_status(w.wait_id) AS s ON w.status = 'waiting'`;
const STATES = {
  held: ['Not paid yet', 'wait'], sold: ['Paid', 'good'], refunded: ['Given back', 'over'], cancelled: ['Given up', 'over'],
  expired: ['Ran out', 'over'], changed: ['Exchanged', 'over']
};
const WAIT_STATES = { waiting: ['Waiting', 'wait'], awarded: ['Served', 'good'], expired: ['Over: the train has left', 'over'], cancelled: ['Left', 'over'], closed: ['Over: the train is not on sale', 'over'] };
const pill = ([label, kind]) => html`<span class="pill ${kind}">${label}</span>`;

module.exports = ({ database, live, shop, searchPage }) => {
  // What a page shows changes when one of these does: it then loads itself again.
  const digest = (tickets, waits = []) => JSON.stringify([
    tickets.map(t => [t.order_id, t.ticket_no, t.status, t.coach, t.seat, t.departs]), waits.map(w => [w.wait_id, w.status, w.ahead, w.reason])]);

  const countdown = seconds => html`<div class="countdown" role="timer" aria-label="Time left to pay" data-seconds="${seconds}">
<svg viewBox="0 0 44 44" width="56" height="56" aria-hidden="true"><circle cx="22" cy="22" r="19"></circle><circle cx="22" cy="22" r="19" class="rest" data-ring pathLength="100" stroke-dasharray="100" transform="rotate(-90 22 22)"></circle></svg>
<div><span class="clock" data-clock>${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}</span><span class="muted">left to pay</span></div>
<span class="for-readers" role="status" data-say></span></div>`;

  const ticket = t => html`<li class="ticket ${t.status === 'held' || t.status === 'sold' ? 'live' : 'dead'}">
<div class="place"><span class="muted">Coach</span><strong>${t.coach}</strong></div>
<div class="place"><span class="muted">Seat</span><strong>${t.seat ?? 'any'}</strong></div>
<div class="who"><strong>${t.passenger ?? 'You'}</strong><span class="muted">${className(t.seat_class)} class · ticket ${t.ticket_no}</span></div>
${pill(STATES[t.status])}<span class="for-readers">${place(t)}</span></li>`;

  const button = (action, label, kind = '') => html`<form action="${action}" method="post"><button class="button ${kind}" type="submit">${label}</button></form>`;

  // The page of an order. told: what has just happened.
  async function page(context, { tickets, problem, status } = {}) {
    tickets ??= await shop.orderOf(context, context.params.id);
    const [first] = tickets;
    const number = first.order_id;
    const held = tickets.filter(t => t.status === 'held');
    const sold = tickets.filter(t => t.status === 'sold');
    const expired = tickets.some(t => t.status === 'expired');
    context.scripts = ['mine'];
    const refund = html`<details class="card"><summary>Give tickets back</summary>
<form action="/orders/${number}/refund" method="post"><fieldset><legend class="for-readers">Tickets to give back</legend>
${sold.map(t => html`<label class="check"><input type="checkbox" name="ticket" value="${t.ticket_no}" checked> ${t.passenger ?? 'You'}, ${place(t).toLowerCase()}</label>`)}</fieldset>
<p class="hint">Their seats go to whoever waits for them, or back on sale, at once.</p>
<button class="button bad" type="submit">Refund</button></form></details>`;
    return {
      status, title: `Order ${number}`,
      page: html`<p class="back"><a href="/trips">My trips</a></p>
<div class="order" data-digest="${digest(tickets)}" data-live="/live/orders/${number}">
<h1>${held.length > 0 ? 'Your seats are held' : sold.length > 0 ? 'Have a good trip' : expired ? 'The time to pay is over' : 'Nothing is left of this order'}</h1>
${notice(problem, 'bad')}
${first.changed_from && held.length + sold.length > 0 ? notice(html`These tickets replace <a href="/orders/${first.changed_from}">order ${first.changed_from}</a>.`) : ''}
${expired && held.length + sold.length === 0 ? notice('The seats went back on sale. If they, or equal ones, are still free, you may pay all the same.') : ''}
<div class="card trip"><h2>${first.train} <span class="muted">${longDay(first.departs)}</span></h2>${journey(first)}</div>
<ul class="tickets">${tickets.map(ticket)}</ul>
${held.length > 0 ? html`<div class="card pay">${countdown(Math.min(...held.map(t => t.seconds_left)))}
<div class="actions">${button(`/orders/${number}/pay`, `Pay for ${count(held.length, 'ticket')}`)}${button(`/orders/${number}/cancel`, 'Give up', 'quiet')}</div></div>` : ''}
${expired && held.length + sold.length === 0 ? html`<div class="actions">${button(`/orders/${number}/pay`, 'Pay all the same')}</div>` : ''}
${sold.length > 0 ? html`<div class="actions"><a class="button" href="${url('/', { from: first.from_station, to: first.to_station, date: first.departs.slice(0, 10), change: number })}">Change the trip</a></div>${refund}` : ''}
<p class="muted small">Order ${number}</p></div>`
    };
  }

  // Each of these looks first whose order it is. The database trusts the shop with all of them.
  async function pay(context) {
    const [{ order_id: number }] = await shop.orderOf(context, context.params.id);
    const rows = await database.rows('SELECT order_id FROM ticket_confirm($1::bigint)', [number]);
    if (rows.length > 0) return { redirect: `/orders/${number}` };
    return page(context, { status: 409, problem: 'The time to pay is over, and no such seat is left. Nothing was paid.' });
  }
  async function cancel(context) {
    const [{ order_id: number }] = await shop.orderOf(context, context.params.id);
    await database.rows('SELECT order_id FROM ticket_cancel($1::bigint)', [number]);
    return { redirect: '/trips' };
  }
  async function refund(context) {
    const tickets = await shop.orderOf(context, context.params.id);
    const known = new Set(tickets.map(t => String(t.ticket_no)));
    const numbers = context.form.getAll('ticket');
    if (numbers.length === 0 || numbers.some(number => !known.has(number))) {
      return page(context, { tickets, status: 400, problem: 'Please say which tickets you give back.' });
    }
    await database.rows('SELECT ticket_no FROM ticket_refund($1::bigint, $2::int[])', [tickets[0].order_id, numbers]);
    return { redirect: `/orders/${tickets[0].order_id}` };
  }
  async function change(context) {
    const [{ order_id: number }] = await shop.orderOf(context, context.params.id);
    const trip = input.trip(context.form);
    const rows = await database.rows(`SELECT order_id FROM ticket_change($1::bigint, $2::text, $3::text, $4::text, $5::date, $6::text, request_id => $7::uuid)`,
      [number, trip.train, trip.from, trip.to, trip.date, trip.class, input.requestId(context.form)]);
    if (rows.length > 0) return { redirect: `/orders/${rows[0].order_id}` };
    context.query = new URLSearchParams({ from: trip.from, to: trip.to, date: trip.date, change: number });
    return searchPage(context, { status: 409, problem: `Too few seats are left in ${trip.class} class of ${trip.train}. You keep the tickets that you have.` });
  }

  async function wait(context) {
    const trip = input.trip(context.form);
    const names = input.passengers(context.form);
    const user = await shop.makeUser(context);
    const [row] = await database.rows(`SELECT status, order_id
      FROM ticket_wait($1::bigint, ARRAY[ROW($2, $3, $4, NULL, $5::date, $6, NULL, NULL, NULL, NULL)]::ticket_request[],
        passengers => web_shop.passengers($1::bigint, $7::text[]), request_id => $8::uuid)`,
      [user, trip.train, trip.from, trip.to, trip.date, trip.class, names, input.requestId(context.form)]);
    return { redirect: row.status === 'awarded' ? `/orders/${row.order_id}` : '/trips' };
  }
  async function leave(context) {
    const user = await shop.userOf(context);
    const mine = user ? await database.rows('SELECT wait_id FROM web_shop.waits_of($1::bigint) WHERE wait_id = $2::bigint', [user, input.id(context.params.id)]) : [];
    if (mine.length === 0) throw new Told(404, 'There is no such wait of yours.');
    const [row] = await database.rows('SELECT status, order_id FROM ticket_wait_cancel($1::bigint)', [mine[0].wait_id]);
    return { redirect: row.status === 'awarded' ? `/orders/${row.order_id}` : '/trips' };
  }

  const possessions = async user => user ? Promise.all([shop.ticketsOf(user), database.rows(WAITS, [user])]) : [[], []];

  async function trips(context) {
    const [tickets, waits] = await possessions(await shop.userOf(context));
    const orders = byOrder(tickets);
    const open = waits.filter(w => w.status === 'waiting');
    const over = waits.filter(w => w.status !== 'waiting').slice(0, 5);
    context.scripts = ['mine'];
    const waitCard = w => html`<li class="card train"><div class="name"><strong>${w.train}</strong>${pill(WAIT_STATES[w.status])}</div>${journey(w)}
<div class="about"><span>${longDay(w.departs)} · ${className(w.seat_class)} · ${count(w.tickets, 'ticket')}</span>
${w.status === 'waiting' ? html`<span class="muted">${w.ahead === 0 ? 'You are first in the list' : `${w.ahead} ${w.ahead === 1 ? 'waits' : 'wait'} before you`}${w.reason ? `: ${w.reason}` : ''}</span>` : ''}
${w.order_id ? html`<a href="/orders/${w.order_id}">Order ${w.order_id}</a>` : ''}</div>
${w.status === 'waiting' ? button(`/waits/${w.wait_id}/cancel`, 'Leave the list', 'quiet') : ''}</li>`;
    return {
      title: 'My trips',
      page: html`<div data-digest="${digest(tickets, waits)}" data-live="/live/trips"><h1>My trips</h1>
${orders.length + waits.length === 0 ? html`<p class="empty">Nothing yet. <a href="/">Find a train</a>: what you hold, buy or wait for is listed here, in this browser.</p>` : ''}
<ul class="trains">${orders.map(mine => html`<li class="card train"><div class="name"><strong>${mine[0].train}</strong>${pill(STATES[mine[0].status])}</div>${journey(mine[0])}
<div class="about"><span>${longDay(mine[0].departs)} · ${mine.map(t => t.seat === null ? t.coach : `${t.coach}/${t.seat}`).join(', ')}</span><span class="muted">${mine.map(t => t.passenger).filter(Boolean).join(', ')}</span></div>
<a class="button${mine[0].status === 'held' ? '' : ' quiet'}" href="/orders/${mine[0].order_id}">${mine[0].status === 'held' ? 'Pay' : 'Show'}<span class="for-readers"> order ${mine[0].order_id}</span></a></li>`)}</ul>
${open.length > 0 ? html`<h2>Waiting lists</h2><ul class="trains">${open.map(waitCard)}</ul>` : ''}
${over.length > 0 ? html`<details><summary>Waits that are over</summary><ul class="trains">${over.map(waitCard)}</ul></details>` : ''}</div>`
    };
  }
  function byOrder(tickets) {
    const orders = new Map();
    for (const t of tickets) orders.set(t.order_id, [...orders.get(t.order_id) ?? [], t]);
    return [...orders.values()];
  }

  async function liveOrder(context) {
    const [{ order_id: number }] = await shop.orderOf(context, context.params.id);
    const user = await shop.userOf(context);
    if (!live.watch(context.request, context.response, `order ${number}`, async () => digest(await shop.ticketsOfOrder(user, number)))) throw new Told(503, 'Too many pages are open.');
  }
  async function liveTrips(context) {
    const user = await shop.userOf(context);
    if (!user) throw new Told(404, 'There is nothing to watch yet.');
    if (!live.watch(context.request, context.response, `trips ${user}`, async () => digest(...await possessions(user)))) throw new Told(503, 'Too many pages are open.');
  }

  return {
    routes: {
      'GET /trips': trips, 'GET /orders/:id': context => page(context), 'POST /orders/:id/pay': pay, 'POST /orders/:id/cancel': cancel,
      'POST /orders/:id/refund': refund, 'POST /orders/:id/change': change, 'POST /waits': wait, 'POST /waits/:id/cancel': leave,
      'GET /live/orders/:id': liveOrder, 'GET /live/trips': liveTrips
    }
  };
};
