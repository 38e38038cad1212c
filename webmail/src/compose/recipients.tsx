// A field of recipients: chips, each with a lock that says how the message will travel, and an input
// that completes from past correspondents (ARIA combobox).

import type { Signal } from '@preact/signals';
import { useEffect, useId, useRef, useState } from 'preact/hooks';
import type { EmailAddress, Travel } from '../jmap/types.ts';
import { Icon } from '../ui/icon.tsx';
import type { IconName } from '../ui/icon.tsx';
import { completions, loadContacts } from './contacts.ts';
import type { Draft } from './model.ts';
import { addressText, isAddress, parseRecipients } from './reply.ts';
import { askWays, wayOf } from './travel.ts';
import { c } from './words.ts';

const LOCKS: Record<Travel | 'asking', IconName> = {
  local: 'lock', dane: 'lock', verified: 'lock', encrypted: 'lock', maybe: 'lock', clear: 'unlock', nowhere: 'warning',
  unknown: 'help', asking: 'lock',
};

function Chip({ a, onEdit, onRemove }: { a: EmailAddress; onEdit: () => void; onRemove: () => void }) {
  const good = isAddress(a.email);
  const travel = good ? (wayOf(a.email)?.travel ?? 'asking') : null;
  const who = a.name || a.email;
  const way = travel ? c(`way.${travel}`) : c('chip.bad');
  return (
    <span class={`recipient${good ? '' : ' bad'}`}>
      <button
        type="button"
        class="recipient-name"
        title={`${addressText(a)}\n${way}`}
        aria-label={travel ? c('chip.edit', { who: addressText(a), way }) : `${a.email}: ${way}`}
        onClick={onEdit}
        onKeyDown={(e) => {
          if (e.key === 'Backspace' || e.key === 'Delete') {
            e.preventDefault();
            onRemove();
          }
        }}
      >
        <span class={`way way-${travel ?? 'bad'}`}>
          <Icon name={travel ? LOCKS[travel] : 'warning'} />
        </span>
        <span class="recipient-text">{who}</span>
      </button>
      <button type="button" class="recipient-remove" aria-label={c('chip.remove', { who })} title={c('chip.remove', { who })} onClick={onRemove}>
        <Icon name="close" />
      </button>
    </span>
  );
}

export interface RecipientsProps {
  draft: Draft;
  list: Signal<EmailAddress[]>;
  label: string;
  autofocus?: boolean;
}

export function Recipients({ draft, list, label, autofocus }: RecipientsProps) {
  const id = useId();
  const [text, setText] = useState('');
  const [at, setAt] = useState(0);
  const [open, setOpen] = useState(false);
  const input = useRef<HTMLInputElement>(null);
  const latest = useRef('');
  latest.current = text;
  const emails = list.value.map((a) => a.email).join(' ');
  useEffect(() => void askWays(list.value.map((a) => a.email)), [emails]);
  useEffect(() => {
    void loadContacts().then(() => latest.current && setAt(0));
  }, []);

  const add = (more: EmailAddress[]) => {
    const known = new Set(list.value.map((a) => a.email.toLowerCase()));
    const fresh = more.filter((a) => !known.has(a.email.toLowerCase()));
    if (fresh.length) {
      list.value = [...list.value, ...fresh];
      draft.changed();
    }
    setText('');
    latest.current = '';
    setOpen(false);
  };
  const commit = () => {
    if (latest.current.trim()) add(parseRecipients(latest.current));
  };
  useEffect(() => {
    draft.commits.add(commit);
    return () => void draft.commits.delete(commit);
  });
  const remove = (i: number) => {
    list.value = list.value.filter((_, k) => k !== i);
    draft.changed();
    input.current?.focus();
  };
  const edit = (i: number) => {
    commit();
    const a = list.value[i]!;
    remove(i);
    setText(addressText(a));
  };

  const taken = new Set(draft.recipients().map((a) => a.email.toLowerCase()));
  const found = open ? completions(text, taken) : [];
  const current = Math.min(at, found.length - 1);
  const keyDown = (e: KeyboardEvent) => {
    const n = found.length;
    if ((e.key === 'ArrowDown' || e.key === 'ArrowUp') && n) {
      e.preventDefault();
      setAt((current + (e.key === 'ArrowDown' ? 1 : n - 1)) % n);
    } else if ((e.key === 'Enter' && !e.ctrlKey && !e.metaKey) || (e.key === 'Tab' && !e.shiftKey && text.trim())) {
      if (n && !isAddress(text.trim())) {
        e.preventDefault();
        add([found[current]!]);
      } else if (text.trim()) {
        if (e.key === 'Enter') e.preventDefault();
        commit();
      } else if (e.key === 'Enter') e.preventDefault();
    } else if (e.key === 'Escape' && n) {
      e.preventDefault();
      e.stopPropagation();
      setOpen(false);
    } else if (e.key === 'Backspace' && !text && list.value.length) {
      e.preventDefault();
      const last = list.value.length - 1;
      const bad = !isAddress(list.value[last]!.email);
      if (bad) edit(last);
      else remove(last);
    }
  };
  return (
    <div class="line" onClick={(e) => e.target === e.currentTarget && input.current?.focus()}>
      <label class="line-label" for={`${id}-in`}>{label}</label>
      <div class="recipients" onClick={(e) => e.target === e.currentTarget && input.current?.focus()}>
        {list.value.map((a, i) => (
          <Chip key={a.email + i} a={a} onEdit={() => edit(i)} onRemove={() => remove(i)} />
        ))}
        <input
          ref={input}
          id={`${id}-in`}
          class="line-input recipients-input"
          type="text"
          inputMode="email"
          autocomplete="off"
          autocapitalize="none"
          spellcheck={false}
          autofocus={autofocus}
          role="combobox"
          aria-autocomplete="list"
          aria-haspopup="listbox"
          aria-expanded={found.length > 0}
          aria-controls={`${id}-list`}
          aria-activedescendant={found.length ? `${id}-${current}` : undefined}
          value={text}
          onInput={(e) => {
            const v = e.currentTarget.value;
            setAt(0);
            if (/[,;\n]/.test(v) && !/"[^"]*$/.test(v)) add(parseRecipients(v));
            else {
              setText(v);
              setOpen(true);
            }
          }}
          onPaste={(e) => {
            const pasted = e.clipboardData?.getData('text/plain') ?? '';
            if (!/[,;\n@]/.test(pasted) || text.trim()) return;
            const all = parseRecipients(pasted);
            if (!all.every((a) => isAddress(a.email))) return;
            e.preventDefault();
            add(all);
          }}
          onKeyDown={keyDown}
          onFocus={() => setOpen(true)}
          onBlur={() => {
            setOpen(false);
            commit();
          }}
        />
        <div id={`${id}-list`} class={`completions${found.length ? '' : ' none'}`} role="listbox" aria-label={label}>
          {found.map((a, i) => (
            <div
              key={a.email}
              id={`${id}-${i}`}
              role="option"
              aria-selected={i === current}
              class="completion"
              onPointerDown={(e) => {
                e.preventDefault();
                add([a]);
              }}
            >
              <b>{a.name || a.email}</b>
              {a.name && <span>{a.email}</span>}
            </div>
          ))}
        </div>
        <span class="unseen" role="status">{found.length > 0 && c('chip.found', { n: found.length })}</span>
      </div>
    </div>
  );
}
