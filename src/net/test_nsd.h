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

/* Starts nsd for the zones, each "NAME FILE" in a list that NULL ends; waits until it serves. */
static inline bool test_nsd_start(struct test_nsd *s, const char *const *zones)
{
    close(test_nsd_socket(&s->port));
    char conf[8192], path[128];
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
    snprintf(path, sizeof path, "%s/conf", s->folder);
    char nsd[] = "/usr/sbin/nsd", d[] = "-d", c[] = "-c";
    char *const argv[] = {nsd, d, c, path, NULL};
    if (posix_spawn(&s->pid, nsd, NULL, NULL, argv, environ) != 0)
        return false;
    struct sockaddr_in sa = {
        .sin_family = AF_INET, .sin_port = htons(s->port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    for (int i = 0; i < 200; i++) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        int e = connect(fd, (struct sockaddr *)&sa, sizeof sa);
        close(fd);
        if (e == 0)
            return true;
        usleep(50000);
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
