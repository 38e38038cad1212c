// Speaks JMAP: the calls made in one tick leave as one request, in order, and may refer back to each
// other. Also up- and downloads and the event stream. Knows nothing of what is shown.

import { ACCOUNT, BLOB, CORE, MAIL, QUOTA, SUBMISSION, VACATION } from './types.ts';
import type { Args, CoreLimits, Id, Method, OwnAccount, Result, ResultReference, Session } from './types.ts';

/** Why something did not work, in a form that views/errors.ts has words for. */
export class JmapError extends Error {
  constructor(
    /** A method error's type, or 'offline', 'session', 'busy', 'http', or a problem document's. */
    readonly type: string,
    readonly detail: string | null = null,
    readonly extra: Record<string, unknown> = {},
  ) {
    super(detail ? `${type}: ${detail}` : type);
  }
}

/** A call whose answer later calls of the same tick may refer to. */
export interface Call<M extends Method> extends Promise<Result<M>> {
  ref(path: string): ResultReference;
}

interface Pending {
  id: string;
  method: Method;
  args: object;
  resolve(value: unknown): void;
  reject(error: JmapError): void;
}
type Invocation = [string, Record<string, unknown>, string];

export interface ClientOptions {
  fetch?: typeof fetch;
  /** The session has ended on the server. */
  onSessionEnd?: () => void;
  /** An API answer named another session state than the one we know. */
  onSessionState?: (state: string) => void;
  /** Groups the calls of a tick; tests pass their own. */
  defer?: (run: () => void) => void;
}

const USING = [CORE, MAIL, SUBMISSION, VACATION, BLOB, QUOTA, ACCOUNT];
const DEFAULT_CALLS = 16;

export class Client {
  session: Session | null = null;
  private batches: Pending[][] = [];
  private scheduled = false;
  private number = 0;
  private readonly fetch: typeof fetch;
  private readonly defer: (run: () => void) => void;

  constructor(private readonly options: ClientOptions = {}) {
    this.fetch = options.fetch ?? ((...a) => fetch(...a));
    this.defer = options.defer ?? ((run) => void setTimeout(run));
  }

  get accountId(): Id {
    return this.session?.primaryAccounts[MAIL] ?? '';
  }

  get limits(): CoreLimits | undefined {
    return this.session?.capabilities[CORE] as CoreLimits | undefined;
  }

  get own(): OwnAccount | undefined {
    return this.session?.accounts[this.accountId]?.accountCapabilities[ACCOUNT] as OwnAccount | undefined;
  }

  /** Asks for the session resource; JmapError 'session' when nobody is logged in. */
  async load(): Promise<Session> {
    const response = await this.http('/.well-known/jmap', { headers: { accept: 'application/json' } });
    this.session = (await response.json()) as Session;
    return this.session;
  }

  /** Adds a method call to this tick's request. */
  call<M extends Method>(method: M, args: Args<M>): Call<M> {
    const id = `c${this.number++}`;
    const promise = new Promise<unknown>((resolve, reject) => {
      this.batchFor(args).push({ id, method, args, resolve, reject });
    }) as Call<M>;
    promise.ref = (path) => ({ resultOf: id, name: method, path });
    // A caller may await only the last call of a chain; the others' errors are not lost by that.
    promise.catch(() => undefined);
    if (!this.scheduled) {
      this.scheduled = true;
      this.defer(() => this.flush());
    }
    return promise;
  }

  // A call that refers back must be in the request of the call it refers to; others open a new one
  // when the last is full.
  private batchFor(args: object): Pending[] {
    for (const value of Object.values(args)) {
      const target = (value as ResultReference | null)?.resultOf;
      const batch = target && this.batches.find((b) => b.some((p) => p.id === target));
      if (batch) return batch;
    }
    const last = this.batches.at(-1);
    if (last && last.length < (this.limits?.maxCallsInRequest ?? DEFAULT_CALLS)) return last;
    const batch: Pending[] = [];
    this.batches.push(batch);
    return batch;
  }

  /** Sends what was called in this tick without waiting for its end: before much is drawn, say. */
  flush(): void {
    const batches = this.batches;
    this.batches = [];
    this.scheduled = false;
    for (const batch of batches) void this.send(batch);
  }

  private async send(batch: Pending[]): Promise<void> {
    const methodCalls = batch.map((p) => [p.method, { accountId: this.accountId, ...p.args }, p.id]);
    try {
      const response = await this.http(this.session?.apiUrl ?? '/jmap/api', {
        method: 'POST',
        headers: { 'content-type': 'application/json', accept: 'application/json' },
        body: JSON.stringify({ using: USING, methodCalls }),
      });
      const answer = (await response.json()) as { methodResponses: Invocation[]; sessionState: string };
      this.distribute(batch, answer.methodResponses);
      if (this.session && answer.sessionState !== this.session.state)
        this.options.onSessionState?.(answer.sessionState);
    } catch (e) {
      const error = e instanceof JmapError ? e : new JmapError('offline', String(e));
      for (const p of batch) p.reject(error);
    }
  }

  // The first answer with a call's id is its own; what follows are implicit calls' (onSuccess…).
  private distribute(batch: Pending[], responses: Invocation[]): void {
    const waiting = new Map(batch.map((p) => [p.id, p]));
    for (const [name, value, id] of responses) {
      const p = waiting.get(id);
      if (!p) continue;
      waiting.delete(id);
      if (name === 'error')
        p.reject(new JmapError(String(value.type), (value.description as string) ?? null, value));
      else p.resolve(value);
    }
    for (const p of waiting.values()) p.reject(new JmapError('serverFail', 'no answer'));
  }

  private async http(url: string, init: RequestInit): Promise<Response> {
    let response: Response;
    try {
      response = await this.fetch(url, { credentials: 'same-origin', ...init });
    } catch (e) {
      throw new JmapError('offline', String(e));
    }
    if (response.ok) return response;
    let problem: Record<string, unknown> = {};
    try {
      problem = (await response.json()) as Record<string, unknown>;
    } catch {
      // not a problem document: the status says it
    }
    if (response.status === 401) {
      this.options.onSessionEnd?.();
      throw new JmapError('session');
    }
    const type = String(problem.type ?? (response.status === 503 ? 'busy' : 'http'));
    throw new JmapError(type.replace('urn:ietf:params:jmap:error:', ''), (problem.detail as string) ?? null, {
      ...problem,
      status: response.status,
    });
  }

  downloadUrl(blobId: Id, name: string, type: string): string {
    const values: Record<string, string> = { accountId: this.accountId, blobId, name: name || 'file', type };
    return (this.session?.downloadUrl ?? '').replace(/\{(\w+)\}/g, (_, k: string) =>
      encodeURIComponent(values[k] ?? ''),
    );
  }

  /** Sends a file; `progress` gets 0 to 1. Ends with JmapError 'aborted' when the signal fires. */
  upload(
    body: Blob,
    type: string,
    progress?: (part: number) => void,
    signal?: AbortSignal,
  ): Promise<{ blobId: Id; type: string; size: number }> {
    return new Promise((resolve, reject) => {
      const limit = this.limits?.maxSizeUpload;
      if (limit && body.size > limit) {
        reject(new JmapError('tooLarge', null, { limit }));
        return;
      }
      const xhr = new XMLHttpRequest();
      xhr.open('POST', (this.session?.uploadUrl ?? '').replace('{accountId}', encodeURIComponent(this.accountId)));
      xhr.setRequestHeader('content-type', type || 'application/octet-stream');
      xhr.responseType = 'json';
      xhr.upload.onprogress = (e) => e.lengthComputable && progress?.(e.loaded / e.total);
      xhr.onload = () => {
        if (xhr.status === 200 || xhr.status === 201) {
          resolve(xhr.response as { blobId: Id; type: string; size: number });
          return;
        }
        if (xhr.status === 401) this.options.onSessionEnd?.();
        const problem = (xhr.response ?? {}) as { type?: string; detail?: string };
        const byStatus: Record<number, string> = { 401: 'session', 413: 'tooLarge', 503: 'busy', 507: 'overQuota' };
        reject(new JmapError(byStatus[xhr.status] ?? problem.type ?? 'http', problem.detail ?? null));
      };
      xhr.onerror = () => reject(new JmapError('offline'));
      xhr.onabort = () => reject(new JmapError('aborted'));
      signal?.addEventListener('abort', () => xhr.abort());
      xhr.send(body);
    });
  }

  /** Listens for changes until the returned function is called. `changed` gets the types whose state
   * moved; after a gap all of them, as nobody knows what happened in it. */
  listen(changed: (types: Set<string> | 'all', states: Record<string, string>) => void): () => void {
    let source: EventSource | null = null;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let failures = 0;
    let opened = false;
    const url = (this.session?.eventSourceUrl ?? '')
      .replace('{types}', '*')
      .replace('{closeafter}', 'no')
      .replace('{ping}', '60');
    const open = () => {
      clearTimeout(timer);
      source?.close();
      source = new EventSource(url);
      source.onopen = () => {
        failures = 0;
        if (opened) changed('all', {});
        opened = true;
      };
      source.addEventListener('state', (e) => {
        try {
          const data = JSON.parse((e as MessageEvent<string>).data) as {
            changed?: Record<Id, Record<string, string>>;
          };
          const states = data.changed?.[this.accountId] ?? {};
          changed(new Set(Object.keys(states)), states);
        } catch {
          changed('all', {});
        }
      });
      source.onerror = () => {
        if (source?.readyState !== EventSource.CLOSED) return; // the browser tries again by itself
        // Refused: has the session ended? Then there is nothing to wait for.
        this.load().catch((e: unknown) => {
          if (e instanceof JmapError && e.type === 'session') clearTimeout(timer);
        });
        const wait = Math.min(30_000, 1000 * 2 ** failures++);
        timer = setTimeout(open, wait * (0.75 + Math.random() / 2));
      };
    };
    const wake = () => {
      if (document.visibilityState === 'visible' && source?.readyState === EventSource.CLOSED) {
        failures = 0;
        open();
      }
    };
    document.addEventListener('visibilitychange', wake);
    addEventListener('online', wake);
    open();
    return () => {
      clearTimeout(timer);
      source?.close();
      document.removeEventListener('visibilitychange', wake);
      removeEventListener('online', wake);
    };
  }
}

/** `A/b` as a token of a JSON pointer (RFC 6901), as patches and references need it. */
export function pointer(token: string): string {
  return token.replaceAll('~', '~0').replaceAll('/', '~1');
}
