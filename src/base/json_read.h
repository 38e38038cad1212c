/* JSON from outside, read into jansson's trees. Everything that reads any comes here, for three
 * things that must hold for all of it: depth and values are counted before the first tree is built
 * (the parser goes down by recursion, and a tree takes fifty times its text); the seed of the
 * trees' hash tables cannot be guessed; and what the trees gave back is overwritten, for there are
 * passwords in them. Trees end the process when there is no memory, as mem.h does. */
#ifndef DEPESCHE_BASE_JSON_READ_H
#define DEPESCHE_BASE_JSON_READ_H

#include "base/slice.h"
#include <jansson.h>

/* One object or array, at most `depth` deep (1: with single values only) and of at most `values`
 * values; the text's size is bounded by the caller. No member stands twice. ERR_LIMIT: too deep,
 * too many; ERR_INPUT: no JSON. Free with json_decref(). */
must_use enum error json_read(struct slice text, size_t depth, size_t values, json_t **out);

#endif
