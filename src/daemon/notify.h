/* Telling the service manager how it stands (sd_notify's protocol, without its library). */
#ifndef DEPESCHE_DAEMON_NOTIFY_H
#define DEPESCHE_DAEMON_NOTIFY_H

/* Sends the text ("READY=1") to $NOTIFY_SOCKET; nothing happens when there is none. */
void notify_system(const char *text);

#endif
