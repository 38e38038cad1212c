// What the composer may be asked for; the composer itself is loaded with the first openComposer().

import type { Email, EmailAddress } from '../jmap/types.ts';

export interface ComposeOptions {
  /** reply, replyAll and forward need `email` with its body values; draft continues that email. */
  kind: 'new' | 'reply' | 'replyAll' | 'forward' | 'draft';
  email?: Email;
  /** The mailto: link that was followed (RFC 6068). */
  mailto?: string;
  to?: EmailAddress[];
  subject?: string;
  text?: string;
}
