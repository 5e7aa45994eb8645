/* SPDX-License-Identifier: Apache-2.0
 *
 * A reader of SOAP replies on libxml2's push parser.  See soap-reply.h. */
#include <config.h>

#include "soap-reply.h"

#include <libxml/SAX2.h>
#include <libxml/parser.h>
#include <libxml/xmlerror.h>
#include <stdlib.h>
#include <string.h>

#include "printable.h"
#include "util.h"

enum {
    MAX_FAULT_TEXT = 200,
    MAX_NAME = 64,
    MAX_PIECE = 16 * 1024,      /* Fed to the parser at a time. */
};

struct soap_reply {
    xmlParserCtxt *parser;
    size_t max_size, size;      /* Bytes. */
    size_t handed_at;           /* 'size' when an element was handed over. */
    size_t n_nodes;             /* In the tree. */
    size_t n_kept;              /* Of these, not in an element that is to be
                                 * handed over. */
    const char *name;
    soap_element_cb *take;
    void *aux;
    unsigned int within;        /* Elements of 'name' that are open. */
    bool is_over;
    char *problem;
};

static void
refuse(struct soap_reply *r, char *problem)
{
    if (r->problem) {
        free(problem);
    } else {
        r->problem = problem;
        xmlStopParser(r->parser);
    }
}

static struct soap_reply *
reply_of(void *parser)
{
    return ((xmlParserCtxt *) parser)->_private;
}

static void
refuse_document_type(void *parser, const xmlChar *name OVS_UNUSED,
                     const xmlChar *id OVS_UNUSED,
                     const xmlChar *system OVS_UNUSED)
{
    refuse(reply_of(parser), xstrdup("it has a document type, which no SOAP "
                                     "reply has"));
}

static void
start_element(void *parser_, const xmlChar *name, const xmlChar *prefix,
              const xmlChar *uri, int n_namespaces, const xmlChar **namespaces,
              int n_attributes, int n_defaulted, const xmlChar **attributes)
{
    xmlParserCtxt *parser = parser_;
    struct soap_reply *r = reply_of(parser);

    if (r->problem) {
        return;
    }
    bool is_named = r->name && !strcmp((const char *) name, r->name);
    if (is_named && !r->within) {
        r->n_kept = r->n_nodes;
    }
    /* Text between elements makes nodes, too. */
    r->n_nodes += 2 + n_attributes + n_namespaces;
    if (r->n_nodes > SOAP_MAX_NODES) {
        refuse(r, xasprintf("it has more than %d nodes at a time",
                            SOAP_MAX_NODES));
        return;
    } else if (parser->nodeNr >= SOAP_MAX_DEPTH) {
        refuse(r, xasprintf("its elements are more than %d deep",
                            SOAP_MAX_DEPTH));
        return;
    } else if (parser->nsNr / 2 > SOAP_MAX_NAMESPACES) {
        refuse(r, xasprintf("it has more than %d namespaces at a time",
                            SOAP_MAX_NAMESPACES));
        return;
    }
    r->within += is_named;
    xmlSAX2StartElementNs(parser_, name, prefix, uri, n_namespaces, namespaces,
                          n_attributes, n_defaulted, attributes);
}

/* Frees an element that was handed over, and text before it, which would add
 * up. */
static void
forget_element(xmlParserCtxt *parser, xmlNode *node)
{
    xmlNode *before = node->prev;

    xmlUnlinkNode(node);
    xmlFreeNode(node);
    if (before && before->type == XML_TEXT_NODE) {
        xmlUnlinkNode(before);
        xmlFreeNode(before);
    }
    /* xmlSAX2Characters() takes these for those of the last text that it
     * finds, but they are those of text within 'node'.  With 0 it looks. */
    parser->nodemem = 0;
    parser->nodelen = 0;
}

static void
end_element(void *parser_, const xmlChar *name, const xmlChar *prefix,
            const xmlChar *uri)
{
    xmlParserCtxt *parser = parser_;
    struct soap_reply *r = reply_of(parser);

    if (r->problem) {
        return;
    }

    xmlNode *node = parser->node;
    xmlSAX2EndElementNs(parser_, name, prefix, uri);
    if (r->name && node && soap_is(node, r->name) && !--r->within) {
        char *problem = r->take(node, r->aux);

        forget_element(parser, node);
        r->n_nodes = r->n_kept;
        r->handed_at = r->size;
        if (problem) {
            refuse(r, problem);
        }
    }
}

/* Errors are taken from the parser when it is through, not printed. */
static void
ignore_error(void *parser OVS_UNUSED, xmlError *error OVS_UNUSED)
{
}

struct soap_reply *
soap_reply_create(size_t max_size, const char *name, soap_element_cb *take,
                  void *aux)
{
    struct soap_reply *r = xzalloc(sizeof *r);

    r->max_size = max_size;
    r->name = name;
    r->take = take;
    r->aux = aux;
    r->parser = xmlCreatePushParserCtxt(NULL, NULL, NULL, 0, NULL);
    if (!r->parser) {
        out_of_memory();
    }
    xmlCtxtUseOptions(r->parser, XML_PARSE_NONET | XML_PARSE_NOERROR
                      | XML_PARSE_NOWARNING | XML_PARSE_COMPACT
                      | XML_PARSE_NOBLANKS | XML_PARSE_NOCDATA);
    r->parser->_private = r;
    r->parser->sax->internalSubset = refuse_document_type;
    r->parser->sax->externalSubset = refuse_document_type;
    r->parser->sax->startElementNs = start_element;
    r->parser->sax->endElementNs = end_element;
    r->parser->sax->comment = NULL;
    r->parser->sax->processingInstruction = NULL;
    r->parser->sax->serror = ignore_error;
    return r;
}

void
soap_reply_destroy(struct soap_reply *r)
{
    if (r) {
        xmlFreeDoc(r->parser->myDoc);
        xmlFreeParserCtxt(r->parser);
        free(r->problem);
        free(r);
    }
}

/* Takes what the parser found wrong. */
static void
check_parser(struct soap_reply *r, int code)
{
    if (code != XML_ERR_OK && !r->problem) {
        const xmlError *error = xmlCtxtGetLastError(r->parser);
        char *text = make_printable(error && error->message ? error->message
                                    : "it is no XML", MAX_FAULT_TEXT);

        text[strcspn(text, "?\n")] = '\0';
        refuse(r, xasprintf("it is not well-formed XML (line %d: %s)",
                            error ? error->line : 0, text));
        free(text);
    }
}

/* Refuses what the parser keeps because its end is not there yet.  Text is
 * never kept; the attributes of a tag are compared with one another, and that
 * would hold up the program if there were very many. */
static void
check_rest(struct soap_reply *r)
{
    const xmlParserInput *input = r->parser->input;

    if (input && input->end - input->cur > SOAP_MAX_TAG && !r->problem) {
        refuse(r, xasprintf("a tag of it is longer than %d bytes",
                            SOAP_MAX_TAG));
    }
}

bool
soap_reply_feed(struct soap_reply *r, struct slice piece)
{
    while (piece.size && !r->problem && !r->is_over) {
        size_t n = MIN(piece.size, MAX_PIECE);

        r->size += n;
        if (r->size > r->max_size) {
            refuse(r, xasprintf("it is larger than %"PRIuSIZE" bytes",
                                r->max_size));
        } else if (r->size - r->handed_at > SOAP_MAX_TREE) {
            refuse(r, xasprintf("a part of it is larger than %d bytes",
                                SOAP_MAX_TREE));
        } else {
            check_parser(r, xmlParseChunk(r->parser,
                                          (const char *) piece.data, n, 0));
            check_rest(r);
        }
        piece = slice_of(piece.data + n, piece.size - n);
    }
    return !r->problem;
}

static const xmlNode *
root_of(const struct soap_reply *r)
{
    xmlDoc *doc = r->parser->myDoc;

    return doc ? xmlDocGetRootElement(doc) : NULL;
}

const xmlNode *
soap_reply_finish_document(struct soap_reply *r)
{
    if (!r->is_over && !r->problem) {
        r->is_over = true;
        check_parser(r, xmlParseChunk(r->parser, NULL, 0, 1));
        if (!r->problem && !root_of(r)) {
            refuse(r, xstrdup("there is nothing in it"));
        }
    }
    return r->is_over && !r->problem ? root_of(r) : NULL;
}

bool
soap_reply_finish(struct soap_reply *r)
{
    if (!r->is_over && !r->problem) {
        soap_reply_finish_document(r);
        if (!r->problem && !soap_reply_body(r)) {
            refuse(r, xstrdup("it is no SOAP envelope with something in its "
                              "body"));
        }
    }
    return r->is_over && !r->problem;
}

const char *
soap_reply_problem(const struct soap_reply *r)
{
    return r->problem;
}

const xmlNode *
soap_reply_body(const struct soap_reply *r)
{
    const xmlNode *root = root_of(r);

    return (root && soap_is(root, "Envelope")
            ? soap_first(soap_child(root, "Body")) : NULL);
}

char *
soap_reply_fault(const struct soap_reply *r, char **ret_text)
{
    const xmlNode *fault = soap_reply_body(r);

    if (!fault || !soap_is(fault, "Fault")) {
        return NULL;
    }

    /* <detail><InvalidLoginFault xsi:type="InvalidLogin"/></detail>, or the
     * type alone in an element called Fault. */
    const xmlNode *detail = soap_first(soap_child(fault, "detail"));
    char *text = soap_text(soap_child(fault, "faultstring"), MAX_FAULT_TEXT);
    char *name = detail ? soap_attribute(detail, "type", MAX_NAME) : NULL;

    if (!name && detail) {
        name = xasprintf("%.64s", (const char *) detail->name);
    }
    char *colon = name ? strrchr(name, ':') : NULL;
    char *printable = make_printable(colon ? colon + 1 : name ? name : "Fault",
                                     MAX_NAME);
    free(name);
    *ret_text = make_printable(text, MAX_FAULT_TEXT);
    free(text);
    return printable;
}

/* Walking. */

bool
soap_is(const xmlNode *node, const char *name)
{
    return (node->type == XML_ELEMENT_NODE
            && !strcmp((const char *) node->name, name));
}

static const xmlNode *
find_element(const xmlNode *node, const char *name)
{
    while (node && !(node->type == XML_ELEMENT_NODE
                     && (!name || soap_is(node, name)))) {
        node = node->next;
    }
    return node;
}

const xmlNode *
soap_child(const xmlNode *parent, const char *name)
{
    return parent ? find_element(parent->children, name) : NULL;
}

const xmlNode *
soap_next(const xmlNode *node)
{
    return find_element(node->next, (const char *) node->name);
}

const xmlNode *
soap_first(const xmlNode *parent)
{
    return soap_child(parent, NULL);
}

/* Returns a malloc()ed copy of at most 'max' bytes of 's', which libxml2
 * allocated, or null. */
static char *
take_string(xmlChar *s, size_t max)
{
    char *copy = s ? xmemdup0((const char *) s,
                              strnlen((const char *) s, max)) : NULL;
    xmlFree(s);
    return copy;
}

char *
soap_text(const xmlNode *node, size_t max)
{
    char *text = node ? take_string(xmlNodeGetContent(node), max) : NULL;

    return text ? text : xstrdup("");
}

char *
soap_attribute(const xmlNode *node, const char *name, size_t max)
{
    for (const xmlAttr *a = node->properties; a; a = a->next) {
        if (!strcmp((const char *) a->name, name)) {
            return take_string(xmlNodeGetContent((const xmlNode *) a), max);
        }
    }
    return NULL;
}
