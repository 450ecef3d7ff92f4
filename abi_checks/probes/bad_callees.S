/* Functions that break the calling convention, each in one way: bad_REGISTER destroys it. And what is allowed:
 * spends_all destroys every register that a callee may. All take the address of a function and return 7. */
    .text
    .macro function name
    .globl \name
    .type \name, %function
\name:
    .endm

#if defined(__x86_64__)

    .irp register, rbx, rbp, r12, r13, r14, r15
    function bad_\register
    xorl %eax, %eax
    movq %rax, %\register
    movl $7, %eax
    ret
    .endr

    function bad_stack_pointer /* takes an argument off the caller's stack */
    movl $7, %eax
    ret $8

    function bad_direction
    std
    movl $7, %eax
    ret

    function bad_alignment /* calls what it is given with the stack as it is at entry */
    call *%rdi
    movl $7, %eax
    ret

    function bad_trust /* keeps a value, over a call, in a register that the callee may destroy */
    subq $8, %rsp
    movl $7, %esi
    call *%rdi
    movl %esi, %eax
    addq $8, %rsp
    ret

    function spends_all
    .irp i, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    pxor %xmm\i, %xmm\i
    .endr
    .irp register, ecx, edx, esi, edi, r8d, r9d, r10d, r11d
    xorl %\register, %\register
    .endr
    movl $7, %eax
    ret

#elif defined(__aarch64__)

    .irp register, x19, x20, x21, x22, x23, x24, x25, x26, x27, x28, x29
    function bad_\register
    mov \register, xzr
    mov w0, #7
    ret
    .endr

    .irp register, d8, d9, d10, d11, d12, d13, d14, d15
    function bad_\register
    fmov \register, xzr
    mov w0, #7
    ret
    .endr

    function bad_stack_pointer /* keeps 16 bytes of stack for itself */
    sub sp, sp, #16
    mov w0, #7
    ret

    function bad_trust
    stp x29, x30, [sp, #-16]!
    mov w1, #7
    mov x2, x0
    blr x2
    mov w0, w1
    ldp x29, x30, [sp], #16
    ret

    function spends_all
    .irp i, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    movi v\i\().2d, #0
    .endr
    .irp i, 8, 9, 10, 11, 12, 13, 14, 15
    mov v\i\().d[1], xzr /* of these the upper half */
    .endr
    .irp i, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17
    mov x\i, xzr
    .endr
    mov w0, #7
    ret

#endif
    .section .note.GNU-stack, "", %progbits
