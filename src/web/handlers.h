/* The handlers that routes.c chooses from, by the file they live in. */
#ifndef DEPESCHE_WEB_HANDLERS_H
#define DEPESCHE_WEB_HANDLERS_H

#include "web/http.h"

/* --- Pages without authentication --- */

extern const struct http_handler web_autoconfig;   /* config-v1.1.xml and mail-v1.xml */
extern const struct http_handler web_autodiscover; /* Outlook: POX and JSON */
extern const struct http_handler web_apple;        /* /apple.mobileconfig and /apple.svg */
extern const struct http_handler web_details; /* the server's details, "/" and "/details.css" */
extern const struct http_handler web_mta_sts; /* /.well-known/mta-sts.txt */
extern const struct http_handler web_acme;    /* /.well-known/acme-challenge/... */

/* --- The webmail's files (assets.c) --- */

extern const struct http_handler web_mail;   /* /mail/ */
extern const struct http_handler web_assets; /* /assets/... */
extern const struct http_handler web_frame;  /* /mail/frame and /mail/frame-remote */

/* --- Sessions and passwords --- */

extern const struct http_handler web_login;
extern const struct http_handler web_logout;
extern const struct http_handler web_password; /* /api/password */
extern const struct http_handler web_export;   /* /mail/export */

/* --- JMAP (jmap_handlers.c) --- */

extern const struct http_handler web_jmap_session;
extern const struct http_handler web_jmap_api;
extern const struct http_handler web_jmap_upload;
extern const struct http_handler web_jmap_download;
extern const struct http_handler web_jmap_events;

#endif
