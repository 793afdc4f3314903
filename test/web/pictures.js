#!/usr/bin/env node
// Makes the pictures of doc/images from a running make demo-web:
//   NODE_PATH=build/node/node_modules node test/web/pictures.js http://127.0.0.1:8080 http://127.0.0.1:8081 doc/images
// It picks seats of tomorrow's G1, and neither holds nor buys one.
'use strict';
const { join } = require('path');
const { start } = require('./chromium');

async function main([shop, operations, folder]) {
  const browser = await start();
  const make = async (name, page) => page.screenshot({ path: join(folder, `${name}.png`) });
  const open = async options => (await browser.newContext({ viewport: { width: 1120, height: 720 }, ...options })).newPage();

  const page = await open();
  await page.goto(shop);
  const date = await page.locator('input[name=date]').inputValue();
  await page.waitForTimeout(1500);
  await make('web_search', page);

  await page.goto(`${shop}/seats?${new URLSearchParams({ train: 'G1', from: 'VNP', to: 'AOH', date, class: 'second' })}`);
  const free = page.locator('section.coach:not([hidden]) input[name=seat]:not([aria-disabled])');
  await free.nth(7).click();
  await free.nth(8).click();
  for (const [n, name] of ['Ada Lovelace', 'Grace Hopper'].entries()) await page.locator('[data-names] input').nth(n).fill(name);
  await page.evaluate(() => document.activeElement.blur());
  await page.waitForTimeout(1200);
  await make('web_seats', page);

  const phone = await open({ viewport: { width: 390, height: 780 }, deviceScaleFactor: 1, colorScheme: 'dark' });
  await phone.goto(`${shop}/seats?${new URLSearchParams({ train: 'G1', from: 'VNP', to: 'AOH', date, class: 'second' })}`);
  await phone.locator('section.coach:not([hidden]) input[name=seat]:not([aria-disabled])').nth(4).click();
  await phone.waitForTimeout(1200);
  await make('web_phone', phone);

  // A minute of sales for the chart; then the picture of a train over time.
  const wide = await open({ viewport: { width: 1120, height: 900 } });
  await wide.goto(operations);
  await wide.waitForTimeout(60000);
  await make('web_operations', wide);
  await wide.locator('#picture').scrollIntoViewIfNeeded();
  await wide.locator('.picture').first().screenshot({ path: join(folder, 'web_seat_time.png') });
  await browser.close();
}

main(process.argv.slice(2)).catch(error => {
  console.error(error);
  process.exit(1);
});
