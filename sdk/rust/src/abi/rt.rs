//! What the generated bindings need at run time.

use std::{alloc::Layout, ptr};

/// Where the host asks for memory to put arguments and results in.
///
/// # Safety
/// As the canonical ABI says: `old_ptr` was given out by this function with `old_len` and `align`.
#[cfg(target_arch = "wasm32")]
#[unsafe(no_mangle)]
unsafe extern "C" fn cabi_realloc(
    old_ptr: *mut u8,
    old_len: usize,
    align: usize,
    new_len: usize,
) -> *mut u8 {
    use std::alloc::{alloc, realloc};
    // SAFETY: sizes and alignments come from the host's side of the canonical ABI, which passes
    // valid layouts and only pointers that came from here.
    unsafe {
        let block = if old_len == 0 {
            if new_len == 0 {
                return ptr::without_provenance_mut(align);
            }
            alloc(Layout::from_size_align_unchecked(new_len, align))
        } else {
            let layout = Layout::from_size_align_unchecked(old_len, align);
            realloc(old_ptr, layout, new_len)
        };
        if block.is_null() {
            std::arch::wasm32::unreachable()
        }
        block
    }
}

/// Called by the bindings, so that `cabi_realloc` reaches the linker.
pub fn maybe_link_cabi_realloc() {
    #[cfg(target_arch = "wasm32")]
    {
        #[used]
        static KEEP: unsafe extern "C" fn(*mut u8, usize, usize, usize) -> *mut u8 = cabi_realloc;
    }
}

/// Runs static constructors, once, before the first export does anything.
#[cfg(target_arch = "wasm32")]
pub fn run_ctors_once() {
    use std::cell::Cell;
    thread_local!(static RUN: Cell<bool> = const { Cell::new(false) });
    unsafe extern "C" {
        /// Made by the linker.
        fn __wasm_call_ctors();
    }
    if !RUN.replace(true) {
        // SAFETY: the linker defines it; this is the one call.
        unsafe { __wasm_call_ctors() }
    }
}

/// A block of memory that a lowered value lies in, freed on drop.
pub struct Cleanup {
    block: ptr::NonNull<u8>,
    layout: Layout,
}

impl Cleanup {
    /// A block of this layout, and its owner. An empty layout has neither.
    pub fn new(layout: Layout) -> (*mut u8, Option<Self>) {
        if layout.size() == 0 {
            return (ptr::null_mut(), None);
        }
        // SAFETY: the size is not zero.
        let block = unsafe { std::alloc::alloc(layout) };
        match ptr::NonNull::new(block) {
            Some(owned) => (
                block,
                Some(Self {
                    block: owned,
                    layout,
                }),
            ),
            None => std::alloc::handle_alloc_error(layout),
        }
    }

    /// Leaves the block to whoever holds its address.
    pub fn forget(self) {
        std::mem::forget(self);
    }
}

impl Drop for Cleanup {
    fn drop(&mut self) {
        // SAFETY: the block came from `alloc` with this layout and was not freed.
        unsafe { std::alloc::dealloc(self.block.as_ptr(), self.layout) }
    }
}
