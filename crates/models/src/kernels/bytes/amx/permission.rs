//! Whether tiles can be used: the processor has them, and the kernel gives permission.

use std::sync::OnceLock;

/// The request for the permission, and the state it is for (Linux, `Documentation/arch/x86/xstate.rst`).
#[cfg(target_os = "linux")]
const REQUEST: (libc::c_long, libc::c_long) = (0x1023, 18);

/// Whether this process can use tiles of bytes. The first call asks the kernel for the permission, which holds for all
/// threads.
pub(in crate::kernels::bytes) fn is_available() -> bool {
    static AVAILABLE: OnceLock<bool> = OnceLock::new();
    *AVAILABLE.get_or_init(|| has_instructions() && is_permitted())
}

/// Whether the processor has tiles and their products of bytes.
fn has_instructions() -> bool {
    use std::arch::x86_64::{__cpuid, __cpuid_count};

    const TILES: u32 = 1 << 24;
    const BYTES: u32 = 1 << 25;
    __cpuid(0).eax >= 7 && __cpuid_count(7, 0).edx & (TILES | BYTES) == TILES | BYTES
}

#[cfg(target_os = "linux")]
fn is_permitted() -> bool {
    // SAFETY: the call reads no memory of this process. A kernel that does not know it answers with an error.
    unsafe { libc::syscall(libc::SYS_arch_prctl, REQUEST.0, REQUEST.1) == 0 }
}

#[cfg(not(target_os = "linux"))]
fn is_permitted() -> bool {
    false
}
