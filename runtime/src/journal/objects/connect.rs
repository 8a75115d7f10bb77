//! The store that a URL names, as the environment says how to speak to it.

use std::{env, io, sync::Arc, time::Duration};

use object_store::{
    ClientConfigKey, ObjectStore, RetryConfig,
    aws::{AmazonS3Builder, AmazonS3ConfigKey},
};

use crate::model::ObjectUrl;

/// Of one request; a large object takes several.
const TIMEOUT: &str = "60 seconds";
const CONNECT_TIMEOUT: &str = "5 seconds";

/// Credentials, region and endpoint come from the `AWS_` variables that other programs take them
/// from.
pub(super) fn connect(url: &ObjectUrl) -> io::Result<Arc<dyn ObjectStore>> {
    let mut builder = AmazonS3Builder::from_env().with_bucket_name(&url.bucket);
    for (variable, key, value) in [
        ("AWS_TIMEOUT", ClientConfigKey::Timeout, TIMEOUT),
        (
            "AWS_CONNECT_TIMEOUT",
            ClientConfigKey::ConnectTimeout,
            CONNECT_TIMEOUT,
        ),
    ] {
        if env::var_os(variable).is_none() {
            builder = builder.with_config(AmazonS3ConfigKey::Client(key), value);
        }
    }
    let store = builder
        .with_retry(RetryConfig {
            max_retries: 6,
            retry_timeout: Duration::from_mins(1),
            ..RetryConfig::default()
        })
        .build()
        .map_err(|error| io::Error::other(format!("{error}; check the AWS_ variables")))?;
    Ok(Arc::new(store))
}
