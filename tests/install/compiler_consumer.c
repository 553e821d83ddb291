/* Uses the compiler's library from an installed tree; C and C++. Prints how long the artifact of an empty module is. */
#include <rtwasm_compiler.h>
#include <stdio.h>

int main(void)
{
    rtw_error_t err;
    void *artifact;
    size_t length;
    if (rtw_compile("(module)", 8, NULL, &artifact, &length, &err)) return fprintf(stderr, "%s\n", err.message), 1;
    printf("artifact: %s\n", length > 0 ? "made" : "empty");
    rtw_compile_free(artifact, length);
    return 0;
}
