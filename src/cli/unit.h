/* The systemd unit, packaging/depesche.service, as the build put it into the program. */
#ifndef DEPESCHE_CLI_UNIT_H
#define DEPESCHE_CLI_UNIT_H

extern const char unit_text[];

#endif
