// The development server: index.html and assets from src/, all else passed on to a running demo,
// whose certificate is its own. The demo takes our name for its own, as it stands in the request.
import { createServer, request } from 'node:https';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, watch } from 'node:fs';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { build } from './build.mjs';

const target = new URL(process.argv[2] ?? 'https://127.0.0.1:20443');
const port = Number(process.argv[3] ?? 20444);
const out = mkdtempSync(join(tmpdir(), 'depesche-webmail-'));
const types = {
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
  '.webmanifest': 'application/manifest+json',
};

let building = build(out, { minify: false });
let timer;
watch('src', { recursive: true }, () => {
  clearTimeout(timer);
  timer = setTimeout(() => {
    building = build(out, { minify: false }).catch((e) => console.error(e.message));
  }, 100);
});

const key = join(out, 'key.pem');
const cert = join(out, 'cert.pem');
execFileSync('openssl', [
  'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '30',
  '-subj', '/CN=localhost', '-keyout', key, '-out', cert,
], { stdio: 'ignore' });

const csp =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; " +
  "connect-src 'self'; font-src 'self'; frame-src 'self'; manifest-src 'self'; " +
  "base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

createServer({ key: readFileSync(key), cert: readFileSync(cert) }, async (req, res) => {
  const path = req.url.split('?')[0];
  if (path === '/mail/' || path.startsWith('/assets/')) {
    await building;
    try {
      const file = path === '/mail/' ? 'index.html' : path.slice(1);
      const type = path === '/mail/' ? 'text/html; charset=utf-8' : types[extname(path)];
      const body = readFileSync(join(out, file));
      res.writeHead(200, { 'content-type': type, 'content-security-policy': csp }).end(body);
    } catch {
      res.writeHead(404).end();
    }
    return;
  }
  const up = request(
    { hostname: target.hostname, port: target.port, path: req.url, method: req.method, headers: req.headers, rejectUnauthorized: false },
    (answer) => {
      res.writeHead(answer.statusCode, answer.headers);
      answer.pipe(res);
    },
  );
  up.on('error', (e) => {
    if (!res.headersSent) res.writeHead(502);
    res.end(String(e.message));
  });
  res.on('close', () => up.destroy());
  req.pipe(up);
}).listen(port, '127.0.0.1', () => console.log(`https://127.0.0.1:${port}/mail/ -> ${target.origin}`));
