// How the seats of a coach lie: rows of seats with the aisle between them, from what ticket_places
// says, and the name of a seat for those who do not see it.
'use strict';

const LABEL = /^(\d+)([A-Z])$/;
const letterOf = seat => LABEL.exec(seat)?.[2];

// Are window and aisle properties of this class, or do letters say where they are (doc/coaches.md)?
const byProperties = places => places.some(({ properties }) => properties.includes('window') || properties.includes('aisle'));

// Rows of a coach, each a list of places, null (no seat here) and 'aisle'.
function rowsOf(places) {
  const letters = [...new Set(places.map(({ seat }) => letterOf(seat)).filter(Boolean))].sort();
  const groups = new Map();
  places.forEach((place, n) => {
    const group = place.seat_group ?? `${Math.floor(n / 4)} of four`;
    if (!groups.has(group)) groups.set(group, []);
    groups.get(group).push(place);
  });
  const lettered = letters.length > 0 && places.every(({ seat }) => letterOf(seat));
  return [...groups.values()].map(row => {
    const byLetter = lettered && new Map(row.map(place => [letterOf(place.seat), place]));
    if (!byLetter || byLetter.size < row.length) return row;
    return letters.flatMap((letter, n) => {
      const place = byLetter.get(letter) ?? null;
      // A row of five is A B C, aisle, D F; one of four A C, aisle, D F.
      const aisle = n > 0 && letters[n - 1] <= 'C' && letter > 'C';
      return aisle ? ['aisle', place] : [place];
    });
  });
}

// Coaches in the order of the train: [{ coach, free, rows }], and a name for each seat.
function coachesOf(places) {
  const properties = byProperties(places);
  const coaches = new Map();
  for (const place of places) {
    if (!coaches.has(place.coach)) coaches.set(place.coach, []);
    coaches.get(place.coach).push(place);
  }
  return [...coaches].map(([coach, seats]) => {
    const letters = [...new Set(seats.map(({ seat }) => letterOf(seat)).filter(Boolean))].sort();
    for (const place of seats) {
      const letter = letterOf(place.seat);
      const where = properties ? place.properties.filter(word => word === 'window' || word === 'aisle')
        : letter === undefined ? [] : [letter === letters[0] || letter === letters.at(-1) ? 'window' : letter === 'C' || letter === 'D' ? 'aisle' : ''];
      const others = place.properties.filter(word => word !== 'window' && word !== 'aisle');
      place.about = [...where, ...others].filter(Boolean);
    }
    return { coach, free: seats.filter(({ free }) => free).length, seats: seats.length, rows: rowsOf(seats) };
  });
}

const seatName = place => [`Coach ${place.coach} seat ${place.seat}`, place.free ? 'free' : 'taken', ...place.about].join(', ');

module.exports = { coachesOf, seatName };
