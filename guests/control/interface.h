/* The interface of rtw_guest.h over a controller's own functions: one frame is one period, so the sample rate is the controller's rate
 * in Hz. The inputs are the set-point and the measurements, the output is the control, all floats; parameters are doubles, which come
 * as events. Included at the end of a controller, which defines before
 *   SENSORS          the number of measurements
 *   PARAM_IDS        an array: the numbers of the described parameters, for set_param
 *   take_over()      called after parameters have changed
 *   METERS           an array of doubles to show; METER_COUNT: how many, 0 for none */
#define GUEST_MAX_FRAMES 256
#define GUEST_EVENTS 64
#define GUEST_PARAMS (sizeof PARAM_IDS / sizeof PARAM_IDS[0])

static float guest_inputs[1 + SENSORS][GUEST_MAX_FRAMES], guest_output[GUEST_MAX_FRAMES], guest_meters[METER_COUNT + 1];
static float *guest_input_list[] = {guest_inputs[0], guest_inputs[1], guest_inputs[SENSORS]}; /* the first 1 + SENSORS count */
static float *guest_output_list[] = {guest_output};
static rtwg_event_t guest_events[GUEST_EVENTS];
static rtwg_io_t guest_places = {
    .inputs = guest_input_list,
    .outputs = guest_output_list,
    .meters = guest_meters,
    .events = guest_events,
    .event_room = GUEST_EVENTS,
};
static double guest_wanted[GUEST_PARAMS];
static bool guest_waits[GUEST_PARAMS];

/* Sets the parameters that wait. Two rounds, since a value may be refused until another one is set, such as one of two limits; what is
 * refused then waits for the next change. */
static void guest_take_params(void)
{
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < GUEST_PARAMS; i++) {
            if (guest_waits[i]) guest_waits[i] = set_param(PARAM_IDS[i], guest_wanted[i]) != CONTROL_OK;
        }
    }
    take_over();
}

GUEST_EXPORT(rtw_init) int32_t guest_init(double rate_hz, int32_t max_frames)
{
    int32_t result = rate_hz > 0.0 ? init(1.0 / rate_hz) : CONTROL_ERR_VALUE;
    return result == CONTROL_OK && max_frames > GUEST_MAX_FRAMES ? CONTROL_ERR_VALUE : result;
}

GUEST_EXPORT(rtw_io) const rtwg_io_t *guest_io(void)
{
    return &guest_places;
}

GUEST_EXPORT(rtw_reset) void guest_reset(void)
{
    reset();
}

GUEST_EXPORT(rtw_process) void guest_process(int32_t frames)
{
    const uint32_t end = frames < 0 ? 0 : (uint32_t)frames;
    for (uint32_t at = 0, next = 0; at < end || next < guest_places.event_count;) {
        const uint32_t first = next;
        for (; next < guest_places.event_count && (guest_events[next].frame <= at || at == end); next++) {
            const rtwg_event_t *event = &guest_events[next];
            if (event->kind == RTWG_EVENT_PARAM && event->index < GUEST_PARAMS) {
                guest_wanted[event->index] = event->data.value;
                guest_waits[event->index] = true;
            }
        }
        if (next != first) guest_take_params();
        for (const uint32_t until = rtwg_until(&guest_places, next, end); at < until; at++) {
            for (int i = 1; i < SENSORS; i++) signals.measurement[i] = (double)guest_inputs[1 + i][at];
            guest_output[at] = (float)step((double)guest_inputs[0][at], (double)guest_inputs[1][at]);
        }
    }
    for (int i = 0; i < METER_COUNT; i++) guest_meters[i] = (float)METERS[i];
}
