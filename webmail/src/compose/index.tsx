// The composer windows.

import { composers } from '../open.ts';

export function Composers() {
  return <>{composers.value.length > 0 && <div class="composers" />}</>;
}
