// The seats of a departure over time, drawn from the lines of ticket_seat_map: a line a seat, a column
// a stretch between two stops.
'use strict';
const { html } = require('./html');

const COLUMN = 66, LINE = 3, LEFT = 96, TOP = 148, GAP = 24;

// maps: [{ name, lines }], a class each. A line ends with a sign for each stretch: # taken, . free.
function seatTimePicture(title, stations, maps) {
  const columns = stations.length - 1;
  const parts = [];
  let y = TOP;
  for (const { name, lines } of maps) {
    parts.push(html`<text x="${LEFT - 8}" y="${y + 9}" text-anchor="end" font-weight="bold">${name}</text><text x="${LEFT - 8}" y="${y + 23}" text-anchor="end" fill="#5b6774">${lines.length} seats</text>`);
    const height = Math.max(lines.length * LINE, GAP);
    parts.push(html`<rect x="${LEFT}" y="${y}" width="${columns * COLUMN}" height="${lines.length * LINE}" fill="#e9f2fc"/>`);
    let path = '';
    lines.forEach((line, n) => {
      const cells = /\S+$/.exec(line)?.[0] ?? '';
      for (const run of cells.matchAll(/#+/g)) path += `M${LEFT + run.index * COLUMN} ${y + n * LINE + .5}h${run[0].length * COLUMN - 1}v${LINE - .6}h${1 - run[0].length * COLUMN}z`;
    });
    parts.push(html`<path d="${path}" fill="#0b5fc0"/>`);
    y += height + GAP;
  }
  stations.forEach((station, n) => {
    const x = LEFT + n * COLUMN;
    parts.unshift(html`<path d="M${x - .5} ${TOP - 6}V${y - GAP + 4}" stroke="#c9d3de"/><text x="${x}" y="${TOP - 12}" transform="rotate(-45 ${x} ${TOP - 12})">${station}</text>`);
  });
  const width = LEFT + columns * COLUMN + 130;
  return html`<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${y}" viewBox="0 0 ${width} ${y}" font-family="sans-serif" font-size="12" fill="#1f2933">
<rect width="${width}" height="${y}" fill="#fff"/><text x="16" y="24" font-size="15" font-weight="bold">${title}</text>
${parts}</svg>`;
}

module.exports = { seatTimePicture };
