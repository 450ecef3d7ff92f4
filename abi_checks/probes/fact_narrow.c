/* Whether a callee takes an argument of 8 bits from 8 bits of its register, or from more. The caller is compiled with
 * -DCALLER, and gives 32 bits. */
#include <stdio.h>

#ifdef CALLER
int widened(int argument);

int main(void) {
    printf("%d\n", widened(0x7F7F7F05)); /* 5 in the lowest byte */
    return 0;
}
#else
int widened(signed char argument);

int widened(signed char argument) {
    return argument;
}
#endif
