/* Emails as groups of copies; see email_group.h. */
#include "jmap/email_group.h"

#include "base/mem.h"

struct email_group email_group_at(const struct view *v, size_t position)
{
    size_t n;
    const struct view_message *m = view_messages(v, &n);
    size_t first = position, end = position + 1;
    while (first > 0 && m[first - 1].email == m[position].email)
        first--;
    while (end < n && m[end].email == m[position].email)
        end++;
    return (struct email_group){m + first, end - first, first};
}

const struct view_message *email_group_copy(const struct email_group *g)
{
    for (size_t i = 0; i < g->n; i++)
        if (email_copy_visible(&g->copy[i]))
            return &g->copy[i];
    return NULL;
}

bool email_group_find(const struct view *v, uint64_t email, struct email_group *out)
{
    size_t n;
    const uint32_t *position = view_email(v, email, &n);
    if (n == 0)
        return false;
    *out = email_group_at(v, position[0]);
    return email_group_copy(out) != NULL;
}

uint64_t email_group_flags(const struct email_group *g, bool *visible)
{
    uint64_t flags = 0;
    *visible = false;
    for (size_t i = 0; i < g->n; i++) {
        if (!email_copy_visible(&g->copy[i]))
            continue;
        *visible = true;
        flags |= g->copy[i].flags;
    }
    return flags;
}

/* --- Keywords --- */

static const struct {
    uint64_t flag;
    struct slice name;
} system_keywords[] = {
    {FLAG_SEEN, SLICE_INIT("$seen")},
    {FLAG_ANSWERED, SLICE_INIT("$answered")},
    {FLAG_FLAGGED, SLICE_INIT("$flagged")},
    {FLAG_DRAFT, SLICE_INIT("$draft")},
};
enum { SYSTEM_KEYWORDS = sizeof system_keywords / sizeof system_keywords[0] };

void email_write_keywords(struct json_writer *w, uint64_t flags, const struct keyword_table *t)
{
    jw_object(w);
    for (size_t i = 0; i < SYSTEM_KEYWORDS; i++)
        if (flags & system_keywords[i].flag) {
            jw_key_text(w, system_keywords[i].name);
            jw_bool(w, true);
        }
    for (size_t k = 0; k < t->n; k++) {
        if (!(flags >> (FLAG_KEYWORD_SHIFT + k) & 1))
            continue;
        uint8_t lower[LIMIT_KEYWORD_NAME];
        size_t n = 0;
        for (; n < t->name[k].n && n < sizeof lower; n++)
            lower[n] = ascii_lower(t->name[k].p[n]);
        jw_key_text(w, slice_of(lower, n));
        jw_bool(w, true);
    }
    jw_end(w);
}

uint64_t email_keyword_bit(const struct keyword_table *t, struct slice name)
{
    for (size_t i = 0; i < SYSTEM_KEYWORDS; i++)
        if (slice_ieq(name, system_keywords[i].name))
            return system_keywords[i].flag;
    for (size_t k = 0; k < t->n; k++)
        if (slice_ieq(name, t->name[k]))
            return UINT64_C(1) << (FLAG_KEYWORD_SHIFT + k);
    return 0;
}

/* --- Sets --- */

enum { FIRST_CAP = 256 };

/* Numbers are counted up by the store, never chosen by others: no secret is needed. */
static size_t place(uint64_t number, size_t cap)
{
    return (size_t)((number * UINT64_C(0x9E3779B97F4A7C15)) >> 20) & (cap - 1);
}

static void number_set_grow(struct number_set *s)
{
    struct number_set old = *s;
    s->cap = old.cap ? old.cap * 4 : FIRST_CAP;
    s->slot = mem_array(s->cap, sizeof *s->slot);
    for (size_t i = 0; i < old.cap; i++) {
        if (old.slot[i] == 0)
            continue;
        size_t at = place(old.slot[i], s->cap);
        while (s->slot[at] != 0)
            at = (at + 1) & (s->cap - 1);
        s->slot[at] = old.slot[i];
    }
    mem_free(old.slot);
}

bool number_set_add(struct number_set *s, uint64_t number)
{
    if (s->n * 2 >= s->cap)
        number_set_grow(s);
    size_t at = place(number + 1, s->cap);
    for (; s->slot[at] != 0; at = (at + 1) & (s->cap - 1))
        if (s->slot[at] == number + 1)
            return false;
    s->slot[at] = number + 1;
    s->n++;
    return true;
}

bool number_set_has(const struct number_set *s, uint64_t number)
{
    if (s->n == 0)
        return false;
    size_t at = place(number + 1, s->cap);
    for (; s->slot[at] != 0; at = (at + 1) & (s->cap - 1))
        if (s->slot[at] == number + 1)
            return true;
    return false;
}

void number_set_free(struct number_set *s)
{
    mem_free(s->slot);
    *s = (struct number_set){0};
}

/* --- Threads --- */

static struct thread_flags look_at_thread(const struct view *v, uint64_t thread)
{
    struct thread_flags f = {thread + 1, UINT64_MAX, 0};
    size_t n, total;
    const uint32_t *position = view_thread(v, thread, &n);
    const struct view_message *m = view_messages(v, &total);
    /* Copies of one email stand one after the other. */
    for (size_t i = 0; i < n;) {
        uint64_t email = m[position[i]].email, flags = 0;
        bool visible = false;
        for (; i < n && m[position[i]].email == email; i++) {
            if (!email_copy_visible(&m[position[i]]))
                continue;
            visible = true;
            flags |= m[position[i]].flags;
        }
        if (visible) {
            f.all &= flags;
            f.some |= flags;
        }
    }
    return f;
}

static struct thread_flags *find_thread(struct thread_flags *slot, size_t cap, uint64_t key)
{
    size_t at = place(key, cap);
    while (slot[at].thread != 0 && slot[at].thread != key)
        at = (at + 1) & (cap - 1);
    return &slot[at];
}

struct thread_flags thread_table_get(struct thread_table *t, uint64_t thread)
{
    if (t->n * 2 >= t->cap) {
        struct thread_table old = *t;
        t->cap = old.cap ? old.cap * 4 : FIRST_CAP;
        t->slot = mem_array(t->cap, sizeof *t->slot);
        for (size_t i = 0; i < old.cap; i++)
            if (old.slot[i].thread != 0)
                *find_thread(t->slot, t->cap, old.slot[i].thread) = old.slot[i];
        mem_free(old.slot);
    }
    struct thread_flags *f = find_thread(t->slot, t->cap, thread + 1);
    if (f->thread == 0) {
        *f = look_at_thread(t->view, thread);
        t->n++;
    }
    return *f;
}

void thread_table_free(struct thread_table *t)
{
    mem_free(t->slot);
    t->slot = NULL;
    t->n = t->cap = 0;
}
