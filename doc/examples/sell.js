#!/usr/bin/env node
// Sells tickets from Node, from search to refund: psql -f setup.sql, then node sell.js
//
// Needs pg (npm install pg; Debian: node-pg). The connection comes from the PG… variables, as for psql.
'use strict';
const { randomUUID } = require('crypto');
const { setTimeout: sleep } = require('timers/promises');
const { Pool } = require('pg');

const pool = new Pool();
pool.on('error', () => {});    // an idle connection was lost: without this line the process ends

// Try again: another transaction was in the way, the pool is full or there are too many connections at
// the moment, the server stops, was killed or is starting.
const RETRY = ['40001', '40P01', '53200', '53300', '57P01', '57P02', '57P03'];
// A lost connection has the system's code, or none at all. An error of the server has a severity.
const isLost = error => error.severity === undefined && !(error instanceof TypeError);
// What a user may be told: not on sale, refused by a rule. Any other error is a bug in the program: let
// it through.
const REFUSED = ['TK003', 'TK004'];

// Runs one statement, which is a transaction, and returns its rows. No row is an answer: sold out.
// Every call here may be repeated: what buys has a request id.
async function call(sql, values, tries = 10) {
  for (let attempt = 1; ; attempt++) {
    try {
      return (await pool.query(sql, values)).rows;
    } catch (error) {
      if (attempt === tries || !(RETRY.includes(error.code) || isLost(error))) throw error;
      await sleep((1 + Math.random()) * 10 * 2 ** attempt);
    }
  }
}

const order = rows => rows.length ? { id: Number(rows[0].order_id), seats: rows.map(row => `${row.coach}/${row.seat}`) } : null;

// Holds seats while the user pays. Returns { id, seats }, or null if fewer seats are left. A retry
// with the same requestId, also after a lost connection, returns the first call's seats and holds
// nothing more. The id of an order is a string here, as every bigint is; it is below 2^53, so Number(id)
// is exact.
async function hold(requestId, user, passengers, day) {
  return order(await call(
    `SELECT order_id, coach, seat FROM ticket_hold('G1', '北京南', '上海虹桥', user_id => $1::bigint, service_date => $2::date,
                                                  passengers => $3::bigint[], request_id => $4::uuid)`,
    [user, day, passengers, requestId]));
}

// The callback of the payment, which may be called twice. Returns false if it was called after the hold
// ran out and no seat is left.
async function paid(id) {
  return (await call('SELECT status FROM ticket_confirm($1::bigint)', [id])).length > 0;
}

// Exchanges the tickets for the same trip on another day. null: it can't be had, the old tickets stay.
async function change(requestId, id, day) {
  return order(await call(
    `SELECT order_id, coach, seat FROM ticket_change($1::bigint, 'G1', '北京南', '上海虹桥', $2::date, request_id => $3::uuid)`, [id, day, requestId]));
}

// Rows for a function that takes ticket_request[]: pg has no parameter for them, JSON has.
const REQUESTS = `ARRAY(SELECT r FROM jsonb_populate_recordset(NULL::ticket_request, $1::jsonb) AS r)`;
const trip = { train: 'G1', from_station: '北京南', to_station: '上海虹桥', seat_class: 'second' };

async function main() {
  // Days are passed as text in both directions: a Date is an instant, and its day depends on the time
  // zone of this process.
  const [{ day, after, last }] = await call(
    'SELECT (CURRENT_DATE + 1)::text AS day, (CURRENT_DATE + 2)::text AS after, (CURRENT_DATE + 3)::text AS last');

  for (const t of await call(`SELECT train, to_char(departs, 'HH24:MI') AS leaves, to_char(arrives, 'HH24:MI') AS arrives, seat_class, remaining
                              FROM ticket_search('北京南', '上海虹桥', $1::date)`, [day])) {
    console.log(`found: ${t.train} ${t.leaves} to ${t.arrives}, ${t.seat_class} class, ${t.remaining} left`);
  }
  console.log(`remaining: ${(await call(`SELECT ticket_remaining('G1', '北京南', '上海虹桥', $1::date) AS seats`, [day]))[0].seats}`);

  const requestId = randomUUID();    // one for each click on "buy"
  const held = await hold(requestId, 7, [101, 102], day);
  const again = await hold(requestId, 7, [101, 102], day);
  console.log(`held: ${held.seats.join(', ')}${again.id === held.id ? '' : ' and others'}`);
  console.log(`paid: ${await paid(held.id)} and again: ${await paid(held.id)}`);

  const nine = [1, 2, 3, 4, 5, 6, 7, 8, 9];
  if (await hold(randomUUID(), 8, nine, day) === null) console.log('sold out: no nine seats are left');
  const [{ wait_id: waitId, status }] = await call(
    `SELECT wait_id, status FROM ticket_wait($2::bigint, ${REQUESTS}, passengers => $3::bigint[], request_id => $4::uuid)`,
    [JSON.stringify([{ ...trip, service_date: day }]), 8, nine, randomUUID()]);
  console.log(`nine seats: ${status}`);

  const changed = await change(randomUUID(), held.id, after);
  console.log(`changed: ${changed.seats.join(', ')}`);
  // The change has freed two seats, and whoever waits has them already.
  console.log(`nine seats: ${(await call('SELECT status FROM ticket_wait WHERE wait_id = $1', [waitId]))[0].status}`);
  for (const t of await call('SELECT ticket_no, status FROM ticket_refund($1::bigint, $2::int[])', [changed.id, [1]])) {
    console.log(`ticket ${t.ticket_no}: ${t.status}`);
  }

  // A train that is not on sale any more, and a rule that refuses.
  await call(`SELECT ticket_close('G1', $1::date)`, [last]);
  await call(`UPDATE ticket_rule SET enabled = true WHERE rule = 'ticket_rule_one_per_departure'`);
  for (const [passenger, when] of [[103, last], [102, after]]) {
    try {
      await hold(randomUUID(), 7, [passenger], when);
    } catch (error) {
      if (!REFUSED.includes(error.code)) throw error;
      console.log(`refused: ${error.code} ${error.message}\n  ${error.detail}\n  ${error.hint}`);
    }
  }

  // A batch: each request is all or none by itself; one that is sold out has no row.
  const wishes = [
    { from_station: 'VNP', to_station: 'NKH', passengers: [201] },
    { from_station: 'VNP', to_station: 'AOH', passengers: [301, 302, 303, 304, 305, 306, 307, 308, 309, 310] },
    { from_station: 'NKH', to_station: 'AOH', passengers: [202] }];
  const requests = wishes.map(wish => ({ train: 'G1', service_date: after, user_id: 9, request_id: randomUUID(), ...wish }));
  for (const { request_no: number, coach, seat } of await call(`SELECT request_no, coach, seat FROM ticket_buy_many(${REQUESTS})`, [JSON.stringify(requests)])) {
    console.log(`batch: request ${number} has ${coach}/${seat}`);
  }
}

main().then(() => pool.end(), error => {
  console.error(error);
  process.exit(1);
});
