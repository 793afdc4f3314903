// What a visitor sends, checked before it goes anywhere. Values are bound to statements, never put
// into them; these checks make a sentence of what the database would refuse.
'use strict';
const { Told } = require('./errors');

const MOST_TICKETS = 6;      // a purchase
const bad = what => new Told(400, `${what} is missing, or it is not one.`);

function one(values, name, what, pattern = /^[^\u0000-\u001f]{1,63}$/u) {
  const value = values.get(name) ?? '';
  if (!pattern.test(value)) throw bad(what);
  return value;
}
const day = (values, name = 'date') => one(values, name, 'The day', /^2\d\d\d-\d\d-\d\d$/);
const id = text => {
  if (!/^[1-9]\d{0,15}$/.test(text ?? '')) throw new Told(404, 'There is no such order of yours.');
  return text;
};
const requestId = values => one(values, 'request', 'The number of this request', /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/);

// A trip: where the train, its day and its stations go together. class is optional.
function trip(values) {
  const seatClass = values.get('class') || undefined;
  return {
    train: one(values, 'train', 'The train'), from: one(values, 'from', 'The first station'), to: one(values, 'to', 'The last station'),
    date: day(values), class: seatClass && one(values, 'class', 'The class')
  };
}

// Passengers: a field for each, or one field with a line for each.
function passengers(values) {
  const names = values.getAll('name').flatMap(text => text.split(/[\r\n]+/)).map(name => name.trim().replace(/\s+/g, ' ')).filter(name => name !== '');
  if (names.length === 0) throw new Told(400, 'Please say who travels.');
  if (names.length > MOST_TICKETS) throw new Told(400, `One order is for up to ${MOST_TICKETS} passengers.`);
  if (names.some(name => [...name].length > 60)) throw new Told(400, 'A name has 1 to 60 letters.');
  if (new Set(names).size < names.length) throw new Told(400, 'Two passengers have the same name: please add something to one of them.');
  return names;
}

module.exports = { one, day, id, requestId, trip, passengers, MOST_TICKETS };
