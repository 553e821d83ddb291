/* Runs one block of a LADSPA plug-in on a thread of its own: one_block LIBRARY LABEL STACK_KIB. Every input is 1. Says on the standard
 * error when the block is done, prints the last sample of the first output, and ends the plug-in. */
#include <dlfcn.h>
#include <ladspa.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { FRAMES = 64, MOST_PORTS = 64 };

static const LADSPA_Descriptor *plug;
static LADSPA_Handle instance;

static void *run(void *data) {
    plug->run(instance, FRAMES);
    return data;
}

int main(int argc, char **argv) {
    static LADSPA_Data ports[MOST_PORTS][FRAMES];
    if (argc != 4) return 2;
    void *library = dlopen(argv[1], RTLD_NOW);
    LADSPA_Descriptor_Function find;
    if (library == NULL) return fprintf(stderr, "%s\n", dlerror()), 1;
    *(void **)&find = dlsym(library, "ladspa_descriptor");
    for (unsigned long index = 0; (plug = find(index)) != NULL && strcmp(plug->Label, argv[2]) != 0; index++) {
    }
    if (plug == NULL || plug->PortCount > MOST_PORTS || (instance = plug->instantiate(plug, 48000)) == NULL) return 1;
    const LADSPA_Data *heard = NULL;
    for (unsigned long port = 0; port < plug->PortCount; port++) {
        const LADSPA_PortDescriptor kind = plug->PortDescriptors[port];
        for (int frame = 0; frame < FRAMES; frame++) ports[port][frame] = LADSPA_IS_PORT_INPUT(kind) ? 1 : 99;
        if (heard == NULL && LADSPA_IS_PORT_AUDIO(kind) && LADSPA_IS_PORT_OUTPUT(kind)) heard = ports[port];
        plug->connect_port(instance, port, ports[port]);
    }
    plug->activate(instance);

    const size_t bytes = (size_t)atoi(argv[3]) << 10;
    pthread_attr_t attributes;
    pthread_t thread;
    pthread_attr_init(&attributes);
    pthread_attr_setstack(&attributes, mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), bytes);
    if (heard == NULL || pthread_create(&thread, &attributes, run, NULL) != 0) return 1;
    pthread_join(thread, NULL);
    fprintf(stderr, "the block is done\n");
    printf("%g\n", (double)heard[FRAMES - 1]);
    plug->cleanup(instance);
    return 0;
}
