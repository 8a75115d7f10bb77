//! Any bytes as a plugin: an error, not a panic.

use std::sync::LazyLock;

use proptest::{collection::vec, prelude::*, sample::Index};

use super::{PLAIN, loading::loader, registry};

static TINY: LazyLock<Vec<u8>> = LazyLock::new(|| registry("0.1.0", "", PLAIN));

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_loaded_or_refused(header in 0_usize..3, bytes in vec(any::<u8>(), 0..300)) {
        let header: &[u8] = [&b""[..], b"\0asm\x0d\0\x01\0", b"\0asm\x01\0\0\0"][header];
        let _ = loader().load(&[header, &bytes].concat());
    }

    #[test]
    fn any_change_of_a_plugin_is_loaded_or_refused(
        changes in vec((any::<Index>(), any::<u8>()), 1..5),
        cut in any::<Option<Index>>(),
    ) {
        let mut bytes = TINY.clone();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        let _ = loader().load(&bytes);
    }
}
