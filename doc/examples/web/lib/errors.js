// What a visitor is told: sentences for the SQLSTATEs that a call of the shop may answer with, and the
// error that the shop itself raises.
'use strict';

// An error that the visitor may read. status: of the HTTP answer.
class Told extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

// By SQLSTATE: the status of the answer and a sentence. A rule's reason is written for people, and is
// the one text of the database that is passed on.
const SENTENCES = {
  TK001: [404, 'There is no such train on that day.'],
  TK002: [404, 'This train does not go from there to there.'],
  TK003: [409, 'This train is not on sale, or not any more.'],
  TK004: [409, error => `The sale is refused: ${error.message}.`],
  TK005: [409, 'This order has changed meanwhile, and that cannot be done with it any more.'],
  TK006: [404, 'This train does not have that class.'],
  '22023': [400, 'The shop could not make sense of what was sent.'],
  '22P02': [400, 'The shop could not make sense of what was sent.'],
  '22007': [400, 'That is not a day.'],
  '22008': [400, 'That is not a day.'],
  '22021': [400, 'There is a sign in this text that cannot be kept.'],
  '23505': [409, 'You are waiting for this trip already.'],
  '23514': [400, 'A name has 1 to 60 letters.'],
  '54000': [409, 'You are waiting for as many trips as one visitor may.'],
  '40001': [503, 'Too many others want the same at this moment. Please try again.'],
  '40P01': [503, 'Too many others want the same at this moment. Please try again.'],
  '53200': [503, 'The shop is too busy at this moment. Please try again.'],
  '53300': [503, 'The shop is too busy at this moment. Please try again.'],
  '57014': [503, 'The database took too long. Look at My trips before you try again.']
};

// Errors of a connection that was lost or not made: the call may or may not have been carried out.
const LOST = /^(08...|57P0[1-5]|ECONNREFUSED|ECONNRESET|EPIPE|ENOENT|ETIMEDOUT)$/;
const isLost = error => LOST.test(error.code ?? '') ||
  (error.code === undefined && /^(Connection terminated|timeout exceeded when trying to connect|Query read timeout)/.test(error.message ?? ''));

// Returns { status, message } for any error; unknown: true if nobody expected it.
function explain(error) {
  if (error instanceof Told) return { status: error.status, message: error.message };
  if (isLost(error)) {
    return { status: 503, message: 'The shop cannot reach its database. Nothing that was confirmed is lost: look at My trips, and try again.' };
  }
  const [status, sentence] = SENTENCES[error.code] ?? [];
  if (status === undefined) return { status: 500, unknown: true, message: 'Something went wrong. Look at My trips before you try again.' };
  return { status, message: typeof sentence === 'function' ? sentence(error) : sentence };
}

module.exports = { Told, explain, isLost };
