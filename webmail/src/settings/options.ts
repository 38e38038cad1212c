// The tabs of the settings, in their order.

export type SettingsTab =
  | 'password'
  | 'appearance'
  | 'identities'
  | 'absence'
  | 'sessions'
  | 'storage'
  | 'deleted'
  | 'export'
  | 'server';
