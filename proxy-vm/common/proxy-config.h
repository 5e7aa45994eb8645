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
    char *rx;                   /* "socket" or "memif". */
    char *memif_socket;         /* Path of the switch's. */
    uint16_t option_class;
    uint32_t receive_buffer;    /* Bytes: SO_RCVBUF, or of a ring. */
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
    char *durability;           /* "power" or "process". */
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
    uint32_t max_message_bytes; /* What is beyond is masked. */
    char *user;                 /* Name, or null: see proxy-config.def. */
};

/* A set of keys of context; see lib/context-policy.h. */
struct config_context_set {
    char *name;
    char *keys;
};

/* Which lines get which.  What is not given is null or 0. */
struct config_context_rule {
    uint32_t tenant;
    char *severity;
    char *facility;
    char *app;
    char *sets;
};

struct config_context {
    char *static_file;          /* YAML, see sluice-context(8); may be null. */
    uint32_t clock_skew_ms;     /* Lines tell a skew of so much or more. */
    char *host_listen;          /* ADDR:PORT where hosts report, or null. */
    struct config_context_set *sets;
    unsigned int sets_count;
    struct config_context_rule *policy;
    unsigned int policy_count;
};

/* What manages VMs. */
/* Limits of lists, each entry of which may be a source of context. */
enum { CONFIG_MAX_HOSTS = 4096, CONFIG_MAX_MANAGERS = 16 };

struct config_manager {
    char *name;
    char *kind;                 /* "vsphere", which has no uri, or "libvirt",
                                 * which has that and an interval alone. */
    char *server;               /* HOST:PORT. */
    char *uri;
    char *credentials_file;
    char *ca_file;              /* May be null. */
    char *certificate_sha256;   /* 64 hexadecimal digits, or null. */
    uint32_t poll_interval_ms;
    uint32_t tags_interval_ms;  /* 0: no tags. */
    uint32_t average_interval_ms; /* 0: no averages. */
};

struct config_metrics {
    char *listen;               /* Address. */
    uint16_t port;              /* TCP; 0: nothing is served. */
    uint32_t max_vms;           /* That have metrics of their own. */
};

/* A hypervisor.  With no hosts configured, every VTEP is accepted. */
struct config_host {
    char *name;
    char *vtep;                 /* Source address of its tunnels. */
    uint32_t *tenants;          /* Those it may send for; none: all. */
    unsigned int tenants_count;
    char *key_file;             /* See lib/key-file.h; may be null. */
    char *public_key_file;      /* Of its reports, see lib/seal.h; or null. */
    struct in6_addr addr;       /* 'vtep'; IPv4 as ::ffff:a.b.c.d. */
};

/* Where the lines of a tenant go.  A string that is not there is null; what a
 * type needs is there. */
struct config_destination {
    char *name;
    char *type;                 /* "tcp"... */
    char *server;
    char *format;               /* "rfc5424"... */
    char *ca_file;
    char *certificate_file;
    char *key_file;
    char *server_name;
    char *recipient_file;
    char *path;
    char *topic;
};

struct config_tenant {
    uint32_t id;                /* 1 to 0xffffff: the VNI. */
    char *name;
    char *server;               /* As in the file: may be null. */
    char *delivery;             /* "all" or "first". */
    struct config_destination *destinations; /* At least one: what 'server'
                                              * stands for is here as well. */
    unsigned int destinations_count;
    uint32_t multi_line;        /* 0 or 1: reassembly's, unless given. */
    uint32_t quota_mib;         /* In the spool. */
    uint32_t quota_age_s;       /* 0: none. */
    char *context_sets;         /* That it may see; may be null: all. */
    char *redaction_file;       /* See sluice-redaction(5); may be null. */
    char *redaction_key_file;   /* See lib/key-file.h; may be null. */
};

/* A client rule; see lib/rules.h.  What is not given is null or 0. */
struct config_rule {
    char *name;
    char *action;
    uint32_t tenant;
    char *vm;
    char *app;
    char *facility;
    char *severity;
    char *pattern;
    uint32_t one_in;
    uint32_t rate;
    uint32_t burst;
    char *per;
    uint32_t window_ms;
    char *destination;
};

struct config {
    struct config_tunnel tunnel;
    struct config_paths paths;
    struct config_batch batch;
    struct config_reassembly reassembly;
    struct config_output output;
    struct config_intake intake;
    struct config_metrics metrics;
    struct config_context context;
    struct config_manager *managers; /* In the order of the file. */
    unsigned int managers_count;
    struct config_host *hosts;  /* By 'addr'. */
    unsigned int hosts_count;
    struct config_tenant *tenants; /* By 'id'. */
    unsigned int tenants_count;
    struct config_rule *rules;
    unsigned int rules_count;
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

/* Appends all of 'config' to 'out' as a file that loads to the same, defaults
 * included. */
struct ds;
void config_dump(const struct config *, struct ds *out);

/* Returns the tenant numbered 'id', or null. */
const struct config_tenant *config_find_tenant(const struct config *,
                                               uint32_t id);

/* The queues of a tenant: the names of the directories in the spool.  With
 * "delivery: first" there is one, "main", for all destinations, and with "all"
 * one for each, which is called after it.  'i' goes from 0. */
unsigned int config_n_queues(const struct config_tenant *);
const char *config_queue_name(const struct config_tenant *, unsigned int i);
bool config_has_queue(const struct config_tenant *, const char *name);

/* Returns the destinations of the queue 'name', and in '*ret_n' how many those
 * are; null if the tenant has no such queue. */
const struct config_destination *
config_queue_destinations(const struct config_tenant *, const char *name,
                          size_t *ret_n);

/* Returns true if two destinations are the same in all keys. */
bool config_destination_equals(const struct config_destination *,
                               const struct config_destination *);

/* Returns true if packets come by memory shared with a switch. */
bool config_uses_memif(const struct config *);

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
char *config_path_ship_stats(const struct config *, uint32_t tenant,
                             const char *queue);
                                           /* run/ship-<id>-<queue>.stats */
char *config_path_context(const struct config *); /* state/context */
char *config_path_snapshot(const struct config *);
                                           /* state/context/context.snapshot */
char *config_path_host_channel_key(const struct config *);
                                           /* state/host-channel.key */
char *config_path_ledger(const struct config *);   /* state/ledger */
char *config_path_secret_key(const struct config *); /* state/ship.key */
char *config_path_public_key(const struct config *); /* spool/key.pub */

#endif /* proxy-vm/common/proxy-config.h */
