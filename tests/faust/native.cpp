/* An architecture file of Faust for a native program with the schedule of host.c: faust -lang cpp -a native.cpp. */
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#ifndef FAUSTFLOAT
#define FAUSTFLOAT float
#endif

struct Meta {
    void declare(const char *, const char *) {}
};
struct Soundfile;

struct UI {
    struct One {
        FAUSTFLOAT *zone;
        double init, max, step;
        int kind; /* 0 a value, 1 a button, 2 a toggle */
    };
    std::vector<One> params;
    std::vector<FAUSTFLOAT *> meters;
    void openTabBox(const char *) {}
    void openHorizontalBox(const char *) {}
    void openVerticalBox(const char *) {}
    void closeBox() {}
    void declare(FAUSTFLOAT *, const char *, const char *) {}
    void addSoundfile(const char *, const char *, Soundfile **) {}
    void addButton(const char *, FAUSTFLOAT *zone) { params.push_back({zone, 0, 1, 0, 1}); }
    void addCheckButton(const char *, FAUSTFLOAT *zone) { params.push_back({zone, 0, 1, 0, 2}); }
    void add(FAUSTFLOAT *zone, double init, double max, double step) { params.push_back({zone, init, std::max(init, max), step, 0}); }
    void addVerticalSlider(const char *, FAUSTFLOAT *zone, double init, double, double max, double step) { add(zone, init, max, step); }
    void addHorizontalSlider(const char *, FAUSTFLOAT *zone, double init, double, double max, double step) { add(zone, init, max, step); }
    void addNumEntry(const char *, FAUSTFLOAT *zone, double init, double, double max, double step) { add(zone, init, max, step); }
    void addHorizontalBargraph(const char *, FAUSTFLOAT *zone, double, double) { meters.push_back(zone); }
    void addVerticalBargraph(const char *, FAUSTFLOAT *zone, double, double) { meters.push_back(zone); }
};

struct dsp {
    virtual ~dsp() {}
};

<<includeIntrinsic>>
<<includeclass>>

enum { BLOCK = 256, BLOCKS = 40, FRAMES = BLOCK * BLOCKS };

static double value_at(const UI::One &param, int block) {
    if (param.kind == 1) return block >= 1 && block < 8;
    if (block < 4) return param.init;
    const double value = param.init + 0.25 * (param.max - param.init);
    return param.step >= 1 || param.kind == 2 ? std::floor(value) : value;
}

int main(int argc, char **argv) {
    if (argc != 2) return 2;
    auto *program = new mydsp;
    UI ui;
    program->init(48000);
    program->buildUserInterface(&ui);
    const int ins = program->getNumInputs(), outs = program->getNumOutputs();
    std::vector<std::vector<FAUSTFLOAT>> in(ins), out(outs, std::vector<FAUSTFLOAT>(FRAMES));
    for (int channel = 0; channel < ins; channel++) {
        uint32_t state = (uint32_t)channel + 1;
        for (int n = 0; n < FRAMES; n++) {
            state = state * 1664525u + 1013904223u;
            in[channel].push_back(n == 0 ? 0.5f : ((float)(state >> 8) / 16777216.0f - 0.5f) * 0.25f);
        }
    }
    for (int block = 0; block < BLOCKS; block++) {
        for (auto &param : ui.params) {
            if (block == 0 || value_at(param, block) != value_at(param, block - 1)) *param.zone = (FAUSTFLOAT)value_at(param, block);
        }
        std::vector<FAUSTFLOAT *> from, to;
        for (auto &channel : in) from.push_back(channel.data() + block * BLOCK);
        for (auto &channel : out) to.push_back(channel.data() + block * BLOCK);
        program->compute(BLOCK, from.data(), to.data());
    }
    FILE *file = std::fopen(argv[1], "wb");
    if (file == nullptr) return 1;
    for (auto &channel : out) {
        const std::vector<float> written(channel.begin(), channel.end());
        std::fwrite(written.data(), sizeof(float), FRAMES, file);
    }
    for (auto *meter : ui.meters) {
        const float shown = (float)*meter;
        std::fwrite(&shown, sizeof shown, 1, file);
    }
    return std::fclose(file) != 0;
}
