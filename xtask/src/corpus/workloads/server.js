// The heap of a web server: sessions, a cache of parsed JSON, buffers, templates, timers.
'use strict';
const http = require('http');
const zlib = require('zlib');

const sessions = new Map();
const cache = {};
const buffers = [];
class Session {
  constructor(id) {
    this.id = id.toString(16).padStart(16, '0');
    this.created = 1700000000000 + id * 1234;
    this.roles = id % 3 ? ['reader'] : ['reader', 'writer'];
    this.score = id / 7;
    this.visit = (path) => { this.last = `${path}?session=${this.id}`; };
  }
}
for (let id = 0; id < 15000; id++) {
  const session = new Session(id * 2654435761 % 4294967296);
  session.visit(`/articles/${id % 400}`);
  sessions.set(session.id, session);
}
for (let article = 0; article < 400; article++) {
  const words = Array.from({ length: 150 }, (_, at) => 'word' + ((article * 31 + at * at) % 997));
  const text = JSON.stringify({ article, words, tags: words.slice(0, 5), body: words.join(' ') });
  cache[`/articles/${article}`] = JSON.parse(text);
  buffers.push(Buffer.from(text), zlib.gzipSync(text));
}
const samples = Float64Array.from({ length: 100000 }, (_, at) => Math.sin(at / 50) * 100);
const sums = Array.from({ length: 50000 }, (_, at) => at % 5 ? at * 1.5 : at);

const server = http.createServer((request, response) => {
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify(cache[request.url] ?? { error: 'not found', sums: samples[3] + sums[4] }));
});
server.listen(0, '127.0.0.1', () => {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 8 });
  let left = 3000;
  const next = () => {
    if (left-- <= 0) return;
    const path = `/articles/${left % 500}`;
    http.get({ port: server.address().port, path, agent }, (response) => {
      let body = '';
      response.on('data', (chunk) => { body += chunk; });
      response.on('end', () => { left ? next() : console.log('corpus: ready'); });
    });
  };
  next();
});
setInterval(() => {}, 1000);
