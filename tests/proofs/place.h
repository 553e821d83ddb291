/* A guest in binary form, encoded here so that the offset of every trapping instruction is known. */
#ifndef RTWASM_PROOF_PLACE_H
#define RTWASM_PROOF_PLACE_H

#include <stdint.h>
#include <stdio.h>

#include "rtwasm.h"

typedef struct place_t {
    const char *name;      /* of the function, in the name section and as an export */
    rtw_status_t status;
    uint8_t length;
    uint8_t trap_at;       /* the trapping instruction among the code's bytes */
    uint8_t code[16];      /* the body behind its list of locals */
    long offset;           /* of that instruction in the module; set by encode_places */
} place_t;

enum { PLACES = 5, FIRST_PLACE = 1 }; /* function 0 is the import env.host ()->() */
extern place_t places[PLACES];

/* Writes the module to `file`, which may be NULL, and fills the offsets in. */
void encode_places(FILE *file);

#endif
