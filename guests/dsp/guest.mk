# The kernels of include/rtw_dsp.h, with the compiler options that users have.
MEMORY_BYTES_dsp := 262144
HEADERS_dsp      := include/rtw_dsp.h
