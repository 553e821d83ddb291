#include "place.h"
#include "proof.h"

#include <string.h>

/* All of type (i32)->(i32). */
place_t places[PLACES] = {
    /* nop nop unreachable */
    {"stops", RTW_ERR_TRAP_UNREACHABLE, 4, 2, {0x01, 0x01, 0x00, 0x0b}, 0},
    /* local.get 0, i32.const 0, i32.div_s */
    {"divides", RTW_ERR_TRAP_DIVIDE_BY_ZERO, 6, 4, {0x20, 0x00, 0x41, 0x00, 0x6d, 0x0b}, 0},
    /* nop, i32.const -4, i32.load */
    {"reaches", RTW_ERR_TRAP_MEMORY, 7, 3, {0x01, 0x41, 0x7c, 0x28, 0x02, 0x00, 0x0b}, 0},
    /* f32.const nan, i32.trunc_f32_s */
    {"converts", RTW_ERR_TRAP_BAD_CONVERSION, 7, 5, {0x43, 0x00, 0x00, 0xc0, 0x7f, 0xa8, 0x0b}, 0},
    /* local.get 0, i32.const 5, call_indirect (i32)->(i32) of a table with one entry */
    {"calls", RTW_ERR_TRAP_TABLE, 8, 4, {0x20, 0x00, 0x41, 0x05, 0x11, 0x01, 0x00, 0x0b}, 0},
};

static uint8_t bytes[1024];
static size_t used;

static void put(const void *from, size_t length)
{
    NEED(used + length <= sizeof bytes, "the module is too large for its buffer");
    memcpy(bytes + used, from, length);
    used += length;
}

static void put_byte(unsigned byte)
{
    const uint8_t one = (uint8_t)byte;
    put(&one, 1);
}

static void put_name(const char *name)
{
    put_byte((unsigned)strlen(name));
    put(name, strlen(name));
}

/* Begins a section or subsection whose size is filled in by `end`; sizes take two bytes, so that they need not be known. */
static size_t begin(unsigned id)
{
    put_byte(id);
    put_byte(0);
    put_byte(0);
    return used;
}

static void end(size_t start)
{
    const size_t size = used - start;
    bytes[start - 2] = (uint8_t)(0x80 | (size & 0x7f));
    bytes[start - 1] = (uint8_t)(size >> 7);
}

void encode_places(FILE *file)
{
    static const uint8_t header[] = {0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00};
    static const uint8_t types[] = {2, 0x60, 0, 0, 0x60, 1, 0x7f, 1, 0x7f}; /* ()->(), (i32)->(i32) */
    static const uint8_t table[] = {1, 0x70, 0, 1};
    static const uint8_t memory[] = {1, 0, 1};
    used = 0;
    put(header, sizeof header);
    size_t at = begin(1);
    put(types, sizeof types);
    end(at);
    at = begin(2);
    put_byte(1);
    put_name("env");
    put_name("host");
    put_byte(0);
    put_byte(0);
    end(at);
    at = begin(3);
    put_byte(PLACES);
    for (int i = 0; i < PLACES; i++)
        put_byte(1);
    end(at);
    at = begin(4);
    put(table, sizeof table);
    end(at);
    at = begin(5);
    put(memory, sizeof memory);
    end(at);
    at = begin(7);
    put_byte(PLACES);
    for (unsigned i = 0; i < PLACES; i++) {
        put_name(places[i].name);
        put_byte(0);
        put_byte(FIRST_PLACE + i);
    }
    end(at);
    at = begin(10);
    put_byte(PLACES);
    for (int i = 0; i < PLACES; i++) {
        put_byte(places[i].length + 1u);
        put_byte(0); /* no locals */
        places[i].offset = (long)used + places[i].trap_at;
        put(places[i].code, places[i].length);
    }
    end(at);
    at = begin(0);
    put_name("name");
    const size_t functions = begin(1);
    put_byte(PLACES);
    for (unsigned i = 0; i < PLACES; i++) {
        put_byte(FIRST_PLACE + i);
        put_name(places[i].name);
    }
    end(functions);
    end(at);
    if (file)
        NEED(fwrite(bytes, 1, used, file) == used, "the module cannot be written");
}
