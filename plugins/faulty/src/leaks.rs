//! Says what it was told in confidence.

use rsrt::prelude::*;

/// What `leaks` knows.
#[derive(Settings)]
pub(crate) struct Confidence {
    #[setting(default = "nothing")]
    key: String,
}

/// Tells its setting in the way that the line says: `log`, `reject`, `panic`; else as a row.
#[rsrt::map]
pub(crate) fn leaks(#[settings] confidence: &Confidence, line: &str) -> Result<String, Reject> {
    let told = format!("the key is {}", confidence.key);
    match line {
        "log" => {
            rsrt::error!("{told}");
            Ok("logged".to_owned())
        }
        "reject" => Err(reject(told)),
        "panic" => panic!("{told}"),
        _ => Ok(told),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_tells() {
        let confidence = Confidence {
            key: "k".to_owned(),
        };
        assert_eq!(
            leaks(&confidence, "a").ok().as_deref(),
            Some("the key is k")
        );
        assert!(leaks(&confidence, "reject").is_err());
    }
}
