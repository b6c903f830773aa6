/*
 * For the assembly: how a function begins and ends, and the sections that a compiler adds to every
 * object file. If one object has no such section, the linker drops the protection from the whole
 * library. So both files include this on every machine, and are otherwise empty on the wrong one.
 */
#ifndef OSSL_ASYNC_ASSEMBLY_H
# define OSSL_ASYNC_ASSEMBLY_H

/* LANDING_PAD: marks a target of indirect jumps, for processors that check them. */
# if defined(__CET__)
#  include <cet.h> /* makes .note.gnu.property */
#  define LANDING_PAD _CET_ENDBR
# elif defined(__ARM_FEATURE_BTI_DEFAULT)
#  define LANDING_PAD hint #34 /* bti c */
# else
#  define LANDING_PAD
# endif

.macro begin_function name
    .text
    .p2align 4
    .globl \name
    .hidden \name
    .type \name, %function
\name:
    .cfi_startproc
    LANDING_PAD
.endm

.macro end_function name
    .cfi_endproc
    .size \name, . - \name
.endm

/* The protections that this code supports, on aarch64. */
# ifdef __ARM_FEATURE_BTI_DEFAULT
#  define PROTECTED_BTI 1
# else
#  define PROTECTED_BTI 0
# endif
# ifdef __ARM_FEATURE_PAC_DEFAULT
#  define PROTECTED_PAC 2
# else
#  define PROTECTED_PAC 0
# endif
# ifdef __ARM_FEATURE_GCS_DEFAULT
#  define PROTECTED_GCS 4
# else
#  define PROTECTED_GCS 0
# endif
# if defined(__aarch64__) && PROTECTED_BTI + PROTECTED_PAC + PROTECTED_GCS
    .section .note.gnu.property, "a"
    .p2align 3
    .long 4, 16, 5 /* the sizes of name and content, and NT_GNU_PROPERTY_TYPE_0 */
    .asciz "GNU"
    .long 0xc0000000, 4 /* GNU_PROPERTY_AARCH64_FEATURE_1_AND, and its size */
    .long PROTECTED_BTI + PROTECTED_PAC + PROTECTED_GCS, 0
# endif

/* The stack is not executable. */
# ifdef __ELF__
    .section .note.GNU-stack, "", %progbits
# endif

#endif
