// The built-in Silero VAD model file (clib/models/silero_vad.gguf), as read-only data.

#if defined(__APPLE__)
#define SYMBOL(name) _##name
    .const_data
#else
#define SYMBOL(name) name
    .section .rodata.silero_vad, "a", %progbits
#endif

#if defined(__ELF__)
    .hidden SYMBOL(mm_silero_vad_begin)
    .hidden SYMBOL(mm_silero_vad_end)
#endif
    .globl SYMBOL(mm_silero_vad_begin)
    .globl SYMBOL(mm_silero_vad_end)

    .balign 64
SYMBOL(mm_silero_vad_begin):
    .incbin "silero_vad.gguf"
SYMBOL(mm_silero_vad_end):
    .byte 0

#if defined(__ELF__)
    .section .note.GNU-stack, "", %progbits
#endif
