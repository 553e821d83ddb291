/* The modules: their names, and the drivers of those that compute no sound. */
#include "audio.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- a solver of linear programs ---- */

static const answer_t glpk_answers[] = {
    {"a", fail_assertion}, {"b", no_such_file},   {"c", write_file},     {"d", no_system_call}, {"e", no_such_file},   {"f", no_such_file},
    {"g", no_system_call}, {"h", no_system_call}, {"i", no_time},        {"j", resize_heap},    {"k", fail_assertion}, {NULL, NULL},
};
static const alias_t glpk_exports[] = {
    {"constructors", "m"},     {"glp_create_prob", "o"},  {"glp_set_obj_dir", "q"},  {"glp_add_rows", "r"},    {"glp_add_cols", "s"},
    {"glp_set_row_bnds", "v"}, {"glp_set_col_bnds", "w"}, {"glp_set_obj_coef", "x"}, {"glp_load_matrix", "y"}, {"glp_delete_prob", "A"},
    {"glp_get_status", "J"},   {"glp_get_obj_val", "K"},  {"glp_get_col_prim", "N"}, {"glp_set_col_kind", "O"}, {"glp_mip_status", "R"},
    {"glp_mip_obj_val", "S"},  {"malloc", "X"},           {"solve_lp", "_"},         {"solve_mip", "$"},       {NULL, NULL},
};

/* Maximise 10 x + 6 y + 4 z with x + y + z <= 100, 10 x + 4 y + 5 z <= 600, 2 x + 2 y + 6 z <= 300, none of them negative: 733 1/3 at
 * x = 100/3, y = 200/3, z = 0; in whole numbers 732 at 33, 67, 0. */
static void drive_glpk(void) {
    enum { ROWS = 3, COLS = 3, MAXIMISE = 2, AT_LEAST = 2, AT_MOST = 3, OPTIMAL = 5, WHOLE = 2, SILENT = 0, NO_LIMIT = 0x7fffffff };
    static const double limits[ROWS] = {100, 600, 300}, values[COLS] = {10, 6, 4}, matrix[ROWS][COLS] = {{1, 1, 1}, {10, 4, 5}, {2, 2, 6}};
    run("constructors");
    const uint32_t rows = allocate(10 * 4), cols = allocate(10 * 4), numbers = allocate(10 * 8);
    for (int n = 0; n < ROWS * COLS; n++) { /* element 0 counts for nothing */
        ((int32_t *)at(rows, 40))[n + 1] = n / COLS + 1, ((int32_t *)at(cols, 40))[n + 1] = n % COLS + 1;
        ((double *)at(numbers, 80))[n + 1] = matrix[n / COLS][n % COLS];
    }
    double optimum = 0, whole = 0;
    int bad = 0;
    for (int round = 0; round < 20; round++) {
        const int problem = run("glp_create_prob").i32;
        run("glp_set_obj_dir", problem, MAXIMISE);
        run("glp_add_rows", problem, ROWS), run("glp_add_cols", problem, COLS);
        for (int n = 0; n < ROWS; n++) run("glp_set_row_bnds", problem, n + 1, AT_MOST, 0.0, limits[n]);
        for (int n = 0; n < COLS; n++) {
            run("glp_set_col_bnds", problem, n + 1, AT_LEAST, 0.0, 0.0);
            run("glp_set_obj_coef", problem, n + 1, values[n]);
        }
        run("glp_load_matrix", problem, ROWS * COLS, (int)rows, (int)cols, (int)numbers);
        bad += run("solve_lp", problem, SILENT, NO_LIMIT, 0).i32 != 0 || run("glp_get_status", problem).i32 != OPTIMAL;
        optimum = run("glp_get_obj_val", problem).f64;
        static const double best[COLS] = {100.0 / 3, 200.0 / 3, 0};
        for (int n = 0; n < COLS; n++) bad += fabs(run("glp_get_col_prim", problem, n + 1).f64 - best[n]) > 1e-9;
        for (int n = 0; n < COLS; n++) run("glp_set_col_kind", problem, n + 1, WHOLE);
        bad += run("solve_mip", problem, SILENT, NO_LIMIT, 1, 0.0).i32 != 0 || run("glp_mip_status", problem).i32 != OPTIMAL;
        whole = run("glp_mip_obj_val", problem).f64;
        run("glp_delete_prob", problem);
        if (round == 9) prepare(); /* what it allocates for a problem is there by now */
    }
    check(bad == 0, "all problems are solved, at the best place");
    check(fabs(optimum - 2200.0 / 3) < 1e-9 && whole == 732, "the optimum is %.4f, in whole numbers %.0f", optimum, whole);
    report("solve_lp", "optimum %.4f, in whole numbers %.0f", optimum, whole);
}

/* ---- a physics engine, with imports of wasm-bindgen ---- */

/* The engine asks for JavaScript's objects to read a clock that nobody needs. 0 is `undefined` here; it then does without. */
static rtw_status_t no_object(void *data, rtw_instance_t *guest, rtw_value_t *values) {
    (void)data, (void)guest;
    values[0].i32 = 0;
    return RTW_OK;
}
static rtw_status_t yes(void *data, rtw_instance_t *guest, rtw_value_t *values) {
    (void)data, (void)guest;
    values[0].i32 = 1;
    return RTW_OK;
}
static const answer_t rapier_answers[] = {{"__wbg_static_accessor_SELF_37c5d418e4bf5819", no_object},
                                          {"__wbg_static_accessor_WINDOW_5de37043a91a9c40", no_object},
                                          {"__wbg_static_accessor_GLOBAL_THIS_56578be7e9f832b0", yes},
                                          {"__wbindgen_object_clone_ref", yes},
                                          {"__wbg_performance_7a3ffd0b17f663ad", yes},
                                          {"__wbindgen_is_undefined", no_object},
                                          {"__wbindgen_object_drop_ref", do_nothing},
                                          {"__wbg_now_2c95c9de01293173", no_time},
                                          {NULL, NULL}};

static int vector(double x, double y) { return run("rawvector_new", x, y).i32; }

/* A heap of boxes falls; rapier.cjs lets it fall in Node, and both print where the boxes are. */
static void drive_rapier(void) {
    enum { WIDE = 20, HIGH = 20, STEPS = 240, EACH = 60, BOXES = WIDE * HIGH };
    static const char *const parts[] = {
        "rawintegrationparameters_new", "rawislandmanager_new",   "rawbroadphase_new",        "rawnarrowphase_new", "rawrigidbodyset_new",
        "rawcolliderset_new",           "rawimpulsejointset_new", "rawmultibodyjointset_new", "rawccdsolver_new",   "rawphysicspipeline_new"};
    enum { PARAMETERS, ISLANDS, BROAD, NARROW, BODIES, COLLIDERS, IMPULSES, MULTIBODY, CCD, PIPELINE, PARTS };
    int part[PARTS];
    for (int n = 0; n < PARTS; n++) part[n] = run(parts[n]).i32;
    rtw_memory_view_t memory;
    require(rtw_instance_memory(instance, NULL, &memory, NULL), NULL, "its memory");
    const uint64_t first_bytes = memory.size_bytes;
    static double handles[BOXES];
    for (int n = -1; n < BOXES; n++) {
        const bool is_box = n >= 0;
        const double half = is_box ? 0.5 : 50;
        if (is_box) {
            const int place = vector(n % WIDE * 1.25 + n / WIDE * 0.125, 2 + n / WIDE * 1.5), turn = run("rawrotation_fromAngle", 0.0).i32;
            const int centre = vector(0, 0), speed = vector(0, 0);
            handles[n] = run("rawrigidbodyset_createRigidBody", part[BODIES], 1, place, turn, 1.0, 0.0, 0, speed, centre, 0.0, 0.0, 1, 1, 1,
                             0.0, 0.0, 0, 1, 0, 0.0, 0, 0, 0).f64;
            run("__wbg_rawvector_free", place, 0), run("__wbg_rawrotation_free", turn, 0);
            run("__wbg_rawvector_free", centre, 0), run("__wbg_rawvector_free", speed, 0);
        }
        const int shape = run("rawshape_cuboid", half, 0.5).i32;
        const int place = vector(0, 0), turn = run("rawrotation_fromAngle", 0.0).i32, centre = vector(0, 0);
        const int result = run("__wbindgen_add_to_stack_pointer", -16).i32;
        run("rawcolliderset_createCollider", result, part[COLLIDERS], 1, shape, place, turn, 0, 0.0, centre, 0.0, 1.0, 0.5, 0.0, 0, 0, 0, -1,
            -1, 15, 0, 0, 0.0, 0.0, is_box, is_box ? handles[n] : 0.0, part[BODIES]);
        run("__wbindgen_add_to_stack_pointer", 16);
        run("__wbg_rawshape_free", shape, 0), run("__wbg_rawrotation_free", turn, 0);
        run("__wbg_rawvector_free", place, 0), run("__wbg_rawvector_free", centre, 0);
    }
    prepare();
    static float places[STEPS / EACH * BOXES * 2];
    int have = 0;
    for (int step = 1; step <= STEPS; step++) {
        const int gravity = vector(0, -9.81);
        run("rawphysicspipeline_step", part[PIPELINE], gravity, part[PARAMETERS], part[ISLANDS], part[BROAD], part[NARROW], part[BODIES],
            part[COLLIDERS], part[IMPULSES], part[MULTIBODY], part[CCD]);
        run("__wbg_rawvector_free", gravity, 0);
        for (int n = 0; n < BOXES && step % EACH == 0; n++) {
            const int place = run("rawrigidbodyset_rbTranslation", part[BODIES], handles[n]).i32;
            places[have++] = run("rawvector_x", place).f32, places[have++] = run("rawvector_y", place).f32;
            run("__wbg_rawvector_free", place, 0);
        }
    }
    rtw_growth_t growth;
    rtw_growth_init(&growth);
    require(rtw_instance_growth(instance, &growth), NULL, "its growth");
    require(rtw_instance_memory(instance, NULL, &memory, NULL), NULL, "its memory");
    check(growth.granted > 0 && growth.refused == 0, "has grown %d times", (int)growth.granted);
    check(memory.size_bytes > first_bytes, "from %d to %d KiB", (int)(first_bytes / 1024), (int)(memory.size_bytes / 1024));
    size_t length = 0;
    char path[4096];
    snprintf(path, sizeof path, "%s/rapier.expected", artifacts);
    unsigned char *others = read_file(path, &length);
    check(length == sizeof places && memcmp(places, others, length) == 0, "%d places are those of Node's engine, bit by bit", have / 2);
    others[0] ^= 1;
    check(memcmp(places, others, sizeof places) != 0, "twin: a changed bit is found");
    free(others);
    const int kibibytes = (int)(memory.size_bytes / 1024);
    report("rawphysicspipeline_step", "%d steps of %d boxes as in Node, every bit; grows to %d KiB", STEPS, BOXES, kibibytes);
}

/* ---- a codec that is called through its function table: embind ---- */

/* The functions of a class that the module registers while its constructors run. */
static struct registered_t {
    char name[32];
    uint32_t invoker, context;
} registered[16];
static int registered_count;

static struct registered_t *next_registered(void) {
    NEED(registered_count < 16, "too many functions of a class");
    return &registered[registered_count++];
}

/* (class, arguments, types, signature of the invoker, invoker, constructor) */
static rtw_status_t register_constructor(void *data, rtw_instance_t *guest, rtw_value_t *values) {
    (void)data, (void)guest;
    struct registered_t *made = next_registered();
    strcpy(made->name, "constructor");
    made->invoker = values[4].u32, made->context = values[5].u32;
    return RTW_OK;
}

/* (class, name, arguments, types, signature of the invoker, invoker, function, is virtual, is asynchronous) */
static rtw_status_t register_function(void *data, rtw_instance_t *guest, rtw_value_t *values) {
    (void)data;
    struct registered_t *made = next_registered();
    const char *name = rtw_instance_memory_at(guest, values[1].u32, sizeof made->name);
    NEED(name != NULL, "a name outside of the memory");
    snprintf(made->name, sizeof made->name, "%s", name);
    made->invoker = values[5].u32, made->context = values[6].u32;
    return RTW_OK;
}

static const struct registered_t *method(const char *name) {
    for (int n = 0; n < registered_count; n++)
        if (strcmp(registered[n].name, name) == 0) return &registered[n];
    NEED(false, "the class has no %s", name);
}

static const answer_t opus_answers[] = {
    {"a", do_nothing}, {"b", do_nothing}, {"c", register_function}, {"d", do_nothing}, {"e", do_nothing},
    {"f", fail_assertion}, {"g", fail_assertion}, {"h", do_nothing}, {"i", do_nothing}, {"j", do_nothing},
    {"k", do_nothing}, {"l", do_nothing}, {"m", resize_heap}, {"n", no_such_file}, {"o", write_file},
    {"p", no_such_file}, {"q", copy_memory}, {"r", do_nothing}, {"s", register_constructor}, {"t", do_nothing},
    {NULL, NULL},
};
static const alias_t opus_exports[] = {{"constructors", "v"}, {"malloc", "x"}, {NULL, NULL}};

/* The ratio of a signal to the difference between it and what was heard of it, in dB, at the best delay. */
static double signal_to_noise_db(const int16_t *signal, const int16_t *result, int count, int most_delay) {
    double best = -INFINITY;
    for (int delay = 0; delay <= most_delay; delay++) {
        double power = 0, error = 0;
        for (int n = most_delay; n < count; n++) {
            power += pow(signal[n - delay], 2);
            error += pow(result[n] - signal[n - delay], 2);
        }
        best = fmax(best, 10 * log10(power / error));
    }
    return best;
}

static void drive_opus(void) {
    enum { HZ = 48000, FRAME = 960, FRAMES = 100, AUDIO = 2049, MOST = 3828, DELAY = 480 };
    static const char encodes[] = "(i32,i32,i32,i32,i32,i32)->(i32)", decodes[] = "(i32,i32,i32,i32,i32)->(i32)";
    run("constructors");
    const struct registered_t *constructor = method("constructor"), *encode = method("_encode"), *decode = method("_decode");
    const uint32_t codec = run_entry(constructor->invoker, "(i32,i32,i32,i32)->(i32)", (int)constructor->context, HZ, 1, AUDIO).u32;
    /* It takes and returns each byte of a sample as a number of 16 bits. */
    const uint32_t in = allocate(FRAME * 4), packet = allocate(MOST), out = allocate(6 * FRAME * 4);
    static int16_t before[FRAME * FRAMES], after[FRAME * FRAMES];
    prepare();
    int bytes = 0;
    for (int frame = 0; frame < FRAMES; frame++) {
        uint16_t *halves = at(in, FRAME * 4);
        for (int n = 0; n < FRAME; n++) {
            const int16_t sample = before[frame * FRAME + n] = (int16_t)lrint(8000 * sin(2 * M_PI * 440 / HZ * (frame * FRAME + n)));
            halves[2 * n] = (uint16_t)(sample & 0xff), halves[2 * n + 1] = (uint16_t)(sample >> 8 & 0xff);
        }
        const int length =
            run_entry(encode->invoker, encodes, (int)encode->context, (int)codec, (int)in, FRAME * 2, (int)packet, FRAME).i32;
        NEED(length > 0, "frame %d is not encoded: %d", frame, length);
        bytes += length;
        const int count = run_entry(decode->invoker, decodes, (int)decode->context, (int)codec, (int)packet, length, (int)out).i32;
        NEED(count == FRAME, "frame %d is not decoded: %d", frame, count);
        halves = at(out, FRAME * 4);
        for (int n = 0; n < FRAME; n++) after[frame * FRAME + n] = (int16_t)(halves[2 * n] | halves[2 * n + 1] << 8);
    }
    const double kilobits = bytes * 8.0 / ((double)FRAME * FRAMES / HZ) / 1000;
    const double ratio = signal_to_noise_db(before + 50 * FRAME, after + 50 * FRAME, 50 * FRAME, DELAY);
    check(kilobits > 8 && kilobits < 128, "a sine takes %.1f kbit/s", kilobits);
    check(ratio > 20, "and comes back %.1f dB above the noise", ratio);
    report(encodes, "a sine at %.1f kbit/s, %.1f dB above the noise", kilobits, ratio);
}

const npm_module_t npm_modules[] = {
    {"rnnoise", rnnoise_answers, rnnoise_exports, RTW_GROWTH_REFUSED, drive_rnnoise},
    {"rnnoise-jitsi", rnnoise_answers, jitsi_rnnoise_exports, RTW_GROWTH_REFUSED, drive_rnnoise},
    {"pffft", pffft_answers, pffft_exports, RTW_GROWTH_REFUSED, drive_pffft},
    {"kissfft", kissfft_answers, kissfft_exports, RTW_GROWTH_REFUSED, drive_kissfft},
    {"speex", speex_answers, speex_exports, RTW_GROWTH_REFUSED, drive_speex},
    {"rubberband", NULL, NULL, RTW_GROWTH_REFUSED, drive_rubberband},
    {"sonic", sonic_answers, sonic_exports, RTW_GROWTH_REFUSED, drive_sonic},
    {"fvad", fvad_answers, fvad_exports, RTW_GROWTH_REFUSED, drive_fvad},
    {"glpk", glpk_answers, glpk_exports, RTW_GROWTH_REFUSED, drive_glpk},
    {"rapier", rapier_answers, NULL, RTW_GROWTH_ALLOWED, drive_rapier},
    {"opus", opus_answers, opus_exports, RTW_GROWTH_REFUSED, drive_opus},
    {NULL, NULL, NULL, 0, NULL},
};
