// The login: address, password, and plain words when it does not work.

import { useEffect, useRef, useState } from 'preact/hooks';
import { clockTime, language, t } from '../i18n/index.ts';
import { login } from '../jmap/login.ts';
import type { LoginAnswer } from '../jmap/login.ts';
import { address as known, ended } from '../state/app.ts';
import { chooseLanguage } from '../state/settings.ts';
import { start } from '../state/start.ts';
import { Button, IconButton } from '../ui/button.tsx';
import { Icon } from '../ui/icon.tsx';

function problem(a: LoginAnswer): string {
  switch (a.type) {
    case 'blocked':
      return a.until ? t('login.blocked', { time: clockTime(a.until) }) : t('login.blockedSoon');
    case 'ok':
      return '';
    default:
      return t(`login.${a.type}`);
  }
}

export function Login() {
  const [answer, setAnswer] = useState<LoginAnswer | 'empty' | null>(null);
  const [busy, setBusy] = useState(false);
  const [shown, setShown] = useState(false);
  const address = useRef<HTMLInputElement>(null);
  const password = useRef<HTMLInputElement>(null);
  useEffect(() => {
    document.title = `${t('login.title')} – Depesche`;
    (address.current!.value ? password : address).current!.focus();
  }, []);

  const submit = async (e: Event) => {
    e.preventDefault();
    const who = address.current!.value.trim();
    const secret = password.current!.value;
    if (!who || !secret) {
      setAnswer('empty');
      (who ? password : address).current!.focus();
      return;
    }
    setBusy(true);
    const a = await login(who, secret);
    if (a.type === 'ok') {
      // Nobody finds what another one left open.
      if (known.value && known.value.toLowerCase() !== a.address.toLowerCase()) {
        location.reload();
        return;
      }
      await start();
      setBusy(false);
      return;
    }
    setBusy(false);
    setAnswer(a);
    if (a.type === 'wrong') password.current?.select();
  };

  const text = answer === 'empty' ? t('login.empty') : answer ? problem(answer) : '';
  return (
    <main class="login">
      <form class="login-card" method="post" onSubmit={submit} noValidate aria-busy={busy}>
        <div class="brand">
          <Icon name="brand" />
          <h1>Depesche</h1>
        </div>
        {ended.value && !answer && <p class="notice">{t('login.ended')}</p>}
        <div role="alert">{text && <p class="notice notice-danger" id="login-problem">{text}</p>}</div>
        <label class="field">
          <span>{t('login.address')}</span>
          <input
            ref={address}
            class="input"
            type="email"
            name="username"
            autocomplete="username"
            inputMode="email"
            autocapitalize="none"
            spellcheck={false}
            defaultValue={known.value}
            aria-describedby={text ? 'login-problem' : undefined}
            required
          />
        </label>
        <label class="field">
          <span>{t('login.password')}</span>
          <span class="input-group">
            <input
              ref={password}
              class="input"
              type={(shown ? 'text' : 'password') as 'password'}
              name="password"
              autocomplete="current-password"
              aria-invalid={answer !== null && answer !== 'empty' && answer.type === 'wrong'}
              aria-describedby={text ? 'login-problem' : undefined}
              required
            />
            <IconButton
              icon="eye"
              label={t(shown ? 'login.hide' : 'login.show')}
              pressed={shown}
              onClick={() => setShown(!shown)}
            />
          </span>
        </label>
        <Button kind="primary" type="submit" busy={busy} disabled={busy} class="wide">
          {t('login.submit')}
        </Button>
        <footer class="login-foot">
          <a href={`/?lang=${language.value}`}>{t('login.details')}</a>
          <button type="button" class="linkish" lang={language.value === 'de' ? 'en' : 'de'} onClick={() => chooseLanguage(language.value === 'de' ? 'en' : 'de')}>
            {t('login.language')}
          </button>
        </footer>
      </form>
    </main>
  );
}
