/* A translation unit whose end never comes: the compiler waits with all that it made of it. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <locale.h>
#include <math.h>
#include <netdb.h>
#include <pthread.h>
#include <regex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FUNCTION(name) \
    struct name { struct name *next; char text[16]; uint64_t count; double mean; }; \
    static int name##_compare(const void *a, const void *b) { \
        const struct name *left = a, *right = b; \
        return left->count < right->count ? -1 : left->count > right->count; \
    } \
    struct name *name##_find(struct name *list, const char *text, double limit) { \
        for (struct name *at = list; at; at = at->next) { \
            if (strcmp(at->text, text) == 0 && fabs(at->mean - limit) < 1e-6) return at; \
            switch (at->count % 5) { \
            case 0: at->mean += sqrt(limit); break; \
            case 1: at->count ^= UINT64_C(0x9e3779b97f4a7c15); break; \
            case 2: printf("%s %" PRIu64 "\n", at->text, at->count); break; \
            default: if (name##_compare(at, list) > 0) list = at; \
            } \
        } \
        return NULL; \
    }
#define TEN(name) FUNCTION(name##0) FUNCTION(name##1) FUNCTION(name##2) FUNCTION(name##3) FUNCTION(name##4) \
    FUNCTION(name##5) FUNCTION(name##6) FUNCTION(name##7) FUNCTION(name##8) FUNCTION(name##9)
#define HUNDRED(name) TEN(name##0) TEN(name##1) TEN(name##2) TEN(name##3) TEN(name##4) \
    TEN(name##5) TEN(name##6) TEN(name##7) TEN(name##8) TEN(name##9)
HUNDRED(a) HUNDRED(b) HUNDRED(c)
#include "never"
