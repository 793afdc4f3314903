// HTML from templates: html`<p>${text}</p>` escapes every value, unless it is HTML itself. Nothing
// in this shop puts a text into a page in another way.
'use strict';

class Html {
  constructor(text) { this.text = text; }
  toString() { return this.text; }
}

const ENTITIES = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
const escape = text => String(text).replace(/[&<>"']/g, sign => ENTITIES[sign]);

function render(value) {
  if (value === undefined || value === null || value === false) return '';
  if (value instanceof Html) return value.text;
  if (Array.isArray(value)) return value.map(render).join('');
  return escape(value);
}

// Values are for texts between tags and for attributes in double quotes.
function html(strings, ...values) {
  return new Html(strings.reduce((text, part, n) => text + render(values[n - 1]) + part));
}

// An address with parameters: url('/seats', { train: 'G1' }).
function url(path, parameters = {}) {
  const query = new URLSearchParams(Object.entries(parameters).filter(([, value]) => value !== undefined && value !== null));
  return String(query) === '' ? path : `${path}?${query}`;
}

// Hidden fields of a form.
const hidden = fields => Object.entries(fields).filter(([, value]) => value !== undefined && value !== null)
  .map(([name, value]) => html`<input type="hidden" name="${name}" value="${value}">`);

module.exports = { html, url, hidden };
