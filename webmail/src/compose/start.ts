// From what the composer was asked for to the message that it starts with.

import type { BodyPart, Email, Identity } from '../jmap/types.ts';
import { address, identities, isMe } from '../state/app.ts';
import { longDate } from '../i18n/index.ts';
import { settings } from '../state/settings.ts';
import { wholeEmail } from '../state/thread.ts';
import { cleanMarkup, escapeHtml, toHtml, toText } from './html.ts';
import { defaultIdentity, Draft, fromPart } from './model.ts';
import type { Attachment, Content } from './model.ts';
import type { ComposeOptions } from './options.ts';
import { addressText, identityFor, parseMailto, quoteText, replyRecipients, replySubject, threading } from './reply.ts';
import { c } from './words.ts';

const EMPTY = '<div><br></div>';

export function signatureText(i: Identity | undefined): string {
  return i?.textSignature.trim() ? `-- \n${i.textSignature.trimEnd()}` : '';
}

export function signatureHtml(i: Identity | undefined): string {
  const own = i?.htmlSignature.trim() ? cleanMarkup(i.htmlSignature, () => null) : i?.textSignature.trim() ? toHtml(i.textSignature.trimEnd()) : '';
  return own ? `<div class="signature"><div>-- </div>${own}</div>` : '';
}

const name = (e: Email) => e.from?.[0]?.name || e.from?.[0]?.email || c('someone');

function textOf(e: Email): string {
  return e.textBody
    .map((p) => {
      const value = (p.partId && e.bodyValues[p.partId]?.value) || '';
      if (p.type !== 'text/html') return value;
      const box = document.implementation.createHTMLDocument('').createElement('div');
      box.innerHTML = cleanMarkup(value, () => null);
      return toText(box);
    })
    .join('\n');
}

function rawHtml(e: Email): string {
  return e.htmlBody
    .map((p) => {
      const value = (p.partId && e.bodyValues[p.partId]?.value) || '';
      if (p.type === 'text/html') return value;
      return p.type.startsWith('text/') ? toHtml(value) : '';
    })
    .join('');
}

function allParts(e: Email): BodyPart[] {
  const out = new Map<string, BodyPart>();
  const walk = (p: BodyPart | null | undefined) => {
    if (!p) return;
    if (p.blobId && p.cid) out.set(p.blobId, p);
    p.subParts?.forEach(walk);
  };
  walk(e.bodyStructure);
  e.attachments?.forEach(walk);
  return [...out.values()];
}

/** The message's markup, cleaned, and the pictures that it shows. */
function htmlOf(e: Email): { html: string; pictures: Attachment[] } {
  const pictures = new Map<string, Attachment>();
  const parts = allParts(e);
  const html = cleanMarkup(rawHtml(e), (cid) => {
    const known = pictures.get(cid);
    if (known) return known.url;
    const part = parts.find((p) => p.cid?.replace(/^<|>$/g, '') === cid);
    if (!part) return null;
    const a = fromPart(part, true);
    pictures.set(cid, a);
    return a.url;
  });
  return { html, pictures: [...pictures.values()] };
}

const isRich = (e: Email) => e.htmlBody.some((p) => p.type === 'text/html');
const wantsPlain = () => settings.value.plainText === true;

function blank(): Content {
  return {
    identity: defaultIdentity(), to: [], cc: [], bcc: [], subject: '', rich: !wantsPlain(), body: '', attachments: [],
    inReplyTo: null, references: null, related: null, draft: null, focus: 'to',
  };
}

function withBcc(content: Content): Content {
  return content.identity?.bcc?.length ? { ...content, bcc: content.identity.bcc } : content;
}

function fresh(o: ComposeOptions): Content {
  const out = blank();
  const link = o.mailto ? parseMailto(o.mailto) : null;
  const text = link?.body ?? o.text ?? '';
  out.to = link?.to ?? o.to ?? [];
  out.cc = link?.cc ?? [];
  out.bcc = link?.bcc ?? [];
  out.subject = link?.subject ?? o.subject ?? '';
  out.inReplyTo = link?.inReplyTo ?? null;
  out.references = link?.inReplyTo ?? null;
  const signature = out.rich ? signatureHtml(out.identity) : signatureText(out.identity);
  if (out.rich) out.body = (text ? toHtml(text) : EMPTY) + (signature && EMPTY + signature);
  else out.body = text + (signature && `\n\n${signature}`);
  if (out.to.length) out.focus = 'body';
  return out.bcc.length ? out : withBcc(out);
}

function forwardHead(e: Email): string[] {
  const list = (a: Email['to']) => (a ?? []).map(addressText).join(', ');
  return [
    c('forward.line'),
    `${c('from')}: ${list(e.from)}`,
    `${c('date')}: ${longDate(e.sentAt ?? e.receivedAt)}`,
    `${c('subject')}: ${e.subject ?? ''}`,
    `${c('to')}: ${list(e.to)}`,
    ...(e.cc?.length ? [`${c('cc')}: ${list(e.cc)}`] : []),
  ];
}

function answer(kind: 'reply' | 'replyAll' | 'forward', e: Email): Content {
  const forward = kind === 'forward';
  const out = blank();
  const own = e.from?.[0] && isMe(e.from[0].email);
  out.identity = own
    ? (identities.value.find((i) => i.email.toLowerCase() === e.from![0]!.email.toLowerCase()) ?? defaultIdentity())
    : (identityFor({ ...e, from: null }, identities.value) ?? defaultIdentity());
  out.subject = replySubject(e.subject, forward ? 'Fwd' : 'Re');
  Object.assign(out, forward ? { references: threading(e).references } : threading(e));
  out.related = { id: e.id, keyword: forward ? '$forwarded' : '$answered' };
  if (!forward) {
    Object.assign(out, replyRecipients(e, kind === 'replyAll', isMe));
    out.focus = 'body';
  }
  out.rich = !wantsPlain() && (forward || isRich(e));
  const attribution = c('attribution', { date: longDate(e.sentAt ?? e.receivedAt), name: name(e) });
  const cut = Object.values(e.bodyValues).some((v) => v.isTruncated);
  if (out.rich) {
    const { html, pictures } = htmlOf(e);
    const signature = signatureHtml(out.identity);
    out.body =
      EMPTY +
      (signature && EMPTY + signature) +
      EMPTY +
      (forward
        ? `<div class="attribution">${forwardHead(e).map(escapeHtml).join('<br>')}</div>${EMPTY}${html}`
        : `<div class="attribution">${escapeHtml(attribution)}</div><blockquote type="cite">${html}</blockquote>${EMPTY}`);
    out.attachments = pictures;
  } else {
    const signature = signatureText(out.identity);
    const quoted = forward ? `${forwardHead(e).join('\n')}\n\n${textOf(e)}` : `${attribution}\n${quoteText(textOf(e))}`;
    out.body = `\n\n${signature && `${signature}\n\n`}${quoted}\n`;
  }
  if (forward) {
    const shown = new Set(out.attachments.map((a) => a.blobId));
    const files = (e.attachments ?? []).filter((p) => p.blobId && !shown.has(p.blobId));
    out.attachments = [...out.attachments, ...files.map((p) => fromPart(p, false))];
    // What is too long to be shown goes along as it is.
    if (cut)
      out.attachments.push(
        fromPart({ partId: null, blobId: e.blobId, size: e.size, name: `${e.subject || 'message'}.eml`, type: 'message/rfc822', charset: null, disposition: 'attachment', cid: null }, false),
      );
  }
  return withBcc(out);
}

function resume(e: Email): Content {
  const out = blank();
  out.draft = e.id;
  out.identity = identities.value.find((i) => i.email.toLowerCase() === e.from?.[0]?.email.toLowerCase()) ?? defaultIdentity();
  out.to = e.to ?? [];
  out.cc = e.cc ?? [];
  out.bcc = e.bcc ?? [];
  out.subject = e.subject ?? '';
  out.inReplyTo = e.inReplyTo;
  out.references = e.references;
  out.rich = isRich(e);
  out.focus = out.to.length ? 'body' : 'to';
  if (out.rich) {
    const { html, pictures } = htmlOf(e);
    out.body = html || EMPTY;
    out.attachments = pictures;
  } else out.body = textOf(e).replace(/\r\n/g, '\n').replace(/\n$/, '');
  const shown = new Set(out.attachments.map((a) => a.blobId));
  out.attachments = [
    ...out.attachments,
    ...(e.attachments ?? []).filter((p) => p.blobId && !shown.has(p.blobId)).map((p) => fromPart(p, false)),
  ];
  return out;
}

export async function startDraft(o: ComposeOptions): Promise<Draft> {
  if (o.kind === 'new' || !o.email) return new Draft(fresh(o));
  const whole = o.email.bodyValues && o.email.bodyStructure ? o.email : await wholeEmail(o.email.id);
  return new Draft(o.kind === 'draft' ? resume(whole) : answer(o.kind, whole));
}

/** Is the message that is written its user's? Another one may have logged in meanwhile. */
export function isOwn(d: Draft): boolean {
  return d.owner === address.value;
}
