/* Fuzz target: a date that was parsed must print to one that parses to the same instant. */
#include "base/date.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(struct date d, enum error (*parse)(struct slice, struct date *),
                  void (*print)(struct date, struct buf *))
{
    /* A zone can carry the first and last day over the border of the years that can be written. */
    struct civil c = date_to_civil(d.seconds + INT64_C(60) * d.zone);
    if (c.year < 1 || c.year > 9999)
        bug("a year out of range");
    autobuf text = BUF_INIT(100);
    struct date again;
    print(d, &text);
    if (parse(buf_slice(&text), &again) != OK || again.seconds != d.seconds || again.zone != d.zone)
        bug("printed differently: %.*s", SLICE_FMT(buf_slice(&text)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice in = slice_of(data, size);
    struct date d;
    int64_t t, again;
    if (date_parse_rfc5322(in, &d) == OK)
        check(d, date_parse_rfc5322, date_print_rfc5322);
    if (date_parse_imap(in, &d) == OK)
        check(d, date_parse_imap, date_print_imap);
    if (date_parse_imap_day(in, &t) == OK && t % 86400 != 0)
        bug("a day that does not begin at midnight");
    if (date_parse_iso(in, &t) == OK) {
        autobuf text = BUF_INIT(100);
        date_print_iso(t, &text);
        if (date_parse_iso(buf_slice(&text), &again) != OK || again != t)
            bug("an ISO date printed differently");
    }
    return 0;
}
