/* The drivers of audio.c, and what they need. */
#ifndef RTWASM_NPM_AUDIO_H
#define RTWASM_NPM_AUDIO_H

#include "guest.h"

extern const answer_t rnnoise_answers[], pffft_answers[], kissfft_answers[], speex_answers[], sonic_answers[], fvad_answers[];
extern const alias_t rnnoise_exports[], jitsi_rnnoise_exports[], pffft_exports[], kissfft_exports[];
extern const alias_t speex_exports[], sonic_exports[], fvad_exports[];
void drive_rnnoise(void);
void drive_pffft(void);
void drive_kissfft(void);
void drive_speex(void);
void drive_rubberband(void);
void drive_sonic(void);
void drive_fvad(void);

#endif
