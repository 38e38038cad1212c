/* Dates as mail writes them; see date.h. The calendar arithmetic counts days of years that begin in
 * March, so that the leap day is the last day of its year. */
#include "base/date.h"

enum { DAY = 86400, ERA_YEARS = 400, ERA_DAYS = 146097, MARCH_0_TO_1970 = 719468 };

/* Of the years 0 and 9999. */
static const int64_t FIRST_SECOND = -62167219200, LAST_SECOND = 253402300799;

static const char day_names[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
static const char month_names[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

static int64_t floor_div(int64_t a, int64_t b)
{
    int64_t q = a / b;
    return a % b < 0 ? q - 1 : q;
}

int64_t date_from_civil(const struct civil *c)
{
    int64_t year = c->month <= 2 ? c->year - 1 : c->year;
    int64_t era = floor_div(year, ERA_YEARS);
    int64_t year_of_era = year - era * ERA_YEARS;
    int64_t month = (c->month + 9) % 12; /* March is 0 */
    int64_t day_of_year = (153 * month + 2) / 5 + c->day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    int64_t days = era * ERA_DAYS + day_of_era - MARCH_0_TO_1970;
    return days * DAY + INT64_C(3600) * c->hour + INT64_C(60) * c->minute + c->second;
}

struct civil date_to_civil(int64_t seconds)
{
    /* Years 0 to 9999: what lies outside (a damaged record) is shown as the nearest. */
    if (seconds < FIRST_SECOND)
        seconds = FIRST_SECOND;
    if (seconds > LAST_SECOND)
        seconds = LAST_SECOND;
    int64_t since = floor_div(seconds, DAY);
    int64_t rest = seconds - since * DAY;
    int64_t days = since + MARCH_0_TO_1970;
    int64_t era = floor_div(days, ERA_DAYS);
    int64_t day_of_era = days - era * ERA_DAYS;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month = (5 * day_of_year + 2) / 153;
    struct civil c;
    c.day = (uint8_t)(day_of_year - (153 * month + 2) / 5 + 1);
    c.month = (uint8_t)(month < 10 ? month + 3 : month - 9);
    c.year = (int32_t)(era * ERA_YEARS + year_of_era + (c.month <= 2));
    c.hour = (uint8_t)(rest / 3600);
    c.minute = (uint8_t)(rest / 60 % 60);
    c.second = (uint8_t)(rest % 60);
    c.weekday = (uint8_t)(((since + 4) % 7 + 7) % 7); /* 1 January 1970 was a Thursday */
    return c;
}

static bool civil_in_range(const struct civil *c)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (c->year < 1 || c->year > 9999 || c->month < 1 || c->month > 12 || c->day < 1)
        return false;
    bool leap = c->year % 4 == 0 && (c->year % 100 != 0 || c->year % 400 == 0);
    if (c->day > days[c->month - 1] + (c->month == 2 && leap))
        return false;
    /* 60 is a leap second; it counts as the next minute's first, which must have a year, too. */
    if (c->hour > 23 || c->minute > 59 || c->second > 60)
        return false;
    return date_from_civil(c) <= LAST_SECOND;
}

/* Takes a run of `min` to `max` digits off `*s`. */
static bool take_number(struct slice *s, size_t min, size_t max, int32_t *value, size_t *digits)
{
    size_t n = 0;
    int32_t v = 0;
    while (n < max && n < s->n && ascii_digit(s->p[n]))
        v = v * 10 + (s->p[n++] - '0');
    if (n < min || (n < s->n && ascii_digit(s->p[n])))
        return false;
    *s = slice_from(*s, n);
    *value = v;
    if (digits != NULL)
        *digits = n;
    return true;
}

static bool take_u8(struct slice *s, size_t min, size_t max, uint8_t *value)
{
    int32_t v;
    if (!take_number(s, min, max, &v, NULL))
        return false;
    *value = (uint8_t)v; /* two digits at most */
    return true;
}

static bool take_byte(struct slice *s, uint8_t byte)
{
    if (s->n == 0 || s->p[0] != byte)
        return false;
    *s = slice_from(*s, 1);
    return true;
}

static struct slice take_word(struct slice *s)
{
    size_t n = 0;
    while (n < s->n && ascii_alpha(s->p[n]))
        n++;
    struct slice word = slice_sub(*s, 0, n);
    *s = slice_from(*s, n);
    return word;
}

static bool take_month(struct slice *s, uint8_t *month)
{
    struct slice word = take_word(s);
    for (uint8_t i = 0; i < 12; i++) {
        if (slice_ieq(word, slice_str(month_names[i]))) {
            *month = (uint8_t)(i + 1);
            return true;
        }
    }
    return false;
}

/* "+hhmm" or "-hhmm" in minutes; minutes over 59 are malformed (RFC 5322 section 3.3). */
static bool take_offset(struct slice *s, int16_t *zone)
{
    bool west = take_byte(s, '-');
    int32_t v;
    if ((!west && !take_byte(s, '+')) || !take_number(s, 4, 4, &v, NULL) || v % 100 > 59)
        return false;
    int32_t minutes = v / 100 * 60 + v % 100;
    *zone = (int16_t)(west ? -minutes : minutes);
    return true;
}

/* Blanks, line ends and comments with quoted pairs (RFC 5322 section 3.2.2). An unclosed comment
 * takes the rest. */
static void skip_cfws(struct slice *s)
{
    size_t depth = 0, i = 0;
    for (; i < s->n; i++) {
        uint8_t c = s->p[i];
        if (c == '(')
            depth++;
        else if (depth > 0 && c == ')')
            depth--;
        else if (depth > 0 && c == '\\' && i + 1 < s->n)
            i++;
        else if (depth == 0 && c != ' ' && c != '\t' && c != '\r' && c != '\n')
            break;
    }
    *s = slice_from(*s, i);
}

/* A zone by number or by name (RFC 5322 section 4.3). Unknown names and the military letters mean
 * that nothing is known: UTC. So does a missing zone, which old software writes. */
static bool take_zone(struct slice *s, int16_t *zone)
{
    static const struct {
        char name[4];
        int16_t hours;
    } named[] = {{"EST", -5}, {"EDT", -4}, {"CST", -6}, {"CDT", -5},
                 {"MST", -7}, {"MDT", -6}, {"PST", -8}, {"PDT", -7}};
    *zone = 0;
    if (s->n == 0)
        return true;
    if (s->p[0] == '+' || s->p[0] == '-')
        return take_offset(s, zone);
    struct slice word = take_word(s);
    if (word.n == 0)
        return false;
    for (size_t i = 0; i < sizeof named / sizeof named[0]; i++)
        if (slice_ieq(word, slice_str(named[i].name)))
            *zone = (int16_t)(named[i].hours * 60);
    return true;
}

static void skip_weekday(struct slice *s)
{
    struct slice word = take_word(s);
    if (word.n == 0)
        return;
    skip_cfws(s);
    take_byte(s, ',');
    skip_cfws(s);
}

static bool take_year(struct slice *s, int32_t *year)
{
    size_t digits;
    if (!take_number(s, 2, 4, year, &digits))
        return false;
    if (digits == 2)
        *year += *year < 50 ? 2000 : 1900;
    else if (digits == 3)
        *year += 1900;
    return true;
}

static bool take_cfws_byte(struct slice *s, uint8_t byte)
{
    struct slice ahead = *s;
    skip_cfws(&ahead);
    if (!take_byte(&ahead, byte))
        return false;
    skip_cfws(&ahead);
    *s = ahead;
    return true;
}

enum error date_parse_rfc5322(struct slice s, struct date *out)
{
    struct civil c = {0};
    int16_t zone;
    skip_cfws(&s);
    skip_weekday(&s);
    if (!take_u8(&s, 1, 2, &c.day))
        return ERR_INPUT;
    skip_cfws(&s);
    if (!take_month(&s, &c.month))
        return ERR_INPUT;
    skip_cfws(&s);
    if (!take_year(&s, &c.year))
        return ERR_INPUT;
    skip_cfws(&s);
    if (!take_u8(&s, 1, 2, &c.hour) || !take_cfws_byte(&s, ':') || !take_u8(&s, 2, 2, &c.minute))
        return ERR_INPUT;
    if (take_cfws_byte(&s, ':') && !take_u8(&s, 2, 2, &c.second))
        return ERR_INPUT;
    skip_cfws(&s);
    if (!take_zone(&s, &zone))
        return ERR_INPUT;
    skip_cfws(&s);
    if (s.n > 0 || !civil_in_range(&c))
        return ERR_INPUT;
    *out = (struct date){date_from_civil(&c) - INT64_C(60) * zone, zone};
    return OK;
}

static char sign(int16_t zone)
{
    return zone < 0 ? '-' : '+';
}

static unsigned hhmm(int16_t zone)
{
    unsigned minutes = (unsigned)(zone < 0 ? -zone : zone);
    return minutes / 60 * 100 + minutes % 60;
}

void date_print_rfc5322(struct date d, struct buf *out)
{
    struct civil c = date_to_civil(d.seconds + INT64_C(60) * d.zone);
    buf_printf(out, "%s, %u %s %04d %02u:%02u:%02u %c%04u", day_names[c.weekday], c.day,
               month_names[c.month - 1], c.year, c.hour, c.minute, c.second, sign(d.zone),
               hhmm(d.zone));
}

static bool take_imap_date(struct slice *s, struct civil *c)
{
    return take_byte(s, '-') && take_month(s, &c->month) && take_byte(s, '-') &&
           take_number(s, 4, 4, &c->year, NULL);
}

static bool take_time(struct slice *s, struct civil *c)
{
    return take_u8(s, 2, 2, &c->hour) && take_byte(s, ':') && take_u8(s, 2, 2, &c->minute) &&
           take_byte(s, ':') && take_u8(s, 2, 2, &c->second);
}

enum error date_parse_imap(struct slice s, struct date *out)
{
    struct civil c = {0};
    int16_t zone;
    bool one_digit = take_byte(&s, ' ');
    size_t width = one_digit ? 1 : 2;
    if (!take_u8(&s, width, width, &c.day) || !take_imap_date(&s, &c) || !take_byte(&s, ' ') ||
        !take_time(&s, &c) || !take_byte(&s, ' ') || !take_offset(&s, &zone) || s.n > 0 ||
        !civil_in_range(&c))
        return ERR_INPUT;
    *out = (struct date){date_from_civil(&c) - INT64_C(60) * zone, zone};
    return OK;
}

/* `n` digits and the byte after them. */
static char *put_digits(char *p, unsigned value, unsigned n, char after)
{
    for (unsigned i = n; i > 0; value /= 10)
        p[--i] = (char)('0' + value % 10);
    p[n] = after;
    return p + n + 1;
}

/* By hand: a FETCH of a mailbox prints thousands, and printf would be a tenth of its time. */
void date_print_imap(struct date d, struct buf *out)
{
    struct civil c = date_to_civil(d.seconds + INT64_C(60) * d.zone);
    char text[32], *p = put_digits(text, c.day, 2, '-');
    memcpy(p, month_names[c.month - 1], 3);
    p[3] = '-';
    p = put_digits(p + 4, (unsigned)c.year, 4, ' ');
    p = put_digits(p, c.hour, 2, ':');
    p = put_digits(p, c.minute, 2, ':');
    p = put_digits(p, c.second, 2, ' ');
    *p++ = sign(d.zone);
    p = put_digits(p, hhmm(d.zone), 4, ' ');
    buf_add(out, slice_of(text, (size_t)(p - 1 - text)));
}

enum error date_parse_imap_day(struct slice s, int64_t *out)
{
    struct civil c = {0};
    if (!take_u8(&s, 1, 2, &c.day) || !take_imap_date(&s, &c) || s.n > 0 || !civil_in_range(&c))
        return ERR_INPUT;
    *out = date_from_civil(&c);
    return OK;
}

void date_print_iso(int64_t seconds, struct buf *out)
{
    struct civil c = date_to_civil(seconds);
    buf_printf(out, "%04d-%02u-%02uT%02u:%02u:%02uZ", c.year, c.month, c.day, c.hour, c.minute,
               c.second);
}

enum error date_parse_iso(struct slice s, int64_t *out)
{
    struct civil c = {0};
    if (!take_number(&s, 4, 4, &c.year, NULL) || !take_byte(&s, '-') ||
        !take_u8(&s, 2, 2, &c.month) || !take_byte(&s, '-') || !take_u8(&s, 2, 2, &c.day) ||
        !take_byte(&s, 'T') || !take_time(&s, &c) || !take_byte(&s, 'Z') || s.n > 0 ||
        !civil_in_range(&c))
        return ERR_INPUT;
    *out = date_from_civil(&c);
    return OK;
}

int16_t date_local_zone(int64_t seconds)
{
    time_t t = (time_t)seconds;
    struct tm local;
    if (localtime_r(&t, &local) == NULL)
        return 0;
    return (int16_t)(local.tm_gmtoff / 60);
}
