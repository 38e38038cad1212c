// The attachments of a message: download, and a look inside for pictures, PDF and text.

import { useEffect, useState } from 'preact/hooks';
import { formatSize, t } from '../i18n/index.ts';
import type { BodyPart, Email } from '../jmap/types.ts';
import { isDangerous } from '../mail/checks.ts';
import { client } from '../state/app.ts';
import { errorText } from '../state/errors.ts';
import { Dialog } from '../ui/dialog.tsx';
import { Icon } from '../ui/icon.tsx';
import { Skeleton } from '../ui/skeleton.tsx';

const PICTURES = /^image\/(?:png|jpe?g|gif|webp|avif|bmp)$/;
const TEXTS = /^text\/(?:plain|csv|markdown|x-log|x-diff|x-patch|calendar)$|^application\/json$|^message\/rfc822$/;
const MOST_THUMB = 6_000_000;
const MOST_TEXT = 1_000_000;

type Kind = 'picture' | 'pdf' | 'text' | 'other';
function kindOf(p: BodyPart): Kind {
  if (PICTURES.test(p.type)) return 'picture';
  if (p.type === 'application/pdf') return 'pdf';
  return TEXTS.test(p.type) ? 'text' : 'other';
}

function nameOf(p: BodyPart): string {
  return p.name || (p.type === 'message/rfc822' ? 'message.eml' : t('attach.unnamed'));
}

function url(p: BodyPart): string {
  return client.downloadUrl(p.blobId ?? '', nameOf(p), p.type);
}

/** A text from a URL of ours, at most its beginning. */
export function FetchedText({ from }: { from: string }) {
  const [text, setText] = useState<string | null>(null);
  const [problem, setProblem] = useState('');
  useEffect(() => {
    const stop = new AbortController();
    const load = async () => {
      const response = await fetch(from, { signal: stop.signal, credentials: 'same-origin' });
      if (!response.ok || !response.body) throw new Error(String(response.status));
      const reader = response.body.getReader();
      const chunks: Uint8Array[] = [];
      let size = 0;
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        chunks.push(value);
        size += value.length;
        if (size > MOST_TEXT) {
          void reader.cancel();
          break;
        }
      }
      const bytes = new Uint8Array(size);
      let at = 0;
      for (const c of chunks) {
        bytes.set(c, at);
        at += c.length;
      }
      let decoded: string;
      try {
        decoded = new TextDecoder('utf-8', { fatal: size <= MOST_TEXT }).decode(bytes);
      } catch {
        decoded = new TextDecoder('windows-1252').decode(bytes);
      }
      setText(size > MOST_TEXT ? `${decoded.slice(0, MOST_TEXT)}\n…` : decoded);
    };
    load().catch((e: unknown) => !stop.signal.aborted && setProblem(errorText(e)));
    return () => stop.abort();
  }, [from]);
  if (problem) return <p role="alert">{problem}</p>;
  return text === null ? <Skeleton lines={8} /> : <pre class="source" tabIndex={0}>{text}</pre>;
}

function Preview({ part, onClose }: { part: BodyPart; onClose: () => void }) {
  const name = nameOf(part);
  return (
    <Dialog
      title={name}
      size="full"
      onClose={onClose}
      footer={
        <a class="button button-plain" href={url(part)} download={name}>
          <Icon name="download" />
          <span>{t('attach.download', { name: '' })}</span>
        </a>
      }
    >
      {kindOf(part) === 'picture' ? <img class="preview-picture" src={url(part)} alt={name} /> : <FetchedText from={url(part)} />}
    </Dialog>
  );
}

function Card({ part, onPreview }: { part: BodyPart; onPreview: () => void }) {
  const name = nameOf(part);
  const kind = kindOf(part);
  const danger = isDangerous(name);
  const inner = (
    <>
      {kind === 'picture' && part.size < MOST_THUMB ? (
        <img class="thumb" src={url(part)} alt="" loading="lazy" />
      ) : (
        <span class={`thumb thumb-${kind}`}>
          <Icon name={danger ? 'warning' : kind === 'picture' ? 'image' : 'file'} />
        </span>
      )}
      <span class="card-text">
        <span class="card-name">{name}</span>
        <span class="card-size">
          {formatSize(part.size)}
          {danger && ` · ${t('attach.danger')}`}
        </span>
      </span>
    </>
  );
  return (
    <li class={`card${danger ? ' danger' : ''}`}>
      {kind === 'picture' || kind === 'text' ? (
        <button type="button" class="card-main" title={t('attach.preview', { name })} onClick={onPreview}>
          {inner}
        </button>
      ) : kind === 'pdf' ? (
        <a class="card-main" href={url(part)} target="_blank" rel="noopener" title={t('attach.open', { name })}>
          {inner}
        </a>
      ) : (
        <a class="card-main" href={url(part)} download={name} title={t('attach.download', { name })}>
          {inner}
        </a>
      )}
      <a class="icon-button" href={url(part)} download={name} aria-label={t('attach.download', { name })} title={t('attach.download', { name })}>
        <Icon name="download" />
      </a>
    </li>
  );
}

/** Pictures that the text shows are no attachments to the reader. */
function isInline(p: BodyPart, email: Email): boolean {
  if (p.disposition !== 'inline' && p.disposition !== null) return false;
  return !!p.cid && PICTURES.test(p.type) && Object.values(email.bodyValues).some((v) => v.value.includes(`cid:${p.cid}`));
}

export function Attachments({ email }: { email: Email }) {
  const [preview, setPreview] = useState<BodyPart | null>(null);
  const parts = (email.attachments ?? []).filter((p) => p.blobId && !isInline(p, email));
  if (parts.length === 0) return null;
  return (
    <section class="attachments" aria-label={t('attach.title', { n: parts.length })}>
      <h3>
        {t('attach.title', { n: parts.length })}
        <span> · {formatSize(parts.reduce((n, p) => n + p.size, 0))}</span>
      </h3>
      <ul>
        {parts.map((p) => (
          <Card key={p.blobId} part={p} onPreview={() => setPreview(p)} />
        ))}
      </ul>
      {preview && <Preview part={preview} onClose={() => setPreview(null)} />}
    </section>
  );
}
