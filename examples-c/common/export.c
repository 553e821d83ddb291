#include "export.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

static bool find_format(const char *path, uint32_t *format)
{
    static const struct {
        const char *ending;
        uint32_t format;
    } FORMATS[] = {
        {".html", RTW_EXPORT_HTML}, {".json", RTW_EXPORT_JSON},        {".csv", RTW_EXPORT_CSV},
        {".hlog", RTW_EXPORT_HLOG}, {".prom", RTW_EXPORT_OPENMETRICS},
    };
    const char *ending = strrchr(path, '.');
    for (size_t i = 0; ending && i < sizeof FORMATS / sizeof FORMATS[0]; i++) {
        if (strcmp(ending, FORMATS[i].ending) == 0) {
            *format = FORMATS[i].format;
            return true;
        }
    }
    return false;
}

bool export_is_possible(const char *path)
{
    uint32_t format;
    return find_format(path, &format);
}

rtw_status_t export_file(const rtw_export_subject_t *subjects, size_t count, const char *path, rtw_error_t *err)
{
    rtw_export_config_t config;
    rtw_export_config_init(&config);
    config.path = path;
    if (!find_format(path, &config.format)) {
        err->status = RTW_ERR_ARGUMENT;
        err->os_error = 0;
        snprintf(err->message, sizeof err->message, "%.200s does not end in " EXPORT_ENDINGS, path);
        return err->status;
    }
    return rtw_export(subjects, count, sizeof *subjects, &config, NULL, err);
}
