// The composer's window. One is shown at a time; the message itself lives in model.ts.

import { useEffect, useRef, useState } from 'preact/hooks';
import { signal } from '@preact/signals';
import { clockTime, formatSize, t } from '../i18n/index.ts';
import { composers } from '../open.ts';
import type { OpenComposer } from '../open.ts';
import { auth, identities } from '../state/app.ts';
import { reportError } from '../state/errors.ts';
import { changeSettings } from '../state/settings.ts';
import { Button, IconButton } from '../ui/button.tsx';
import { ask, Dialog } from '../ui/dialog.tsx';
import { Icon } from '../ui/icon.tsx';
import { Menu, Popup } from '../ui/menu.tsx';
import { Skeleton } from '../ui/skeleton.tsx';
import { toast, Toasts } from '../ui/toast.tsx';
import { RichEditor } from './editor.tsx';
import { Files } from './files.tsx';
import { toHtml, toText } from './html.ts';
import { sizeLimit } from './model.ts';
import type { Draft } from './model.ts';
import { Recipients } from './recipients.tsx';
import { discard, drafts, forget, presets, problemText, send } from './send.tsx';
import { isOwn, signatureHtml, signatureText, startDraft } from './start.ts';
import { wayOf } from './travel.ts';
import { c } from './words.ts';

const TITLES = { new: 'title.new', reply: 'title.reply', replyAll: 'title.reply', forward: 'title.forward', draft: 'title.draft' } as const;

export function Composers() {
  const all = composers.value;
  // While nobody is logged in the login must be reached: the messages wait in `drafts`.
  const last = auth.value === 'in' ? all.at(-1) : undefined;
  return last ? <Loading key={last.id} composer={last} /> : null;
}

function Loading({ composer }: { composer: OpenComposer }) {
  const [draft, setDraft] = useState<Draft | null>(() => {
    const d = drafts.get(composer.id);
    return d && isOwn(d) ? d : null;
  });
  useEffect(() => {
    if (draft) return;
    let gone = false;
    startDraft(composer.options).then(
      (d) => {
        if (gone) return;
        drafts.set(composer.id, d);
        setDraft(d);
      },
      (e) => {
        if (gone) return;
        forget(composer.id);
        reportError(e);
      },
    );
    return () => {
      gone = true;
    };
  }, []);
  const title = c(TITLES[composer.options.kind]);
  if (!draft)
    return (
      <Dialog title={title} size="full" class="composer" onClose={() => forget(composer.id)}>
        <Skeleton lines={8} />
        <span class="unseen" role="status">{c('opening')}</span>
      </Dialog>
    );
  return <Window id={composer.id} draft={draft} title={title} />;
}

function SaveState({ draft }: { draft: Draft }) {
  const s = draft.saved.value;
  const text = draft.sending.value
    ? c('sendingNow')
    : s.kind === 'saved'
      ? s.at
        ? c('saved.at', { time: clockTime(s.at) })
        : c('saved.draft')
      : c(`saved.${s.kind}`);
  return <span class={`save-state${s.kind === 'failed' ? ' bad' : ''}`} role="status">{text}</span>;
}

/** Below the recipients: whom the message reaches in the clear, or not at all. */
function WayLine({ draft }: { draft: Draft }) {
  const of = (travel: string) =>
    draft.recipients().map((a) => a.email).filter((e) => wayOf(e)?.travel === travel).join(', ');
  const nowhere = of('nowhere');
  const clear = of('clear');
  return (
    <div role="status" class="way-lines">
      {nowhere && <p class="way-line"><Icon name="warning" />{c('line.nowhere', { who: nowhere })}</p>}
      {clear && <p class="way-line"><Icon name="unlock" />{c('line.clear', { who: clear })}</p>}
    </div>
  );
}

function From({ draft }: { draft: Draft }) {
  const all = identities.value;
  if (all.length < 2 && (!draft.identity.value || all[0]?.id === draft.identity.value.id)) return null;
  const change = (id: string) => {
    const next = all.find((i) => i.id === id);
    if (!next) return;
    swapSignature(draft, next);
    draft.identity.value = next;
    draft.changed();
  };
  return (
    <label class="line">
      <span class="line-label">{c('from')}</span>
      <select class="line-input line-select" value={draft.identity.value?.id} onChange={(e) => change(e.currentTarget.value)}>
        {all.map((i) => (
          <option key={i.id} value={i.id}>{i.name ? `${i.name} <${i.email}>` : i.email}</option>
        ))}
      </select>
    </label>
  );
}

function swapSignature(draft: Draft, next: Draft['identity']['value']): void {
  if (draft.rich.value) {
    const box = draft.root;
    if (!box) return;
    const html = signatureHtml(next);
    const made = document.createElement('div');
    made.innerHTML = html.replace(/ data-style="[^"]*"/g, '');
    const old = [...box.querySelectorAll('.signature')].find((s) => !s.closest('blockquote'));
    const fresh = made.firstElementChild;
    if (old && fresh) old.replaceWith(fresh);
    else if (old) old.remove();
    else if (fresh) {
      const quote = box.querySelector('.attribution, blockquote');
      if (quote?.parentElement === box) box.insertBefore(fresh, quote);
      else box.append(fresh);
    }
    return;
  }
  const old = signatureText(draft.identity.value);
  const fresh = signatureText(next);
  const text = draft.text.value;
  if (old && text.includes(old)) draft.text.value = text.replace(old, () => fresh).trimEnd();
  else if (fresh) draft.text.value = `${text.trimEnd()}\n\n${fresh}`;
}

async function toPlain(draft: Draft): Promise<void> {
  const formatted = draft.root?.querySelector('b, i, u, ul, ol, img, table, [style], font, h1, h2, h3');
  if (formatted && !(await ask({ title: c('toPlainTitle'), text: c('toPlainText'), confirm: c('toPlainDo') }))) return;
  draft.text.value = toText(draft.content());
  draft.rich.value = false;
  void changeSettings({ plainText: true });
  draft.changed();
}

function toRich(draft: Draft): void {
  draft.html = toHtml(draft.text.value);
  draft.rich.value = true;
  void changeSettings({ plainText: null });
  draft.changed();
}

const waiting = signal(false);

function Later({ onDone }: { onDone: (when: Date) => void }) {
  const input = useRef<HTMLInputElement>(null);
  const local = (d: Date) => new Date(d.getTime() - d.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
  const submit = (e: Event) => {
    e.preventDefault();
    const when = new Date(input.current!.value);
    if (Number.isNaN(when.getTime()) || when.getTime() <= Date.now()) {
      input.current!.reportValidity();
      input.current!.focus();
      return;
    }
    waiting.value = false;
    onDone(when);
  };
  return (
    <Dialog
      title={c('later.title')}
      size="small"
      onClose={() => (waiting.value = false)}
      footer={
        <>
          <Button onClick={() => (waiting.value = false)}>{t('cancel')}</Button>
          <Button kind="primary" onClick={submit}>{c('later')}</Button>
        </>
      }
    >
      <form onSubmit={submit}>
        <label class="field">
          <span>{c('later.when')}</span>
          <input
            ref={input}
            class="input"
            type="datetime-local"
            required
            autofocus
            min={local(new Date())}
            max={local(new Date(Date.now() + 364 * 86_400_000))}
            defaultValue={local(presets().at(0)!.when)}
          />
        </label>
      </form>
    </Dialog>
  );
}

function Window({ id, draft, title }: { id: number; draft: Draft; title: string }) {
  const [cc, setCc] = useState(draft.cc.value.length > 0);
  const [bcc, setBcc] = useState(draft.bcc.value.length > 0);
  const [over, setOver] = useState(false);
  const [tooLarge, setTooLarge] = useState<string | null>(null);
  const [menu, setMenu] = useState(false);
  const area = useRef<HTMLTextAreaElement>(null);
  const chooser = useRef<HTMLInputElement>(null);
  const laterButton = useRef<HTMLButtonElement>(null);
  const depth = useRef(0);
  const { rich } = draft;

  useEffect(() => {
    const leaving = (e: BeforeUnloadEvent) => {
      if (!draft.unsaved && !draft.uploading) return;
      void draft.save().catch(() => undefined);
      e.preventDefault();
    };
    addEventListener('beforeunload', leaving);
    // The window is open by now: before that nothing in it takes the focus.
    if (draft.focus === 'body') {
      if (rich.value) draft.focusBody?.();
      else {
        area.current?.focus();
        area.current?.setSelectionRange(0, 0);
      }
    }
    return () => {
      removeEventListener('beforeunload', leaving);
      // Whatever took the window away, nothing is lost.
      if (draft.unsaved) void draft.save().catch(() => undefined);
    };
  }, []);

  const close = () => {
    if (draft.sending.value) return;
    for (const commit of draft.commits) commit();
    const kept = draft.unsaved || draft.id;
    const fresh = draft.unsaved;
    if (draft.uploading) {
      // Still on their way: the window stays until they are part of the draft.
      void draft.uploaded().then(() => draft.save()).catch(reportError);
    } else if (fresh) draft.save().catch(reportError);
    forget(id);
    if (kept && fresh) toast(c('kept'), { seconds: 3 });
  };
  const submit = (when: Date | null = null) => void send(id, draft, when);

  const attach = (files: readonly File[], pictures?: (url: string, cid: string, name: string) => void) => {
    const left: File[] = [];
    for (const f of files) {
      const inline = !!pictures && f.type.startsWith('image/') && f.type !== 'image/svg+xml';
      const a = draft.add(f, f.name || 'image.png', inline);
      if (!a) left.push(f);
      else if (inline) pictures(a.url!, a.cid!, a.name);
    }
    setTooLarge(left.length ? c('file.tooLarge', { n: left.length, name: left[0]!.name, limit: formatSize(sizeLimit()) }) : null);
  };
  const hasFiles = (e: DragEvent) => [...(e.dataTransfer?.types ?? [])].includes('Files');

  return (
    <Dialog
      title={title}
      size="full"
      class="composer"
      onClose={close}
      footer={
        <div class="composer-foot">
          <div class="send-group">
            <Button kind="primary" icon="sent" class="send" title={c('sendKey')} busy={draft.sending.value} onClick={() => submit()}>
              {c('send')}
            </Button>
            <IconButton buttonRef={laterButton} class="send-later" icon="clock" label={c('later')} haspopup="menu" expanded={menu} disabled={draft.sending.value} onClick={() => setMenu(!menu)} />
            {menu && (
              <Popup
                anchor={laterButton.current!}
                label={c('later')}
                onClose={() => setMenu(false)}
                items={[
                  ...presets().map((p) => ({ label: p.label, icon: 'clock' as const, run: () => submit(p.when) })),
                  { label: c('later.choose'), separate: true, run: () => (waiting.value = true) },
                ]}
              />
            )}
          </div>
          <IconButton icon="attach" label={c('attach')} onClick={() => chooser.current!.click()} />
          <SaveState draft={draft} />
          <span class="spacer" />
          <Menu
            icon="more"
            label={c('more')}
            items={() => [
              { label: c('toRich'), checked: rich.value, run: () => !rich.value && toRich(draft) },
              { label: c('toPlain'), checked: !rich.value, run: () => rich.value && void toPlain(draft) },
            ]}
          />
          <IconButton icon="trash" label={c('discard')} onClick={() => void discard(id, draft)} />
        </div>
      }
    >
      <div
        class="composer-box"
        onKeyDown={(e) => {
          if (e.key === 'Enter' && (e.ctrlKey || e.metaKey)) {
            e.preventDefault();
            e.stopPropagation();
            submit();
          }
        }}
        onPasteCapture={(e) => {
          // Pictures in formatted text are the editor's; other files are attached.
          const files = [...(e.clipboardData?.files ?? [])];
          if (!files.length || e.clipboardData!.types.includes('text/plain')) return;
          const toEditor = rich.value && (e.target as HTMLElement).closest('.editor') && files.every((f) => f.type.startsWith('image/'));
          if (toEditor) return;
          e.preventDefault();
          e.stopPropagation();
          attach(files);
        }}
        onDragEnter={(e) => {
          if (!hasFiles(e)) return;
          depth.current++;
          setOver(true);
        }}
        onDragLeave={(e) => {
          if (hasFiles(e) && --depth.current <= 0) {
            depth.current = 0;
            setOver(false);
          }
        }}
        onDragOver={(e) => {
          if (!hasFiles(e)) return;
          e.preventDefault();
          e.dataTransfer!.dropEffect = 'copy';
        }}
        onDropCapture={(e) => {
          if (!hasFiles(e)) return;
          e.preventDefault();
          e.stopPropagation();
          depth.current = 0;
          setOver(false);
          attach([...e.dataTransfer!.files]);
        }}
      >
        <From draft={draft} />
        <div class="to-lines">
          <Recipients draft={draft} list={draft.to} label={c('to')} autofocus={draft.focus === 'to'} />
          <span class="add-lines">
            {!cc && <button type="button" class="linkish" aria-label={c('addCcLong')} onClick={() => setCc(true)}>{c('addCc')}</button>}
            {!bcc && <button type="button" class="linkish" aria-label={c('addBccLong')} onClick={() => setBcc(true)}>{c('addBcc')}</button>}
          </span>
        </div>
        {cc && <Recipients draft={draft} list={draft.cc} label={c('cc')} />}
        {bcc && <Recipients draft={draft} list={draft.bcc} label={c('bcc')} />}
        <WayLine draft={draft} />
        <label class="line">
          <span class="line-label">{c('subject')}</span>
          <input
            class="line-input line-subject"
            type="text"
            autocomplete="off"
            maxLength={900}
            value={draft.subject.value}
            onInput={(e) => {
              draft.subject.value = e.currentTarget.value;
              draft.changed();
            }}
          />
        </label>
        {draft.problem.value && <p class="notice notice-danger" role="alert"><Icon name="warning" />{draft.problem.value}</p>}
        {draft.saved.value.kind === 'failed' && !draft.problem.value && (
          <p class="notice notice-warn" role="alert"><Icon name="warning" />{problemText(draft.saved.value.error).replace(c('error.kept'), '').trim()}</p>
        )}
        {tooLarge && <p class="notice notice-warn" role="alert"><Icon name="warning" />{tooLarge}</p>}
        <Files draft={draft} />
        {rich.value ? (
          <RichEditor draft={draft} onPictures={attach} />
        ) : (
          <textarea
            ref={area}
            class="editor editor-plain"
            aria-label={c('body')}
            spellcheck
            value={draft.text.value}
            onInput={(e) => {
              draft.text.value = e.currentTarget.value;
              draft.changed();
            }}
          />
        )}
        {over && <div class="drop-here" aria-hidden="true"><Icon name="attach" />{c('file.drop')}</div>}
        <input
          ref={chooser}
          type="file"
          multiple
          hidden
          onChange={(e) => {
            attach([...(e.currentTarget.files ?? [])]);
            e.currentTarget.value = '';
          }}
        />
      </div>
      {waiting.value && <Later onDone={(when) => submit(when)} />}
      <Toasts />
    </Dialog>
  );
}
