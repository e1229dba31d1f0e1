// Letta's client for JavaScript as a program, as bridge.py is one of its Python clients: a call a line comes in, what the
// client made of it goes out. The first argument is the file of the package, the second the server's URL.
import readline from "node:readline";

const { default: Letta, VERSION, toFile } = await import(process.argv[2]);
const clients = {};

function seen(key) {
  const one = { last: null, body: null };
  const fetching = async (url, init) => {
    const response = await fetch(url, init);
    one.last = response;
    one.body = null;
    const type = response.headers.get("content-type") ?? "";
    if (type.includes("json")) one.body = await response.clone().json().catch(() => null);
    return response;
  };
  one.client = new Letta({ baseURL: process.argv[3], apiKey: key, maxRetries: 0, fetch: fetching });
  return one;
}

const camel = (name) => name.replace(/_(\w)/g, (_, letter) => letter.toUpperCase());

async function plain(value) {
  if (value && typeof value.getPaginatedItems === "function") return value.getPaginatedItems();
  if (value && typeof value[Symbol.asyncIterator] === "function" && value.controller) {
    const events = [];
    for await (const one of value) events.push(one);
    return events;
  }
  return value === undefined ? null : value;
}

// The last id of the path stands first; the others are named among the parameters.
async function args(path, give) {
  const given = {};
  for (const [name, value] of Object.entries(give))
    given[name] = value?.$file ? await toFile(Buffer.from(value.text, "latin1"), value.$file) : value;
  const ids = Object.entries(path);
  const last = ids.pop();
  const params = { ...Object.fromEntries(ids), ...given };
  return [...(last ? [last[1]] : []), ...(Object.keys(params).length ? [params] : [])];
}

async function answer(asked) {
  const one = (clients[asked.key] ??= seen(asked.key));
  let owner = one.client;
  const names = asked.call.split(".").map(camel);
  for (const name of names.slice(0, -1)) owner = owner?.[name];
  const method = owner?.[names.at(-1)];
  if (typeof method !== "function") return { missing: true };
  one.last = one.body = null;
  let value = null;
  let error = null;
  try {
    value = await plain(await method.apply(owner, await args(asked.path, asked.give)));
  } catch (raised) {
    error = raised.status ? raised.constructor.name : String(raised.stack).slice(0, 600);
  }
  return { status: one.last?.status ?? null, body: one.body, value, error };
}

process.stdout.write(JSON.stringify({ version: VERSION ?? "" }) + "\n");
for await (const line of readline.createInterface({ input: process.stdin }))
  process.stdout.write(JSON.stringify(await answer(JSON.parse(line))) + "\n");
