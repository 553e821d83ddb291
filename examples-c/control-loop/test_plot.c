/* Writes plots of synthetic histograms into the directory given as the argument; test_plot.sh then parses them as XML. */
#include "plot.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define BUCKETS 512

static int passed, failed;

static void check(int condition, const char *what)
{
    printf("%s %s\n", condition ? "ok" : "FAIL", what);
    if (condition) passed++;
    else failed++;
}

/* A bell on the logarithmic axis around `centre_ns`, as a log-linear histogram with 32 buckets an octave stores it. */
static size_t fill_bell(rtw_bucket_t *buckets, double centre_ns, double sigma, double samples)
{
    size_t count = 0;
    for (int i = -150; i <= 300 && count < BUCKETS; i++) {
        double low = centre_ns * pow(2.0, i / 32.0), high = centre_ns * pow(2.0, (i + 1) / 32.0);
        double z = log(low / centre_ns) / sigma;
        double tail = i > 0 ? samples * 2e-4 / (1.0 + pow(i / 8.0, 3.0)) : 0.0;
        uint64_t calls = (uint64_t)(samples * 0.02 / sigma * exp(-0.5 * z * z) + tail);
        if (calls > 0) buckets[count++] = (rtw_bucket_t){low, high, calls};
    }
    return count;
}

static int write_plot(const char *directory, const char *file, const char *title, const plot_series_t *series, size_t count)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", directory, file);
    return plot_latency_svg(path, title, series, count);
}

static void plot_ordinary(const char *directory)
{
    static rtw_bucket_t wake[BUCKETS], call[BUCKETS];
    plot_series_t series[2] = {
        {"wake-up latency", wake, 0, 5200, 18000, 61000, 93000, 1e6},
        {"call latency: pid step()", call, 0, 62, 88, 240, 3100, 0},
    };
    series[0].bucket_count = fill_bell(wake, 5200, 0.3, 60000);
    series[1].bucket_count = fill_bell(call, 62, 0.08, 1e6);
    check(write_plot(directory, "ordinary.svg", "Control loop at 1 kHz", series, 2) == 0, "two ordinary series are written");
}

static void plot_edge_cases(const char *directory)
{
    const plot_series_t empty = {"nothing <recorded> & \"quoted\" 'x' \x01\xff \xc2\xb5s", NULL, 0, 0, 0, 0, 0, 0};
    check(write_plot(directory, "empty.svg", "A & B < C > D", &empty, 1) == 0, "an empty series is written");

    const rtw_bucket_t one[] = {{1000, 1032, 1}};
    const plot_series_t lone = {"one bucket", one, 1, 1016, 1016, 1016, 1020, 0};
    check(write_plot(directory, "one.svg", "One call", &lone, 1) == 0, "one bucket is written");

    const rtw_bucket_t huge[] = {{0, 1, 7}, {10, 11, 1000000000}, {1e6, 1.1e6, 3}, {9e11, 1e12, 1}};
    const plot_series_t wide = {"huge range", huge, 4, 10.5, 11, 12, 1e12, 2e6};
    check(write_plot(directory, "huge.svg", "From 0 ns to 1000 s", &wide, 1) == 0, "a huge range is written");

    const rtw_bucket_t narrow[] = {{100, 101, 90}, {101, 102, 800}, {102, 103, 90}, {103, 104, 4}};
    const plot_series_t clustered = {"narrow", narrow, 4, 101.5, 103.1, 103.8, 104, 102.9};
    check(write_plot(directory, "narrow.svg", "All marks within three per cent", &clustered, 1) == 0, "crowded marks are written");

    const rtw_bucket_t broken[] = {{NAN, 5, 1}, {-4, -2, 9}, {5, HUGE_VAL, 2}, {50, 60, 0}, {90, 80, 4}};
    const plot_series_t odd = {NULL, broken, 5, NAN, HUGE_VAL, -1, 0, NAN};
    check(write_plot(directory, "broken.svg", NULL, &odd, 1) == 0, "nonsense values are survived");

    static rtw_bucket_t bell[BUCKETS];
    size_t bell_count = fill_bell(bell, 700, 0.2, 200000);
    const plot_series_t long_label = {"a label that goes on and on and on and on, far past the place where the sample count of the panel stands",
                                      bell, bell_count, 700, 1100, 2600, 9000, 5000};
    const plot_series_t four[] = {long_label, empty, lone, wide};
    check(write_plot(directory, "four.svg", "Four panels over one axis", four, 4) == 0, "four different panels are written");
}

static void refuse_bad_arguments(const char *directory)
{
    const plot_series_t hollow = {"buckets missing", NULL, 3, 0, 0, 0, 0, 0};
    const plot_series_t empty = {"empty", NULL, 0, 0, 0, 0, 0, 0};
    errno = 0;
    check(write_plot(directory, "never.svg", "t", NULL, 1) == -1 && errno == EINVAL, "no series array is refused");
    errno = 0;
    check(write_plot(directory, "never.svg", "t", &empty, 0) == -1 && errno == EINVAL, "zero series are refused");
    errno = 0;
    check(write_plot(directory, "never.svg", "t", &hollow, 1) == -1 && errno == EINVAL, "a count without buckets is refused");
    errno = 0;
    check(write_plot(directory, "no/such/directory.svg", "t", &empty, 1) == -1 && errno == ENOENT, "a missing directory is reported");
    errno = 0;
    check(plot_latency_svg("/dev/full", "t", &empty, 1) == -1 && errno != 0, "a full disk is reported");
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s DIRECTORY\n", argv[0]);
        return 2;
    }
    plot_ordinary(argv[1]);
    plot_edge_cases(argv[1]);
    refuse_bad_arguments(argv[1]);
    printf("%d passed, %d failed\n", passed, failed);
    return failed == 0 ? 0 : 1;
}
