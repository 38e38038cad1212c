/* Fuzz target: the configuration file. What is read must print and read back as the same. */
#include "config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config *c, *again;
    char why[CONFIG_WHY];
    if (config_parse(slice_of(data, size), "fuzz", &c, why))
        return 0;
    size_t n;
    const struct setting *s = config_settings(&n);
    for (size_t i = 0; i < n; i++) {
        autobuf text = BUF_INIT(LIMIT_CONFIG_SIZE);
        buf_printf(&text, "[%s]\n%s = ", s[i].section, s[i].name);
        config_print_value(c, &s[i], &text);
        if (text.failed || config_parse(buf_slice(&text), "again", &again, why))
            abort();
        if (!config_same(c, again, &s[i]))
            abort();
        config_free(again);
    }
    config_free(c);
    return 0;
}
