MEMORY_BYTES_eq         := 196608
MEMORY_BYTES_reverb     := 655360
MEMORY_BYTES_compressor := 196608
HEADERS_eq              := audio/dsp.h audio/effects.h include/rtw_guest.h
HEADERS_reverb          := audio/dsp.h audio/effects.h include/rtw_guest.h
HEADERS_compressor      := audio/dsp.h audio/effects.h include/rtw_guest.h
