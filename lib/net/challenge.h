/*
 * Challenges: the value of WWW-Authenticate (RFC 9110, section 11.6.1).
 *
 * A server may offer several schemes, in several headers or separated by commas in one;
 * each scheme is followed by its own parameters.  Names are case-insensitive.  If a scheme
 * or parameter is repeated, the first counts.
 */
#ifndef DUCC_CHALLENGE_H
#define DUCC_CHALLENGE_H

#include <stdbool.h>

/* True if the scheme is offered. */
bool challenge_offers(const char *header, const char *scheme);

/*
 * The unquoted value of a parameter of that scheme; NULL if it is missing or its quotes
 * are unterminated.  The caller frees it.
 */
char *challenge_parameter(const char *header, const char *scheme, const char *name);

#endif
