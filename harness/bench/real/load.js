// A load for node: buffers, JSON and strings in the main thread and in two workers that pass messages.
// Argument: scale in percent.
// SPDX-License-Identifier: Apache-2.0
'use strict';
const { Worker, isMainThread, parentPort, workerData } = require('worker_threads');
const crypto = require('crypto');
const zlib = require('zlib');

function generator(seed) {
  let state = seed >>> 0;
  return (n) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 4294967296) * n);
  };
}

function work(seed, rounds) {
  const below = generator(seed);
  const hash = crypto.createHash('sha256');
  let live = [];
  for (let r = 0; r < rounds; r++) {
    const records = [];
    for (let i = 0; i < 400; i++) {
      records.push({ id: i, name: 'n' + below(1e9), bytes: Buffer.alloc(16 + below(4096), i & 255) });
    }
    live = live.filter(() => below(2) === 0).concat(records.map((x) => x.bytes));
    const text = JSON.stringify(records.map((x) => ({ id: x.id, name: x.name, size: x.bytes.length })));
    hash.update(text);
    hash.update(zlib.deflateSync(Buffer.concat(live.slice(0, 20)), { level: 1 }));
    hash.update(String(JSON.parse(text).reduce((sum, x) => sum + x.size, 0)));
  }
  return hash.digest('hex');
}

if (isMainThread) {
  const rounds = Math.max(1, Math.floor(Number(process.argv[2]) * 3));
  const results = [work(1, rounds)];
  let left = 2;
  for (let w = 1; w <= 2; w++) {
    const worker = new Worker(__filename, { workerData: { seed: w + 1, rounds } });
    worker.on('message', (digest) => { results[w] = digest; });
    worker.on('error', (error) => { throw error; });
    worker.on('exit', () => { if (--left === 0) console.log(results.join('\n')); });
  }
} else {
  parentPort.postMessage(work(workerData.seed, workerData.rounds));
}
