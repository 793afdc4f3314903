#!/usr/bin/env node
// Sells tickets from Node: psql -f setup.sql, then node sell.js
//
// Needs pg (npm install pg; Debian: node-pg). The connection comes from the PG… variables, as for psql.
'use strict';
const { randomUUID } = require('crypto');
const { Pool } = require('pg');

const pool = new Pool();

// What a call may answer besides tickets and "sold out". Any other error is a bug in the program: let
// it through.
const RETRY = ['40001', '40P01'];            // another transaction was in the way: try again
const REFUSED = ['TK003', 'TK004'];          // not on sale, refused by a rule

class Refused extends Error {}

// Runs one statement as a transaction of its own and returns its rows. No row is an answer: sold out.
async function call(sql, values, tries = 5) {
  for (;;) {
    try {
      return (await pool.query(sql, values)).rows;
    } catch (error) {
      if (RETRY.includes(error.code) && --tries > 0) continue;
      throw REFUSED.includes(error.code) ? new Refused(error.message) : error;
    }
  }
}

// Holds seats while the user pays. Returns { order, seats }, or null if fewer seats are left. A retry
// with the same requestId, also after a lost connection, returns the first call's seats and holds
// nothing more. The id of an order is a string here, as every bigint is; it is below 2^53, so Number(id)
// is exact.
async function hold(requestId, user, passengers, day) {
  const rows = await call(
    `SELECT order_id, coach, seat FROM ticket_hold('G1', '北京南', '上海虹桥', user_id => $1::bigint, service_date => $2::date,
                                                  passengers => $3::bigint[], request_id => $4::uuid)`,
    [user, day, passengers, requestId]);
  return rows.length ? { order: Number(rows[0].order_id), seats: rows.map(row => `${row.coach}/${row.seat}`) } : null;
}

// The callback of the payment, which may be called twice. Returns false if it was called after the hold
// ran out and no seat is left.
async function paid(order) {
  return (await call('SELECT status FROM ticket_confirm($1::bigint)', [order])).length > 0;
}

async function main() {
  // Days are passed as text in both directions: a Date is an instant, and its day depends on the time
  // zone of this process.
  const [{ day, after, last }] = await call(
    'SELECT (CURRENT_DATE + 1)::text AS day, (CURRENT_DATE + 2)::text AS after, (CURRENT_DATE + 3)::text AS last');

  const requestId = randomUUID();    // one for each click on "buy"
  const held = await hold(requestId, 7, [101, 102], day);
  const again = await hold(requestId, 7, [101, 102], day);
  console.log(`held: ${held.seats.join(', ')}${again.order === held.order ? '' : ' and others'}`);
  console.log(`paid: ${await paid(held.order)} and again: ${await paid(held.order)}`);

  if (await hold(randomUUID(), 8, [1, 2, 3, 4, 5, 6, 7, 8, 9], day) === null) console.log('sold out: no nine seats are left');

  // A train that is not on sale any more, and a rule that refuses.
  await call(`SELECT ticket_close('G1', $1::date)`, [last]);
  await call(`UPDATE ticket_rule SET enabled = true WHERE rule = 'ticket_rule_one_per_departure'`);
  for (const [passenger, when] of [[103, last], [101, day]]) {
    try {
      await hold(randomUUID(), 7, [passenger], when);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      console.log(`refused: ${error.message}`);
    }
  }

  // A batch: each request is all or none by itself; one that is sold out has no row.
  const wishes = [
    { from: 'VNP', to: 'NKH', passengers: [201] },
    { from: 'VNP', to: 'AOH', passengers: [301, 302, 303, 304, 305, 306, 307, 308, 309, 310] },
    { from: 'NKH', to: 'AOH', passengers: [202] }];
  const sold = await call(
    `SELECT request_no, coach, seat FROM ticket_buy_many(ARRAY(
       SELECT ('G1', w->>'from', w->>'to', 9, $1::date, NULL, ARRAY(SELECT jsonb_array_elements_text(w->'passengers')::bigint), NULL, NULL, NULL)::ticket_request
       FROM jsonb_array_elements($2::jsonb) WITH ORDINALITY AS w (w, n) ORDER BY n))`,
    [after, JSON.stringify(wishes)]);
  for (const { request_no: number, coach, seat } of sold) console.log(`batch: request ${number} has ${coach}/${seat}`);
}

main().then(() => pool.end(), error => {
  console.error(error);
  process.exit(1);
});
