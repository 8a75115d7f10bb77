//! The Rust SDK's sources, inside this binary: a plugin compiles against the SDK that fits its
//! host, offline.

/// Path inside the SDK's folder, and content.
pub(super) const SDK: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/sdk_sources.rs"));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sdk_and_its_macros_are_embedded_and_stand_alone() {
        let text = |name: &str| {
            let (_, bytes) = SDK.iter().find(|(path, _)| *path == name).unwrap();
            str::from_utf8(bytes).unwrap()
        };
        for manifest in ["Cargo.toml", "macros/Cargo.toml"] {
            let manifest: toml::Table = text(manifest).parse().unwrap();
            // Inheriting from a workspace would not work beside a plugin.
            assert!(!manifest.to_string().contains("workspace"), "{manifest}");
        }
        assert!(!text("src/lib.rs").is_empty());
        assert!(!text("macros/src/lib.rs").is_empty());
    }
}
