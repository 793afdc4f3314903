// The connection to PostgreSQL, and the retries. Where the server is comes from the PG… variables, as
// for psql; the role is the program's own.
'use strict';
const { Pool } = require('pg');
const { isLost } = require('./errors');

const RETRY = ['40001', '40P01'];    // another transaction was in the way

function connect(role, size) {
  const pool = new Pool({ user: role, max: size, application_name: role, connectionTimeoutMillis: 5000, idleTimeoutMillis: 60000 });
  // A connection that is lost while nobody uses it. The pool makes another one when it is needed.
  pool.on('error', error => console.error(`${role}: a connection was lost: ${error.message}`));

  // Runs one statement, which is a transaction of its own, and returns its rows. It is repeated after a
  // conflict, and once after a lost connection: every statement of this shop may be, because a purchase
  // has its request_id, and paying, cancelling and refunding twice changes nothing more.
  async function rows(sql, values = []) {
    for (let tries = 1, lost = 0; ; tries++) {
      try {
        return (await pool.query(sql, values)).rows;
      } catch (error) {
        if (RETRY.includes(error.code) && tries < 5) continue;
        if (isLost(error) && lost++ === 0) continue;
        throw error;
      }
    }
  }
  return { rows, row: async (sql, values) => (await rows(sql, values))[0], end: () => pool.end() };
}

module.exports = { connect };
