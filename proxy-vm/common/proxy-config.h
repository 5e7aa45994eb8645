/* SPDX-License-Identifier: Apache-2.0
 *
 * The proxy's configuration: one YAML file, loaded by libcyaml against a
 * schema and then checked for what a schema can't say.
 *
 * Every key is a row of proxy-config.def, from which schema, defaults and
 * manual come.
 *
 * Runs in: all programs of the proxy. */
#ifndef SLUICE_CONFIG_H
#define SLUICE_CONFIG_H 1

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

struct config_tunnel {
    char *listen;               /* Address to receive GENEVE on. */
    uint16_t port;              /* UDP. */
    uint16_t option_class;
    uint32_t receive_buffer;    /* Bytes: SO_RCVBUF. */
    uint32_t bfd_sessions;      /* With switches. */
};

struct config_paths {
    char *run;                  /* tmpfs: control socket, open batches, stats,
                                 * the running configuration. */
    char *spool;
    char *state;                /* Keys, context snapshot. */
};

struct config_batch {
    uint32_t max_bytes;         /* Of a batch before compression. */
    uint32_t max_delay_ms;      /* Age at which an open batch is closed. */
};

struct config_reassembly {
    uint32_t tenant_flows;
    uint32_t tenant_bytes;
    uint32_t wait_ms;           /* For what is missing. */
    uint32_t multi_line;        /* 0 or 1. */
};

struct config_output {
    char *sd_id;                /* Our SD-ID, NAME@PEN. */
    uint32_t hold_ms;           /* How long a batch that plain TCP took is
                                 * kept after the kernel's send queue ran
                                 * empty. */
    uint32_t timeout_ms;        /* Of connecting, and of no progress. */
    uint32_t backoff_max_ms;
};

struct config_intake {
    char *user;                 /* Name, or null: see proxy-config.def. */
};

struct config_context {
    char *static_file;          /* YAML, see sluice-context(8); may be null. */
    uint32_t clock_skew_ms;     /* Lines tell a skew of so much or more. */
};

/* A hypervisor.  With no hosts configured, every VTEP is accepted. */
struct config_host {
    char *name;
    char *vtep;                 /* Source address of its tunnels. */
    uint32_t *tenants;          /* Those it may send for; none: all. */
    unsigned int tenants_count;
    char *key_file;             /* See lib/key-file.h; may be null. */
    struct in6_addr addr;       /* 'vtep'; IPv4 as ::ffff:a.b.c.d. */
};

struct config_tenant {
    uint32_t id;                /* 1 to 0xffffff: the VNI. */
    char *name;
    char *server;               /* HOST:PORT, [IPV6]:PORT; plain TCP. */
    char *redaction_file;       /* See sluice-redaction(5); may be null. */
    char *redaction_key_file;   /* See lib/key-file.h; may be null. */
};

struct config {
    struct config_tunnel tunnel;
    struct config_paths paths;
    struct config_batch batch;
    struct config_reassembly reassembly;
    struct config_output output;
    struct config_intake intake;
    struct config_context context;
    struct config_host *hosts;  /* By 'addr'. */
    unsigned int hosts_count;
    struct config_tenant *tenants; /* By 'id'. */
    unsigned int tenants_count;
};

/* Loads and checks 'path'.  On success returns null and '*ret', which the
 * caller owns, defaults filled in.  On failure returns a malloc()ed sentence
 * that names file, line and key and says what to do, and leaves '*ret'
 * untouched. */
char *config_load(const char *path, struct config **ret);

/* The two halves of config_load(), for who needs the text as well: reads the
 * file, and loads and checks a text, 'path' being named in sentences only.
 * Both return null or a sentence, as above; '*ret_text' is malloc()ed. */
char *config_read_file(const char *path, char **ret_text, size_t *ret_size);
char *config_parse(const char *path, const char *text, size_t size,
                   struct config **ret);
void config_destroy(struct config *);

/* Returns the tenant numbered 'id', or null. */
const struct config_tenant *config_find_tenant(const struct config *,
                                               uint32_t id);

/* Returns the host whose VTEP is 'addr' (IPv4 as ::ffff:a.b.c.d), or null. */
const struct config_host *config_find_host(const struct config *,
                                           const struct in6_addr *addr);

/* Reads an address: true and '*ret' (IPv4 as ::ffff:a.b.c.d), or false. */
bool config_parse_address(const char *, struct in6_addr *ret);

/* Splits a 'server' into host, without brackets, and port: true and two
 * malloc()ed strings (none where 'ret_host' is null), or false. */
bool config_parse_server(const char *server, char **ret_host,
                         char **ret_port);

/* Names of what lies in the directories, all malloc()ed and the caller's. */
char *config_path_control(const struct config *);  /* run/control.sock */
char *config_path_running(const struct config *);  /* run/sluice.yaml */
char *config_path_intake_run(const struct config *); /* run/intake */
char *config_path_intake_stats(const struct config *);
                                               /* run/intake/intake.stats */
char *config_path_host_keys(const struct config *); /* run/host-keys */
char *config_path_ship_stats(const struct config *, uint32_t tenant);
                                                   /* run/ship-<id>.stats */
char *config_path_context(const struct config *); /* state/context */
char *config_path_snapshot(const struct config *);
                                           /* state/context/context.snapshot */
char *config_path_secret_key(const struct config *); /* state/ship.key */
char *config_path_public_key(const struct config *); /* spool/key.pub */

#endif /* proxy-vm/common/proxy-config.h */
