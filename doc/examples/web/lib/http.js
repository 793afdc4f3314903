// What both programs need of HTTP: routes, forms, the cookie, headers that keep a page safe, and the
// refusal of what another site sends in a visitor's name.
'use strict';
const { createHash, randomBytes } = require('crypto');
const { createServer } = require('http');
const { readFileSync, readdirSync } = require('fs');
const { extname, join } = require('path');
const { Told, explain } = require('./errors');

const MOST_BODY_BYTES = 16384;
const COOKIE = 'visitor';

// No inline scripts and styles, nothing from elsewhere, in nobody's frame.
const PAGE_POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; " +
  "base-uri 'none'; frame-ancestors 'none'";
// A picture may have styles. It can run nothing, not even when it is opened by itself.
const PICTURE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'; sandbox";
const HEADERS = {
  'X-Content-Type-Options': 'nosniff',
  // Not no-referrer: with that, browsers send "Origin: null" with a form.
  'Referrer-Policy': 'same-origin',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Cache-Control': 'no-store'
};
const TYPES = { '.css': 'text/css; charset=utf-8', '.js': 'text/javascript; charset=utf-8', '.svg': 'image/svg+xml; charset=utf-8' };

// The files of a folder, read once: no path of a request is ever opened.
function filesOf(folder) {
  return new Map(readdirSync(folder).map(name => [`/public/${name}`, { type: TYPES[extname(name)], body: readFileSync(join(folder, name)) }]));
}

async function formOf(request) {
  if (!/^application\/x-www-form-urlencoded\b/.test(request.headers['content-type'] ?? '')) throw new Told(415, 'The shop takes forms only.');
  const parts = [];
  let bytes = 0;
  for await (const part of request) {
    bytes += part.length;
    if (bytes > MOST_BODY_BYTES) throw new Told(413, 'That is too much for one form.');
    parts.push(part);
  }
  return new URLSearchParams(Buffer.concat(parts).toString('utf8'));
}

function tokenOf(request) {
  const found = new RegExp(`(?:^|;\\s*)${COOKIE}=([A-Za-z0-9_-]{43})(?:;|$)`).exec(request.headers.cookie ?? '');
  return found?.[1];
}

// serve({ port, routes, folder, page, cookies }): routes are { 'GET /orders/:id': handler }. A handler
// gets { query, form, params, tokenHash, request, response } and returns { page, title, status },
// { redirect } or { picture }, or nothing if it has answered itself. page(title, content, context)
// makes the whole page.
function serve({ port, routes, folder, page, cookies }) {
  const files = filesOf(folder);
  const table = Object.entries(routes).map(([route, handler]) => {
    const [method, path] = route.split(' ');
    const names = [...path.matchAll(/:(\w+)/g)].map(([, name]) => name);
    return { method, handler, names, pattern: new RegExp(`^${path.replace(/:\w+/g, '([^/]+)')}$`) };
  });

  const server = createServer((request, response) => {
    for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value);
    response.setHeader('Content-Security-Policy', PAGE_POLICY);
    answer(request, response).catch(error => {
      console.error(error);
      response.destroy();
    });
  });
  server.headersTimeout = 10000;
  server.requestTimeout = 20000;

  const sendPage = (response, status, title, content, context) => {
    response.writeHead(status, { 'Content-Type': 'text/html; charset=utf-8' });
    response.end(context.head ? undefined : String(page(title, content, context)));
  };

  async function answer(request, response) {
    const context = { request, response, path: request.url, head: request.method === 'HEAD' };
    try {
      // A name that is not ours: a site of somebody else has had its name point here, so that its
      // scripts may read the answers.
      const { address, port: actual } = server.address();
      const host = request.headers.host;
      if (![`${address}:${actual}`, `localhost:${actual}`].includes(host)) throw new Told(421, 'This server has another name.');
      const { pathname, searchParams } = new URL(request.url, `http://${host}`);
      Object.assign(context, { path: pathname, query: searchParams });
      const method = context.head ? 'GET' : request.method;

      const file = method === 'GET' && files.get(pathname);
      if (file) {
        response.writeHead(200, { 'Content-Type': file.type, 'Cache-Control': 'no-cache' });
        return response.end(context.head ? undefined : file.body);
      }
      const matching = table.filter(({ pattern }) => pattern.test(pathname));
      const route = matching.find(candidate => candidate.method === method);
      if (!route) throw new Told(matching.length ? 405 : 404, 'There is no such page.');

      // A form that another site made the visitor's browser send. Browsers name the origin with every
      // POST.
      if (method === 'POST' && request.headers.origin !== `http://${host}`) throw new Told(403, 'This form was not sent by this shop.');
      if (cookies) giveCookie(context);
      if (method === 'POST') context.form = await formOf(request);
      context.params = Object.fromEntries(route.pattern.exec(pathname).slice(1).map((value, n) => [route.names[n], decode(value)]));
      const result = await route.handler(context);
      if (!result) return undefined;
      if (result.redirect) {
        response.writeHead(303, { Location: result.redirect });
        return response.end();
      }
      if (result.picture) {
        response.writeHead(200, { 'Content-Type': TYPES['.svg'], 'Content-Security-Policy': PICTURE_POLICY });
        return response.end(result.picture);
      }
      return sendPage(response, result.status ?? 200, result.title, result.page, context);
    } catch (error) {
      const { status, message, unknown } = explain(error);
      if (unknown) console.error(error);
      if (response.headersSent) return response.destroy();
      // What is left of a form that was refused is not read.
      if (!request.complete) response.setHeader('Connection', 'close');
      return sendPage(response, status, 'That did not work', undefined, Object.assign(context, { problem: message }));
    }
  }

  // Everybody has a cookie from the first page on, so that both halves of a double click come from
  // the same visitor. Nothing is written for it until the visitor buys.
  function giveCookie(context) {
    let token = tokenOf(context.request);
    if (!token) {
      token = randomBytes(32).toString('base64url');
      context.response.setHeader('Set-Cookie', `${COOKIE}=${token}; Path=/; HttpOnly; SameSite=Lax; Max-Age=31536000`);
    }
    context.tokenHash = createHash('sha256').update(token).digest();
  }

  server.listen(port, '127.0.0.1');
  return server;
}

function decode(part) {
  try { return decodeURIComponent(part); } catch { throw new Told(404, 'There is no such page.'); }
}

module.exports = { serve };
