/*
 * Tars: whatever is in one, the reader returns entries that fit together, and an error or the
 * end; and the same ones, however the bytes arrive.
 *
 * The input is lines, for headers have sums and lengths that no change would ever get right.  A
 * line is a header, whose first byte is its type:
 *
 *	x g             the records after it, with a semicolon between them, get their lengths
 *	L K             the text after it is the content
 *	~               what is after it is part of the tar as it is; a zero block if that is nothing
 *	anything else   fields of the header, with bars between them, in the order of the table;
 *	                the content has as many bytes as the field of the size says
 */
#include "content/tar_reader.h"
#include "fuzz.h"

#define BLOCK 512
#define CONTENT_LIMIT 4096

static const char *const seeds[] = {
	"0file|644|0|0|12|14371573277||ustar\n5dir/|755\n2link|777|||||target\n"
	"1hard|||||77|file\n",
	"xpath=long;mtime=-1.25;uid=70000;SCHILY.xattr.user.a=b=c;uid=\n0short|644|1|2|3\n",
	"gcomment=x\nLlong name\nKtarget\n1short|644|||||t\n~\n~\n",
	"xGNU.sparse.major=1;GNU.sparse.minor=0;GNU.sparse.name=s;GNU.sparse.realsize=2000\n"
	"0s|644|||1005\n",
	"xGNU.sparse.numblocks=2;GNU.sparse.map=0,5,1000,1;GNU.sparse.size=1001\n0s|644|||6\n",
	"xGNU.sparse.offset=5;GNU.sparse.numbytes=1;GNU.sparse.numblocks=1;"
	"GNU.sparse.realsize=9\n0s|644|||1\n",
	"Ss|644|||5|||ustar  ||||00000000003 00000000005|11\n3dev|||||||ustar|5|1\n"
	"7c|644|||512\n6p\n4b\n",
	"Ss|644|||1006|||ustar  ||||00000000003 00000000005|11\n",
	"0n|644||||||ustar|||prefix\n0n|644||||||ustar  |||not a time\n",
	"0a\n~\n0b\n",
	"xsize=600\n0a|644|||1\nxsize=-1\n5d\n",
};

static const char *const words[] = {
	"\n",
	"|",
	";",
	"=",
	"\nx",
	"\ng",
	"\nL",
	"\nK",
	"\nS",
	"\n5",
	"\n1",
	"\n~\n",
	"~",
	"path=",
	"linkpath=",
	"size=",
	"uid=",
	"mtime=",
	"SCHILY.xattr.",
	"GNU.sparse.major=",
	"GNU.sparse.minor=",
	"GNU.sparse.map=",
	"GNU.sparse.name=",
	"GNU.sparse.size=",
	"GNU.sparse.realsize=",
	"GNU.sparse.numblocks=",
	"GNU.sparse.offset=",
	"GNU.sparse.numbytes=",
	"9223372036854775807",
	"-9223372036854775808",
	"\x80",
	"\xff\xff\xff\xff\xff\xff\xff\xff",
	"7777777777777",
	",",
	"-",
	".5",
	"ustar",
	"ustar  ",
};

static const struct field {
	size_t offset, len;
} fields[] = {
	{0, 100}, {100, 8}, {108, 8},   {116, 8},  {124, 12}, {136, 12}, {157, 100}, {257, 8},
	{329, 8}, {337, 8}, {345, 155}, {386, 96}, {483, 12}, {482, 1},  {508, 4},
};

#define SIZE_FIELD 4

static void put_sum(unsigned char *block)
{
	unsigned sum = 0;

	memset(block + 148, ' ', 8);
	for (size_t i = 0; i < BLOCK; i++)
		sum += block[i];
	snprintf((char *)block + 148, 8, "%06o", sum);
}

static void pad(struct buffer *tar)
{
	while (tar->len % BLOCK)
		buffer_addc(tar, '\0');
}

/* A header that extends the next one, and its content. */
static void add_extension(struct buffer *tar, char type, const char *data, size_t len)
{
	unsigned char block[BLOCK] = {0};

	snprintf((char *)block + 124, 12, "%zo", len);
	block[156] = (unsigned char)type;
	put_sum(block);
	buffer_add(tar, block, BLOCK);
	buffer_add(tar, data, len);
	pad(tar);
}

static void add_records(struct buffer *tar, char type, const char *text, size_t len)
{
	AUTO_BUFFER records = {0};

	while (len) {
		const char *end = memchr(text, ';', len);
		size_t n = end ? (size_t)(end - text) : len, digits = 1;

		for (size_t whole = n + 3; whole >= 10; whole /= 10)
			digits++;
		if (n + 2 + digits >= (digits == 1 ? 10U : digits == 2 ? 100U : 1000U))
			digits++;
		buffer_addf(&records, "%zu ", n + 2 + digits);
		buffer_add(&records, text, n);
		buffer_addc(&records, '\n');
		n += end != NULL;
		text += n;
		len -= n;
	}
	add_extension(tar, type, records.data, records.len);
}

static void add_header(struct buffer *tar, char type, const char *text, size_t len)
{
	unsigned char block[BLOCK] = {0};
	size_t size = 0;

	for (size_t f = 0; f < ARRAY_LEN(fields); f++) {
		const char *end = memchr(text, '|', len);
		size_t n = end ? (size_t)(end - text) : len;

		memcpy(block + fields[f].offset, text, n < fields[f].len ? n : fields[f].len);
		if (!end)
			break;
		text = end + 1;
		len -= n + 1;
	}
	size = strtoul((char *)block + fields[SIZE_FIELD].offset, NULL, 8);
	block[156] = (unsigned char)type;
	put_sum(block);
	buffer_add(tar, block, BLOCK);
	for (size_t i = 0; i < size && i < CONTENT_LIMIT; i++)
		buffer_addc(tar, "1\n0\n5\n"[i % 6]);
	pad(tar);
}

static void add_line(struct buffer *tar, const char *line, size_t len)
{
	static const char zeros[BLOCK];

	if (!len)
		return;
	if (*line == 'x' || *line == 'g')
		add_records(tar, *line, line + 1, len - 1);
	else if (*line == 'L' || *line == 'K')
		add_extension(tar, *line, line + 1, len - 1);
	else if (*line == '~' && len == 1)
		buffer_add(tar, zeros, BLOCK);
	else if (*line == '~')
		buffer_add(tar, line + 1, len - 1);
	else
		add_header(tar, *line, line + 1, len - 1);
}

/* --- reading ----------------------------------------------------------- */

struct stream {
	const struct buffer *tar;
	size_t done, step;
};

static int read_stream_of(void *ctx, const void **data, size_t *len, ducc_error **err)
{
	struct stream *stream = ctx;
	size_t left = stream->tar->len - stream->done;

	(void)err;
	*len = left < stream->step ? left : stream->step;
	*data = stream->tar->data + stream->done;
	stream->done += *len;
	return *len > 0;
}

static void check_entry(const struct tar_entry *entry, const struct buffer *tar)
{
	FUZZ_CHECK(entry->name && strlen(entry->name) < TAR_HEADER_LIMIT);
	FUZZ_CHECK(entry->link && strlen(entry->link) < TAR_HEADER_LIMIT);
	FUZZ_CHECK(entry->offset + BLOCK <= tar->len && entry->offset % BLOCK == 0);
	FUZZ_CHECK(entry->mtime_nsec < 1000000000 && entry->size <= INT64_MAX);
	FUZZ_CHECK(S_ISREG(entry->mode) || !entry->size || !(entry->mode & S_IFMT));
	FUZZ_CHECK(!entry->is_hard_link || !entry->size);
}

static void describe(const struct tar_entry *entry, struct buffer *out)
{
	buffer_addf(out, "%s %s %o %d %lld %lld %lld %u %llu\n", entry->name, entry->link,
		    entry->mode, entry->is_hard_link, (long long)entry->uid, (long long)entry->gid,
		    (long long)entry->mtime, entry->mtime_nsec, (unsigned long long)entry->size);
	for (size_t i = 0; i < entry->n_xattrs; i++) {
		buffer_adds(out, entry->xattrs[i].name);
		buffer_add(out, entry->xattrs[i].value, entry->xattrs[i].len);
	}
}

/* The whole content, unless it is mostly holes. */
static int read_content(struct tar_reader *reader, const struct tar_entry *entry,
			struct buffer *out, ducc_error **err)
{
	uint64_t done = 0;
	const void *data;
	size_t len;
	int result;

	if (entry->size > 1 << 20)
		return 0;
	while ((result = tar_reader_data(reader, &data, &len, err)) > 0) {
		FUZZ_CHECK(len && len <= entry->size - done);
		done += len;
		buffer_add(out, data, len);
	}
	FUZZ_CHECK(result < 0 || done == entry->size);
	return result;
}

/* Appends a description of everything to `out`. */
static void read_all(const struct buffer *tar, size_t step, struct buffer *out)
{
	struct stream stream = {.tar = tar, .step = step};
	AUTO_TAR_READER *reader =
		tar_reader_new((struct tar_source){read_stream_of, &stream}, TAR_HEADER_LIMIT);
	const struct tar_entry *entry;
	ducc_error *err = NULL;
	int result;

	while ((result = tar_reader_next(reader, &entry, &err)) > 0) {
		check_entry(entry, tar);
		describe(entry, out);
		result = read_content(reader, entry, out, &err);
		if (result < 0)
			break;
	}
	FUZZ_CHECK((result < 0) == (err != NULL));
	buffer_adds(out, err ? ducc_error_message(err) : "end");
	fuzz_message(&err);
}

static void fuzz_one(const uint8_t *data, size_t len)
{
	static const size_t steps[] = {1, 100, BLOCK, 1 << 20};
	const char *line = (const char *)data, *end = line + len;
	AUTO_BUFFER tar = {0}, first = {0};

	while (line && line < end) {
		const char *newline = memchr(line, '\n', (size_t)(end - line));

		add_line(&tar, line, (size_t)((newline ? newline : end) - line));
		line = newline ? newline + 1 : NULL;
	}
	buffer_adds(&tar, "");
	read_all(&tar, steps[0], &first);
	for (size_t i = 1; i < ARRAY_LEN(steps); i++) {
		AUTO_BUFFER again = {0};

		read_all(&tar, steps[i], &again);
		FUZZ_CHECK(again.len == first.len && !memcmp(again.data, first.data, first.len));
	}
}

FUZZ_MAIN(seeds, words, 10000)
