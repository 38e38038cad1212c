/* Tests of identities, absence notices and settings. */
#include "directory/profile.h"

#include "base/test_folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above first. */
#include <cmocka.h>

static struct test_folder folder;
static struct directory *d;
static struct arena arena;
static struct account anna, ben;

static void add(const char *address, const char *name, struct account *out)
{
    assert_int_equal(
        directory_account_add(d, slice_str(address), slice_str(name), SLICE("de"), SLICE_NONE, out),
        OK);
}

static int set_up(void **state)
{
    arena_init(&arena, 16 * 1024 * 1024);
    assert_true(test_folder_make(&folder));
    assert_int_equal(directory_open(test_folder_file(&folder, "directory.db"), &d), OK);
    assert_int_equal(directory_domain_add(d, SLICE("example.org"), SLICE("")), OK);
    add("anna@example.org", "Anna Muster", &anna);
    add("ben@example.org", "", &ben);
    return 0;
}

static int tear_down(void **state)
{
    directory_close(d);
    arena_free(&arena);
    return test_folder_remove(&folder) ? 0 : 1;
}

static void alias(const char *address, const char *target)
{
    assert_int_equal(directory_alias_add(d, slice_str(address), slice_str(target)), OK);
}

static size_t identities(struct identity **out)
{
    size_t n = 0;
    assert_int_equal(directory_identities(d, anna.id, &arena, out, &n), OK);
    return n;
}

static uint64_t state_of(enum profile_kind kind)
{
    uint64_t state = 0;
    assert_int_equal(directory_profile_state(d, anna.id, kind, &state), OK);
    return state;
}

static void expect_email(const struct identity *i, const char *email, bool may_delete)
{
    assert_true(slice_eq(i->email, slice_str(email)));
    assert_int_equal(i->may_delete, may_delete);
}

static void test_own_address(void **state)
{
    struct identity *i;
    assert_int_equal(state_of(PROFILE_IDENTITY), 0);
    assert_int_equal(identities(&i), 1);
    expect_email(i, "anna@example.org", false);
    assert_true(slice_eq(i->name, SLICE("Anna Muster")));
    assert_int_equal(i->bcc.n + i->reply_to.n + i->text_signature.n, 0);
    uint64_t before = state_of(PROFILE_IDENTITY);
    assert_int_equal(identities(&i), 1);
    assert_int_equal(state_of(PROFILE_IDENTITY), before);
    size_t n;
    assert_int_equal(directory_identities(d, 999, &arena, &i, &n), ERR_NOTFOUND);
}

static void test_aliases(void **state)
{
    struct identity *i;
    assert_int_equal(identities(&i), 1);
    alias("info@example.org", "anna@example.org");
    alias("both@example.org", "anna@example.org");
    alias("both@example.org", "ben@example.org");
    assert_int_equal(identities(&i), 2);
    expect_email(&i[0], "anna@example.org", false);
    expect_email(&i[1], "info@example.org", false);
    uint64_t before = state_of(PROFILE_IDENTITY);
    uint32_t id = i[1].id, *gone;
    size_t n;
    assert_int_equal(directory_identity_remove(d, anna.id, id), ERR_AUTH);
    assert_int_equal(directory_alias_remove(d, SLICE("info@example.org"), SLICE("")), OK);
    assert_int_equal(identities(&i), 1);
    assert_int_equal(directory_identities_gone(d, anna.id, before, &arena, &gone, &n), OK);
    assert_int_equal(n, 1);
    assert_int_equal(gone[0], id);
    assert_int_equal(
        directory_identities_gone(d, anna.id, state_of(PROFILE_IDENTITY), &arena, &gone, &n), OK);
    assert_int_equal(n, 0);
}

static void test_made_by_user(void **state)
{
    struct identity *i;
    uint32_t id;
    struct identity new = {.name = SLICE("Work"), .email = SLICE("anna+work@example.org")};
    (void)identities(&i);
    assert_int_equal(directory_identity_add(d, anna.id, &new, &id), OK);
    assert_int_equal(identities(&i), 2);
    assert_int_equal(i[1].id, id);
    expect_email(&i[1], "anna+work@example.org", true);
    uint64_t before = state_of(PROFILE_IDENTITY);
    new.id = id;
    new.email = SLICE("ben@example.org"); /* does not count */
    new.html_signature = SLICE("<p>Gru\xc3\x9f</p>");
    assert_int_equal(directory_identity_change(d, anna.id, &new), OK);
    (void)identities(&i);
    expect_email(&i[1], "anna+work@example.org", true);
    assert_true(slice_eq(i[1].html_signature, new.html_signature));
    assert_true(i[1].changed > before && i[0].changed < before);
    assert_int_equal(directory_identity_change(d, ben.id, &new), ERR_NOTFOUND);
    assert_int_equal(directory_identity_remove(d, ben.id, id), ERR_NOTFOUND);
    assert_int_equal(directory_identity_remove(d, anna.id, id), OK);
    assert_int_equal(directory_identity_remove(d, anna.id, id), ERR_NOTFOUND);
    assert_int_equal(identities(&i), 1);
    /* An id is not given again. */
    uint32_t next;
    new.email = SLICE("anna@example.org");
    assert_int_equal(directory_identity_add(d, anna.id, &new, &next), OK);
    assert_true(next > id);
}

static void test_refused(void **state)
{
    static uint8_t big[LIMIT_SIGNATURE + 1];
    struct identity new = {.email = SLICE("ben@example.org")};
    uint32_t id = 7;
    memset(big, 'x', sizeof big);
    assert_int_equal(directory_identity_add(d, anna.id, &new, &id), ERR_AUTH);
    new.email = SLICE("stranger@elsewhere.example");
    assert_int_equal(directory_identity_add(d, anna.id, &new, &id), ERR_AUTH);
    new.email = SLICE("nobody");
    assert_int_equal(directory_identity_add(d, anna.id, &new, &id), ERR_INPUT);
    new.email = SLICE("anna@example.org");
    new.text_signature = slice_of(big, sizeof big);
    assert_int_equal(directory_identity_add(d, anna.id, &new, &id), ERR_LIMIT);
    assert_int_equal(id, 7);
    assert_int_equal(state_of(PROFILE_IDENTITY), 0);
    new.text_signature = slice_of(big, LIMIT_SIGNATURE);
    for (int i = 0; i < LIMIT_IDENTITIES_ACCOUNT; i++)
        assert_int_equal(directory_identity_add(d, anna.id, &new, &id), OK);
    assert_int_equal(directory_identity_add(d, anna.id, &new, &id), ERR_LIMIT);
}

static void test_forgets_old_removals(void **state)
{
    struct identity new = {.email = SLICE("anna@example.org")};
    uint32_t id, *gone;
    size_t n;
    for (int i = 0; i < LIMIT_IDENTITIES_GONE + 3; i++) {
        assert_int_equal(directory_identity_add(d, anna.id, &new, &id), OK);
        assert_int_equal(directory_identity_remove(d, anna.id, id), OK);
    }
    assert_int_equal(directory_identities_gone(d, anna.id, 0, &arena, &gone, &n), ERR_AGAIN);
    uint64_t now = state_of(PROFILE_IDENTITY);
    assert_int_equal(directory_identities_gone(d, anna.id, now - 4, &arena, &gone, &n), OK);
    assert_int_equal(n, 2);
    assert_int_equal(gone[1], id);
}

static void test_vacation(void **state)
{
    struct vacation v;
    assert_int_equal(directory_vacation(d, anna.id, &arena, &v), OK);
    assert_false(v.enabled);
    assert_int_equal(v.subject.n + v.text.n + v.html.n, 0);
    v = (struct vacation){
        .enabled = true, .from = 100, .subject = SLICE("Urlaub"), .text = SLICE("Bin weg.")};
    assert_int_equal(directory_vacation_set(d, anna.id, &v), OK);
    assert_int_equal(directory_vacation(d, anna.id, &arena, &v), OK);
    assert_true(v.enabled && v.from == 100 && v.to == 0);
    assert_true(slice_eq(v.text, SLICE("Bin weg.")));
    assert_int_equal(state_of(PROFILE_VACATION), 1);
    assert_int_equal(state_of(PROFILE_SETTINGS), 0);
    assert_int_equal(directory_vacation(d, ben.id, &arena, &v), OK);
    assert_false(v.enabled);
}

static void test_settings(void **state)
{
    static uint8_t big[LIMIT_WEB_SETTINGS + 1];
    struct slice json;
    memset(big, ' ', sizeof big);
    assert_int_equal(directory_settings(d, anna.id, &arena, &json), OK);
    assert_true(slice_eq(json, SLICE("{}")));
    assert_int_equal(directory_settings_set(d, anna.id, SLICE("{\"theme\":\"dark\"}")), OK);
    assert_int_equal(directory_settings(d, anna.id, &arena, &json), OK);
    assert_true(slice_eq(json, SLICE("{\"theme\":\"dark\"}")));
    assert_int_equal(directory_settings_set(d, anna.id, slice_of(big, sizeof big)), ERR_LIMIT);
    assert_int_equal(state_of(PROFILE_SETTINGS), 1);
}

static void test_goes_with_account(void **state)
{
    struct identity *i;
    (void)identities(&i);
    assert_int_equal(directory_settings_set(d, anna.id, SLICE("{}")), OK);
    assert_int_equal(directory_account_remove(d, anna.id), OK);
    assert_int_equal(state_of(PROFILE_IDENTITY), 0);
    unsigned bad = 9;
    assert_int_equal(directory_check(d, false, NULL, NULL, &bad), OK);
    assert_int_equal(bad, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_own_address, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_aliases, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_made_by_user, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_forgets_old_removals, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_vacation, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_settings, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_goes_with_account, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
