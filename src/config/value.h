/* One setting's value: from text into the configuration object. */
#ifndef DEPESCHE_CONFIG_VALUE_H
#define DEPESCHE_CONFIG_VALUE_H

#include "config/config.h"

/* Reads `text` for setting s into c (memory from c->arena); list settings are appended to when
 * `append`. On ERR_INPUT *detail may be set to a static text that says more than
 * setting_expects(). */
must_use enum error value_read(struct config *c, const struct setting *s, struct slice text,
                               bool append, const char **detail);
/* Fits in a greeting and a certificate: letters, digits, '-' and '.'. */
bool value_good_host(struct slice s);
bool setting_is_list(const struct setting *s);

#endif
