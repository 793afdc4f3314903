// Counts that change while a page is open: server-sent events. However many visitors look at the same
// trip, the database is asked once a second.
'use strict';

const EVERY_MS = 1000;
const MOST_FEEDS = 200;       // different questions
const MOST_WATCHERS = 2000;   // open pages

function makeLive() {
  const feeds = new Map();
  let watchers = 0;

  async function ask(feed) {
    try {
      const text = JSON.stringify(await feed.question());
      if (text !== feed.last) {
        feed.last = text;
        for (const response of feed.responses) response.write(`data: ${text}\n\n`);
      }
    } catch (error) {
      // The pages keep what they have; the next question may be answered.
      if (feed.failed !== error.message) console.error(`live: ${feed.failed = error.message}`);
    }
    if (feed.responses.size > 0) feed.timer = setTimeout(() => ask(feed), EVERY_MS);
    else feeds.delete(feed.key);
  }

  // Answers with a stream of what question() returns, whenever that changes. key: the same for the
  // same question. False if there are too many streams.
  function watch(request, response, key, question) {
    let feed = feeds.get(key);
    if (watchers >= MOST_WATCHERS || (!feed && feeds.size >= MOST_FEEDS)) return false;
    watchers++;
    response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store', 'X-Accel-Buffering': 'no' });
    response.write('retry: 3000\n\n');
    if (feed) {
      if (feed.last !== undefined) response.write(`data: ${feed.last}\n\n`);
      feed.responses.add(response);
    } else {
      feed = { key, question, responses: new Set([response]), last: undefined };
      feeds.set(key, feed);
      ask(feed);
    }
    response.on('close', () => {
      watchers--;
      feed.responses.delete(response);
    });
    return true;
  }

  function close() {
    for (const feed of feeds.values()) {
      clearTimeout(feed.timer);
      for (const response of feed.responses) response.end();
      feed.responses.clear();
    }
    feeds.clear();
  }
  return { watch, close };
}

module.exports = { makeLive };
