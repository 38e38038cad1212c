// Bundles src/ into OUTDIR: index.html and assets/NAME.HASH.EXT, which never change under their
// name. Prints what a browser loads up to the first list, and fails when that grew too big.
import * as esbuild from 'esbuild';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join, relative } from 'node:path';
import { gzipSync } from 'node:zlib';

const FIRST_LIMIT = 90 * 1024; // gzip, up to the first list

export async function build(out, { minify = true } = {}) {
  const assets = join(out, 'assets');
  rmSync(assets, { recursive: true, force: true });
  mkdirSync(assets, { recursive: true });

  const result = await esbuild.build({
    entryPoints: { app: 'src/main.tsx', style: 'src/styles/index.css' },
    outdir: assets,
    entryNames: '[name].[hash]',
    chunkNames: '[name].[hash]',
    bundle: true,
    splitting: true,
    format: 'esm',
    target: ['es2022', 'safari16.4'],
    jsx: 'automatic',
    jsxImportSource: 'preact',
    minify,
    sourcemap: minify ? false : 'inline',
    legalComments: 'none',
    metafile: true,
    logLevel: 'warning',
  });

  const outputs = Object.entries(result.metafile.outputs);
  const find = (entry) => outputs.find(([, o]) => o.entryPoint === entry);
  const [appPath, app] = find('src/main.tsx');
  const [stylePath] = find('src/styles/index.css');
  const name = (path) => `/assets/${basename(path)}`;

  const first = new Set([appPath]);
  const follow = (o) =>
    o.imports
      .filter((i) => i.kind === 'import-statement' && !first.has(i.path))
      .forEach((i) => {
        first.add(i.path);
        follow(result.metafile.outputs[i.path]);
      });
  follow(app);

  const asset = (base, ext, bytes) => {
    const hash = createHash('sha256').update(bytes).digest('hex').slice(0, 8).toUpperCase();
    writeFileSync(join(assets, `${base}.${hash}.${ext}`), bytes);
    return `/assets/${base}.${hash}.${ext}`;
  };
  const icon = asset('icon', 'svg', readFileSync('src/icon.svg'));
  const manifest = asset(
    'manifest',
    'webmanifest',
    JSON.stringify({
      name: 'Depesche',
      short_name: 'Depesche',
      start_url: '/mail/',
      scope: '/mail/',
      display: 'standalone',
      background_color: '#fbfaf8',
      theme_color: '#fbfaf8',
      icons: [{ src: icon, sizes: 'any', type: 'image/svg+xml', purpose: 'any' }],
    }),
  );

  const sprite = readFileSync('src/icons.svg', 'utf8').replace(/\s*\n\s*/g, '');
  const preload = [...first]
    .filter((p) => p !== appPath)
    .map((p) => `<link rel="modulepreload" href="${name(p)}">`)
    .join('\n');
  const html = readFileSync('src/index.html', 'utf8')
    .replace('{{style}}', name(stylePath))
    .replace('{{icon}}', icon)
    .replace('{{manifest}}', manifest)
    .replace('{{preload}}', preload)
    .replace('{{app}}', name(appPath))
    .replace('{{sprite}}', () => sprite);
  writeFileSync(join(out, 'index.html'), html);

  const gz = (bytes) => gzipSync(bytes, { level: 9 }).length;
  const sizes = outputs
    .map(([path]) => ({
      file: relative(out, path),
      gzip: gz(readFileSync(path)),
      first: first.has(path) || path === stylePath,
    }))
    .sort((a, b) => Number(b.first) - Number(a.first) || b.gzip - a.gzip);
  const total = gz(html) + sizes.filter((s) => s.first).reduce((n, s) => n + s.gzip, 0);
  return { sizes, total, metafile: result.metafile };
}

if (process.argv[1]?.endsWith('build.mjs')) {
  const out = process.argv[2];
  if (!out) {
    console.error('usage: node build.mjs OUTDIR');
    process.exit(2);
  }
  const { sizes, total, metafile } = await build(out);
  for (const s of sizes)
    console.log(`${String(s.gzip).padStart(7)} ${s.first ? 'first' : 'later'} ${s.file}`);
  console.log(`${String(total).padStart(7)} bytes gzip up to the first list`);
  if (process.argv.includes('--analyse')) console.log(await esbuild.analyzeMetafile(metafile));
  if (total > FIRST_LIMIT) {
    console.error(`more than ${FIRST_LIMIT} bytes are loaded before the first list`);
    process.exit(1);
  }
}
