/*
 * Links: the value of a Link header (RFC 8288), by which registries refer to the next page of
 * a list.
 *
 * Several links are separated by commas; each is followed by its parameters, in any order.
 * Like other clients, this parser accepts a target without angle brackets and, if no link is
 * said to be the next page, takes the first one without a relation type.
 */
#ifndef DUCC_LINK_H
#define DUCC_LINK_H

/*
 * Finds the target of the link to the next page.  Returns 1 with a copy in *target, to be freed
 * by the caller, 0 with *target NULL if there is no such link, -1 if the header is malformed.
 */
int link_next(const char *header, char **target);

#endif
