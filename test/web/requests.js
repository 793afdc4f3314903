// What the web shop answers without a browser: forms of others, orders of others, double clicks,
// headers, and the rights of its roles. Started by 091_web_shop.pl.
'use strict';
const http = require('http');
const { randomUUID } = require('crypto');
const { Client, Pool } = require('pg');
const { ok, is, until, run } = require('./report');

const { SHOP, OPERATIONS, DAY } = process.env;
const owner = new Pool({ max: 2 });
const sql = async (text, values) => (await owner.query(text, values)).rows;
const TRIP = { train: 'T1', from: 'S1', to: 'S3', date: DAY, class: 'second' };

// One request; headers and body as they are given.
function send(address, { method = 'GET', path = '/', headers = {}, body } = {}) {
  return new Promise((done, failed) => {
    const { hostname, port } = new URL(address);
    const request = http.request({ hostname, port, method, path, headers }, response => {
      const parts = [];
      // A stream has no end to wait for.
      if (/event-stream/.test(response.headers['content-type'])) {
        done({ status: response.statusCode, headers: response.headers, text: '' });
        request.destroy();
      }
      response.on('data', part => parts.push(part));
      response.on('end', () => done({ status: response.statusCode, headers: response.headers, text: Buffer.concat(parts).toString() }));
    });
    request.on('error', failed);      // after an answer it changes nothing
    request.end(body);
  });
}

// A visitor, with the cookie of its first page.
async function visitor() {
  const cookie = (await send(SHOP)).headers['set-cookie'][0].split(';')[0];
  const get = path => send(SHOP, { path, headers: { cookie } });
  const post = (path, fields, more = {}) => send(SHOP, {
    method: 'POST', path, body: new URLSearchParams(fields).toString(),
    headers: { cookie, origin: new URL(SHOP).origin, 'content-type': 'application/x-www-form-urlencoded', ...more }
  });
  const buy = async (seats, names = seats.map((_, n) => `Passenger ${n + 1}`)) => {
    const fields = [...Object.entries({ ...TRIP, request: randomUUID() }), ...seats.map(seat => ['seat', seat]), ...names.map(name => ['name', name])];
    const held = await post('/holds', fields);
    return held.headers.location;
  };
  return { cookie, get, post, buy };
}
const statuses = async order => (await sql('SELECT status FROM ticket_get($1) ORDER BY ticket_no', [order.split('/').pop()])).map(row => row.status);
const told = text => (/role="alert">([^<]*)/.exec(text) ?? [])[1];

run(async () => {
  const [ada, bob] = [await visitor(), await visitor()];

  // Headers and cookies
  const first = await send(SHOP);
  ok(/script-src 'self'/.test(first.headers['content-security-policy']) && !/unsafe/.test(first.headers['content-security-policy']), 'no inline script or style may run',
    first.headers['content-security-policy']);
  ok(/HttpOnly/.test(first.headers['set-cookie'][0]) && /SameSite=Lax/.test(first.headers['set-cookie'][0]), 'no script reads the cookie, no other site sends it with a form');
  ok(!/<script(?![^>]*\ssrc=)|\son[a-z]+="|style="|javascript:/i.test(first.text), 'the page has no script, handler or style of its own');
  is((await sql('SELECT count(*)::int AS n FROM web_shop.visitor'))[0].n, 0, 'whoever only looks leaves no row');

  // An order, and what others do to it
  const order = await ada.buy(['1/1A', '1/1B']);
  ok(/^\/orders\/\d+$/.test(order), 'two seats are held', order);
  const bobs = await bob.buy(['1/4A']);
  is((await ada.get(`/live${order}`)).headers['content-type'], 'text/event-stream', 'the page of an order is told of changes');
  is((await bob.get(bobs)).status, 200, 'and one for somebody else, who sees it');
  is((await bob.get(order)).status, 404, 'somebody else does not see the order');
  is((await bob.get('/orders/1')).status, 404, 'an order that there is not has the same answer');
  is(told((await bob.get(order)).text), told((await bob.get('/orders/1')).text), 'to the word');
  for (const [action, fields] of [['pay', {}], ['cancel', {}], ['refund', { ticket: 1 }], ['change', { ...TRIP, train: 'T2', request: randomUUID() }]]) {
    is((await bob.post(`${order}/${action}`, fields)).status, 404, `somebody else's ${action} is refused`);
  }
  is((await bob.get(`/live${order}`)).status, 404, 'nor is somebody else told of it');
  is((await bob.get(`/?${new URLSearchParams({ ...TRIP, change: order.split('/').pop() })}`)).status, 404, 'nor offered an exchange');
  is((await send(SHOP, { path: order })).status, 404, 'nor somebody without a cookie');
  is(await statuses(order), ['held', 'held'], 'and nothing has happened to it');

  // Forms of other sites
  for (const [origin, name] of [['http://evil.example', 'another site'], ['null', 'a page without an origin'], [undefined, 'a request without one']]) {
    const headers = { cookie: ada.cookie, 'content-type': 'application/x-www-form-urlencoded', ...(origin && { origin }) };
    is((await send(SHOP, { method: 'POST', path: `${order}/cancel`, headers, body: '' })).status, 403, `a form of ${name} is refused`);
  }
  is((await send(SHOP, { headers: { host: 'evil.example' } })).status, 421, 'so is another name for this server');
  is((await ada.post(`${order}/cancel`, {}, { 'content-type': 'text/plain' })).status, 415, 'and what is not a form');
  is(await statuses(order), ['held', 'held'], 'and nothing has happened');
  is((await send(SHOP, { path: `${order}/cancel`, headers: { cookie: ada.cookie } })).status, 405, 'a link changes nothing');
  is((await ada.post('/holds', { ...TRIP, name: 'x'.repeat(20000) })).status, 413, 'a long form is not read');
  is((await ada.get('/public/..%2fshop.sql')).status, 404, 'no other file is given out');

  // A double click, both halves at once
  const click = [...Object.entries({ ...TRIP, request: randomUUID() }), ['seat', '1/2A'], ['name', 'Ada']];
  const both = await Promise.all([ada.post('/holds', click), ada.post('/holds', click)]);
  is(both.map(answer => answer.status), [303, 303], 'both halves of a double click are answered');
  is(both[0].headers.location, both[1].headers.location, 'with one order');
  is((await sql("SELECT count(*)::int AS n FROM ticket_order WHERE seat = '2A' AND coach = '1'"))[0].n, 1, 'of one ticket');
  const fresh = await visitor();
  const firsts = await Promise.all([1, 2, 3].map(() => fresh.post('/holds', { ...TRIP, request: '7a1c0000-0000-4000-8000-00000000000a', wish: '', name: 'New' })));
  is(new Set(firsts.map(answer => answer.headers.location)).size, 1, 'also as the first thing that a visitor does');
  is((await ada.post(`${order}/pay`, {})).headers.location, order, 'paid');
  is((await ada.post(`${order}/pay`, {})).headers.location, order, 'and again');
  is(await statuses(order), ['sold', 'sold'], 'once');
  is((await ada.post(`${order}/refund`, { ticket: 2 })).status, 303, 'one ticket is given back');
  is(await statuses(order), ['sold', 'refunded'], 'and the other one stays');
  is((await ada.post(`${order}/cancel`, {})).status, 409, 'what is paid is not given up');
  is((await ada.post(`${order}/refund`, { ticket: 7 })).status, 400, 'a ticket that there is not is not given back');

  // Errors of the database, as sentences
  const fails = async (path, fields, status, sentence, name) => {
    const answer = await ada.post(path, fields);
    is([answer.status, sentence.test(told(answer.text))], [status, true], name);
    ok(!/[0-9A-Z]{2}\d{3}|ERROR|ticket_hold|web_shop/.test(told(answer.text) ?? ''), `${name}: nothing of the database shows`, told(answer.text));
  };
  const hold = more => ({ ...TRIP, request: randomUUID(), wish: '', name: 'Ada', ...more });
  await fails('/holds', hold({ class: 'royal' }), 404, /does not have that class/, 'a class that there is not');
  await fails('/holds', hold({ train: 'T9' }), 404, /no such train/, 'a train that there is not');
  await fails('/holds', hold({ from: 'S3', to: 'S1' }), 404, /does not go/, 'a trip backwards');
  await fails('/holds', hold({ date: '2031-02-31' }), 400, /not a day/, 'a day that there is not');
  await fails('/holds', hold({ name: "'; DROP TABLE ticket_order; --", request: 'none' }), 400, /missing/, 'a request without a number');
  await sql("INSERT INTO ticket_rule (rule, on_kind) VALUES ('public.no_eve', 'ticket')");
  await fails('/holds', hold({ name: 'Eve' }), 409, /The sale is refused: Eve may not travel/, "a rule's reason");
  await sql("DELETE FROM ticket_rule WHERE rule = 'public.no_eve'");
  await sql("SELECT ticket_close('T4', $1)", [DAY]);
  await fails('/holds', hold({ train: 'T4' }), 409, /not on sale/, 'a train that is closed');
  const bad = await ada.post('/holds', { ...TRIP, request: randomUUID(), seat: '9/9Z', name: 'Ada' });
  is(bad.status, 400, 'a seat that the train does not have');
  const inject = await ada.buy(['1/3A'], ["Robert'); DROP TABLE ticket_order; --"]);
  is((await sql('SELECT p.name FROM ticket_get($1) o JOIN web_shop.passenger p USING (passenger_id)', [inject.split('/').pop()]))[0].name,
    "Robert'); DROP TABLE ticket_order; --", 'a name is a value, whatever it looks like');

  // The database goes away, and comes back
  await sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'web_shop'");
  is((await ada.get('/trips')).status, 200, 'lost connections are made again');
  ok(await until(async () => (await send(SHOP)).status === 200), 'and the shop goes on');

  // Rights
  const as = async role => {
    const client = new Client({ user: role });
    await client.connect();
    const code = async text => { try { await client.query(text); return 'done'; } catch (error) { return error.code; } };
    return { client, code };
  };
  const shop = await as('web_shop');
  const looker = await as('web_operations');
  const tables = (await sql(`SELECT c.oid::regclass::text AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S') AND n.nspname IN ('public', 'web_shop') ORDER BY 1`)).map(row => row.name);
  const reachable = async role => (await sql(`SELECT t.name FROM unnest($2::text[]) AS t (name) WHERE has_table_privilege($1, t.name, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')`,
    [role, tables])).map(row => row.name);
  ok(tables.length > 15, 'there are tables');
  is(await reachable('web_shop'), [], 'the shop has no right on any table or view');
  is(await reachable('web_operations'), ['ticket_inflight', 'ticket_pool', 'ticket_pool_stat', 'ticket_sweep_status'], 'the operations page has four views');
  is(await shop.code('SELECT ticket_withdraw(\'T1\', CURRENT_DATE)'), '42501', 'the shop withdraws no train');
  is(await shop.code('SELECT * FROM ticket_pool_stat'), '42501', 'and does not look into the pool');
  is(await looker.code("SELECT ticket_refund(1)"), '42501', 'the operations page sells and refunds nothing');
  is(await looker.code("SELECT web_shop.tickets_of(1000000001)"), '42501', 'and does not know whose tickets there are');
  is(await looker.code('CREATE TEMP TABLE t (i int)'), '25006', 'it writes nothing at all');
  await Promise.all([shop.client.end(), looker.client.end()]);

  // Pictures
  for (const path of ['/pictures/coaches.svg', '/pictures/time.svg']) {
    const picture = await send(OPERATIONS, { path: `${path}?${new URLSearchParams({ train: 'T1', date: DAY })}` });
    is([picture.status, picture.headers['content-type']], [200, 'image/svg+xml; charset=utf-8'], `${path} is a picture`);
    ok(/default-src 'none'.*sandbox/.test(picture.headers['content-security-policy']), `${path} can run no script`, picture.headers['content-security-policy']);
    const hostile = await send(OPERATIONS, { path: `${path}?${new URLSearchParams({ train: '<script>', date: DAY })}` });
    ok(hostile.status === 200 && !/<script>/.test(hostile.text), `${path}: a train's name is escaped`, hostile.text.slice(0, 300));
    is((await send(OPERATIONS, { path: `${path}?train=T9&date=${DAY}` })).status, 404, `${path}: of no train there is none`);
  }
  ok(/&lt;script&gt;/.test((await send(OPERATIONS)).text), 'the operations page escapes it, too');
  is((await send(OPERATIONS, { method: 'POST' })).status, 405, 'the operations page takes no form');
  is((await send(OPERATIONS, { headers: { host: 'evil.example' } })).status, 421, 'nor another name');
  await owner.end();
});
