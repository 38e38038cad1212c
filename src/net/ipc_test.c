/* Records, descriptors and sealed memfds between the ends of a pair. */
#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"
#include "net/ipc.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static int open_fds(void)
{
    int n = 0;
    for (int fd = 0; fd < 256; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

static int pair_new(void **state)
{
    int *fds = mem_alloc(2 * sizeof *fds);
    *state = fds;
    return ipc_pair(fds) != OK;
}

static int pair_free(void **state)
{
    int *fds = *state;
    for (int i = 0; i < 2; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    mem_free(fds);
    return 0;
}

static void test_records(void **state)
{
    int *fds = *state;
    static const size_t sizes[] = {1, 2, 4096, 65536, LIMIT_HANDOVER_RECORD};
    uint8_t *sent = mem_alloc(LIMIT_HANDOVER_RECORD + 1), *room = mem_alloc(LIMIT_HANDOVER_RECORD);
    for (size_t i = 0; i < LIMIT_HANDOVER_RECORD; i++)
        sent[i] = (uint8_t)(i * 7);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct ipc_record r;
        assert_int_equal(ipc_send(fds[0], slice_of(sent, sizes[i]), NULL, 0, 1000), OK);
        assert_int_equal(ipc_receive(fds[1], room, LIMIT_HANDOVER_RECORD, i % 2 ? -1 : 1000, &r),
                         OK);
        assert_true(slice_eq(r.bytes, slice_of(sent, sizes[i])));
        assert_int_equal(r.n_fds, 0);
    }
    assert_int_equal(ipc_send(fds[0], SLICE(""), NULL, 0, 0), ERR_INPUT);
    assert_int_equal(ipc_send(fds[0], slice_of(sent, LIMIT_HANDOVER_RECORD + 1), NULL, 0, 0),
                     ERR_LIMIT);
    mem_free(sent);
    mem_free(room);
}

static void test_descriptors(void **state)
{
    int *fds = *state, four[IPC_FDS + 1];
    uint8_t room[16];
    struct ipc_record r;
    for (int i = 0; i <= IPC_FDS; i++)
        assert_int_equal(ipc_memfd("test", &four[i]), OK);
    int before = open_fds();
    assert_int_equal(ipc_send(fds[0], SLICE("x"), four, IPC_FDS + 1, 0), ERR_INPUT);
    for (size_t n = 1; n <= IPC_FDS; n++) {
        assert_int_equal(ipc_send(fds[0], SLICE("x"), four, n, 0), OK);
        assert_int_equal(ipc_receive(fds[1], room, sizeof room, 0, &r), OK);
        assert_int_equal(r.n_fds, n);
        for (size_t i = 0; i < n; i++)
            assert_true(fcntl(r.fds[i], F_GETFD) & FD_CLOEXEC);
        assert_int_equal(open_fds(), before + (int)n);
        ipc_close_fds(&r);
        assert_int_equal(r.n_fds, 0);
    }
    /* A record that does not fit is refused whole, and its descriptors do not leak. */
    assert_int_equal(ipc_send(fds[0], SLICE("much more than sixteen bytes"), four, 2, 0), OK);
    assert_int_equal(ipc_receive(fds[1], room, sizeof room, 0, &r), ERR_INPUT);
    assert_int_equal(open_fds(), before);
    for (int i = 0; i <= IPC_FDS; i++)
        close(four[i]);
}

static void test_too_many_descriptors(void **state)
{
    /* A sender that does not keep to the rules: eight at once. */
    int *fds = *state, eight[8];
    for (int i = 0; i < 8; i++)
        eight[i] = 2;
    union {
        char room[CMSG_SPACE(sizeof eight)];
        struct cmsghdr align;
    } control = {.room = {0}};
    char byte = 'x';
    struct iovec iov = {&byte, 1};
    struct msghdr m = {.msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = control.room,
                       .msg_controllen = sizeof control.room};
    struct cmsghdr *h = CMSG_FIRSTHDR(&m);
    h->cmsg_level = SOL_SOCKET;
    h->cmsg_type = SCM_RIGHTS;
    h->cmsg_len = CMSG_LEN(sizeof eight);
    memcpy(CMSG_DATA(h), eight, sizeof eight);
    int before = open_fds();
    assert_int_equal(sendmsg(fds[0], &m, 0), 1);
    uint8_t room[16];
    struct ipc_record r;
    assert_int_equal(ipc_receive(fds[1], room, sizeof room, 0, &r), ERR_INPUT);
    assert_int_equal(open_fds(), before);
}

static void test_time_and_end(void **state)
{
    int *fds = *state;
    uint8_t room[16];
    struct ipc_record r;
    int64_t start = clock_ms();
    assert_int_equal(ipc_receive(fds[1], room, sizeof room, 50, &r), ERR_TIMEOUT);
    assert_true(clock_ms() - start >= 50);
    assert_int_equal(ipc_receive(fds[1], room, sizeof room, 0, &r), ERR_TIMEOUT);
    /* The other side's buffer fills up at some point. */
    uint8_t *big = mem_alloc(LIMIT_HANDOVER_RECORD);
    enum error e = OK;
    for (int i = 0; i < 1000 && e == OK; i++)
        e = ipc_send(fds[0], slice_of(big, LIMIT_HANDOVER_RECORD), NULL, 0, 20);
    assert_int_equal(e, ERR_TIMEOUT);
    mem_free(big);
    close(fds[1]);
    fds[1] = -1;
    assert_int_equal(ipc_send(fds[0], SLICE("x"), NULL, 0, -1), ERR_CLOSED);
    assert_int_equal(ipc_receive(fds[0], room, sizeof room, -1, &r), ERR_CLOSED);
}

static void *send_later(void *arg)
{
    poll(NULL, 0, 20);
    assert_int_equal(ipc_send(*(int *)arg, SLICE("late"), NULL, 0, -1), OK);
    return NULL;
}

static void test_waiting(void **state)
{
    int *fds = *state;
    uint8_t room[16];
    struct ipc_record r;
    for (int i = 0; i < 2; i++) {
        pthread_t t;
        assert_int_equal(pthread_create(&t, NULL, send_later, &fds[0]), 0);
        assert_int_equal(ipc_receive(fds[1], room, sizeof room, i ? -1 : 5000, &r), OK);
        assert_true(slice_eq(r.bytes, SLICE("late")));
        pthread_join(t, NULL);
    }
}

/* --- memfds --- */

static int memfd_of(const char *text)
{
    int fd;
    assert_int_equal(ipc_memfd("test", &fd), OK);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    return fd;
}

static void test_memfd(void **state)
{
    int fd = memfd_of("message");
    struct slice s;
    assert_int_equal(ipc_memfd_map(fd, 100, &s), ERR_INPUT); /* not sealed */
    assert_int_equal(ipc_memfd_seal(fd), OK);
    assert_int_equal(ipc_memfd_map(fd, 6, &s), ERR_LIMIT);
    assert_int_equal(ipc_memfd_map(fd, 7, &s), OK);
    assert_true(slice_eq(s, SLICE("message")));
    assert_int_equal(write(fd, "x", 1), -1);
    assert_int_equal(ftruncate(fd, 0), -1);
    assert_int_equal(ftruncate(fd, 100), -1);
    assert_ptr_equal(mmap(NULL, 7, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED);
    close(fd);
    assert_true(slice_eq(s, SLICE("message"))); /* the map outlives the descriptor */
    ipc_unmap(s);

    fd = memfd_of("");
    assert_int_equal(ipc_memfd_seal(fd), OK);
    assert_int_equal(ipc_memfd_map(fd, 0, &s), OK);
    assert_int_equal(s.n, 0);
    ipc_unmap(s);
    close(fd);
}

static void test_memfd_refused(void **state)
{
    static const int partly[] = {F_SEAL_WRITE | F_SEAL_GROW, F_SEAL_WRITE | F_SEAL_SHRINK,
                                 F_SEAL_GROW | F_SEAL_SHRINK,
                                 F_SEAL_FUTURE_WRITE | F_SEAL_GROW | F_SEAL_SHRINK};
    struct slice s;
    for (size_t i = 0; i < sizeof partly / sizeof *partly; i++) {
        int fd = memfd_of("message");
        assert_int_equal(fcntl(fd, F_ADD_SEALS, partly[i]), 0);
        assert_int_equal(ipc_memfd_map(fd, 100, &s), ERR_INPUT);
        close(fd);
    }
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    assert_int_equal(ipc_memfd_map(fd, 1 << 30, &s), ERR_INPUT);
    close(fd);
    assert_int_equal(ipc_memfd_map(-1, 100, &s), ERR_INPUT);
    /* Who still has a writable map cannot seal. */
    fd = memfd_of("message");
    void *p = mmap(NULL, 7, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_int_equal(ipc_memfd_seal(fd), ERR_CONFLICT);
    munmap(p, 7);
    assert_int_equal(ipc_memfd_seal(fd), OK);
    close(fd);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, pair_new, pair_free)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_records),
        CASE(test_descriptors),
        CASE(test_too_many_descriptors),
        CASE(test_time_and_end),
        CASE(test_waiting),
        cmocka_unit_test(test_memfd),
        cmocka_unit_test(test_memfd_refused),
    };
    return cmocka_run_group_tests_name("ipc", tests, NULL, NULL);
}
