/* Compiled with the C that wasm2c makes of a guest: GUEST is its header. Gives what the header declares names that all guests share. */
#include GUEST
#include <stddef.h>

const size_t guest_bytes = sizeof(Z_m_instance_t);

void guest_once(void) { Z_m_init_module(); }
void guest_stop(void *state) { Z_m_free(state); }

#ifdef GUEST_IMPORTS
void Z_hostZ_nop(struct Z_host_instance_t *host) { (void)host; }
void guest_start(void *state) { Z_m_instantiate(state, NULL); }
#else
void guest_start(void *state) { Z_m_instantiate(state); }
#endif
