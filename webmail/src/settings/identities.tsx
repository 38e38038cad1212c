// The identities: names, addresses and signatures under which one writes.

import type { ComponentType } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { t } from '../i18n/index.ts';
import { JmapError } from '../jmap/client.ts';
import type { EmailAddress, Identity } from '../jmap/types.ts';
import { isAddress, parseRecipients } from '../compose/reply.ts';
import { address, client, identities, loadIdentities } from '../state/app.ts';
import { errorText, throwSetErrors } from '../state/errors.ts';
import { Button } from '../ui/button.tsx';
import { ask } from '../ui/dialog.tsx';
import { Icon } from '../ui/icon.tsx';
import { Skeleton } from '../ui/skeleton.tsx';
import { Done, Problem } from './load.tsx';
import { s } from './words.ts';

type Field = ComponentType<{ html: string; label: string; onChange: (html: string, text: string) => void }>;

const listText = (list: EmailAddress[] | null) => (list ?? []).map((a) => a.email).join(', ');

function Form({ of, onDone }: { of: Identity | null; onDone: (text: string | null) => void }) {
  const [name, setName] = useState(of?.name ?? '');
  const [email, setEmail] = useState(of?.email ?? '');
  const [replyTo, setReplyTo] = useState(listText(of?.replyTo ?? null));
  const [bcc, setBcc] = useState(listText(of?.bcc ?? null));
  const [text, setText] = useState(of?.textSignature ?? '');
  const [html, setHtml] = useState(of?.htmlSignature ?? '');
  const [rich, setRich] = useState(!!of?.htmlSignature);
  const [Editor, setEditor] = useState<{ it: Field } | null>(null);
  const [toHtml, setToHtml] = useState<{ it: (text: string) => string } | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  useEffect(() => {
    if (!rich || Editor) return;
    void Promise.all([import('../compose/editor.tsx'), import('../compose/html.ts')]).then(
      ([e, h]) => {
        setToHtml({ it: h.toHtml });
        setEditor({ it: e.MarkupField });
      },
      (e) => setProblem(errorText(e)),
    );
  }, [rich]);

  const submit = async (e: Event) => {
    e.preventDefault();
    if (busy) return;
    const lists = [replyTo, bcc].map(parseRecipients);
    if ((!of && !isAddress(email.trim())) || lists.flat().some((a) => !isAddress(a.email))) {
      setProblem(s('id.bad'));
      return;
    }
    setBusy(true);
    setProblem(null);
    const values = {
      name: name.trim(),
      replyTo: lists[0]!.length ? lists[0] : null,
      bcc: lists[1]!.length ? lists[1] : null,
      textSignature: text.trimEnd(),
      htmlSignature: rich && text.trim() ? html : '',
    };
    try {
      const a = await client.call('Identity/set', of ? { update: { [of.id]: values } } : { create: { made: { ...values, email: email.trim() } } });
      throwSetErrors(a.notCreated, a.notUpdated);
      await loadIdentities();
      onDone(s('saved'));
    } catch (error) {
      setProblem(error instanceof JmapError && error.type === 'forbiddenFrom' ? s('id.forbidden') : errorText(error));
      setBusy(false);
    }
  };
  const remove = async () => {
    if (!of || !(await ask({ title: s('id.delete'), text: s('id.deleteText', { who: of.email }), confirm: t('delete'), danger: true }))) return;
    try {
      const a = await client.call('Identity/set', { destroy: [of.id] });
      throwSetErrors(a.notDestroyed);
      await loadIdentities();
      onDone(s('id.deleted'));
    } catch (error) {
      setProblem(errorText(error));
    }
  };
  return (
    <form class="narrow" onSubmit={submit} noValidate>
      <Problem text={problem} />
      <label class="field">
        <span>{s('id.name')}</span>
        <input class="input" type="text" autocomplete="name" maxLength={200} value={name} autofocus onInput={(e) => setName(e.currentTarget.value)} />
      </label>
      <label class="field">
        <span>{s('id.email')}</span>
        <input class="input" type="email" value={email} readOnly={!!of} onInput={(e) => setEmail(e.currentTarget.value)} />
      </label>
      <label class="field">
        <span>{s('id.replyTo')}</span>
        <input class="input" type="text" inputMode="email" value={replyTo} onInput={(e) => setReplyTo(e.currentTarget.value)} />
      </label>
      <label class="field">
        <span>{s('id.bcc')}</span>
        <input class="input" type="text" inputMode="email" value={bcc} onInput={(e) => setBcc(e.currentTarget.value)} />
      </label>
      {!rich ? (
        <label class="field">
          <span>{s('id.signature')}</span>
          <textarea class="input area" rows={5} value={text} onInput={(e) => setText(e.currentTarget.value)} />
        </label>
      ) : (
        <div class="field">
          <span>{s('id.signature')}</span>
          {Editor && toHtml ? (
            <Editor.it
              html={html || toHtml.it(text)}
              label={s('id.signature')}
              onChange={(h, x) => {
                setHtml(h);
                setText(x);
              }}
            />
          ) : (
            <Skeleton lines={3} />
          )}
        </div>
      )}
      <label class="check">
        <input
          type="checkbox"
          checked={rich}
          onChange={(e) => {
            setRich(e.currentTarget.checked);
            if (e.currentTarget.checked) setHtml('');
          }}
        />
        {s('id.formatted')}
      </label>
      <div class="row">
        <Button kind="primary" type="submit" busy={busy}>{t('save')}</Button>
        <Button onClick={() => onDone(null)}>{t('cancel')}</Button>
        <span class="spacer" />
        {of?.mayDelete && <Button kind="quiet" icon="trash" onClick={() => void remove()}>{s('id.delete')}</Button>}
      </div>
    </form>
  );
}

export function IdentitiesTab() {
  const [editing, setEditing] = useState<Identity | 'new' | null>(null);
  const [done, setDone] = useState<string | null>(null);
  if (editing)
    return (
      <Form
        key={editing === 'new' ? 'new' : editing.id}
        of={editing === 'new' ? null : editing}
        onDone={(text) => {
          setEditing(null);
          setDone(text);
        }}
      />
    );
  return (
    <>
      <p class="intro">{s('id.intro')}</p>
      <Done text={done} />
      <ul class="cards">
        {identities.value.map((i) => (
          <li key={i.id} class="card">
            <Icon name="user" />
            <span class="card-text">
              <b>{i.name || i.email}</b>
              <span class="card-line">
                {i.email}
                {i.email.toLowerCase() === address.value.toLowerCase() && ` · ${s('id.default')}`}
              </span>
              <small class="signature-line">{i.textSignature.trim().split('\n').slice(0, 2).join(' · ') || s('id.noSignature')}</small>
            </span>
            <Button title={s('id.editOf', { who: i.email })} onClick={() => setEditing(i)}>
              {s('id.edit')}
              <span class="unseen"> {i.email}</span>
            </Button>
          </li>
        ))}
      </ul>
      <Button icon="plus" onClick={() => setEditing('new')}>{s('id.new')}</Button>
    </>
  );
}
