/*
 * fuzz.h: a property that holds for every input.  A target t/fuzz-NAME.c has fuzz_one(), which
 * aborts by FUZZ_CHECK() where it does not hold, seeds that show what input looks like, and
 * words that are worth putting into it.
 *
 * Built as it is, the program is a test: it tries a fixed number of inputs, made from the
 * seeds in an order that is always the same, or with $SOAK twenty times as many.  $FUZZ_ROUNDS and
 * $FUZZ_SEED change that.  Built with -DLIBFUZZER it is a target of libFuzzer (make fuzz), for
 * which `-o DIRECTORY' writes down seeds and words.  Other operands are files to try.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/mem.h"

static void fuzz_one(const uint8_t *data, size_t len);

#define FUZZ_CHECK(condition)                                                                      \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition);  \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

/* A message is one line that cannot steer a terminal.  Frees it. */
static inline void fuzz_message(ducc_error **err)
{
	AUTO_FREE char *printable = NULL;

	if (!*err)
		return;
	printable = ducc_printable(ducc_error_message(*err));
	FUZZ_CHECK(!strcmp(printable, ducc_error_message(*err)));
	FUZZ_CHECK(strlen(printable) <= 2100 && !strchr(printable, '\n'));
	ducc_error_free(*err);
	*err = NULL;
}

/* The input as a string that ends at its first NUL; the caller frees it. */
static inline char *fuzz_string(const uint8_t *data, size_t len)
{
	return xstrndup(len ? (const char *)data : "", len);
}

static inline int fuzz_file(const void *data, size_t len)
{
	int fd = memfd_create("input", MFD_CLOEXEC);

	FUZZ_CHECK(fd >= 0 && write(fd, data, len) == (ssize_t)len && !lseek(fd, 0, SEEK_SET));
	return fd;
}

#ifdef LIBFUZZER

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	fuzz_one(data, len);
	return 0;
}
/* Used, so that nobody misses their use; libFuzzer finds its words itself. */
#define FUZZ_MAIN(seeds, words, rounds)                                                            \
	__attribute__((used)) static const void *const fuzz_unused[] = {seeds, words};

#else

static uint64_t fuzz_state;

static inline size_t fuzz_random(size_t below)
{
	fuzz_state ^= fuzz_state << 13;
	fuzz_state ^= fuzz_state >> 7;
	fuzz_state ^= fuzz_state << 17;
	return (size_t)(fuzz_state >> 11) % below;
}

/* Puts `with` in the place of up to eight bytes, somewhere. */
static inline void fuzz_put(struct buffer *input, const char *with, size_t len)
{
	size_t at = fuzz_random(input->len + 1), rest = input->len - at;
	size_t cut = fuzz_random(9) < rest ? fuzz_random(9) % (rest + 1) : 0;
	AUTO_BUFFER out = {0};

	buffer_add(&out, input->data, at);
	buffer_add(&out, with, len);
	buffer_add(&out, input->data + at + cut, rest - cut);
	buffer_reset(input);
	buffer_add(input, out.data, out.len);
}

static inline void fuzz_change(struct buffer *input, const char *const *words, size_t n)
{
	char byte = (char)fuzz_random(256);
	const char *word = words[fuzz_random(n)];
	size_t from, len;

	switch (fuzz_random(4)) {
	case 0:
		fuzz_put(input, &byte, 1);
		break;
	case 1: /* a part of it again */
		from = fuzz_random(input->len + 1);
		len = fuzz_random(input->len - from + 1);
		{
			AUTO_FREE char *part = xmemdup(input->data + from, len);

			fuzz_put(input, part, len < 64 ? len : 64);
		}
		break;
	default:
		fuzz_put(input, word, strlen(word));
	}
}

/* What is being tried. */
static struct buffer fuzz_input;

/* For whoever has to find out why it crashed: the input as printf(1) takes it. */
static void fuzz_show(int number)
{
	ssize_t n = write(STDERR_FILENO, "input: ", 7);

	(void)number;
	for (size_t i = 0; i < fuzz_input.len && n > 0; i++) {
		unsigned char c = (unsigned char)fuzz_input.data[i];
		char octal[] = {'\\', (char)('0' + c / 64), (char)('0' + c / 8 % 8),
				(char)('0' + c % 8)};

		n = write(STDERR_FILENO, octal, sizeof(octal));
	}
	if (write(STDERR_FILENO, "\n", 1) < 0)
		return;
}

static inline int fuzz_files(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		FILE *file = fopen(argv[i], "r");
		int c;

		FUZZ_CHECK(file);
		buffer_reset(&fuzz_input);
		while ((c = getc(file)) != EOF)
			buffer_addc(&fuzz_input, (char)c);
		fclose(file);
		fuzz_one((const uint8_t *)fuzz_input.data, fuzz_input.len);
	}
	buffer_free(&fuzz_input);
	return 0;
}

static inline FILE *fuzz_create(const char *directory, const char *name)
{
	AUTO_FREE char *path = format("%s/%s", directory, name);
	FILE *file = fopen(path, "w");

	FUZZ_CHECK(file);
	return file;
}

/* Seeds as files, and the words as a dictionary of libFuzzer. */
static inline int fuzz_write(const char *directory, const char *const *seeds, size_t n_seeds,
			     const char *const *words, size_t n_words)
{
	FILE *file;

	for (size_t i = 0; i < n_seeds; i++) {
		AUTO_FREE char *name = format("seed-%zu", i);

		file = fuzz_create(directory, name);
		fputs(seeds[i], file);
		fclose(file);
	}
	file = fuzz_create(directory, "words");
	for (size_t i = 0; i < n_words; i++) {
		fputc('"', file);
		for (const char *p = words[i]; *p; p++)
			fprintf(file, "\\x%02x", (unsigned char)*p);
		fputs("\"\n", file);
	}
	fclose(file);
	return 0;
}

static inline int fuzz_run(const char *const *seeds, size_t n_seeds, const char *const *words,
			   size_t n_words, unsigned long rounds)
{
	const char *more = getenv("FUZZ_ROUNDS"), *seed = getenv("FUZZ_SEED");

	rounds = more ? strtoul(more, NULL, 10) : getenv("SOAK") ? rounds * 20 : rounds;
	fuzz_state = seed ? strtoull(seed, NULL, 10) + 1 : 88172645463325252ULL;
	for (unsigned long i = 0; i < rounds; i++) {
		const char *from = seeds[i % n_seeds];

		buffer_reset(&fuzz_input);
		buffer_adds(&fuzz_input, from);
		if (i >= n_seeds)
			for (size_t changes = 1 + fuzz_random(6); changes; changes--)
				fuzz_change(&fuzz_input, words, n_words);
		fuzz_one((const uint8_t *)fuzz_input.data, fuzz_input.len);
	}
	buffer_free(&fuzz_input);
	printf("ok 1 - it holds for %lu inputs\n1..1\n", rounds);
	return 0;
}

#define FUZZ_MAIN(seeds, words, rounds)                                                            \
	int main(int argc, char **argv)                                                            \
	{                                                                                          \
		signal(SIGABRT, fuzz_show);                                                        \
		if (argc == 3 && !strcmp(argv[1], "-o"))                                           \
			return fuzz_write(argv[2], seeds, ARRAY_LEN(seeds), words,                 \
					  ARRAY_LEN(words));                                       \
		return argc > 1 ? fuzz_files(argc, argv)                                           \
				: fuzz_run(seeds, ARRAY_LEN(seeds), words, ARRAY_LEN(words),       \
					   rounds);                                                \
	}

#endif

#endif
