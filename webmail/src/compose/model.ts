// A message that is being written: its fields as signals, its uploads, and the draft on the server,
// which follows what is typed. Lives outside the view, so that neither closing nor the end of the
// session loses a word.

import { signal } from '@preact/signals';
import { JmapError } from '../jmap/client.ts';
import { BODY_PROPERTIES, MAIL } from '../jmap/types.ts';
import type { Email, EmailAddress, Id, Identity } from '../jmap/types.ts';
import { address, client, identities } from '../state/app.ts';
import { throwSetErrors } from '../state/errors.ts';
import { byRole } from '../state/mailboxes.ts';
import { mailHtml, toText, wholeHtml } from './html.ts';

export interface Attachment {
  key: number;
  name: string;
  type: string;
  size: number;
  /** Known once it is on the server. */
  blobId: Id | null;
  /** Of a picture inside the text. */
  cid: string | null;
  /** Shown from here while it is written. */
  url: string | null;
  file: Blob | null;
  /** 0 to 1 while it is uploaded. */
  progress: number;
  error: JmapError | null;
  abort: AbortController | null;
}

export type SaveState =
  | { kind: 'new' | 'dirty' | 'saving' }
  | { kind: 'saved'; at: string }
  | { kind: 'failed'; error: unknown };

/** What the message answers or passes on, to be marked when it has been sent. */
export interface Related {
  id: Id;
  keyword: '$answered' | '$forwarded';
}

const SAVE_AFTER = 1500;
const SAVE_AT_LAST = 10_000;
const UPLOADS_AT_ONCE = 3;
let lastKey = 0;

/** What is started with; see start.ts. */
export interface Content {
  identity: Identity | undefined;
  to: EmailAddress[];
  cc: EmailAddress[];
  bcc: EmailAddress[];
  subject: string;
  rich: boolean;
  /** The text in the form that `rich` says. */
  body: string;
  attachments: Attachment[];
  inReplyTo: string[] | null;
  references: string[] | null;
  related: Related | null;
  draft: Id | null;
  focus: 'to' | 'body';
}

export class Draft {
  readonly owner = address.peek();
  readonly identity = signal<Identity | undefined>(undefined);
  readonly to = signal<EmailAddress[]>([]);
  readonly cc = signal<EmailAddress[]>([]);
  readonly bcc = signal<EmailAddress[]>([]);
  readonly subject = signal('');
  readonly rich = signal(true);
  /** Plain text as it stands in its field. */
  readonly text = signal('');
  readonly attachments = signal<Attachment[]>([]);
  readonly saved = signal<SaveState>({ kind: 'new' });
  readonly sending = signal(false);
  readonly problem = signal<string | null>(null);
  readonly inReplyTo: string[] | null;
  readonly references: string[] | null;
  readonly related: Related | null;
  readonly focus: Content['focus'];
  id: Id | null;
  /** Markup, when no editor shows it. */
  html = '';
  /** The editor's root, while there is one. */
  root: HTMLElement | null = null;
  focusBody: (() => void) | null = null;
  /** Fields that have text which is no recipient yet. */
  readonly commits = new Set<() => void>();
  /** Of the last attempt to send, by which its success is recognised when the answer got lost. */
  messageId: string | null = null;
  attempted: string | null = null;

  private timer: ReturnType<typeof setTimeout> | undefined;
  private since = 0;
  private version = 0;
  private running: Promise<void> | null = null;
  private stopped = false;

  constructor(c: Content) {
    this.identity.value = c.identity;
    this.to.value = c.to;
    this.cc.value = c.cc;
    this.bcc.value = c.bcc;
    this.subject.value = c.subject;
    this.rich.value = c.rich;
    if (c.rich) this.html = c.body;
    else this.text.value = c.body;
    this.attachments.value = c.attachments;
    this.inReplyTo = c.inReplyTo;
    this.references = c.references;
    this.related = c.related;
    this.id = c.draft;
    this.focus = c.focus;
    if (c.draft) this.saved.value = { kind: 'saved', at: '' };
  }

  recipients(): EmailAddress[] {
    return [...this.to.value, ...this.cc.value, ...this.bcc.value];
  }

  /** Where the picture with a cid is shown from. */
  picture = (cid: string): string | null => this.attachments.peek().find((a) => a.cid === cid)?.url ?? null;

  plainText(): string {
    return this.rich.peek() ? toText(this.content()) : this.text.peek();
  }

  content(): HTMLElement {
    if (this.root) return this.root;
    const box = document.implementation.createHTMLDocument('').createElement('div');
    box.innerHTML = this.html;
    return box;
  }

  // --- Saving ---

  /** Something was changed: the draft is saved a little later. */
  changed(): void {
    this.version++;
    this.problem.value = null;
    if (this.stopped) return;
    if (this.saved.peek().kind !== 'saving') this.saved.value = { kind: 'dirty' };
    const now = Date.now();
    this.since ||= now;
    clearTimeout(this.timer);
    const wait = Math.max(0, Math.min(SAVE_AFTER, this.since + SAVE_AT_LAST - now));
    this.timer = setTimeout(() => void this.save().catch(() => undefined), wait);
  }

  get unsaved(): boolean {
    const { kind } = this.saved.peek();
    return kind === 'dirty' || kind === 'saving' || kind === 'failed';
  }

  /** Saves what is not saved yet. */
  async save(): Promise<void> {
    clearTimeout(this.timer);
    while (this.running) await this.running.catch(() => undefined);
    if (!this.unsaved || this.stopped) return;
    this.since = 0;
    this.running = this.saveOnce().finally(() => (this.running = null));
    return this.running;
  }

  private async saveOnce(): Promise<void> {
    const { version } = this;
    this.saved.value = { kind: 'saving' };
    try {
      await this.store();
      this.saved.value = { kind: 'saved', at: new Date().toISOString() };
    } catch (e) {
      this.saved.value = { kind: 'failed', error: e };
      if (e instanceof JmapError && e.type === 'blobNotFound') this.uploadAgain();
      else if (e instanceof JmapError && ['offline', 'busy', 'serverUnavailable'].includes(e.type)) {
        clearTimeout(this.timer);
        this.timer = setTimeout(() => void this.save().catch(() => undefined), SAVE_AT_LAST);
      }
      throw e;
    }
    if (version !== this.version) this.changed();
  }

  /** The draft as an Email to create. */
  email(): object {
    const drafts = byRole.value.get('drafts');
    if (!drafts) throw new JmapError('notFound', 'no drafts');
    const identity = this.identity.peek();
    const good = this.attachments.peek().filter((a) => a.blobId);
    const body: Record<string, unknown> = {};
    let cids = new Set<string>();
    if (this.rich.peek()) {
      const sent = mailHtml(this.content());
      cids = sent.cids;
      body.textBody = [{ partId: 'text', type: 'text/plain' }];
      body.htmlBody = [{ partId: 'html', type: 'text/html' }];
      body.bodyValues = { text: { value: this.plainText() }, html: { value: wholeHtml(sent.html) } };
    } else {
      body.textBody = [{ partId: 'text', type: 'text/plain' }];
      body.bodyValues = { text: { value: this.text.peek() } };
    }
    // A picture that was taken out of the text does not go along.
    const attachments = good
      .filter((a) => !a.cid || cids.has(a.cid) || !this.rich.peek())
      .map((a) => ({
        blobId: a.blobId,
        type: a.type || 'application/octet-stream',
        name: a.name,
        ...(a.cid && cids.has(a.cid) ? { disposition: 'inline', cid: a.cid } : { disposition: 'attachment' }),
      }));
    const some = (list: EmailAddress[]) => (list.length ? list.map((a) => ({ name: a.name || null, email: a.email })) : null);
    return {
      mailboxIds: { [drafts.id]: true },
      keywords: { $draft: true, $seen: true },
      from: [{ name: identity?.name || null, email: identity?.email ?? address.peek() }],
      to: some(this.to.peek()),
      cc: some(this.cc.peek()),
      bcc: some(this.bcc.peek()),
      replyTo: identity?.replyTo?.length ? identity.replyTo : null,
      subject: this.subject.peek(),
      ...(this.messageId ? { messageId: [this.messageId] } : {}),
      inReplyTo: this.inReplyTo,
      references: this.references,
      ...body,
      ...(attachments.length ? { attachments } : {}),
    };
  }

  /** Email/set's arguments: the new draft comes, the old one goes. */
  setArgs(): { create: Record<Id, object>; destroy?: Id[] } {
    return { create: { draft: this.email() }, ...(this.id ? { destroy: [this.id] } : {}) };
  }

  /** The draft now is this email. */
  async took(id: Id): Promise<void> {
    this.id = id;
    if (!this.attachments.peek().some((a) => a.blobId)) return;
    // Blobs of the old draft have gone with it, and uploads do not last: from now on the parts of the
    // new one are meant.
    const got = await client.call('Email/get', {
      ids: [id],
      properties: ['attachments'],
      bodyProperties: BODY_PROPERTIES,
    });
    const parts = [...(got.list[0]?.attachments ?? [])];
    const take = (a: Attachment) => {
      const i = parts.findIndex((p) => (a.cid && p.cid ? p.cid === a.cid : !p.cid && p.name === a.name && p.type === a.type));
      return i < 0 ? undefined : parts.splice(i, 1)[0];
    };
    this.attachments.value = this.attachments.peek().map((a) => {
      const part = a.blobId ? take(a) : undefined;
      return part?.blobId ? { ...a, blobId: part.blobId } : a;
    });
  }

  private async store(): Promise<void> {
    const answer = await client.call('Email/set', this.setArgs());
    throwSetErrors(answer.notCreated);
    await this.took(answer.created!.draft!.id).catch(() => undefined);
  }

  /** Waits until nothing is being saved, and saves no more until resume(). */
  async stop(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.timer);
    while (this.running) await this.running.catch(() => undefined);
  }

  resume(dirty: boolean): void {
    this.stopped = false;
    if (dirty) this.changed();
  }

  // --- Attachments ---

  private patch(key: number, change: Partial<Attachment>): void {
    this.attachments.value = this.attachments.peek().map((a) => (a.key === key ? { ...a, ...change } : a));
  }

  total(): number {
    return this.attachments.value.reduce((n, a) => n + a.size, 0);
  }

  /** Adds a file and sends it to the server; `inline` shows it in the text. */
  add(file: File | Blob, name: string, inline = false): Attachment | null {
    const limit = sizeLimit();
    if (this.total() + file.size > limit) return null;
    const a: Attachment = {
      key: ++lastKey,
      name,
      type: file.type || 'application/octet-stream',
      size: file.size,
      blobId: null,
      cid: inline ? `${crypto.randomUUID()}@${address.peek().split('@')[1] ?? 'mail'}` : null,
      url: inline ? URL.createObjectURL(file) : null,
      file,
      progress: 0,
      error: null,
      abort: null,
    };
    this.attachments.value = [...this.attachments.peek(), a];
    this.pump();
    return a;
  }

  remove(key: number): void {
    const a = this.attachments.peek().find((x) => x.key === key);
    a?.abort?.abort();
    this.attachments.value = this.attachments.peek().filter((x) => x.key !== key);
    this.changed();
    this.pump();
  }

  retry(key: number): void {
    this.patch(key, { error: null, progress: 0 });
    this.pump();
  }

  get uploading(): boolean {
    return this.attachments.value.some((a) => !a.blobId && !a.error);
  }

  private uploadAgain(): void {
    this.attachments.value = this.attachments.peek().map((a) =>
      a.file ? { ...a, blobId: null, progress: 0 } : { ...a, blobId: null, error: new JmapError('blobNotFound') },
    );
    this.pump();
  }

  // A few at a time: the server takes no more.
  private pump(): void {
    const all = this.attachments.peek();
    let free = UPLOADS_AT_ONCE - all.filter((a) => a.abort).length;
    for (const a of all) {
      if (free <= 0) return;
      if (a.blobId || a.error || a.abort || !a.file) continue;
      free--;
      void this.upload(a);
    }
  }

  private async upload(a: Attachment): Promise<void> {
    const abort = new AbortController();
    this.patch(a.key, { abort });
    try {
      const got = await client.upload(a.file!, a.type, (progress) => this.patch(a.key, { progress }), abort.signal);
      this.patch(a.key, { blobId: got.blobId, abort: null, progress: 1 });
      this.changed();
    } catch (e) {
      const error = e instanceof JmapError ? e : new JmapError('http', String(e));
      this.patch(a.key, { error, abort: null });
    }
    this.pump();
  }

  /** Waits for the uploads. */
  async uploaded(): Promise<boolean> {
    while (this.attachments.peek().some((a) => !a.blobId && !a.error))
      await new Promise((resolve) => setTimeout(resolve, 100));
    return !this.attachments.peek().some((a) => a.error);
  }
}

/** How large all attachments of a message may be together. */
export function sizeLimit(): number {
  const mail = client.session?.accounts[client.accountId]?.accountCapabilities[MAIL] as
    | { maxSizeAttachmentsPerEmail?: number }
    | undefined;
  return mail?.maxSizeAttachmentsPerEmail ?? client.limits?.maxSizeUpload ?? 25_000_000;
}

/** A part of an email that is on the server, as an attachment of a new one. */
export function fromPart(p: Email['attachments'][number], inline: boolean): Attachment {
  const name = p.name || (p.type === 'message/rfc822' ? 'message.eml' : 'file');
  return {
    key: ++lastKey,
    name,
    type: p.type,
    size: p.size,
    blobId: p.blobId,
    cid: inline ? p.cid!.replace(/^<|>$/g, '') : null,
    url: inline && p.blobId ? client.downloadUrl(p.blobId, name, p.type) : null,
    file: null,
    progress: 1,
    error: null,
    abort: null,
  };
}

export function defaultIdentity(): Identity | undefined {
  return identities.peek().find((i) => i.email.toLowerCase() === address.peek().toLowerCase()) ?? identities.peek()[0];
}
