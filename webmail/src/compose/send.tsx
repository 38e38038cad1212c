// Sending: at once with a while to take it back, or later. A message that could not be sent stays a
// draft in its window.

import { JmapError } from '../jmap/client.ts';
import { pointer } from '../jmap/client.ts';
import type { EmailAddress, Id, Patch } from '../jmap/types.ts';
import { locale, mediumDate, t } from '../i18n/index.ts';
import { closeComposer, composers } from '../open.ts';
import { address, client } from '../state/app.ts';
import { errorText, reportError, throwSetErrors } from '../state/errors.ts';
import { peekEmail, takeEmail } from '../state/emails.ts';
import { syncSoon } from '../state/live.ts';
import { byRole } from '../state/mailboxes.ts';
import { undoSeconds } from '../state/settings.ts';
import { ask } from '../ui/dialog.tsx';
import { toast } from '../ui/toast.tsx';
import { addContact } from './contacts.ts';
import type { Draft } from './model.ts';
import { isAddress, mentionsAttachment } from './reply.ts';
import { askWays, wayOf } from './travel.ts';
import { c } from './words.ts';

/** The messages of the windows, by their composers' ids. */
export const drafts = new Map<number, Draft>();
let reopened = 0;

/** Shows a message in a window again. */
export function reopen(d: Draft): void {
  const id = --reopened;
  drafts.set(id, d);
  composers.value = [...composers.value, { id, options: { kind: 'new' } }];
}

export function forget(id: number): void {
  drafts.delete(id);
  closeComposer(id);
}

// A little longer than the offer is shown, for the way of the click.
const GRACE = 2;



/** In plain words, and what to do. */
export function problemText(e: unknown): string {
  if (e instanceof JmapError) {
    if (e.type === 'blobNotFound') return c('error.blob');
    if (e.type === 'offline') return c('error.offline');
    if (e.type === 'session') return c('error.session');
    if (e.type === 'tooManyRecipients') return c('error.tooMany');
    if (e.type === 'rateLimit') return c('error.rate');
    if (e.type === 'invalidRecipients') return c('error.badRecipient');
    if (e.type === 'forbiddenToSend' && e.detail && /^[45]\d\d/.test(e.detail)) return c('error.refused', { answer: e.detail });
  }
  return `${errorText(e)} ${c('error.kept')}`;
}

/** What the sender should know before: sentences. */
async function warnings(d: Draft): Promise<string[]> {
  const out: string[] = [];
  const all = d.recipients().map((a) => a.email);
  await Promise.race([askWays(all), new Promise((r) => setTimeout(r, 1500))]);
  const to = (travel: string) => all.filter((e) => wayOf(e)?.travel === travel).join(', ');
  if (!d.subject.value.trim()) out.push(c('warn.subject'));
  if (!d.attachments.value.some((a) => !a.cid) && mentionsAttachment(d.plainText())) out.push(c('warn.attachment'));
  if (to('clear')) out.push(c('warn.clear', { who: to('clear') }));
  if (to('nowhere')) out.push(c('warn.nowhere', { who: to('nowhere') }));
  return out;
}

function uniqueAddresses(list: readonly EmailAddress[]): { email: string; parameters: null }[] {
  return [...new Map(list.map((a) => [a.email.toLowerCase(), { email: a.email, parameters: null }])).values()];
}

/** Did the last attempt succeed although its answer got lost? */
async function wentOut(d: Draft): Promise<boolean> {
  const sent = byRole.value.get('sent');
  if (!d.attempted || !d.messageId || !sent) return false;
  const query = client.call('Email/query', {
    filter: { inMailbox: sent.id },
    sort: [{ property: 'receivedAt', isAscending: false }],
    limit: 20,
  });
  const got = await client.call('Email/get', { '#ids': query.ref('/ids'), properties: ['messageId'] });
  return got.list.some((e) => e.messageId?.[0] === d.messageId);
}

/** Sends the message of a window; `when` for later. Returns whether the window closed. */
export async function send(id: number, d: Draft, when: Date | null): Promise<boolean> {
  if (d.sending.value) return false;
  for (const commit of d.commits) commit();
  d.problem.value = null;
  const all = d.recipients();
  const bad = all.filter((a) => !isAddress(a.email));
  if (all.length === 0) d.problem.value = t('error.noRecipients');
  else if (bad.length) d.problem.value = c('error.address', { who: bad.map((a) => a.email).join(', ') });
  else if (when && when.getTime() < Date.now() + 30_000) d.problem.value = c('error.past');
  if (d.problem.value) return false;
  d.sending.value = true;
  try {
    if (!(await d.uploaded())) {
      d.problem.value = c('error.upload');
      return false;
    }
    const said = await warnings(d);
    if (
      said.length &&
      !(await ask({
        title: c('warn.title'),
        text: said.map((s) => <p key={s}>{s}</p>),
        confirm: c(when ? 'warn.later' : 'warn.send'),
      }))
    )
      return false;
    await d.stop();
    const submission = (await wentOut(d).catch(() => false)) ? null : await submit(d, when);
    forget(id);
    for (const a of all) addContact(a, 3);
    mark(d, true);
    syncSoon();
    announce(d, submission, when);
    return true;
  } catch (e) {
    d.problem.value = problemText(e);
    d.resume(true);
    d.problem.value = problemText(e);
    return false;
  } finally {
    d.sending.value = false;
  }
}

async function submit(d: Draft, when: Date | null): Promise<Id> {
  const sent = byRole.value.get('sent');
  const from = byRole.value.get('drafts');
  const identity = d.identity.value;
  if (!identity) throw new JmapError('forbiddenFrom');
  d.messageId ??= `${crypto.randomUUID()}@${identity.email.split('@')[1] ?? 'mail'}`;
  d.attempted = new Date().toISOString();
  const hold: Record<string, string> | null = when
    ? { HOLDUNTIL: when.toISOString().replace(/\.\d+Z$/, 'Z') }
    : undoSeconds.value > 0
      ? { HOLDFOR: String(undoSeconds.value + GRACE) }
      : null;
  const patch: Patch = { 'keywords/$draft': null, 'keywords/$seen': true };
  if (sent && from) Object.assign(patch, { [`mailboxIds/${pointer(from.id)}`]: null, [`mailboxIds/${pointer(sent.id)}`]: true });
  const saving = client.call('Email/set', d.setArgs());
  const sending = client.call('EmailSubmission/set', {
    create: {
      sent: {
        identityId: identity.id,
        emailId: '#draft',
        envelope: { mailFrom: { email: identity.email, parameters: hold }, rcptTo: uniqueAddresses(d.recipients()) },
      },
    },
    onSuccessUpdateEmail: { '#sent': patch },
  });
  const saved = await saving;
  throwSetErrors(saved.notCreated);
  const email = saved.created!.draft!.id;
  const answer = await sending.catch(async (e) => {
    await d.took(email).catch(() => undefined);
    throw e;
  });
  if (answer.notCreated?.sent) {
    await d.took(email).catch(() => undefined);
    throwSetErrors(answer.notCreated);
  }
  d.id = email;
  return answer.created!.sent!.id;
}

// The message that was answered or forwarded says so.
function mark(d: Draft, on: boolean): void {
  if (!d.related) return;
  const { id, keyword } = d.related;
  const known = peekEmail(id);
  if (known) {
    const { [keyword]: _, ...rest } = known.keywords;
    takeEmail({ id, keywords: on ? { ...known.keywords, [keyword]: true } : rest });
  }
  client.call('Email/set', { update: { [id]: { [`keywords/${keyword}`]: on || null } } }).catch(() => undefined);
}

function announce(d: Draft, submission: Id | null, when: Date | null): void {
  if (!submission) {
    toast(c('sent'));
    return;
  }
  const undo = { label: t('undo'), run: () => void takeBack(d, submission) };
  if (when) toast(c('sentLater', { when: mediumDate(when.toISOString()) }), { action: undo });
  else if (undoSeconds.value > 0) toast(c('sent'), { action: undo, seconds: undoSeconds.value });
  else toast(c('sent'));
}

/** Cancels a submission; its email becomes a draft again. */
export async function cancelSubmission(submission: Id): Promise<void> {
  const sent = byRole.value.get('sent');
  const box = byRole.value.get('drafts');
  const patch: Patch = { 'keywords/$draft': true };
  if (sent && box) Object.assign(patch, { [`mailboxIds/${pointer(sent.id)}`]: null, [`mailboxIds/${pointer(box.id)}`]: true });
  const answer = await client.call('EmailSubmission/set', {
    update: { [submission]: { undoStatus: 'canceled' } },
    onSuccessUpdateEmail: { [submission]: patch },
  });
  throwSetErrors(answer.notUpdated);
}

async function takeBack(d: Draft, submission: Id): Promise<void> {
  try {
    await cancelSubmission(submission);
  } catch (e) {
    reportError(e);
    return;
  }
  mark(d, false);
  d.attempted = null;
  d.messageId = null;
  d.saved.value = { kind: 'saved', at: new Date().toISOString() };
  d.resume(false);
  if (d.id) await d.took(d.id).catch(() => undefined);
  if (d.owner === address.value) reopen(d);
  syncSoon();
}

/** Throws the message of a window away, with a way back. */
export async function discard(id: number, d: Draft): Promise<void> {
  await d.stop();
  forget(id);
  const email = d.id;
  const box = byRole.value.get('drafts');
  const trash = byRole.value.get('trash');
  const there = email && box && trash ? { [email]: { [`mailboxIds/${pointer(box.id)}`]: null, [`mailboxIds/${pointer(trash.id)}`]: true } } : null;
  const back = email && box && trash ? { [email]: { [`mailboxIds/${pointer(box.id)}`]: true, [`mailboxIds/${pointer(trash.id)}`]: null } } : null;
  const moved = there
    ? client.call('Email/set', { update: there }).then((a) => throwSetErrors(a.notUpdated))
    : Promise.resolve();
  toast(c('discarded'), {
    action: {
      label: t('undo'),
      run: () => {
        reopen(d);
        void moved
          .then(() => (back ? client.call('Email/set', { update: back }) : undefined))
          .then(() => undefined, () => undefined)
          .then(() => d.resume(!email));
      },
    },
  });
  moved.catch((e) => reportError(e));
}

// --- When: what is offered for sending later ---

export interface Preset {
  label: string;
  when: Date;
}

export function presets(now = new Date()): Preset[] {
  const at = (days: number, hour: number) => {
    const d = new Date(now);
    d.setDate(d.getDate() + days);
    d.setHours(hour, 0, 0, 0);
    return d;
  };
  const time = new Intl.DateTimeFormat(locale.value, { hour: '2-digit', minute: '2-digit' });
  const out: Preset[] = [];
  const evening = at(0, 18);
  if (evening.getTime() - now.getTime() > 30 * 60_000)
    out.push({ label: c('later.today', { time: time.format(evening) }), when: evening });
  out.push({ label: c('later.tomorrow', { time: time.format(at(1, 8)) }), when: at(1, 8) });
  const monday = (8 - now.getDay()) % 7 || 7;
  if (monday > 1) out.push({ label: c('later.monday', { time: time.format(at(monday, 8)) }), when: at(monday, 8) });
  return out;
}
