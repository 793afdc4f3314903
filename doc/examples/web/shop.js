#!/usr/bin/env node
// A shop for train tickets on ticketpool: psql -f shop.sql, then PORT=8080 node shop.js
//
// Needs Node 18 or later and pg (npm install; Debian: node-pg). The connection comes from the PG…
// variables, as for psql, and the role is web_shop. It listens on 127.0.0.1; PORT=0 takes any free
// port. SHOP_FROM and SHOP_TO are the stations of the first page.
'use strict';
const { join } = require('path');
const { connect } = require('./lib/database');
const { Told } = require('./lib/errors');
const { serve } = require('./lib/http');
const { id } = require('./lib/input');
const { makeLive } = require('./lib/live');
const { layout } = require('./lib/page');

const TICKET = `user_id, order_id, ticket_no, status, seconds_left, train, service_date::text, from_station, from_name, to_station, to_name, departs::text,
  arrives::text, seat_class, coach, seat, passenger, changed_from`;

const database = connect('web_shop', 10);
const live = makeLive();

// remember(MILLISECONDS, QUESTION): asks at most that often.
function remember(milliseconds, question) {
  let answer, until = 0;
  return async () => {
    if (Date.now() >= until) {
      answer = await question();
      until = Date.now() + milliseconds;
    }
    return answer;
  };
}

const shop = {
  first: { from: process.env.SHOP_FROM, to: process.env.SHOP_TO },
  stations: remember(10000, () => database.rows('SELECT station, coalesce(min(name), station) AS name FROM ticket_served() GROUP BY station ORDER BY 2')),
  today: remember(10000, async () => (await database.row('SELECT CURRENT_DATE::text AS today')).today),

  // Who this is: a user id, or null as long as nothing was bought with the cookie.
  async userOf({ tokenHash }) {
    return (await database.row('SELECT web_shop.find_user($1::bytea) AS user_id', [tokenHash])).user_id;
  },
  async makeUser({ tokenHash }) {
    return (await database.row('SELECT web_shop.make_user($1::bytea) AS user_id', [tokenHash])).user_id;
  },
  ticketsOf: user => database.rows(`SELECT ${TICKET} FROM web_shop.tickets_of($1::bigint)`, [user]),
  ticketsOfOrder: (user, order) => database.rows(`SELECT ${TICKET} FROM web_shop.order_of($1::bigint, $2::bigint)`, [user, order]),

  // The tickets of an order of this visitor. Somebody else's order and one that does not exist have the
  // same answer.
  async orderOf(context, order) {
    const number = id(order);
    const user = await shop.userOf(context);
    const tickets = user ? await shop.ticketsOfOrder(user, number) : [];
    if (tickets.length === 0) throw new Told(404, 'There is no such order of yours.');
    return tickets;
  }
};

const parts = { database, live, shop };
const search = require('./pages/search')(parts);
const seats = require('./pages/seats')(parts);
const orders = require('./pages/orders')({ ...parts, searchPage: search.page });

const server = serve({
  port: Number(process.env.PORT ?? 8080), folder: join(__dirname, 'public'), page: layout, cookies: true,
  routes: { ...search.routes, ...seats.routes, ...orders.routes }
});
server.on('listening', () => console.log(`shop: http://127.0.0.1:${server.address().port}/`));
server.on('error', error => {
  console.error(`shop: ${error.message}`);
  process.exit(1);
});
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => {
    live.close();
    server.close(() => database.end());
    server.closeIdleConnections();
  });
}
