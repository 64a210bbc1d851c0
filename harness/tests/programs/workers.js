// SPDX-License-Identifier: Apache-2.0
// node under the allocator: worker threads that parse, sort, allocate buffers and pass them on.
// Prints a digest that depends on all of it and on nothing else.
'use strict';
const {Worker, isMainThread, parentPort, workerData} = require('worker_threads');
const crypto = require('crypto');
const zlib = require('zlib');

function work(seed) {
  let x = seed + 1;
  const next = () => (x = (Math.imul(x, 1103515245) + 12345) & 0x7fffffff);
  const hash = crypto.createHash('sha256');
  for (let round = 0; round < 30; round++) {
    const rows = [];
    for (let i = 0; i < 2000; i++)
      rows.push({id: next(), name: 'n' + (next() % 1000), list: [next(), next()]});
    const text = JSON.stringify(rows.sort((a, b) => a.id - b.id));
    const packed = zlib.deflateSync(Buffer.from(text), {level: 1});
    if (zlib.inflateSync(packed).toString() !== text) throw new Error('inflate');
    const buffers = [];
    for (let i = 0; i < 300; i++) buffers.push(Buffer.alloc(next() % 20000, i & 255));
    hash.update(text);
    hash.update(Buffer.concat(buffers));
    JSON.parse(text).forEach((row) => hash.update(row.name));
  }
  return hash.digest();
}

if (isMainThread) {
  const digests = [];
  let waiting = 6;
  for (let i = 0; i < 6; i++) {
    const worker = new Worker(__filename, {workerData: i});
    worker.on('message', (m) => { digests[i] = Buffer.from(m).toString('hex'); });
    worker.on('error', (e) => { console.error(e); process.exitCode = 1; });
    worker.on('exit', (code) => {
      if (code !== 0) process.exitCode = 1;
      if (--waiting === 0) console.log(digests.join('\n'));
    });
  }
} else {
  const digest = new Uint8Array(work(workerData));
  parentPort.postMessage(digest, [digest.buffer]);
}
