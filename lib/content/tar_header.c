/* The header blocks of tar archives: see tar_header.h. */
#include "content/tar_header.h"

#include <string.h>

#include "content/tar_number.h"

#define NUMBER(field, value) tar_number_field(field, sizeof(field), value)

bool tar_header_is_zero(const struct tar_header *header)
{
	const char *block = (const char *)header;

	return !block[0] && !memcmp(block, block + 1, TAR_HEADER_SIZE - 1);
}

/* The checksum is calculated as if its field were blank, by some with signed bytes. */
bool tar_header_has_checksum(const struct tar_header *header)
{
	const unsigned char *block = (const unsigned char *)header;
	const unsigned char *field = (const unsigned char *)header->checksum;
	int sum = 0, negative = 0;
	int64_t wanted;

	/* So simple a loop is compiled into vector instructions. */
	for (size_t i = 0; i < TAR_HEADER_SIZE; i++) {
		sum += block[i];
		negative += block[i] >> 7;
	}
	for (size_t i = 0; i < sizeof(header->checksum); i++) {
		sum += ' ' - field[i];
		negative -= field[i] >> 7;
	}
	return tar_number_octal(header->checksum, sizeof(header->checksum), &wanted) &&
	       (wanted == sum || wanted == sum - 0x100 * negative);
}

enum tar_format tar_header_format(const struct tar_header *header)
{
	if (!memcmp(header->magic, "ustar", 6))
		return memcmp(header->trailer, "tar", 4) != 0 ? TAR_USTAR : TAR_STAR;
	return memcmp(header->magic, "ustar  ", 8) != 0 ? TAR_V7 : TAR_GNU;
}

bool tar_header_numbers(const struct tar_header *header, struct tar_numbers *numbers)
{
	enum tar_format format = tar_header_format(header);
	int64_t time;

	*numbers = (struct tar_numbers){.mode = 0};
	if (!NUMBER(header->mode, &numbers->mode) || !NUMBER(header->uid, &numbers->uid) ||
	    !NUMBER(header->gid, &numbers->gid) || !NUMBER(header->size, &numbers->size) ||
	    !NUMBER(header->mtime, &numbers->mtime))
		return false;
	if (format == TAR_V7)
		return true;
	if (!NUMBER(header->major, &numbers->major) || !NUMBER(header->minor, &numbers->minor))
		return false;
	return format != TAR_STAR ||
	       (NUMBER(header->star.atime, &time) && NUMBER(header->star.ctime, &time));
}

static bool is_ascii(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] >= 0x80)
			return false;
	return true;
}

/* True for a time that an old GNU header may have, or may not. */
static bool is_optional_time(const char field[12])
{
	int64_t time;

	return !field[0] || tar_number_field(field, 12, &time);
}

/*
 * The length of the beginning of the name.  Until 2017, Go wrote it in headers of the GNU format
 * as well, which has two times there.
 */
static size_t prefix_length(const struct tar_header *header)
{
	size_t len = strnlen(header->prefix, sizeof(header->prefix));

	switch (tar_header_format(header)) {
	case TAR_USTAR:
		return len;
	case TAR_STAR:
		return strnlen(header->star.prefix, sizeof(header->star.prefix));
	case TAR_GNU:
		if (is_optional_time(header->gnu.atime) && is_optional_time(header->gnu.ctime))
			return 0;
		return is_ascii(header->prefix, len) ? len : 0;
	default:
		return 0;
	}
}

void tar_header_name(const struct tar_header *header, struct buffer *name)
{
	size_t len = prefix_length(header);

	buffer_reset(name);
	buffer_add(name, header->prefix, len);
	if (len)
		buffer_addc(name, '/');
	buffer_add(name, header->name, strnlen(header->name, sizeof(header->name)));
}

void tar_header_link(const struct tar_header *header, struct buffer *link)
{
	buffer_reset(link);
	buffer_add(link, header->link, strnlen(header->link, sizeof(header->link)));
}
