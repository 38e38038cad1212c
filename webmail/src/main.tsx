// Starts the webmail.

import { render } from 'preact';
import { listenKeys } from './keys.ts';
import { applySettings } from './state/settings.ts';
import { start } from './state/start.ts';
import { App } from './views/app.tsx';

applySettings();
listenKeys();
void start();
render(<App />, document.getElementById('app')!);
