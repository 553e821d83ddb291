#include "plot.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* Layout, in pixels. */
#define IMAGE_WIDTH 960.0
#define PLOT_LEFT 72.0
#define PLOT_RIGHT 928.0
#define PLOT_WIDTH (PLOT_RIGHT - PLOT_LEFT)
#define TITLE_HEIGHT 52.0
#define PANEL_HEIGHT 314.0
#define FOOTER_HEIGHT 26.0
#define HEADING_Y 16.0     /* these four are offsets inside a panel */
#define MARK_LABEL_Y 40.0
#define LEADER_TOP 58.0
#define PLOT_TOP 76.0
#define PLOT_HEIGHT 190.0

/* Bars: fine enough to show the shape, wide enough to be seen. */
#define BIN_COUNT 171
#define BIN_WIDTH (PLOT_WIDTH / BIN_COUNT)
#define MIN_BAR_HEIGHT 2.0
#define MIN_SPREAD_COUNT 16

#define MARK_LABEL_WIDTH 66.0 /* fits "deadline" and "99.9 us" */
#define MAX_MARKS 5
#define MIN_LATENCY_NS 0.1 /* a logarithm needs something above zero */
#define MIN_SPAN_DECADES 1.0
#define MAX_TITLE_CHARS 110
#define MAX_LABEL_CHARS 80

typedef struct {
    double log_low, log_high; /* log10 of ns at the two ends */
} latency_axis_t;

typedef struct {
    double count[BIN_COUNT];
    double largest;
    uint64_t samples, late; /* late: in buckets that lie wholly past the deadline */
} bins_t;

typedef struct {
    const char *name, *colour;
    double latency_ns;
    double x, label_x;
} mark_t;

/* ---- text ---- */

/* Length of the valid UTF-8 sequence at `s`, or 0. Surrogates and the over-long forms are refused, as XML parsers do. */
static int utf8_length(const unsigned char *s)
{
    int length = s[0] < 0x80 ? 1 : (s[0] >= 0xC2 && s[0] < 0xE0) ? 2 : (s[0] & 0xF0) == 0xE0 ? 3 : (s[0] >= 0xF0 && s[0] < 0xF5) ? 4 : 0;
    for (int i = 1; i < length; i++) {
        if ((s[i] & 0xC0) != 0x80) return 0;
    }
    if (s[0] == 0xE0 && s[1] < 0xA0) return 0;
    if (s[0] == 0xED && s[1] > 0x9F) return 0;
    if (s[0] == 0xEF && s[1] == 0xBF && s[2] >= 0xBE) return 0; /* U+FFFE, U+FFFF */
    if (s[0] == 0xF0 && s[1] < 0x90) return 0;
    if (s[0] == 0xF4 && s[1] > 0x8F) return 0;
    return length;
}

/* Writes `text` as XML character data, cut to `max_chars`. What XML 1.0 cannot hold becomes '?'. */
static void put_text(FILE *out, const char *text, int max_chars)
{
    const unsigned char *s = (const unsigned char *)(text ? text : "");
    for (int chars = 0; *s != '\0'; chars++) {
        if (chars == max_chars) {
            fputs("...", out);
            return;
        }
        int length = utf8_length(s);
        if (*s == '&') fputs("&amp;", out);
        else if (*s == '<') fputs("&lt;", out);
        else if (*s == '>') fputs("&gt;", out);
        else if (*s == '"') fputs("&quot;", out);
        else if (*s == '\'') fputs("&apos;", out);
        else if (*s < 0x20) fputc(*s == '\t' || *s == '\n' ? ' ' : '?', out);
        else if (length == 0 || *s == 0x7F) fputc('?', out);
        else fwrite(s, 1, (size_t)length, out);
        s += length > 0 ? length : 1;
    }
}

/* "999 ns", "1.23 us", "45.6 ms": three digits, the unit that keeps them before the thousand. */
static void format_latency(char *text, size_t size, double ns)
{
    static const char *const unit[] = {"ns", "us", "ms", "s"};
    size_t u = 0;
    while (u < 3 && ns >= 999.5) {
        ns /= 1000.0;
        u++;
    }
    int decimals = ns >= 99.95 ? 0 : ns >= 9.995 ? 1 : 2;
    snprintf(text, size, "%.*f %s", decimals, ns, unit[u]);
}

/* A tick's label: the same units, no trailing zeros. */
static void format_tick(char *text, size_t size, int decade, int digit)
{
    static const char *const unit[] = {"ns", "us", "ms", "s"};
    int u = decade < 0 ? 0 : decade / 3 > 3 ? 3 : decade / 3;
    snprintf(text, size, "%.6g %s", digit * pow(10.0, decade - 3 * u), unit[u]);
}

/* 1234567 as "1 234 567", so that large counts can be read. */
static void put_grouped(FILE *out, uint64_t value)
{
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%" PRIu64, value);
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0) fputc(' ', out);
        fputc(digits[i], out);
    }
}

/* ---- the common latency axis ---- */

static bool is_marked(double ns)
{
    return isfinite(ns) && ns > 0.0;
}

static bool is_drawable(const rtw_bucket_t *bucket)
{
    return bucket->count > 0 && isfinite(bucket->low_ns) && isfinite(bucket->high_ns) && bucket->high_ns > 0.0;
}

/* log10 of a bucket's edges; an edge at or below zero is put just left of the other. */
static void bucket_log_edges(const rtw_bucket_t *bucket, double *log_low, double *log_high)
{
    *log_high = log10(fmax(bucket->high_ns, MIN_LATENCY_NS));
    *log_low = bucket->low_ns > 0.0 ? log10(fmax(bucket->low_ns, MIN_LATENCY_NS)) : *log_high - 0.05;
    if (*log_low > *log_high) *log_low = *log_high;
}

static void axis_include(latency_axis_t *axis, double log_ns)
{
    axis->log_low = fmin(axis->log_low, log_ns);
    axis->log_high = fmax(axis->log_high, log_ns);
}

static void axis_include_series(latency_axis_t *axis, const plot_series_t *series)
{
    const double marks[] = {series->p50_ns, series->p99_ns, series->p999_ns, series->max_ns, series->deadline_ns};
    for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++) {
        if (is_marked(marks[i])) axis_include(axis, log10(fmax(marks[i], MIN_LATENCY_NS)));
    }
    for (size_t i = 0; i < series->bucket_count; i++) {
        if (!is_drawable(&series->buckets[i])) continue;
        double log_low, log_high;
        bucket_log_edges(&series->buckets[i], &log_low, &log_high);
        axis_include(axis, log_low);
        axis_include(axis, log_high);
    }
}

static latency_axis_t axis_for(const plot_series_t *series, size_t count)
{
    latency_axis_t axis = {HUGE_VAL, -HUGE_VAL};
    for (size_t i = 0; i < count; i++) axis_include_series(&axis, &series[i]);
    if (axis.log_low > axis.log_high) { /* nothing to show: any axis will do */
        axis.log_low = 2.0;
        axis.log_high = 6.0;
    }
    double span = axis.log_high - axis.log_low;
    double margin = fmax((MIN_SPAN_DECADES - span) / 2.0, 0.03 * span);
    axis.log_low -= margin;
    axis.log_high += margin;
    return axis;
}

static double axis_x(const latency_axis_t *axis, double log_ns)
{
    double fraction = (log_ns - axis->log_low) / (axis->log_high - axis->log_low);
    return PLOT_LEFT + PLOT_WIDTH * fmin(fmax(fraction, 0.0), 1.0);
}

/* ---- binning ---- */

/* A bucket is spread over the bins it overlaps, or the curve gets steps where bins and buckets beat against each other; but
 * a narrow bucket of few calls goes into one bin, so that a lone late call is drawn as one call. */
static void bin_bucket(bins_t *bins, const latency_axis_t *axis, const rtw_bucket_t *bucket)
{
    double log_low, log_high;
    bucket_log_edges(bucket, &log_low, &log_high);
    double low = (axis_x(axis, log_low) - PLOT_LEFT) / BIN_WIDTH;
    double high = (axis_x(axis, log_high) - PLOT_LEFT) / BIN_WIDTH;
    if (high - low <= 1.0 && (bucket->count < MIN_SPREAD_COUNT || high <= low)) {
        int middle = (int)((low + high) / 2.0);
        bins->count[middle < BIN_COUNT ? middle : BIN_COUNT - 1] += (double)bucket->count;
        return;
    }
    for (int bin = (int)low; bin < BIN_COUNT && bin < high; bin++) {
        double overlap = fmin(high, bin + 1.0) - fmax(low, bin);
        bins->count[bin] += (double)bucket->count * overlap / (high - low);
    }
}

static void bin_series(bins_t *bins, const latency_axis_t *axis, const plot_series_t *series)
{
    memset(bins, 0, sizeof *bins);
    for (size_t i = 0; i < series->bucket_count; i++) {
        const rtw_bucket_t *bucket = &series->buckets[i];
        if (!is_drawable(bucket)) continue;
        bin_bucket(bins, axis, bucket);
        bins->samples += bucket->count;
        if (is_marked(series->deadline_ns) && bucket->low_ns >= series->deadline_ns) bins->late += bucket->count;
    }
    for (int i = 0; i < BIN_COUNT; i++) bins->largest = fmax(bins->largest, bins->count[i]);
}

/* ---- drawing ---- */

static void put_line(FILE *out, double x1, double y1, double x2, double y2, const char *css)
{
    fprintf(out, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" class=\"%s\"/>\n", x1, y1, x2, y2, css);
}

static void draw_latency_tick(FILE *out, const latency_axis_t *axis, double top, int decade, int digit, bool labelled)
{
    double log_ns = decade + log10(digit);
    if (log_ns < axis->log_low || log_ns > axis->log_high) return;
    double x = axis_x(axis, log_ns), bottom = top + PLOT_HEIGHT;
    put_line(out, x, top, x, bottom, digit == 1 ? "grid" : "fine");
    put_line(out, x, bottom, x, bottom + (labelled ? 5.0 : 3.0), "axis");
    if (!labelled) return;
    char text[32];
    format_tick(text, sizeof text, decade, digit);
    fprintf(out, "<text x=\"%.1f\" y=\"%.1f\" class=\"tick mid\">%s</text>\n", x, bottom + 18.0, text);
}

static void draw_latency_axis(FILE *out, const latency_axis_t *axis, double top)
{
    double decade_px = PLOT_WIDTH / (axis->log_high - axis->log_low);
    int label_every = (int)ceil(52.0 / decade_px); /* in decades, when they get too narrow for a label each */
    for (int decade = (int)floor(axis->log_low); decade <= (int)ceil(axis->log_high); decade++) {
        draw_latency_tick(out, axis, top, decade, 1, decade % label_every == 0);
        if (decade_px < 60.0) continue; /* no room for 2..9 */
        for (int digit = 2; digit <= 9; digit++) {
            bool labelled = (decade_px >= 190.0 && (digit == 2 || digit == 5)) || decade_px >= 1100.0 ||
                            (decade_px >= 560.0 && digit <= 5) || (decade_px >= 560.0 && digit == 7);
            draw_latency_tick(out, axis, top, decade, digit, labelled);
        }
    }
}

/* The count axis runs from just below one call to the decade above the highest bar. */
static double count_axis_decades(const bins_t *bins)
{
    return fmax(1.0, ceil(log10(fmax(bins->largest, 1.0)) + 0.02));
}

static double count_y(double top, double decades, double count)
{
    const double floor_decades = 0.25; /* room below 1, so that one call is a visible bar */
    double fraction = (log10(fmax(count, 1.0)) + floor_decades) / (decades + floor_decades);
    return top + PLOT_HEIGHT * (1.0 - fraction);
}

static void draw_count_axis(FILE *out, double top, double decades)
{
    static const char *const suffix[] = {"", "k", "M", "G", "T", "P", "E"};
    int step = (int)ceil(decades / 8.0);
    for (int decade = 0; decade <= (int)decades; decade += step) {
        double y = count_y(top, decades, pow(10.0, decade));
        put_line(out, PLOT_LEFT, y, PLOT_RIGHT, y, "grid");
        fprintf(out, "<text x=\"%.1f\" y=\"%.1f\" class=\"tick end\">%.0f%s</text>\n", PLOT_LEFT - 8.0, y + 4.0,
                pow(10.0, decade % 3), suffix[decade / 3 < 6 ? decade / 3 : 6]);
    }
    double middle = top + PLOT_HEIGHT / 2.0;
    fprintf(out, "<text x=\"22\" y=\"%.1f\" class=\"tick mid\" transform=\"rotate(-90 22 %.1f)\">count</text>\n", middle, middle);
}

static void draw_bars(FILE *out, const bins_t *bins, double top, double decades, double deadline_x)
{
    for (int i = 0; i < BIN_COUNT; i++) {
        if (bins->count[i] <= 0.0) continue;
        double x = PLOT_LEFT + i * BIN_WIDTH;
        double height = fmax(top + PLOT_HEIGHT - count_y(top, decades, bins->count[i]), MIN_BAR_HEIGHT);
        fprintf(out, "<rect x=\"%.2f\" y=\"%.1f\" width=\"%.2f\" height=\"%.1f\" class=\"%s\"/>\n", x + 0.4,
                top + PLOT_HEIGHT - height, BIN_WIDTH - 0.8, height, x + BIN_WIDTH / 2.0 >= deadline_x ? "late" : "bar");
    }
}

/* ---- percentile marks ---- */

static int collect_marks(mark_t *marks, const plot_series_t *series, const latency_axis_t *axis)
{
    const mark_t candidates[MAX_MARKS] = {
        {"p50", "#2f855a", series->p50_ns, 0, 0},   {"p99", "#7a6a00", series->p99_ns, 0, 0},
        {"p99.9", "#c05621", series->p999_ns, 0, 0}, {"max", "#44337a", series->max_ns, 0, 0},
        {"deadline", "#d00000", series->deadline_ns, 0, 0},
    };
    int count = 0;
    for (int i = 0; i < MAX_MARKS; i++) {
        if (!is_marked(candidates[i].latency_ns)) continue;
        int place = count++; /* insertion sort by latency; equal ones keep their order */
        while (place > 0 && marks[place - 1].latency_ns > candidates[i].latency_ns) {
            marks[place] = marks[place - 1];
            place--;
        }
        marks[place] = candidates[i];
        marks[place].x = axis_x(axis, log10(fmax(candidates[i].latency_ns, MIN_LATENCY_NS)));
    }
    return count;
}

/* Puts the labels side by side, each as near to its mark as the others allow: with u_i = x_i - i * width, "no overlap"
 * becomes "u does not decrease", and the nearest such sequence is found by pooling adjacent violators. */
static void place_labels(mark_t *marks, int count)
{
    double pool_mean[MAX_MARKS];
    int pool_size[MAX_MARKS], pools = 0;
    for (int i = 0; i < count; i++) {
        pool_mean[pools] = marks[i].x - i * MARK_LABEL_WIDTH;
        pool_size[pools++] = 1;
        while (pools > 1 && pool_mean[pools - 2] > pool_mean[pools - 1]) {
            int size = pool_size[pools - 2] + pool_size[pools - 1];
            pool_mean[pools - 2] = (pool_mean[pools - 2] * pool_size[pools - 2] + pool_mean[pools - 1] * pool_size[pools - 1]) / size;
            pool_size[pools - 2] = size;
            pools--;
        }
    }
    const double lowest = PLOT_LEFT + MARK_LABEL_WIDTH / 2.0;
    const double highest = PLOT_RIGHT - MARK_LABEL_WIDTH / 2.0 - (count - 1) * MARK_LABEL_WIDTH;
    for (int pool = 0, i = 0; pool < pools; pool++) {
        double u = fmin(fmax(pool_mean[pool], lowest), highest);
        for (int k = 0; k < pool_size[pool]; k++, i++) marks[i].label_x = u + i * MARK_LABEL_WIDTH;
    }
}

static void draw_mark(FILE *out, const mark_t *mark, double panel_top)
{
    bool deadline = strcmp(mark->name, "deadline") == 0;
    char latency[32];
    format_latency(latency, sizeof latency, mark->latency_ns);
    double top = panel_top + PLOT_TOP;
    fprintf(out, "<g stroke=\"%s\" fill=\"none\" stroke-width=\"%s\"%s>", mark->colour, deadline ? "1.8" : "1.3",
            deadline ? " stroke-dasharray=\"6 4\"" : "");
    fprintf(out, "<polyline points=\"%.1f,%.1f %.1f,%.1f %.1f,%.1f\"/></g>\n", mark->label_x, panel_top + LEADER_TOP, mark->x,
            top - 4.0, mark->x, top + PLOT_HEIGHT);
    fprintf(out, "<text x=\"%.1f\" y=\"%.1f\" class=\"mark mid\" fill=\"%s\"><tspan font-weight=\"bold\">%s</tspan>", mark->label_x,
            panel_top + MARK_LABEL_Y, mark->colour, mark->name);
    fprintf(out, "<tspan x=\"%.1f\" dy=\"13\">%s</tspan></text>\n", mark->label_x, latency);
}

/* ---- panels ---- */

static void draw_heading(FILE *out, const plot_series_t *series, const bins_t *bins, double panel_top)
{
    fprintf(out, "<text x=\"%.1f\" y=\"%.1f\" class=\"label\">", PLOT_LEFT, panel_top + HEADING_Y);
    put_text(out, series->label, MAX_LABEL_CHARS);
    fprintf(out, "</text>\n<text x=\"%.1f\" y=\"%.1f\" class=\"tick end\">", PLOT_RIGHT, panel_top + HEADING_Y);
    put_grouped(out, bins->samples);
    fputs(bins->samples == 1 ? " sample" : " samples", out);
    if (is_marked(series->deadline_ns)) {
        fputs(", ", out);
        put_grouped(out, bins->late);
        fputs(" past the deadline", out);
    }
    fputs("</text>\n", out);
}

static void draw_panel(FILE *out, const plot_series_t *series, const latency_axis_t *axis, double panel_top)
{
    double top = panel_top + PLOT_TOP;
    bins_t bins;
    bin_series(&bins, axis, series);
    double decades = count_axis_decades(&bins);
    double deadline_x = is_marked(series->deadline_ns) ? axis_x(axis, log10(fmax(series->deadline_ns, MIN_LATENCY_NS))) : HUGE_VAL;

    draw_heading(out, series, &bins, panel_top);
    fprintf(out, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"#fafbfc\"/>\n", PLOT_LEFT, top, PLOT_WIDTH, PLOT_HEIGHT);
    draw_latency_axis(out, axis, top);
    draw_count_axis(out, top, decades);
    draw_bars(out, &bins, top, decades, deadline_x);
    put_line(out, PLOT_LEFT, top + PLOT_HEIGHT, PLOT_RIGHT, top + PLOT_HEIGHT, "axis");
    if (bins.samples == 0) {
        fprintf(out, "<text x=\"%.1f\" y=\"%.1f\" class=\"none mid\">no samples</text>\n", (PLOT_LEFT + PLOT_RIGHT) / 2.0, top + PLOT_HEIGHT / 2.0);
    }
    mark_t marks[MAX_MARKS];
    int mark_count = collect_marks(marks, series, axis);
    place_labels(marks, mark_count);
    for (int i = 0; i < mark_count; i++) draw_mark(out, &marks[i], panel_top);
}

static void draw_header(FILE *out, const char *title, double height)
{
    fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n", out);
    fprintf(out, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" viewBox=\"0 0 %.0f %.0f\" "
            "style=\"max-width: 100%%; height: auto\" role=\"img\">\n<title>",
            IMAGE_WIDTH, height, IMAGE_WIDTH, height);
    put_text(out, title, MAX_TITLE_CHARS);
    fputs("</title>\n<style>\n"
          "text { font-family: 'DejaVu Sans', 'Helvetica Neue', Arial, sans-serif; }\n"
          ".title { font-size: 18px; font-weight: bold; fill: #1a202c; }\n"
          ".label { font-size: 13px; font-weight: bold; fill: #2d3748; }\n"
          ".tick { font-size: 11px; fill: #4a5568; }\n"
          ".mark { font-size: 11px; }\n"
          ".none { font-size: 14px; fill: #5d6b80; }\n"
          ".mid { text-anchor: middle; }\n"
          ".end { text-anchor: end; }\n"
          ".grid { stroke: #d9dee5; stroke-width: 1; }\n"
          ".fine { stroke: #eef1f4; stroke-width: 1; }\n"
          ".axis { stroke: #4a5568; stroke-width: 1; }\n"
          ".bar { fill: #4f86c6; }\n"
          ".late { fill: #e05252; }\n"
          "</style>\n",
          out);
    fprintf(out, "<rect width=\"%.0f\" height=\"%.0f\" fill=\"#ffffff\"/>\n", IMAGE_WIDTH, height);
    fprintf(out, "<text x=\"%.1f\" y=\"32\" class=\"title\">", PLOT_LEFT);
    put_text(out, title, MAX_TITLE_CHARS);
    fputs("</text>\n", out);
}

static int check_arguments(const char *path, const plot_series_t *series, size_t count)
{
    bool valid = path && series && count > 0;
    for (size_t i = 0; valid && i < count; i++) valid = series[i].buckets || series[i].bucket_count == 0;
    if (!valid) errno = EINVAL;
    return valid ? 0 : -1;
}

int plot_latency_svg(const char *path, const char *title, const plot_series_t *series, size_t count)
{
    if (check_arguments(path, series, count) != 0) return -1;
    FILE *out = fopen(path, "w");
    if (!out) return -1;

    double height = TITLE_HEIGHT + PANEL_HEIGHT * (double)count + FOOTER_HEIGHT;
    latency_axis_t axis = axis_for(series, count);
    draw_header(out, title, height);
    for (size_t i = 0; i < count; i++) draw_panel(out, &series[i], &axis, TITLE_HEIGHT + PANEL_HEIGHT * (double)i);
    fprintf(out, "<text x=\"%.1f\" y=\"%.1f\" class=\"tick mid\">latency (both axes logarithmic)</text>\n</svg>\n",
            (PLOT_LEFT + PLOT_RIGHT) / 2.0, height - FOOTER_HEIGHT + 4.0);

    int write_error = ferror(out) ? EIO : 0; /* the stream does not keep the first error's number */
    if (fclose(out) != 0 && write_error == 0) write_error = errno;
    if (write_error != 0) errno = write_error;
    return write_error == 0 ? 0 : -1;
}
