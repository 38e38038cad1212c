// Changing the password: the rule is shown while one types, and what happens to the other sessions.

import { useEffect, useRef, useState } from 'preact/hooks';
import { clockTime, formatNumber, language } from '../i18n/index.ts';
import { JmapError } from '../jmap/client.ts';
import { address, client, own } from '../state/app.ts';
import { errorText } from '../state/errors.ts';
import { Button } from '../ui/button.tsx';
import { Icon } from '../ui/icon.tsx';
import { Done, Problem } from './load.tsx';
import { s } from './words.ts';

const CHECK_AFTER = 350;

interface Check {
  of: string;
  ok: boolean;
  reason: string | null;
  advice: string | null;
}

function Rule({ state, text }: { state: 'good' | 'bad' | 'open'; text: string }) {
  return (
    <li class={`rule rule-${state}`}>
      <Icon name={state === 'good' ? 'check' : state === 'bad' ? 'close' : 'info'} />
      <span>{text}</span>
    </li>
  );
}

export function PasswordTab() {
  const [old, setOld] = useState('');
  const [next, setNext] = useState('');
  const [again, setAgain] = useState('');
  const [shown, setShown] = useState(false);
  const [check, setCheck] = useState<Check | null>(null);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const [done, setDone] = useState<string | null>(null);
  const first = useRef<HTMLInputElement>(null);
  const least = own.value?.passwordMinLength ?? 8;
  const length = [...next].length;

  useEffect(() => {
    if (length < least) return;
    const timer = setTimeout(() => {
      client.call('Password/check', { new: next, language: language.value }).then(
        (a) => setCheck({ of: next, ok: a.ok, reason: a.reason, advice: a.advice }),
        () => undefined,
      );
    }, CHECK_AFTER);
    return () => clearTimeout(timer);
  }, [next, language.value]);

  const current = check?.of === next ? check : null;
  const minutes = formatNumber(Math.ceil((own.value?.lockout.closeSeconds ?? 1200) / 60));

  const submit = async (e: Event) => {
    e.preventDefault();
    if (busy) return;
    setDone(null);
    if (next !== again) {
      setProblem(s('password.differ'));
      return;
    }
    setBusy(true);
    setProblem(null);
    try {
      const a = await client.call('Password/change', { old, new: next, language: language.value });
      setOld('');
      setNext('');
      setAgain('');
      setCheck(null);
      setDone(s('password.done', { n: a.endedSessions }));
    } catch (error) {
      const type = error instanceof JmapError ? error.type : '';
      if (type === 'wrongPassword') {
        setProblem(s('password.wrong', { n: (own.value?.lockout.tolerated ?? 4) + 1, minutes }));
        first.current?.select();
      } else if (type === 'blocked') {
        const until = (error as JmapError).extra.until;
        setProblem(typeof until === 'string' ? s('password.blocked', { time: clockTime(until) }) : s('password.blockedSoon', { minutes }));
      } else if (type === 'passwordRule') setProblem((error as JmapError).detail ?? errorText(error));
      else setProblem(errorText(error));
    } finally {
      setBusy(false);
    }
  };
  const type = (shown ? 'text' : 'password') as 'password';
  return (
    <form class="narrow" method="post" onSubmit={submit} noValidate>
      <p class="intro">{s('password.intro')}</p>
      <Problem text={problem} />
      <Done text={done} />
      <input class="unseen" type="text" name="username" autocomplete="username" value={address.value} readOnly tabIndex={-1} aria-hidden="true" />
      <label class="field">
        <span>{s('password.old')}</span>
        <input ref={first} class="input" type={type} name="old" autocomplete="current-password" value={old} onInput={(e) => setOld(e.currentTarget.value)} required />
      </label>
      <label class="field">
        <span>{s('password.new')}</span>
        <input class="input" type={type} name="new" autocomplete="new-password" maxLength={own.value?.passwordMaxLength ?? 256} value={next} aria-describedby="password-rules" onInput={(e) => setNext(e.currentTarget.value)} required />
      </label>
      <ul class="rules" id="password-rules" aria-live="polite">
        <Rule state={length === 0 ? 'open' : length >= least ? 'good' : 'bad'} text={s('password.length', { n: least })} />
        {length >= least && !current && <Rule state="open" text={s('password.checking')} />}
        {length >= least && current && !current.ok && <Rule state="bad" text={current.reason ?? ''} />}
        {length >= least && current?.ok && <Rule state="good" text={s(current.advice ? 'password.allowed' : 'password.good')} />}
        {length >= least && current?.advice && <Rule state="open" text={current.advice} />}
        {again && <Rule state={again === next ? 'good' : 'bad'} text={s('password.same')} />}
      </ul>
      <label class="field">
        <span>{s('password.again')}</span>
        <input class="input" type={type} name="again" autocomplete="new-password" value={again} onInput={(e) => setAgain(e.currentTarget.value)} required />
      </label>
      <label class="check">
        <input type="checkbox" checked={shown} onChange={(e) => setShown(e.currentTarget.checked)} />
        {s('password.show')}
      </label>
      <Button kind="primary" type="submit" busy={busy} disabled={!old || length < least || !again || current?.ok === false}>
        {s('password.change')}
      </Button>
    </form>
  );
}
