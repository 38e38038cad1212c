/* packaging/providers.conf, which the build writes as a C string. */
#ifndef DEPESCHE_QUEUE_PROVIDERS_TEXT_H
#define DEPESCHE_QUEUE_PROVIDERS_TEXT_H

extern const char providers_text[];

#endif
