// The absence notice (VacationResponse).

import { useState } from 'preact/hooks';
import { t } from '../i18n/index.ts';
import type { VacationResponse } from '../jmap/types.ts';
import { client } from '../state/app.ts';
import { errorText, throwSetErrors } from '../state/errors.ts';
import { Button } from '../ui/button.tsx';
import { Icon } from '../ui/icon.tsx';
import { Done, Problem, Show, useLoad } from './load.tsx';
import { s } from './words.ts';

// Days as people mean them: from the first one's beginning to the last one's end, here.
const dayOf = (iso: string | null, back = 0) => {
  if (!iso) return '';
  const d = new Date(new Date(iso).getTime() - back);
  return `${d.getFullYear()}-${String(d.getMonth() + 1).padStart(2, '0')}-${String(d.getDate()).padStart(2, '0')}`;
};
const startOf = (day: string, plus = 0) => {
  if (!day) return null;
  const d = new Date(`${day}T00:00:00`);
  d.setDate(d.getDate() + plus);
  return d.toISOString().replace(/\.\d+Z$/, 'Z');
};

function Form({ v }: { v: VacationResponse }) {
  const [on, setOn] = useState(v.isEnabled);
  const [from, setFrom] = useState(dayOf(v.fromDate));
  const [until, setUntil] = useState(dayOf(v.toDate, 1000));
  const [subject, setSubject] = useState(v.subject ?? '');
  const [text, setText] = useState(v.textBody ?? '');
  const [problem, setProblem] = useState<string | null>(null);
  const [done, setDone] = useState(false);
  const [busy, setBusy] = useState(false);
  const edited = <T,>(set: (x: T) => void) => (x: T) => {
    setDone(false);
    set(x);
  };
  const submit = async (e: Event) => {
    e.preventDefault();
    if (busy) return;
    setProblem(null);
    if (from && until && until < from) {
      setProblem(s('absence.order'));
      return;
    }
    setBusy(true);
    try {
      const a = await client.call('VacationResponse/set', {
        update: {
          singleton: { isEnabled: on, fromDate: startOf(from), toDate: startOf(until, 1), subject: subject.trim() || null, textBody: text.trim() ? text : null, htmlBody: null },
        },
      });
      throwSetErrors(a.notUpdated);
      setDone(true);
    } catch (error) {
      setProblem(errorText(error));
    } finally {
      setBusy(false);
    }
  };
  return (
    <form class="narrow" onSubmit={submit}>
      <p class="intro">{s('absence.intro')}</p>
      <p class="notice"><Icon name="info" /><span>{s('absence.note')}</span></p>
      <Problem text={problem} />
      <Done text={done ? s('saved') : null} />
      <label class="check">
        <input type="checkbox" checked={on} onChange={(e) => edited(setOn)(e.currentTarget.checked)} />
        {s('absence.on')}
      </label>
      <div class="pair">
        <label class="field">
          <span>{s('absence.from')}</span>
          <input class="input" type="date" value={from} onInput={(e) => edited(setFrom)(e.currentTarget.value)} />
        </label>
        <label class="field">
          <span>{s('absence.until')}</span>
          <input class="input" type="date" value={until} onInput={(e) => edited(setUntil)(e.currentTarget.value)} />
        </label>
      </div>
      <label class="field">
        <span>{s('absence.subject')}</span>
        <input class="input" type="text" maxLength={500} value={subject} onInput={(e) => edited(setSubject)(e.currentTarget.value)} />
      </label>
      <label class="field">
        <span>{s('absence.text')}</span>
        <textarea class="input area" rows={7} value={text} onInput={(e) => edited(setText)(e.currentTarget.value)} />
      </label>
      <Button kind="primary" type="submit" busy={busy}>{t('save')}</Button>
    </form>
  );
}

export function AbsenceTab() {
  const loaded = useLoad(async () => (await client.call('VacationResponse/get', { ids: null })).list[0]!);
  return <Show of={loaded}>{(v) => <Form v={v} />}</Show>;
}
