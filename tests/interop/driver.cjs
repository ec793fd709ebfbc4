// Runs scripts against @forge/kvs, one after the other.
//
// A line on stdin is {"script", "url", "headers"}; the line it is answered with on stdout is
// {"value"} or {"error"}, and {"requests"}: what the client sent. The script is the body of an
// async function that sees everything @forge/kvs exports.
'use strict';

const { createRequire } = require('node:module');
const readline = require('node:readline');

// How the client reaches the storage API: Forge's runtimes provide this function. Inside a
// container there is none, so this one goes through the egress proxy, as a container does.
let current;
globalThis.__forge_fetch__ = (target, path, options) => {
  if (target.type !== 'kvs') throw new Error(`not a call of @forge/kvs: ${target.type}`);
  const { method, body } = options;
  current.requests.push({ method, path, body: JSON.parse(body) });
  const { Host, ...headers } = options.headers;
  return fetch(`${current.url}/forge/storage/kvs${path.replace(/^\/api/, '')}`, {
    method,
    body,
    headers: { ...headers, ...current.headers },
    signal: AbortSignal.timeout(30_000),
  });
};

// In a Forge function the runtime also tells a token, which the client sends by itself.
if (process.env.FUNCTION_TOKEN) {
  globalThis.__forge_runtime__ = {
    proxy: { token: process.env.FUNCTION_TOKEN },
    kvs: { url: 'http://kvs.invalid', host: 'kvs.invalid' },
    tracing: { traceId: '463ac35c9f6413ad', spanId: 'a2fb4a1d1a96d312' },
  };
}

const scope = createRequire(`${process.cwd()}/`)('@forge/kvs');
const names = Object.keys(scope).filter((name) => name !== 'default');
const AsyncFunction = (async () => {}).constructor;

const run = async ({ script, url, headers }) => {
  current = { url, headers, requests: [] };
  const { requests } = current;
  try {
    const value = await new AsyncFunction(...names, script)(...names.map((name) => scope[name]));
    return { value, requests };
  } catch (error) {
    return { error: described(error), requests };
  }
};

const described = (error) => ({
  kind: error.constructor.name,
  isKvsError: error instanceof scope.ForgeKvsError,
  code: error.code,
  message: error.message,
  context: error.context,
  details: error.responseDetails,
});

(async () => {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    process.stdout.write(`${JSON.stringify(await run(JSON.parse(line)))}\n`);
  }
})();
