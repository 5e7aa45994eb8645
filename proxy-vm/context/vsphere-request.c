/* SPDX-License-Identifier: Apache-2.0
 *
 * SOAP requests.  See vsphere-request.h. */
#include <config.h>

#include "vsphere-request.h"

#include <stdlib.h>
#include <string.h>

#include "openvswitch/dynamic-string.h"
#include "soap-reply.h"
#include "util.h"

enum { MAX_ID = 256 };          /* Bytes of an object's id. */

static void
begin(struct ds *s)
{
    ds_init(s);
    /* No growth, which would leave copies of a password behind. */
    ds_reserve(s, 4096);
    ds_put_cstr(s, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>"
                "<soapenv:Envelope xmlns:soapenv="
                "\"http://schemas.xmlsoap.org/soap/envelope/\" "
                "xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">"
                "<soapenv:Body>");
}

/* Begins the request 'method' of the object 'ref'. */
static void
begin_method(struct ds *s, const char *method, const char *type,
             const char *ref)
{
    begin(s);
    ds_put_format(s, "<%s xmlns=\"urn:vim25\"><_this type=\"%s\">%s</_this>",
                  method, type, ref);
}

static char *
end_method(struct ds *s, const char *method)
{
    ds_put_format(s, "</%s></soapenv:Body></soapenv:Envelope>", method);
    return ds_steal_cstr(s);
}

static void
put_text(struct ds *s, const char *element, const char *text)
{
    ds_put_format(s, "<%s>", element);
    for (; *text; text++) {
        switch (*text) {
        case '<': ds_put_cstr(s, "&lt;"); break;
        case '>': ds_put_cstr(s, "&gt;"); break;
        case '&': ds_put_cstr(s, "&amp;"); break;
        case '"': ds_put_cstr(s, "&quot;"); break;
        default: ds_put_char(s, *text); break;
        }
    }
    ds_put_format(s, "</%s>", element);
}

char *
vsphere_request_id(const xmlNode *parent, const char *name)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
        "-_.:/[]";
    char *text = soap_text(soap_child(parent, name), MAX_ID + 1);
    size_t n = strlen(text);

    if (!n || n > MAX_ID || strspn(text, allowed) != n) {
        free(text);
        return NULL;
    }
    return text;
}

char *
vsphere_request_content(void)
{
    struct ds s;

    begin_method(&s, "RetrieveServiceContent", "ServiceInstance",
                 "ServiceInstance");
    return end_method(&s, "RetrieveServiceContent");
}

char *
vsphere_request_login(const struct vsphere_service *service,
                      const char *user, const char *password)
{
    struct ds s;

    begin_method(&s, "Login", "SessionManager", service->session_manager);
    put_text(&s, "userName", user);
    put_text(&s, "password", password);
    return end_method(&s, "Login");
}

char *
vsphere_request_logout(const struct vsphere_service *service)
{
    struct ds s;

    begin_method(&s, "Logout", "SessionManager", service->session_manager);
    return end_method(&s, "Logout");
}

char *
vsphere_request_view(const struct vsphere_service *service)
{
    struct ds s;

    begin_method(&s, "CreateContainerView", "ViewManager",
                 service->view_manager);
    ds_put_format(&s, "<container type=\"Folder\">%s</container>",
                  service->root_folder);
    for (size_t i = 0; i < N_VSPHERE_TYPES; i++) {
        if (vsphere_type_in_view[i]) {
            put_text(&s, "type", vsphere_type_names[i]);
        }
    }
    put_text(&s, "recursive", "true");
    return end_method(&s, "CreateContainerView");
}

/* Names the properties of the kind 'how'. */
static void
put_properties(struct ds *s, enum vsphere_how how)
{
    for (size_t type = 0; type < N_VSPHERE_TYPES; type++) {
        bool any = false;

        for (size_t i = 0; i < N_VSPHERE_PROPERTIES; i++) {
            const struct vsphere_property_info *p = &vsphere_properties[i];

            if (p->type == type && p->how == how) {
                if (!any) {
                    ds_put_cstr(s, "<propSet>");
                    put_text(s, "type", vsphere_type_names[type]);
                    put_text(s, "all", "false");
                }
                any = true;
                put_text(s, "pathSet", p->path);
            }
        }
        if (any) {
            ds_put_cstr(s, "</propSet>");
        }
    }
}

char *
vsphere_request_filter(const struct vsphere_service *service)
{
    struct ds s;

    begin_method(&s, "CreateFilter", "PropertyCollector",
                 service->property_collector);
    ds_put_cstr(&s, "<spec>");
    put_properties(&s, VSPHERE_PUSHED);
    ds_put_format(&s, "<objectSet><obj type=\"ContainerView\">%s</obj>"
                  "<skip>true</skip>"
                  "<selectSet xsi:type=\"TraversalSpec\">"
                  "<name>view</name><type>ContainerView</type>"
                  "<path>view</path><skip>false</skip></selectSet>"
                  "</objectSet>", service->view);
    if (service->custom_fields) {
        ds_put_format(&s, "<objectSet><obj type=\"CustomFieldsManager\">%s"
                      "</obj><skip>false</skip></objectSet>",
                      service->custom_fields);
    }
    ds_put_cstr(&s, "</spec><partialUpdates>false</partialUpdates>");
    return end_method(&s, "CreateFilter");
}

char *
vsphere_request_wait(const struct vsphere_service *service,
                     const char *version, unsigned int max_seconds,
                     unsigned int max_objects)
{
    struct ds s;

    begin_method(&s, "WaitForUpdatesEx", "PropertyCollector",
                 service->property_collector);
    put_text(&s, "version", version);
    ds_put_format(&s, "<options><maxWaitSeconds>%u</maxWaitSeconds>"
                  "<maxObjectUpdates>%u</maxObjectUpdates></options>",
                  max_seconds, max_objects);
    return end_method(&s, "WaitForUpdatesEx");
}

char *
vsphere_request_retrieve(const struct vsphere_service *service,
                         enum vsphere_how how, const char *object_set)
{
    struct ds s;

    begin_method(&s, "RetrievePropertiesEx", "PropertyCollector",
                 service->property_collector);
    ds_put_cstr(&s, "<specSet>");
    put_properties(&s, how);
    ds_put_cstr(&s, object_set);
    put_text(&s, "reportMissingObjectsInResults", "true");
    ds_put_cstr(&s, "</specSet><options/>");
    return end_method(&s, "RetrievePropertiesEx");
}

char *
vsphere_request_continue(const struct vsphere_service *service,
                         const char *token)
{
    struct ds s;

    begin_method(&s, "ContinueRetrievePropertiesEx", "PropertyCollector",
                 service->property_collector);
    put_text(&s, "token", token);
    return end_method(&s, "ContinueRetrievePropertiesEx");
}

char *
vsphere_request_counters(const struct vsphere_service *service)
{
    struct ds s;

    begin_method(&s, "RetrievePropertiesEx", "PropertyCollector",
                 service->property_collector);
    ds_put_format(&s, "<specSet><propSet><type>PerformanceManager</type>"
                  "<all>false</all><pathSet>perfCounter</pathSet></propSet>"
                  "<objectSet><obj type=\"PerformanceManager\">%s</obj>"
                  "</objectSet></specSet><options/>", service->performance);
    return end_method(&s, "RetrievePropertiesEx");
}

char *
vsphere_request_averages(const struct vsphere_service *service,
                         const char *specs)
{
    struct ds s;

    begin_method(&s, "QueryPerf", "PerformanceManager", service->performance);
    ds_put_cstr(&s, specs);
    return end_method(&s, "QueryPerf");
}
