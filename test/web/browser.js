// The web shop in a browser: two buyers reach for one seat, a hold runs out, tickets are paid, changed
// and given back, somebody waits; with the keyboard alone, for a screen reader, on a phone. Started by
// 091_web_shop.pl.
'use strict';
const { Pool } = require('pg');
const { start } = require('./chromium');
const { ok, is, until, run } = require('./report');

const { SHOP, OPERATIONS, DAY } = process.env;
const owner = new Pool({ max: 2 });
const sql = async (text, values) => (await owner.query(text, values)).rows;
const address = (path, fields) => `${new URL(SHOP).origin}${path}?${new URLSearchParams(fields)}`;
const trip = (train, seatClass = 'second') => ({ train, from: 'S1', to: 'S3', date: DAY, class: seatClass });
const seat = (page, name) => page.locator(`input[name=seat][value="${name}"]`);
const orderOf = page => new URL(page.url()).pathname.split('/').pop();
const statuses = async order => (await sql('SELECT status FROM ticket_get($1) ORDER BY ticket_no', [order])).map(row => row.status);

// A page loads itself again when something has changed, and if that comes between, the browser gives
// up what it was asked for.
async function go(page, address) {
  for (let tries = 1; ; tries++) {
    try {
      return await page.goto(address);
    } catch (error) {
      if (tries === 5 || !/ERR_ABORTED|interrupted by another navigation/.test(error.message)) throw error;
      await page.waitForTimeout(500);
    }
  }
}

run(async () => {
  const browser = await start();
  const complaints = [];
  // A visitor: a browser of its own, as far as cookies go.
  async function visitor(name, options = {}) {
    const page = await (await browser.newContext({ viewport: { width: 1100, height: 800 }, ...options })).newPage();
    page.setDefaultTimeout(30000);
    page.on('pageerror', error => complaints.push(`${name}: ${error.message}`));
    page.on('dialog', dialog => { complaints.push(`${name}: a dialog: ${dialog.message()}`); dialog.dismiss(); });
    page.on('console', message => { if (message.type() === 'error' && !/status of 4\d\d/.test(message.text())) complaints.push(`${name}: ${message.text()}`); });
    return page;
  }
  const pick = async (page, train, seats, seatClass) => {
    await go(page, address('/seats', trip(train, seatClass)));
    for (const name of seats) await seat(page, name).click();
  };
  const fill = async (page, names) => { for (const [n, name] of names.entries()) await page.locator('[data-names] input').nth(n).fill(name); };
  const hold = async (page, train, seats, names, seatClass) => {
    await pick(page, train, seats, seatClass);
    await fill(page, names);
    await page.locator('[data-submit]').click();
    await page.waitForURL(/\/orders\//);
    return orderOf(page);
  };
  const [ada, bob] = [await visitor('Ada'), await visitor('Bob')];

  // Live counts
  await go(ada, address('/', { from: 'S1', to: 'S3', date: DAY }));
  const chip = ada.locator('[data-key^="T1 "][data-key$=" second"] [data-left]');
  const before = Number(await chip.textContent());
  ok(before > 10, 'the search shows what is left', before);
  await sql("SELECT FROM ticket_buy_seats('T1', 'S1', 'S3', 1, '{1/9A}', $1)", [DAY]);
  ok(await until(async () => Number(await chip.textContent()) === before - 1), 'and counts down while somebody else buys', await chip.textContent());

  // Two reach for the same seat, and neither page is told of the other before its form is sent
  const silent = route => route.fulfill({ contentType: 'text/event-stream', body: 'retry: 600000\n\n' });
  for (const page of [ada, bob]) await page.route('**/live/seats?*', silent);
  for (const [page, name] of [[ada, 'Ada'], [bob, 'Bob']]) { await pick(page, 'T1', ['1/1A']); await fill(page, [name]); }
  await Promise.all([ada, bob].map(async page => {
    await page.locator('[data-submit]').click({ noWaitAfter: true });
    await until(async () => /\/(orders|holds)/.test(page.url()));
    await page.waitForLoadState();
  }));
  const [winner, loser] = /\/orders\//.test(ada.url()) ? [ada, bob] : [bob, ada];
  ok(/\/orders\//.test(winner.url()), 'one of two has the seat', winner.url());
  is(await loser.locator('[role=alert]').textContent(), 'Somebody else has just taken this seat. Please pick another one.', 'the other one is told');
  is(await loser.locator('input[name=seat]:checked').count(), 0, 'and has no seat picked any more');
  is((await sql("SELECT count(*)::int AS n FROM ticket_order WHERE coach = '1' AND seat = '1A' AND status = 'held'"))[0].n, 1, 'one ticket of it is held');

  // A seat that is picked and gets lost before the form is sent
  for (const page of [ada, bob]) await page.unroute('**/live/seats?*');
  await pick(loser, 'T1', []);
  await loser.locator('input[name=seat][value="1/1B"]').click();
  await sql("SELECT FROM ticket_buy_seats('T1', 'S1', 'S3', 1, '{1/1B}', $1)", [DAY]);
  ok(await until(async () => await loser.locator('input[name=seat]:checked').count() === 0), 'a picked seat that somebody else buys is given up on the page');
  is(await loser.locator('[data-say]').textContent(), 'Seat 1B in coach 1: somebody else has just taken it.', 'and the page says so');
  is(await seat(loser, '1/1B').getAttribute('aria-label'), 'Coach 1 seat 1B, taken', 'its name has changed');

  // The hold runs out
  const left = await winner.locator('[data-clock]').textContent();
  ok(/^(10:00|9:\d\d)$/.test(left), 'a hold counts down from ten minutes', left);
  ok(await until(async () => await winner.locator('[data-clock]').textContent() !== left), 'and goes on');
  await sql("UPDATE ticket_order SET held_until = clock_timestamp() + interval '8 seconds' WHERE order_id = $1", [orderOf(winner)]);
  await winner.reload();
  ok(/^0:0\d$|^Time is up$/.test(await winner.locator('[data-clock]').textContent()), 'seconds are left');
  await winner.locator('h1:has-text("The time to pay is over")').waitFor();
  ok(true, 'when they are over, the page says so by itself');
  ok(await until(async () => await seat(loser, '1/1A').getAttribute('aria-disabled') === null), 'and the seat is free for the other one');

  // Pay; a name that is a script is a text
  const evil = '<script>alert(1)</script>';
  const order = await hold(ada, 'T1', ['1/2A', '1/2B'], [evil, 'Zoë & "Co"']);
  await ada.getByRole('button', { name: 'Pay for 2 tickets' }).click();
  await ada.locator('h1:has-text("Have a good trip")').waitFor();
  is(await statuses(order), ['sold', 'sold'], 'two tickets are paid');
  is(await ada.locator('.ticket .who strong').allTextContents(), [evil, 'Zoë & "Co"'], 'names are shown as they were typed');
  is(await ada.evaluate(() => [...document.scripts].filter(script => !script.src).length), 0, 'and are no scripts');

  // Another visitor's order
  is((await go(bob, `${new URL(SHOP).origin}/orders/${order}`)).status(), 404, 'a foreign order is refused');
  is(await bob.locator('[role=alert]').textContent(), 'There is no such order of yours.', 'with a sentence');
  is(await bob.evaluate(async path => (await fetch(path, { method: 'POST', body: new URLSearchParams({ ticket: '1' }) })).status, `/orders/${order}/refund`), 404, 'so is its refund');
  is(await statuses(order), ['sold', 'sold'], 'and it stays as it is');

  // Change
  await ada.getByRole('link', { name: 'Change the trip' }).click();
  await ada.getByRole('button', { name: /^Change to Train T2, second class/ }).click();
  await ada.waitForURL(url => /\/orders\//.test(url) && !url.pathname.endsWith(order));
  const changed = orderOf(ada);
  is([await statuses(order), await statuses(changed)], [['changed', 'changed'], ['sold', 'sold']], 'both tickets are exchanged for another train in one step');
  is(await ada.locator('h2').first().textContent().then(text => text.slice(0, 2)), 'T2', 'and the page shows it');

  // Refund one of two
  await ada.getByText('Give tickets back').click();
  await ada.locator('input[name=ticket][value="2"]').uncheck();
  await ada.getByRole('button', { name: 'Refund' }).click();
  await ada.locator('.pill:has-text("Given back")').waitFor();
  is(await statuses(changed), ['refunded', 'sold'], 'one ticket is refunded, the other one stays');

  // The waiting list: T3 has one seat
  const only = await hold(ada, 'T3', ['1/1A'], ['Ada']);
  await ada.getByRole('button', { name: 'Pay for 1 ticket' }).click();
  await ada.locator('h1:has-text("Have a good trip")').waitFor();
  await go(bob, address('/seats', trip('T3')));
  await bob.locator('#wait-names').fill('Bob');
  await bob.getByRole('button', { name: 'Join the waiting list' }).click();
  await bob.waitForURL(/\/trips$/);
  ok(/You are first in the list/.test(await bob.locator('main').textContent()), 'somebody waits for a train that is sold out');
  await ada.getByText('Give tickets back').click();
  await ada.getByRole('button', { name: 'Refund' }).click();
  await ada.locator('.pill:has-text("Given back")').waitFor();
  await bob.getByRole('link', { name: /^Pay order/ }).click();
  await bob.getByRole('button', { name: 'Pay for 1 ticket' }).click();
  await bob.locator('h1:has-text("Have a good trip")').waitFor();
  is([await statuses(only), await statuses(orderOf(bob))], [['refunded'], ['sold']], 'and gets the seat that is given back: the page shows it by itself');
  // And leaves a list
  await go(ada, address('/seats', trip('T3')));
  await ada.locator('#wait-names').fill('Ada');
  await ada.getByRole('button', { name: 'Join the waiting list' }).click();
  await ada.getByRole('button', { name: 'Leave the list' }).click();
  await ada.getByText('Waits that are over').waitFor();
  is((await sql('SELECT status FROM ticket_wait ORDER BY wait_id')).map(row => row.status), ['awarded', 'cancelled'], 'a list can be left');
  await go(ada, address('/seats', trip('T1')));
  await ada.getByText('Any seat will do').click();
  await ada.locator('#any-names').fill('Ada\nBert\nCleo');
  await ada.getByLabel('Wish').selectOption('window');
  await ada.getByRole('button', { name: 'Hold seats for us' }).click();
  await ada.waitForURL(/\/orders\//);
  is(await statuses(orderOf(ada)), ['held', 'held', 'held'], 'a party takes any seats');
  await ada.getByRole('button', { name: 'Give up' }).click();
  await ada.waitForURL(/\/trips$/);

  // The keyboard alone
  const eve = await visitor('Eve');
  const key = name => eve.keyboard.press(name);
  const focused = () => eve.evaluate(() => document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent.trim() ?? '');
  const tabTo = async (pattern, most = 80) => {
    for (let n = 0; n < most; n++) {
      if (pattern.test(await focused())) return true;
      await key('Tab');
    }
    return false;
  };
  await go(eve, address('/', { from: 'S1', to: 'S3', date: DAY }));
  ok(await tabTo(/^Train T1, second class/), 'keyboard: the tab key reaches a train', await focused());
  await key('Enter');
  await eve.waitForURL(/\/seats/);
  await eve.waitForFunction(() => document.querySelector('section.coach[hidden]'));
  ok(await tabTo(/^Coach 1 seat /), 'keyboard: and its seats', await focused());
  const from = await focused();
  is(await eve.evaluate(() => getComputedStyle(document.activeElement.nextElementSibling).outlineStyle), 'solid', 'keyboard: one sees where one is');
  await key('ArrowRight');
  const right = await focused();
  await key('ArrowUp');
  const up = await focused();
  await key('ArrowLeft');
  await key('ArrowDown');
  is([right !== from, up !== right, await focused() === from], [true, true, true], 'keyboard: four arrows lead around and back');
  await key('End');
  ok(/^Coach 1 seat 9/.test(await focused()), 'keyboard: the end key goes to the last row', await focused());
  for (let n = 0; n < 4 && !/, free/.test(await focused()); n++) await key('ArrowUp');
  const chosen = (/seat (\S+), free/.exec(await focused()) ?? [])[1];
  await key('Space');
  is(await eve.locator('input[name=seat]:checked').getAttribute('value'), `1/${chosen}`, 'keyboard: the space bar takes a seat');
  for (let n = 0; n < 10 && await eve.evaluate(() => document.activeElement.name) !== 'name'; n++) await key('Tab');
  await eve.keyboard.type('Eve');
  ok(await tabTo(/^Hold this seat$/, 5), 'keyboard: a name, and the button');
  await key('Enter');
  await eve.waitForURL(/\/orders\//);
  ok(await tabTo(/^Pay for 1 ticket$/), 'keyboard: to the payment');
  await key('Enter');
  await eve.locator('h1:has-text("Have a good trip")').waitFor();
  is(await statuses(orderOf(eve)), ['sold'], 'keyboard: a ticket is bought without a mouse');

  // For a screen reader
  await go(eve, address('/seats', trip('T1')));
  await eve.waitForFunction(() => document.querySelector('section.coach[hidden]'));
  const tools = await eve.context().newCDPSession(eve);
  const tree = async () => (await tools.send('Accessibility.getFullAXTree')).nodes.filter(node => !node.ignored)
    .map(node => ({ role: node.role?.value, name: node.name?.value ?? '', disabled: node.properties?.some(p => p.name === 'disabled' && p.value.value) ?? false }));
  const nodes = await tree();
  const box = name => nodes.find(node => node.role === 'checkbox' && node.name === name);
  ok(box('Coach 1 seat 1F, free, window'), 'reader: "Coach 1 seat 1F, free, window"', nodes.filter(node => node.role === 'checkbox').slice(0, 6));
  ok(box('Coach 1 seat 2C, free, aisle'), 'reader: "Coach 1 seat 2C, free, aisle"');
  ok(box('Coach 1 seat 1B, taken')?.disabled, 'reader: what is taken is said to be so, and is disabled', box('Coach 1 seat 1B, taken'));
  const wanting = [];
  for (const path of [address('/seats', trip('T1')), address('/seats', trip('T3')), address('/', { from: 'S1', to: 'S3', date: DAY }), address('/trips', {}), eve.url(), OPERATIONS]) {
    await go(eve, path);
    wanting.push(...(await tree()).filter(node => /^(button|link|checkbox|textbox|combobox|image|Date)$/.test(node.role) && node.name.trim() === '').map(node => `${path}: ${node.role}`));
    const headings = await eve.locator('h1').count();
    if (headings !== 1) wanting.push(`${path}: ${headings} main headings`);
  }
  is(wanting, [], 'reader: everything that can be used has a name, and each page one main heading');

  // On a phone
  const phone = await visitor('a phone', { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true });
  const wide = [];
  const measure = async name => {
    const width = await phone.evaluate(() => document.scrollingElement.scrollWidth);
    if (width > 360) wide.push(`${name}: ${width}`);
  };
  await go(phone, address('/', { from: 'S1', to: 'S3', date: DAY }));
  await measure('search');
  await go(phone, address('/seats', trip('T3')));
  await measure('a train that is sold out');
  await go(phone, address('/seats', trip('T1')));
  await phone.waitForFunction(() => document.querySelector('section.coach[hidden]'));
  await seat(phone, '1/6D').tap();
  await measure('seats');
  ok((await seat(phone, '1/6D').boundingBox()).width >= 40, 'phone: a seat is wide enough for a finger');
  await phone.locator('[data-names] input').fill('W'.repeat(60));
  await phone.locator('[data-submit]').tap();
  await phone.waitForURL(/\/orders\//);
  await measure('order');
  await go(phone, address('/trips', {}));
  await measure('trips');
  await go(phone, OPERATIONS);
  await measure('operations');
  is(wide, [], 'phone: no page is wider than the screen');

  // The operations page
  const looker = await visitor('operations', { colorScheme: 'dark' });
  await go(looker, OPERATIONS);
  await looker.waitForFunction(() => [...document.images].every(image => image.complete));
  is(await looker.evaluate(() => [...document.images].map(image => image.naturalWidth > 100)), [true, true], 'operations: both pictures are drawn');
  await until(async () => /now/.test(await looker.locator('[data-rate]').textContent()));    // it counts from there
  const buys = Number((await looker.locator('[data-tile=buys] dd').first().textContent()).replace(/,/g, ''));
  await sql("SELECT FROM ticket_buy('T2', 'S1', 'S3', 1, $1, 'second', '{1,2,3,4,5}')", [DAY]);
  ok(await until(async () => Number((await looker.locator('[data-tile=buys] dd').first().textContent()).replace(/,/g, '')) > buys), 'operations: a sale is counted at once');
  ok(await until(async () => /\d now, [1-9]/.test(await looker.locator('[data-rate]').textContent())), 'operations: and drawn', await looker.locator('[data-rate]').textContent());
  is(await looker.evaluate(() => getComputedStyle(document.body).backgroundColor), 'rgb(14, 20, 27)', 'a dark page where the visitor wants one');

  is(complaints, [], 'no page has an error, runs into its policy, or opens a dialog');
  await browser.close();
  await owner.end();
});
