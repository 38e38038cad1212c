// The tabs of the settings, in their order.

export const TABS = [
  'password', 'appearance', 'identities', 'absence', 'sessions', 'storage', 'deleted', 'waiting', 'export', 'server',
] as const;

export type SettingsTab = (typeof TABS)[number];
