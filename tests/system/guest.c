/* SPDX-License-Identifier: Apache-2.0
 *
 * All that runs in a guest of the system tests, as its init: loads the drivers of
 * virtio-net, gives eth0 an address, and then does what it is told.
 *
 * In: from the kernel's command line, by way of the environment, "address" and
 * "server" (IPv4) and "server_mac"; the modules listed in /modules; on the
 * console a line per command, "udp LABEL N" or "tcp LABEL N".
 * Out: N lines to port 514 of the server, by UDP from each processor in turns,
 * or by TCP in large pieces; on the console "ready", and "done LABEL".
 * Built by the test, with -static. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    LOG_PORT = 514,
    N_CPUS = 2,
    BURST = 16,                 /* Lines between two pauses. */
    PAUSE_US = 2000,
    TCP_PIECE = 65536,          /* Bytes per write(). */
};

static struct sockaddr_in server = { .sin_family = AF_INET };

static void
die(const char *what)
{
    printf("guest: %s: %s\n", what, strerror(errno));
    fflush(stdout);
    sync();
    reboot(RB_POWER_OFF);
    exit(1);
}

static void
load_modules(void)
{
    char name[256];
    FILE *list = fopen("/modules", "r");

    if (!list) {
        die("/modules");
    }
    while (fgets(name, sizeof name, list)) {
        name[strcspn(name, "\n")] = '\0';
        int fd = open(name, O_RDONLY);
        if (fd < 0 || syscall(SYS_finit_module, fd, "", 0)) {
            die(name);
        }
        close(fd);
    }
    fclose(list);
}

/* Returns the IPv4 address in the environment variable 'name'. */
static struct sockaddr_in
address_of(const char *name)
{
    const char *value = getenv(name);
    struct sockaddr_in sin = { .sin_family = AF_INET };

    if (!value || inet_pton(AF_INET, value, &sin.sin_addr) != 1) {
        errno = EINVAL;
        die(name);
    }
    return sin;
}

static void
configure_eth0(void)
{
    struct sockaddr_in address = address_of("address");
    struct sockaddr_in mask = { .sin_family = AF_INET };
    struct ifreq ifr = { .ifr_name = "eth0" };
    int fd = socket(AF_INET, SOCK_DGRAM, 0);

    inet_pton(AF_INET, "255.255.255.0", &mask.sin_addr);
    memcpy(&ifr.ifr_addr, &address, sizeof address);
    if (ioctl(fd, SIOCSIFADDR, &ifr)) {
        die("eth0: address");
    }
    memcpy(&ifr.ifr_netmask, &mask, sizeof mask);
    if (ioctl(fd, SIOCSIFNETMASK, &ifr)) {
        die("eth0: mask");
    }
    ifr.ifr_flags = IFF_UP | IFF_RUNNING;
    if (ioctl(fd, SIOCSIFFLAGS, &ifr)) {
        die("eth0: up");
    }
    close(fd);
}

/* The first packets would be lost to an unanswered question otherwise. */
static void
set_neighbor(void)
{
    const char *mac = getenv("server_mac");
    struct arpreq arp = { .arp_flags = ATF_COM | ATF_PERM,
                          .arp_dev = "eth0" };
    unsigned int b[6];
    int fd = socket(AF_INET, SOCK_DGRAM, 0);

    server = address_of("server");
    server.sin_port = htons(LOG_PORT);
    if (!mac || sscanf(mac, "%x:%x:%x:%x:%x:%x", &b[0], &b[1], &b[2], &b[3],
                       &b[4], &b[5]) != 6) {
        errno = EINVAL;
        die("server_mac");
    }
    memcpy(&arp.arp_pa, &server, sizeof server);
    arp.arp_ha.sa_family = ARPHRD_ETHER;
    for (int i = 0; i < 6; i++) {
        arp.arp_ha.sa_data[i] = b[i];
    }
    if (ioctl(fd, SIOCSARP, &arp)) {
        die("neighbor");
    }
    close(fd);
}

/* Sends its share of 'n' lines from processor 'cpu', which has a transmit queue
 * of its own. */
static void
send_udp(const char *label, int n, int cpu)
{
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (sched_setaffinity(0, sizeof set, &set)) {
        die("processor");
    }
    if (connect(fd, (struct sockaddr *) &server, sizeof server)) {
        die("connect");
    }
    for (int i = cpu; i < n; i += N_CPUS) {
        char line[128];
        int size = snprintf(line, sizeof line,
                            "<13>1 - guest app - - - line=%s-%d", label, i);

        while (send(fd, line, size, 0) != size) {
            if (errno != ENOBUFS && errno != EINTR) {
                die("send");
            }
        }
        if (i / N_CPUS % BURST == BURST - 1) {
            usleep(PAUSE_US);
        }
    }
    close(fd);
}

static void
send_udp_from_all(const char *label, int n)
{
    for (int cpu = 0; cpu < N_CPUS; cpu++) {
        if (!fork()) {
            send_udp(label, n, cpu);
            _exit(0);
        }
    }
    while (wait(NULL) > 0 || errno == EINTR) {
        continue;
    }
}

/* Sends 'n' lines in pieces that the kernel leaves to the device to cut into
 * segments, if the device can. */
static void
send_tcp(const char *label, int n)
{
    static char piece[TCP_PIECE];
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    size_t used = 0;

    if (connect(fd, (struct sockaddr *) &server, sizeof server)) {
        die("connect");
    }
    for (int i = 0; i < n; i++) {
        used += snprintf(piece + used, sizeof piece - used,
                         "<13>1 - guest app - - - line=%s-%d %0200d\n",
                         label, i, i);
        if (used > sizeof piece - 512 || i == n - 1) {
            for (size_t ofs = 0; ofs < used; ) {
                ssize_t size = write(fd, piece + ofs, used - ofs);

                if (size < 0) {
                    die("write");
                }
                ofs += size;
            }
            used = 0;
        }
    }
    /* Until the server has it all. */
    shutdown(fd, SHUT_WR);
    while (read(fd, piece, sizeof piece) > 0) {
        continue;
    }
    close(fd);
}

int
main(void)
{
    char command[128], kind[16], label[32];
    int n;

    mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
    int console = open("/dev/console", O_RDWR);
    if (console >= 0) {
        dup2(console, STDIN_FILENO);
        dup2(console, STDOUT_FILENO);
        dup2(console, STDERR_FILENO);
    }
    load_modules();
    configure_eth0();
    set_neighbor();
    printf("guest: ready\n");
    fflush(stdout);

    while (fgets(command, sizeof command, stdin)) {
        if (sscanf(command, "%15s %31s %d", kind, label, &n) != 3) {
            continue;
        }
        if (!strcmp(kind, "udp")) {
            send_udp_from_all(label, n);
        } else if (!strcmp(kind, "tcp")) {
            send_tcp(label, n);
        }
        printf("guest: done %s\n", label);
        fflush(stdout);
    }
    die("console");
}
