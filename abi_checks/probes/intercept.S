/* See intercept.h. Offsets are those of struct frame. */
#define FRAME 1728

    .hidden intercept_top
    .hidden intercept_enter
    .hidden intercept_leave

#if defined(__x86_64__)

    .text
    .macro entry name, index
    .globl intercept_\name
    .type intercept_\name, @function
intercept_\name:
    movq intercept_top(%rip), %r11
    movq $\index, 216(%r11)
    jmp intercept
    .endm
    entry call, 0
    entry on_token, 1
    entry on_segment, 2
    entry on_progress, 3
    entry should_abort, 4
    entry on_log, 5

intercept:
    addq $FRAME, intercept_top(%rip)
    movq %rdi, 0(%r11)
    movq %rsi, 8(%r11)
    movq %rdx, 16(%r11)
    movq %rcx, 24(%r11)
    movq %r8, 32(%r11)
    movq %r9, 40(%r11)
    .irp i, 0, 1, 2, 3, 4, 5, 6, 7
    movups %xmm\i, 80 + 16 * \i(%r11)
    .endr
    popq 224(%r11) /* now the stack is as the caller had it before the call, and the target's call makes it so again */
    movq %rsp, 72(%r11)
    pushfq
    popq 232(%r11)
    cld
    movq %rbx, 256(%r11)
    movq %rbp, 264(%r11)
    movq %r12, 272(%r11)
    movq %r13, 280(%r11)
    movq %r14, 288(%r11)
    movq %r15, 296(%r11)
    movq %r11, %rbx
    movq %r11, %rdi
    andq $-16, %rsp
    call intercept_enter
    movq 72(%rbx), %rsp
    movq 208(%rbx), %rax
    testq %rax, %rax
    jz 1f

    movq %rbx, %r11
    .irp i, 0, 1, 2, 3, 4, 5, 6, 7
    movups 80 + 16 * \i(%r11), %xmm\i
    .endr
    movups 960(%r11), %xmm8
    movups 976(%r11), %xmm9
    movups 992(%r11), %xmm10
    movups 1008(%r11), %xmm11
    movups 1024(%r11), %xmm12
    movups 1040(%r11), %xmm13
    movups 1056(%r11), %xmm14
    movups 1072(%r11), %xmm15
    movq 0(%r11), %rdi
    movq 8(%r11), %rsi
    movq 16(%r11), %rdx
    movq 24(%r11), %rcx
    movq 32(%r11), %r8
    movq 40(%r11), %r9
    movq 344(%r11), %rbx
    movq 352(%r11), %rbp
    movq 360(%r11), %r12
    movq 368(%r11), %r13
    movq 376(%r11), %r14
    movq 384(%r11), %r15
    call *%rax
    movq intercept_top(%rip), %r11
    leaq -FRAME(%r11), %r11
    movq %rax, 0(%r11)
    movq %rdx, 8(%r11)
    movups %xmm0, 80(%r11)
    movups %xmm1, 96(%r11)
    movq %rbx, 432(%r11)
    movq %rbp, 440(%r11)
    movq %r12, 448(%r11)
    movq %r13, 456(%r11)
    movq %r14, 464(%r11)
    movq %r15, 472(%r11)
    movq %rsp, 248(%r11)
    movups %xmm8, 1344(%r11)
    movups %xmm9, 1360(%r11)
    movups %xmm10, 1376(%r11)
    movups %xmm11, 1392(%r11)
    movups %xmm12, 1408(%r11)
    movups %xmm13, 1424(%r11)
    movups %xmm14, 1440(%r11)
    movups %xmm15, 1456(%r11)
    movq 72(%r11), %rsp
    pushfq
    popq 240(%r11)
    cld
    movq %r11, %rbx
1:
    movq %rbx, %rdi
    andq $-16, %rsp
    call intercept_leave
    movq 72(%rbx), %rsp
    movq %rbx, %r11
    pushq 224(%r11)
    movq 0(%r11), %rax
    movq 8(%r11), %rdx
    movups 80(%r11), %xmm0
    movups 96(%r11), %xmm1
    movq 256(%r11), %rbx
    movq 264(%r11), %rbp
    movq 272(%r11), %r12
    movq 280(%r11), %r13
    movq 288(%r11), %r14
    movq 296(%r11), %r15
    subq $FRAME, intercept_top(%rip)
    /* A caller that relies on what a callee may destroy gets this. */
    .irp i, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    movups 960(%r11), %xmm\i
    .endr
    movq $-0x5A5A5A5B, %rcx
    movq %rcx, %rsi
    movq %rcx, %rdi
    movq %rcx, %r8
    movq %rcx, %r9
    movq %rcx, %r10
    movq %rcx, %r11
    ret

#elif defined(__aarch64__)

    .text
    .macro entry name, index
    .globl intercept_\name
    .type intercept_\name, %function
intercept_\name:
    mov x16, #\index
    b intercept
    .endm
    entry call, 0
    entry on_token, 1
    entry on_segment, 2
    entry on_progress, 3
    entry should_abort, 4
    entry on_log, 5

    /* Vector registers from number 8 on, to and from the frame in x17; x9 is lost. */
    .macro higher instruction, offset
    add x9, x17, #\offset
    \instruction q8, q9, [x9, #0]
    \instruction q10, q11, [x9, #32]
    \instruction q12, q13, [x9, #64]
    \instruction q14, q15, [x9, #96]
    \instruction q16, q17, [x9, #128]
    \instruction q18, q19, [x9, #160]
    \instruction q20, q21, [x9, #192]
    \instruction q22, q23, [x9, #224]
    \instruction q24, q25, [x9, #256]
    \instruction q26, q27, [x9, #288]
    \instruction q28, q29, [x9, #320]
    \instruction q30, q31, [x9, #352]
    .endm
    .macro kept instruction1, instruction2, offset
    add x9, x17, #\offset
    \instruction2 x19, x20, [x9, #0]
    \instruction2 x21, x22, [x9, #16]
    \instruction2 x23, x24, [x9, #32]
    \instruction2 x25, x26, [x9, #48]
    \instruction2 x27, x28, [x9, #64]
    \instruction1 x29, [x9, #80]
    .endm

intercept:
    adrp x9, intercept_top
    ldr x17, [x9, #:lo12:intercept_top]
    add x10, x17, #FRAME
    str x10, [x9, #:lo12:intercept_top]
    stp x0, x1, [x17, #0]
    stp x2, x3, [x17, #16]
    stp x4, x5, [x17, #32]
    stp x6, x7, [x17, #48]
    str x8, [x17, #64]
    mov x9, sp
    str x9, [x17, #72]
    stp q0, q1, [x17, #80]
    stp q2, q3, [x17, #112]
    stp q4, q5, [x17, #144]
    stp q6, q7, [x17, #176]
    str x16, [x17, #216]
    str x30, [x17, #224]
    kept str, stp, 256
    higher stp, 576
    mov x19, x17
    mov x0, x17
    bl intercept_enter
    ldr x16, [x19, #208]
    cbz x16, 1f

    mov x17, x19
    higher ldp, 960
    ldp x0, x1, [x17, #0]
    ldp x2, x3, [x17, #16]
    ldp x4, x5, [x17, #32]
    ldp x6, x7, [x17, #48]
    ldr x8, [x17, #64]
    ldp q0, q1, [x17, #80]
    ldp q2, q3, [x17, #112]
    ldp q4, q5, [x17, #144]
    ldp q6, q7, [x17, #176]
    kept ldr, ldp, 344
    blr x16
    adrp x9, intercept_top
    ldr x17, [x9, #:lo12:intercept_top]
    sub x17, x17, #FRAME
    stp x0, x1, [x17, #0]
    stp q0, q1, [x17, #80]
    stp q2, q3, [x17, #112]
    kept str, stp, 432
    higher stp, 1344
    mov x9, sp
    str x9, [x17, #248]
    ldr x9, [x17, #72]
    mov sp, x9
    mov x19, x17
1:
    mov x0, x19
    bl intercept_leave
    mov x17, x19
    adrp x9, intercept_top
    str x17, [x9, #:lo12:intercept_top]
    /* A caller that relies on what a callee may destroy gets what the frame has for v16 to v31; of v8 to v15 the low
     * halves are its own. */
    higher ldp, 960
    ldr d8, [x17, #576]
    ldr d9, [x17, #592]
    ldr d10, [x17, #608]
    ldr d11, [x17, #624]
    ldr d12, [x17, #640]
    ldr d13, [x17, #656]
    ldr d14, [x17, #672]
    ldr d15, [x17, #688]
    ldp x0, x1, [x17, #0]
    ldp q0, q1, [x17, #80]
    ldp q2, q3, [x17, #112]
    ldp q4, q5, [x17, #960]
    ldp q6, q7, [x17, #960]
    kept ldr, ldp, 256
    ldr x30, [x17, #224]
    mov x2, #-0x5A5B
    .irp i, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17
    mov x\i, x2
    .endr
    ret

#endif
    .section .note.GNU-stack, "", %progbits
