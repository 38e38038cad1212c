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
/* A name in the DNS, '_' allowed, perhaps with its last dot. */
bool value_good_name(struct slice s);
bool value_good_path(struct slice s);
/* "host:port" or "[2001:db8::1]:port"; empty text gives the host "". Memory from c->arena. */
must_use enum error value_next_hop(struct config *c, struct slice text,
                                   struct config_next_hop *out);
/* A list setting: its items are appended, or replace what is there. */
must_use enum error value_read_list(struct config *c, const struct setting *s, struct slice text,
                                    bool append, const char **detail);
/* The number of items of a list setting, and item i. */
size_t value_list_length(const struct config *c, const struct setting *s);
const void *value_list_item(const struct config *c, const struct setting *s, size_t i);
bool setting_is_list(const struct setting *s);

#endif
