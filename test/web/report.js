// How the scripts in this folder tell 091_web_shop.pl what they found: a line for each test.
'use strict';

const one = text => String(text).replace(/\s+/g, ' ');
const ok = (good, name, found) => {
  console.log(`${good ? 'ok' : 'not ok'} - ${one(name)}`);
  if (!good && found !== undefined) console.log(`# found: ${one(typeof found === 'string' ? found : JSON.stringify(found))}`);
  return good;
};
const is = (found, wanted, name) => ok(JSON.stringify(found) === JSON.stringify(wanted), name, found);

// Until the question has a true answer; that answer, or the last one after half a minute.
async function until(question) {
  let answer;
  for (const end = Date.now() + 30000; Date.now() < end; await new Promise(done => setTimeout(done, 100))) {
    answer = await question();
    if (answer) break;
  }
  return answer;
}

// Runs the script's main function and ends the process: 1 if something was thrown.
function run(main) {
  main().then(() => process.exit(0), error => {
    console.log(`# died: ${one(error.stack)}`);
    process.exit(1);
  });
}

module.exports = { ok, is, until, run };
