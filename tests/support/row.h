/* Rows of the tables of guests: a line `NAME|PROFILE|IMPORTS|RESULT|TIME` for tests/support/table.py. */
#ifndef RTWASM_TEST_ROW_H
#define RTWASM_TEST_ROW_H

#include <rtwasm.h>
#include <stdio.h>

/* Appends a row to a file: who it is, what it imports (by name up to four, otherwise their number), the result in words, the median time of
 * a block. Returns 0 if it cannot. */
static inline int add_row(const char *path, const char *name, const char *profile_of, const rtw_module_t *module, const char *result,
                          double median_ns) {
    FILE *file = fopen(path, "a");
    if (file == NULL) return 0;
    fprintf(file, "%s|%s|", name, profile_of);
    const size_t count = rtw_module_import_count(module);
    for (size_t n = 0; n < count && count <= 4; n++) {
        rtw_extern_t import;
        if (rtw_module_import(module, n, &import) == RTW_OK) fprintf(file, "%s`%s`", n ? ", " : "", import.name);
    }
    if (count == 0) fputs("none", file);
    if (count > 4) fprintf(file, "%zu functions", count);
    fprintf(file, "|%s|%.2f\n", result, median_ns / 1000);
    return fclose(file) == 0;
}

#endif
