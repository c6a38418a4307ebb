/*
 * The records that a tool reads: from its operands or, without operands, from standard input.
 *
 * Comments and empty lines are copied to standard output if the tool passes on what it reads; malformed
 * records are reported and counted as failed, as is input that is no list of records.
 */
#ifndef INPUT_H
#define INPUT_H

#include "tool.h"

struct input;
struct input *input_new(struct tool *tool, char **operands, int n, bool comments);
void input_free(struct input *input);

/*
 * The next record, to be freed with ducc_record_free(); NULL at the end.  With
 * wait false, also NULL if no complete line is available yet.
 */
ducc_record *input_next(struct input *input, bool wait);

/* Before reading standard input: if it is a terminal, prints the synopsis and exits. */
void input_refuse_terminal(const struct tool *tool);

#endif
