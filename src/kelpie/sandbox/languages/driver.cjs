// Runs inside the sandbox, under node: reads one order, runs it, and leaves one report on a descriptor.
//
//   node driver.cjs FD     the order, JSON, on standard input: source, function, arguments, capabilities, limits
//   FD                     frames as in inside/frames.py: 4 bytes of length, big-endian, then JSON
//
// `source` is an ES module; with a `function` it exports __kelpie_call(arguments). console writes to stdout and stderr.
'use strict';

const fs = require('node:fs');
const path = require('node:path');
const { createRequire } = require('node:module');
const { pathToFileURL } = require('node:url');

const fd = Number(process.argv[2]);
const order = JSON.parse(fs.readFileSync(0, 'utf8'));
// Kept before the tool runs: it may replace the globals, which only spoils its own report.
const { stringify, parse } = JSON;
const exit = process.exit.bind(process);
let reported = false;

// Else what a full pipe did not take yet is lost when the process ends.
for (const stream of [process.stdout, process.stderr]) stream._handle?.setBlocking?.(true);

function send(text) {
  const body = Buffer.from(text, 'utf8');
  const frame = Buffer.alloc(4 + body.length);
  frame.writeUInt32BE(body.length);
  body.copy(frame, 4);
  for (let at = 0; at < frame.length; ) at += fs.writeSync(fd, frame, at);
}

function read(count) {
  const bytes = Buffer.alloc(count);
  for (let at = 0; at < count; ) {
    const more = fs.readSync(fd, bytes, at, count - at, null);
    if (more === 0) throw new Error('the other end is gone');
    at += more;
  }
  return bytes;
}

let asked = 0;
async function ask(operation, given) {
  asked += 1;
  send(stringify({ ask: { id: asked, operation, arguments: given ?? {} } }));
  const { answer } = parse(read(read(4).readUInt32BE()).toString('utf8'));
  if ('error' in answer) throw new Error(answer.error);
  return answer.value ?? null;
}

// client.blocks.update({label: 'x'}) asks for the operation "blocks.update"; what comes back is a promise of JSON.
function client(operation) {
  return new Proxy(() => {}, {
    get: (_target, name) =>
      typeof name !== 'string' || name === 'then' || name.startsWith('_')
        ? undefined
        : client(operation ? `${operation}.${name}` : name),
    apply: (_target, _self, given) => ask(operation, given[0]),
  });
}

function described(error) {
  try {
    const text = error instanceof Error ? `${error.name}: ${error.message}` : `Error: ${String(error)}`;
    return text.slice(0, order.limits.error_chars);
  } catch {
    return 'Error: (its text could not be made)';
  }
}

function show(error) {
  try {
    const text = error instanceof Error && error.stack ? error.stack : described(error);
    fs.writeSync(2, `${text.slice(0, order.limits.error_chars)}\n`);
  } catch {
    // stderr may be closed
  }
}

// Text is cut until it fits with its quotes and escapes; anything else that long is refused.
function asJson(value) {
  const most = order.limits.result_chars;
  let text;
  if (typeof value === 'string') {
    let cut = value.slice(0, most);
    while ((text = stringify(cut)).length > most && cut) {
      cut = cut.slice(0, Math.min(cut.length - 1, Math.floor((cut.length * most) / text.length)));
    }
    return text;
  }
  try {
    text = stringify(value) ?? 'null';
  } catch (error) {
    throw new TypeError(`the tool returned something that is not JSON (${error.message})`);
  }
  if (text.length > most) throw new RangeError(`the tool returned ${text.length} characters of JSON; at most ${most} fit`);
  return text;
}

function report(value, error) {
  if (reported) return;
  reported = true;
  send(`{"report":{"value":${value},"error":${stringify(error)},"out_of_memory":false}}`);
}

function fail(error) {
  show(error);
  report('null', described(error));
  exit(1);
}

async function main() {
  const file = path.join(__dirname, 'tool.mjs');
  fs.writeFileSync(file, order.source);
  const here = path.join(process.cwd(), 'tool.mjs');
  const granted = order.capabilities?.includes('client') ? { client: client('') } : {};
  // People write require and module.exports too; names of the working folder are found from there.
  Object.assign(globalThis, { require: createRequire(here), module: { exports: {} }, __dirname: process.cwd() }, granted);
  globalThis.exports = globalThis.module.exports;
  const tool = await import(pathToFileURL(file).href);
  if (!order.function) return; // a program: the report is made when nothing is left to do
  const value = asJson(await tool.__kelpie_call({ ...order.arguments, ...granted }));
  report(value, null);
  exit(0);
}

process.on('uncaughtException', fail);
process.on('exit', (code) => {
  if (reported) return;
  if (order.function) report('null', 'Error: the tool ended without a result: what it waits for never comes');
  else report('null', code ? `ExitStatus: the program ended with exit status ${code}` : null);
});
main().catch(fail);
