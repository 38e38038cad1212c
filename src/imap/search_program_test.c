/* Search programs: what is read, and a comparison with a second way of evaluating. The generator
 * writes a random program as text and works out its answer for all messages at once as a set of
 * bits; the parser and the evaluator must come to the same. */
#include "imap/search_program.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { MESSAGES = 64, MAX_TEXTS = 40, ROUNDS = 4000 };

struct world {
    struct snapshot_entry entry[MESSAGES];
    struct search_facts facts[MESSAGES];
    struct uid_range saved[3];
    bool hits[MAX_TEXTS][MESSAGES];
    struct keyword_table keywords;
};

static uint64_t seed = 1;

static uint32_t pick_below(uint32_t bound)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(seed >> 33) % bound;
}

static void make_world(struct world *w)
{
    uint32_t uid = 0;
    memset(w, 0, sizeof *w);
    for (size_t i = 0; i < MESSAGES; i++) {
        uid += 1 + pick_below(3);
        w->entry[i] = (struct snapshot_entry){uid, pick_below(20), pick_below(128), pick_below(30)};
        w->facts[i] =
            (struct search_facts){1 + pick_below(5), 1 + pick_below(5), 20000 + pick_below(6),
                                  20000 + pick_below(6), pick_below(4) != 0};
        for (size_t k = 0; k < MAX_TEXTS; k++)
            w->hits[k][i] = pick_below(2);
    }
    w->saved[0] = (struct uid_range){5, 9};
    w->saved[1] = (struct uid_range){20, 40};
    w->saved[2] = (struct uid_range){60, UINT32_MAX};
    w->keywords.n = 2;
    w->keywords.name[0] = SLICE("$Junk");
    w->keywords.name[1] = SLICE("Work");
}

/* --- The other way --- */

struct generator {
    const struct world *w;
    struct buf text;
    size_t texts;
    unsigned depth;
};

static uint64_t generate(struct generator *g);

#define EACH(condition)                                                                            \
    do {                                                                                           \
        for (uint32_t i = 0; i < MESSAGES; i++) {                                                  \
            const struct snapshot_entry *e = &g->w->entry[i];                                      \
            const struct search_facts *f = &g->w->facts[i];                                        \
            (void)e;                                                                               \
            (void)f;                                                                               \
            if (condition)                                                                         \
                bits |= UINT64_C(1) << i;                                                          \
        }                                                                                          \
    } while (0)

static uint64_t generate_flag(struct generator *g)
{
    static const struct {
        const char *name;
        uint64_t mask, want;
    } flags[] = {{"SEEN", 1, 1},         {"UNSEEN", 1, 0},          {"ANSWERED", 2, 2},
                 {"UNANSWERED", 2, 0},   {"FLAGGED", 4, 4},         {"UNFLAGGED", 4, 0},
                 {"DELETED", 8, 8},      {"UNDELETED", 8, 0},       {"DRAFT", 16, 16},
                 {"UNDRAFT", 16, 0},     {"KEYWORD $junk", 32, 32}, {"UNKEYWORD work", 64, 0},
                 {"KEYWORD none", 0, 1}, {"UNKEYWORD none", 0, 0},  {"ALL", 0, 0},
                 {"OLD", 0, 0},          {"RECENT", 0, 1},          {"NEW", 0, 1}};
    uint32_t k = pick_below(sizeof flags / sizeof *flags);
    uint64_t bits = 0;
    buf_str(&g->text, flags[k].name);
    EACH((e->flags & flags[k].mask) == flags[k].want);
    return bits;
}

static uint64_t generate_number(struct generator *g)
{
    uint32_t n = pick_below(20);
    uint64_t bits = 0;
    switch (pick_below(4)) {
    case 0:
        buf_printf(&g->text, "LARGER %u", n);
        EACH(e->size > n);
        break;
    case 1:
        buf_printf(&g->text, "SMALLER %u", n);
        EACH(e->size < n);
        break;
    case 2:
        buf_printf(&g->text, "MODSEQ %u", n);
        EACH(e->modseq >= n);
        break;
    default:
        buf_printf(&g->text, "MODSEQ \"/flags/\\\\draft\" all %u", n);
        EACH(e->modseq >= n);
        break;
    }
    return bits;
}

static uint64_t generate_date(struct generator *g)
{
    /* 20,000 days after 1970 is 4 October 2024. */
    uint32_t d = pick_below(6);
    uint64_t bits = 0;
    switch (pick_below(6)) {
    case 0:
        buf_printf(&g->text, "BEFORE %u-Oct-2024", 4 + d);
        EACH(f->internal_day < 20000 + d);
        break;
    case 1:
        buf_printf(&g->text, "ON \"%02u-oct-2024\"", 4 + d);
        EACH(f->internal_day == 20000 + d);
        break;
    case 2:
        buf_printf(&g->text, "SINCE %u-Oct-2024", 4 + d);
        EACH(f->internal_day >= 20000 + d);
        break;
    case 3:
        buf_printf(&g->text, "SENTBEFORE %u-Oct-2024", 4 + d);
        EACH(f->has_sent && f->sent_day < 20000 + d);
        break;
    case 4:
        buf_printf(&g->text, "SENTON %u-Oct-2024", 4 + d);
        EACH(f->has_sent && f->sent_day == 20000 + d);
        break;
    default:
        buf_printf(&g->text, "SENTSINCE %u-Oct-2024", 4 + d);
        EACH(f->has_sent && f->sent_day >= 20000 + d);
        break;
    }
    return bits;
}

static uint64_t generate_set(struct generator *g)
{
    uint32_t a = 1 + pick_below(MESSAGES), b = 1 + pick_below(MESSAGES);
    uint32_t low = a < b ? a : b, high = a < b ? b : a;
    uint32_t last = g->w->entry[MESSAGES - 1].uid;
    uint64_t bits = 0;
    switch (pick_below(5)) {
    case 0:
        buf_printf(&g->text, "%u:%u,%u", a, b, a);
        EACH(i + 1 >= low && i + 1 <= high);
        break;
    case 1:
        buf_printf(&g->text, "UID %u:*,%u", b, a);
        EACH(e->uid >= b || e->uid == a);
        break;
    case 2:
        buf_printf(&g->text, "UID *:%u", last + 10);
        EACH(e->uid == last);
        break;
    case 3:
        buf_str(&g->text, pick_below(2) ? "$" : "UID $");
        EACH((e->uid >= 5 && e->uid <= 9) || (e->uid >= 20 && e->uid <= 40) || e->uid >= 60);
        break;
    default:
        buf_printf(&g->text, "*,%u", MESSAGES + 1);
        EACH(i + 1 == MESSAGES);
        break;
    }
    return bits;
}

static uint64_t generate_id(struct generator *g)
{
    uint32_t n = 1 + pick_below(5);
    uint64_t bits = 0;
    if (pick_below(2)) {
        buf_printf(&g->text, "EMAILID M%u", n);
        EACH(f->email_id == n);
    } else {
        buf_printf(&g->text, "THREADID T%u", n);
        EACH(f->thread_id == n);
    }
    return bits;
}

static uint64_t generate_text(struct generator *g)
{
    static const char *const words[] = {"SUBJECT", "FROM", "TO",   "CC",
                                        "BCC",     "BODY", "TEXT", "HEADER X-Y"};
    uint64_t bits = 0;
    if (g->texts == MAX_TEXTS)
        return generate_flag(g);
    buf_printf(&g->text, "%s needle", words[pick_below(sizeof words / sizeof *words)]);
    EACH(g->w->hits[g->texts][i]);
    g->texts++;
    return bits;
}

static uint64_t generate_list(struct generator *g)
{
    uint64_t bits = UINT64_MAX;
    uint32_t n = 1 + pick_below(3);
    buf_byte(&g->text, '(');
    for (uint32_t i = 0; i < n; i++) {
        if (i)
            buf_byte(&g->text, ' ');
        bits &= generate(g);
    }
    buf_byte(&g->text, ')');
    return bits;
}

static uint64_t generate_or(struct generator *g)
{
    buf_lit(&g->text, "or ");
    uint64_t a = generate(g);
    buf_byte(&g->text, ' ');
    uint64_t b = generate(g);
    return a | b;
}

static uint64_t generate_not(struct generator *g)
{
    buf_lit(&g->text, "NOT ");
    return ~generate(g);
}

static uint64_t generate(struct generator *g)
{
    static uint64_t (*const kinds[])(struct generator *) = {
        generate_flag, generate_number, generate_date, generate_set, generate_id,
        generate_text, generate_list,   generate_or,   generate_not};
    uint32_t choice = pick_below(g->depth >= 6 ? 6 : sizeof kinds / sizeof *kinds);
    g->depth++;
    uint64_t bits = kinds[choice](g);
    g->depth--;
    return bits;
}

/* --- The comparison --- */

static void parse(struct arena *a, struct slice text, struct search_program *p, enum error expect)
{
    struct imap_text t = {.text = text};
    struct imap_lexer l;
    lex_init(&l, a, &t);
    search_parse(&l, p);
    enum error e = lex_end(&l);
    if (e != expect)
        fail_msg("%.*s: %s", SLICE_FMT(text), l.why ? l.why : error_name(e));
}

static void bind_to(struct world *w, struct search_program *p)
{
    search_bind(p, &(struct search_binding){
                       .last_seq = MESSAGES,
                       .last_uid = w->entry[MESSAGES - 1].uid,
                       .saved = w->saved,
                       .n_saved = 3,
                       .keywords = &w->keywords,
                   });
}

/* With everything known there is no MAYBE; with less there is MAYBE or the same. */
static void check_message(const struct world *w, const struct search_program *p, uint32_t i,
                          bool expect, struct slice text)
{
    struct search_subject s = {.seq = i + 1,
                               .entry = &w->entry[i],
                               .facts = &w->facts[i],
                               .hits = &w->hits[0][i],
                               .stride = MESSAGES};
    enum search_truth want = expect ? SEARCH_TRUE : SEARCH_FALSE;
    if (search_evaluate(p->root, &s) != want)
        fail_msg("%.*s: message %u", SLICE_FMT(text), i + 1);
    s.hits = NULL;
    enum search_truth without_texts = search_evaluate(p->root, &s);
    s.facts = NULL;
    enum search_truth snapshot_only = search_evaluate(p->root, &s);
    if ((without_texts != SEARCH_MAYBE && without_texts != want) ||
        (snapshot_only != SEARCH_MAYBE && snapshot_only != want))
        fail_msg("%.*s: message %u decided wrong too early", SLICE_FMT(text), i + 1);
    if (!p->n_texts)
        assert_int_not_equal(without_texts, SEARCH_MAYBE);
    if (!p->n_texts && !p->needs_row)
        assert_int_not_equal(snapshot_only, SEARCH_MAYBE);
}

static void agrees_with_another_way(void **state)
{
    static struct world w;
    for (unsigned round = 0; round < ROUNDS; round++) {
        seed = round + 1;
        make_world(&w);
        struct generator g = {.w = &w};
        autobuf text = BUF_INIT(1 << 20);
        g.text = text;
        uint64_t bits = generate(&g);
        for (uint32_t more = pick_below(3); more; more--) {
            buf_byte(&g.text, ' ');
            bits &= generate(&g);
        }
        text = g.text;
        autoarena a;
        arena_init(&a, 1 << 22);
        struct search_program p;
        parse(&a, buf_slice(&text), &p, OK);
        assert_int_equal(p.n_texts, g.texts);
        bind_to(&w, &p);
        for (uint32_t i = 0; i < MESSAGES; i++)
            check_message(&w, &p, i, bits >> i & 1, buf_slice(&text));
    }
}

/* --- Reading --- */

static void reads_text_keys(void **state)
{
    autoarena a;
    arena_init(&a, 1 << 20);
    struct search_program p;
    parse(&a,
          SLICE("CHARSET iso-8859-1 SUBJECT \"Gr\xFC\xDF"
                "e\" HEADER X-A \"\" TEXT \"\" FROM x"),
          &p, OK);
    assert_true(p.has_charset);
    assert_false(p.bad_charset);
    assert_int_equal(p.n_texts, 3);
    assert_int_equal(p.texts[0].field, TEXT_SUBJECT);
    assert_true(slice_eq(p.texts[0].needle, SLICE("Gr\xC3\xBC\xC3\x9F"
                                                  "e")));
    assert_int_equal(p.texts[1].field, TEXT_HEADER);
    assert_true(slice_eq(p.texts[1].header, SLICE("X-A")));
    assert_int_equal(p.texts[1].needle.n, 0);
    assert_int_equal(p.texts[2].field, TEXT_FROM);
    parse(&a, SLICE("CHARSET klingon SUBJECT x"), &p, OK);
    assert_true(p.bad_charset);
}

static void refuses_malformed(void **state)
{
    static const char *const wrong[] = {"",
                                        "UNKNOWN",
                                        "NOT",
                                        "OR SEEN",
                                        "OR SEEN ",
                                        "(SEEN",
                                        "SEEN)",
                                        "()",
                                        "LARGER",
                                        "LARGER -1",
                                        "BEFORE",
                                        "BEFORE 1",
                                        "KEYWORD",
                                        "UID",
                                        "UID x",
                                        "0",
                                        "1:",
                                        "HEADER X",
                                        "SEEN  SEEN",
                                        "MODSEQ",
                                        "MODSEQ \"x\" 1",
                                        "CHARSET utf-8",
                                        "BEFORE 1-Foo-2020",
                                        "SUBJECT",
                                        "SEENUNSEEN"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        autoarena a;
        arena_init(&a, 1 << 20);
        struct search_program p;
        parse(&a, slice_str(wrong[i]), &p, ERR_INPUT);
    }
}

static void repeated(const char *piece, unsigned n, const char *end, enum error expect)
{
    autobuf text = BUF_INIT(1 << 20);
    for (unsigned i = 0; i < n; i++)
        buf_str(&text, piece);
    buf_str(&text, end);
    autoarena a;
    arena_init(&a, 1 << 22);
    struct search_program p;
    parse(&a, buf_slice(&text), &p, expect);
}

static void has_limits(void **state)
{
    repeated("NOT ", LIMIT_IMAP_NESTING - 1, "SEEN", OK);
    repeated("NOT ", LIMIT_IMAP_NESTING, "SEEN", ERR_LIMIT);
    repeated("NOT ", 10000, "SEEN", ERR_LIMIT);
    repeated("OR SEEN ", 10000, "SEEN", ERR_LIMIT);
    repeated("(", 10000, "SEEN", ERR_LIMIT);
    repeated("SEEN ", LIMIT_IMAP_SEARCH_KEYS - 1, "SEEN", OK);
    repeated("SEEN ", LIMIT_IMAP_SEARCH_KEYS, "SEEN", ERR_LIMIT);
}

static void reads_the_sent_day(void **state)
{
    static const struct {
        struct slice envelope;
        bool has;
        int64_t day;
    } envelopes[] = {
        {SLICE_INIT("(\"Fri, 4 Oct 2024 23:30:00 -0500\" \"s\" NIL)"), true, 20000},
        {SLICE_INIT("(\"Fri, 4 Oct 2024 00:30:00 +0900\" \"s\" NIL)"), true, 20000},
        {SLICE_INIT("({30}\r\nFri, 4 Oct 2024 00:30:00 +0900 NIL NIL)"), true, 20000},
        {SLICE_INIT("(NIL \"s\" NIL)"), false, 0},
        {SLICE_INIT("(\"yesterday\" \"s\" NIL)"), false, 0},
        {SLICE_INIT("({9"), false, 0},
        {SLICE_INIT("({99999}"), false, 0},
        {SLICE_INIT(""), false, 0},
    };
    for (size_t i = 0; i < sizeof envelopes / sizeof *envelopes; i++) {
        int64_t day = 0;
        assert_int_equal(search_sent_day(envelopes[i].envelope, &day), envelopes[i].has);
        assert_int_equal(day, envelopes[i].day);
    }
    assert_int_equal(search_day(0, 0), 0);
    assert_int_equal(search_day(-1, 0), -1);
    assert_int_equal(search_day(0, -1), -1);
    assert_int_equal(search_day(86399, 1), 1);
    assert_int_equal(search_day(-86400, 0), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_another_way), cmocka_unit_test(reads_text_keys),
        cmocka_unit_test(refuses_malformed),       cmocka_unit_test(has_limits),
        cmocka_unit_test(reads_the_sent_day),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
