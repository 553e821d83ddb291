/* The kernels of dsp.c, in the order in which tests and benchmark take them: X(name, has a form with rtw_dsp.h). */
#define DSP_KERNELS(X)                                                                                                            \
    X(gain, 0) X(fir, 1) X(biquads, 1) X(fft, 1) X(convolution, 1) X(matmul, 1) X(delay, 1) X(combs, 1) X(interpolation, 1) X(pid, 0)
