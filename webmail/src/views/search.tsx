// The search field with its suggestions, and the parts of a search as chips above the hits.

import { useRef, useState } from 'preact/hooks';
import { t } from '../i18n/index.ts';
import type { Key } from '../i18n/index.ts';
import { isGood, parseSearch, quoteValue, withoutTerm } from '../mail/search.ts';
import { shownAddresses } from '../state/emails.ts';
import { findMailbox, here, list } from '../state/list.ts';
import { byRole, mailboxes, mailboxName } from '../state/mailboxes.ts';
import { go, route } from '../state/route.ts';
import { IconButton } from '../ui/button.tsx';
import { Icon } from '../ui/icon.tsx';
import type { IconName } from '../ui/icon.tsx';

let field: HTMLInputElement | null = null;

export function focusSearch(): void {
  field?.focus();
  field?.select();
}

interface Suggestion {
  /** What the field is then. */
  text: string;
  label: string;
  hint: string;
  icon: IconName;
  /** Search at once, or go on typing? */
  done: boolean;
}

const STARTS: [Key, Key, IconName, boolean][] = [
  ['search.from', 'search.hint.from', 'user', false],
  ['search.to', 'search.hint.to', 'sent', false],
  ['search.subject', 'search.hint.subject', 'edit', false],
  ['search.attachment', 'search.hint.attachment', 'attach', true],
  ['search.unread', 'search.hint.unread', 'unread', true],
  ['search.flagged', 'search.hint.flagged', 'star', true],
  ['search.before', 'search.hint.before', 'clock', false],
  ['search.after', 'search.hint.after', 'clock', false],
  ['search.in', 'search.hint.in', 'folder', false],
];

function example(): string {
  const d = new Date();
  d.setDate(1);
  return `${d.getFullYear()}-${String(d.getMonth() + 1).padStart(2, '0')}-01`;
}

/** What could be meant by the part that is being typed. */
function suggest(text: string): Suggestion[] {
  const m = /(?:^|\s)((?:\p{L}+:)?(?:"[^"]*|[^\s"]*))$/u.exec(text);
  const part = m?.[1] ?? '';
  const before = text.slice(0, text.length - part.length);
  const colon = part.indexOf(':');
  const out: Suggestion[] = [];
  if (colon > 0) {
    const name = part.slice(0, colon + 1);
    const value = part.slice(colon + 1).replaceAll('"', '').toLowerCase();
    const field = parseSearch(`${name}x`)[0]?.field;
    if (field === 'from' || field === 'to' || field === 'cc') {
      for (const a of shownAddresses(value, 6))
        out.push({ text: `${before}${name}${a.email} `, label: a.name || a.email, hint: a.name ? a.email : '', icon: 'user', done: true });
    } else if (field === 'in') {
      for (const box of mailboxes.value.values()) {
        const label = mailboxName(box);
        if (label.toLowerCase().includes(value))
          out.push({ text: `${before}${name}${quoteValue(label)} `, label, hint: t('search.hint.in'), icon: 'folder', done: true });
      }
    }
    return out.slice(0, 7);
  }
  const word = part.toLowerCase();
  for (const [token, hint, icon, done] of STARTS) {
    const label = t(token);
    if (!word || label.startsWith(word))
      out.push({ text: `${before}${label}${done ? ' ' : ''}`, label, hint: t(hint, { date: example() }), icon, done });
  }
  if (word.length >= 2) {
    for (const a of shownAddresses(word, 3))
      out.push({
        text: `${before}${t('search.from')}${a.email} `,
        label: `${t('search.from')} ${a.name || a.email}`,
        hint: a.name ? a.email : '',
        icon: 'user',
        done: true,
      });
    const plain = parseSearch(part)[0];
    if (plain && !plain.field) {
      const fields: [Key, Key, IconName][] = [
        ['search.from', 'search.hint.from', 'user'],
        ['search.to', 'search.hint.to', 'sent'],
        ['search.subject', 'search.hint.subject', 'edit'],
      ];
      for (const [token, hint, icon] of fields)
        out.push({ text: `${before}${t(token)}${part} `, label: `${t(token)} ${part}`, hint: t(hint), icon, done: true });
    }
  }
  return out.slice(0, 9);
}

function run(text: string): void {
  const words = text.trim();
  if (words) go({ search: words, mailbox: null, open: null });
  else if (route.value.search !== null) leave();
}

function leave(): void {
  go({ search: null, mailbox: byRole.value.get('inbox')?.id ?? null, open: null });
}

export function SearchField() {
  const [text, setText] = useState('');
  const [open, setOpen] = useState(false);
  const [at, setAt] = useState(-1);
  const shownFor = useRef<string | null>(null);
  // Another search by a link, Back or a chip: the field follows.
  if (shownFor.current !== route.value.search) {
    shownFor.current = route.value.search;
    if (text.trim() !== (route.value.search ?? '')) setText(route.value.search ?? '');
  }
  const found = open ? suggest(text) : [];
  const take = (s: Suggestion) => {
    setText(s.text);
    setAt(-1);
    if (s.done) {
      setOpen(false);
      run(s.text);
    }
    field?.focus();
  };
  const keyDown = (e: KeyboardEvent) => {
    if (e.key === 'ArrowDown' || e.key === 'ArrowUp') {
      e.preventDefault();
      setOpen(true);
      const n = found.length;
      if (n) setAt(e.key === 'ArrowDown' ? (at + 1) % n : (at <= 0 ? n : at) - 1);
    } else if (e.key === 'Enter') {
      e.preventDefault();
      const s = found[at];
      if (s) take(s);
      else {
        setOpen(false);
        run(text);
        document.getElementById('list')?.focus();
      }
    } else if (e.key === 'Tab' && at >= 0 && found[at]) {
      e.preventDefault();
      take(found[at]!);
    } else if (e.key === 'Escape') {
      e.stopPropagation();
      if (open && found.length) setOpen(false);
      else {
        setText('');
        if (route.value.search !== null) leave();
        field?.blur();
      }
    }
  };
  return (
    <form
      class="search"
      role="search"
      onSubmit={(e) => {
        e.preventDefault();
        setOpen(false);
        run(text);
      }}
    >
      <Icon name="search" />
      <input
        ref={(el) => {
          field = el;
        }}
        class="search-input"
        type="text"
        enterkeyhint="search"
        autocomplete="off"
        spellcheck={false}
        placeholder={t('search.placeholder')}
        aria-label={t('search.label')}
        role="combobox"
        aria-autocomplete="list"
        aria-expanded={found.length > 0}
        aria-controls="suggestions"
        aria-activedescendant={at >= 0 ? `suggestion-${at}` : undefined}
        value={text}
        onInput={(e) => {
          setText(e.currentTarget.value);
          setOpen(true);
          setAt(-1);
        }}
        onFocus={() => setOpen(true)}
        onBlur={() => setOpen(false)}
        onKeyDown={keyDown}
      />
      {text && <IconButton icon="close" label={t('search.clear')} onClick={() => {
        setText('');
        if (route.value.search !== null) leave();
        field?.focus();
      }} />}
      <kbd class="search-key" aria-hidden="true">/</kbd>
      <div id="suggestions" class={`suggestions${found.length ? '' : ' none'}`} role="listbox" aria-label={t('search.suggestions')}>
        {found.map((s, i) => (
          <div
            key={s.text}
            id={`suggestion-${i}`}
            role="option"
            aria-selected={i === at}
            class="suggestion"
            onPointerDown={(e) => {
              e.preventDefault();
              take(s);
            }}
          >
            <Icon name={s.icon} />
            <span>{s.label}</span>
            <small>{s.hint}</small>
          </div>
        ))}
      </div>
    </form>
  );
}

/** The parts of the search that is shown, each removable. */
export function SearchTerms() {
  const text = list.value.search ?? '';
  const terms = parseSearch(text);
  const bad = terms.find((x) => !isGood(x, findMailbox));
  const last = here.value;
  return (
    <div class="terms">
      {terms.map((x) => (
        <button key={x.raw} type="button" class={`chip${isGood(x, findMailbox) ? '' : ' bad'}`} onClick={() => {
          const rest = withoutTerm(text, x.raw);
          if (rest) run(rest);
          else leave();
        }}>
          <span class="unseen">{t('search.remove', { part: '' })}</span>
          {x.raw}
          <Icon name="close" />
        </button>
      ))}
      {last && <span>{t('search.here', { name: mailboxName(last) })}</span>}
      {bad && <p class="terms-bad">{t('search.bad', { part: bad.raw })}</p>}
    </div>
  );
}
