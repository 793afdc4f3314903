// Starts Debian's Chromium for the tests of the web shop, with a profile of its own that is thrown away.
'use strict';
const { chromium } = require('playwright-core');

const start = () => chromium.launch({
  executablePath: '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync']
});

module.exports = { start };
