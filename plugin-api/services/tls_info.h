/* SPDX-License-Identifier: MIT */
/*
 * Names and types of the variables "conn.tls.*".
 *
 * The first group is the core's, from the ClientHello, for every connection that spoke TLS. The
 * second is registered by the module that terminates TLS on the client's side (role
 * PST_ROLE_CLIENT_TRANSPORT) and has values from on_handshake_done on. Every terminator registers
 * all of them, under these names and with these types.
 */
#ifndef PST_TLS_INFO_H
#define PST_TLS_INFO_H

/* The core's. */
#define PST_VAR_TLS_SNI          "conn.tls.sni"          /* STR: normalised              */
#define PST_VAR_TLS_ALPN_OFFERED "conn.tls.alpn_offered" /* STR: comma-separated         */
#define PST_VAR_TLS_HELLO        "conn.tls.hello"        /* BYTES: handshake message     */
#define PST_VAR_TLS_JA4          "conn.tls.ja4"          /* STR                          */
/* Since 1.1: "TLSv1.3,TLSv1.2" in the client's order; whether encrypted_client_hello was sent. */
#define PST_VAR_TLS_VERSIONS_OFFERED "conn.tls.versions_offered" /* STR                  */
#define PST_VAR_TLS_ECH_OFFERED      "conn.tls.ech_offered"      /* BOOL                 */

/* The terminator's. */
#define PST_VAR_TLS_VERSION          "conn.tls.version"          /* STR: "TLSv1.3"               */
#define PST_VAR_TLS_CIPHER           "conn.tls.cipher"           /* STR: IANA name               */
#define PST_VAR_TLS_GROUP            "conn.tls.group"            /* STR: IANA name               */
#define PST_VAR_TLS_ALPN             "conn.tls.alpn"             /* STR: negotiated              */
#define PST_VAR_TLS_RESUMED          "conn.tls.resumed"          /* BOOL                         */
#define PST_VAR_TLS_PEER_VERIFIED    "conn.tls.peer.verified"    /* BOOL                         */
#define PST_VAR_TLS_PEER_SUBJECT     "conn.tls.peer.subject"     /* STR: RFC 4514                */
#define PST_VAR_TLS_PEER_CN          "conn.tls.peer.cn"          /* STR                          */
#define PST_VAR_TLS_PEER_SAN         "conn.tls.peer.san"         /* STR: "dns:a,uri:b"           */
#define PST_VAR_TLS_PEER_SERIAL      "conn.tls.peer.serial"      /* STR: hexadecimal             */
#define PST_VAR_TLS_PEER_CERT_SHA256 "conn.tls.peer.cert_sha256" /* BYTES: 32                    */
#define PST_VAR_TLS_PEER_SPKI_SHA256 "conn.tls.peer.spki_sha256" /* BYTES: 32                    */
/* Since 1.1. */
#define PST_VAR_TLS_PEER_ISSUER    "conn.tls.peer.issuer"    /* STR: RFC 4514                    */
#define PST_VAR_TLS_PEER_NOT_AFTER "conn.tls.peer.not_after" /* U64: Unix time, seconds          */
#define PST_VAR_TLS_PEER_DER       "conn.tls.peer.der"       /* BYTES: the whole certificate     */
#define PST_VAR_TLS_CERT_KEY       "conn.tls.cert.key"       /* STR: our key: "EC256", "RSA2048" */
#define PST_VAR_TLS_CERT_SIG       "conn.tls.cert.sig"       /* STR: its signature: "RSA-SHA256" */

/*
 * Registered by the module that speaks TLS to the upstream (role PST_ROLE_UPSTREAM_TRANSPORT);
 * values from on_established on. Since 1.1.
 */
#define PST_VAR_UPSTREAM_TLS_VERSION          "upstream.tls.version"          /* STR             */
#define PST_VAR_UPSTREAM_TLS_CIPHER           "upstream.tls.cipher"           /* STR: IANA name  */
#define PST_VAR_UPSTREAM_TLS_GROUP            "upstream.tls.group"            /* STR: IANA name  */
#define PST_VAR_UPSTREAM_TLS_ALPN             "upstream.tls.alpn"             /* STR             */
#define PST_VAR_UPSTREAM_TLS_RESUMED          "upstream.tls.resumed"          /* BOOL            */
#define PST_VAR_UPSTREAM_TLS_VERIFIED         "upstream.tls.verified"         /* BOOL            */
#define PST_VAR_UPSTREAM_TLS_PEER_SUBJECT     "upstream.tls.peer.subject"     /* STR: RFC 4514   */
#define PST_VAR_UPSTREAM_TLS_PEER_CERT_SHA256 "upstream.tls.peer.cert_sha256" /* BYTES: 32       */

#endif
