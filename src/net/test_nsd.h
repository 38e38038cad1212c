/* For tests: a real authoritative name server (nsd) with zones in a folder of its own, as a child
 * process on a free port of 127.0.0.1. */
#ifndef DEPESCHE_NET_TEST_NSD_H
#define DEPESCHE_NET_TEST_NSD_H

#include "net/address.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

struct test_nsd {
    char folder[64];
    uint16_t port;
    pid_t pid;
};

static inline struct ip test_nsd_ip(void)
{
    return (struct ip){{[10] = 0xff, [11] = 0xff, 127, 0, 0, 1}};
}

/* A UDP socket on 127.0.0.1 and its port. */
static inline int test_nsd_socket(uint16_t *port)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t n = sizeof sa;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&sa, n) != 0 ||
        getsockname(fd, (struct sockaddr *)&sa, &n) != 0)
        abort();
    *port = ntohs(sa.sin_port);
    return fd;
}

static inline bool test_nsd_port_is_free(uint16_t port)
{
    struct sockaddr_in sa = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool ok = bind(udp, (struct sockaddr *)&sa, sizeof sa) == 0 &&
              bind(tcp, (struct sockaddr *)&sa, sizeof sa) == 0;
    close(udp);
    close(tcp);
    return ok;
}

/* A port free for UDP and TCP, from below the range the kernel hands out to clients, so that no
 * connection made between this look and the server's start can take it. Tests that run at the same
 * time begin at different places. */
static inline uint16_t test_nsd_port(void)
{
    for (unsigned i = 0;; i++) {
        uint16_t port = (uint16_t)(16000 + ((unsigned)getpid() * 37 + i * 101) % 16000);
        if (test_nsd_port_is_free(port))
            return port;
        if (i == 1000)
            abort();
    }
}

static inline bool test_nsd_installed(void)
{
    return access("/usr/sbin/nsd", X_OK) == 0 && access("/usr/bin/ldns-signzone", X_OK) == 0;
}

/* Writes a file into the folder. */
static inline void test_nsd_write(struct test_nsd *s, const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", s->folder, name);
    FILE *f = fopen(path, "we");
    if (!f || fputs(text, f) < 0 || fclose(f) != 0)
        abort();
}

/* Runs shell commands in the folder; false when one fails. */
static inline bool test_nsd_shell(struct test_nsd *s, const char *commands)
{
    char script[8192];
    snprintf(script, sizeof script, "set -e; exec >>log 2>&1 </dev/null; cd %s; %s", s->folder,
             commands);
    char sh[] = "/bin/sh", c[] = "-c";
    char *const argv[] = {sh, c, script, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addchdir_np(&actions, s->folder);
    pid_t pid;
    int status = 1;
    bool ok = posix_spawn(&pid, sh, &actions, NULL, argv, environ) == 0 &&
              waitpid(pid, &status, 0) == pid && status == 0;
    posix_spawn_file_actions_destroy(&actions);
    return ok;
}

static inline bool test_nsd_make(struct test_nsd *s)
{
    *s = (struct test_nsd){.folder = "/tmp/depesche-nsd-XXXXXX", .pid = -1};
    return mkdtemp(s->folder) != NULL;
}

/* Signs the zone in file ZONE with a new key: the zone to ZONE.signed, its DS record to the end of
 * the file anchor. `options` are ldns-signzone's: "-n" for NSEC3. The root's file is "root". */
static inline bool test_nsd_sign(struct test_nsd *s, const char *zone, const char *options)
{
    char commands[1024];
    bool root = strcmp(zone, "root") == 0;
    snprintf(commands, sizeof commands,
             "k=$(ldns-keygen -r /dev/urandom -a ECDSAP256SHA256 -k %s); "
             "ldns-signzone %s -f %s.signed %s $k; cat $k.ds >>anchor; cat $k.key >%s.dnskey",
             root ? "." : zone, options, zone, zone, zone);
    return test_nsd_shell(s, commands);
}

/* Writes the configuration for the zones on s->port. */
static inline void test_nsd_configure(struct test_nsd *s, const char *const *zones)
{
    char conf[8192];
    int n = snprintf(conf, sizeof conf,
                     "server:\n ip-address: 127.0.0.1@%u\n username: \"\"\n chroot: \"\"\n"
                     " zonesdir: \"%s\"\n database: \"\"\n pidfile: \"%s/pid\"\n"
                     " logfile: \"%s/nsd.log\"\n xfrdfile: \"%s/xfrd\"\n"
                     " zonelistfile: \"%s/zones\"\n xfrdir: \"%s\"\n server-count: 1\n"
                     "remote-control:\n control-enable: no\n",
                     (unsigned)s->port, s->folder, s->folder, s->folder, s->folder, s->folder,
                     s->folder);
    for (; *zones; zones++) {
        int name = (int)strcspn(*zones, " ");
        n += snprintf(conf + n, sizeof conf - (size_t)n,
                      "zone:\n name: \"%.*s\"\n zonefile: \"%s\"\n", name, *zones,
                      *zones + name + 1);
    }
    test_nsd_write(s, "conf", conf);
}

/* Waits until the server answers a connection; false when it ended, with s->pid -1, or is silent.
 */
static inline bool test_nsd_wait(struct test_nsd *s)
{
    struct sockaddr_in sa = {
        .sin_family = AF_INET, .sin_port = htons(s->port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    for (int i = 0; i < 600; i++) {
        if (waitpid(s->pid, NULL, WNOHANG) == s->pid) {
            s->pid = -1;
            return false;
        }
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        int e = connect(fd, (struct sockaddr *)&sa, sizeof sa);
        close(fd);
        if (e == 0)
            return true;
        usleep(50000);
    }
    return false;
}

/* Shows why the server does not serve. */
static inline void test_nsd_show_log(const struct test_nsd *s)
{
    char path[128], line[512];
    snprintf(path, sizeof path, "%s/nsd.log", s->folder);
    FILE *f = fopen(path, "re");
    while (f && fgets(line, sizeof line, f))
        fprintf(stderr, "nsd: %s", line);
    if (f)
        fclose(f);
}

/* Starts nsd for the zones, each "NAME FILE" in a list that NULL ends; waits until it serves. A
 * server that ended, because another took its port first, gets another port. */
static inline bool test_nsd_start(struct test_nsd *s, const char *const *zones)
{
    char path[128];
    snprintf(path, sizeof path, "%s/conf", s->folder);
    char nsd[] = "/usr/sbin/nsd", d[] = "-d", c[] = "-c";
    char *const argv[] = {nsd, d, c, path, NULL};
    for (int tries = 0; tries < 5; tries++) {
        s->port = test_nsd_port();
        test_nsd_configure(s, zones);
        if (posix_spawn(&s->pid, nsd, NULL, NULL, argv, environ) != 0)
            return false;
        if (test_nsd_wait(s))
            return true;
        test_nsd_show_log(s);
        if (s->pid > 0)
            return false;
    }
    return false;
}

/* Ends the server and removes the folder. */
static inline void test_nsd_stop(struct test_nsd *s)
{
    if (s->pid > 0) {
        kill(s->pid, SIGTERM);
        waitpid(s->pid, NULL, 0);
    }
    char rm[] = "/bin/rm", rf[] = "-rf";
    char *const argv[] = {rm, rf, s->folder, NULL};
    pid_t pid;
    if (posix_spawn(&pid, rm, NULL, NULL, argv, environ) == 0)
        waitpid(pid, NULL, 0);
}

#endif
