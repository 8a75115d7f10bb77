//! What can be asked, for programs.

use utoipa::{
    Modify, OpenApi,
    openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme},
};

use super::{api, letters, logs, replay, secrets, state, tap, usage, versions};

/// The description of all routes.
#[derive(OpenApi)]
#[openapi(
    paths(
        api::openapi, api::me, api::list, api::deploy, api::status, api::undeploy, api::start,
        api::stop, api::output, secrets::list, secrets::one, secrets::set, secrets::remove,
        logs::logs, tap::tap, state::state, usage::of_all, usage::of_namespace, letters::show,
        letters::forget, letters::retry, versions::diff, versions::swap, versions::rollback,
        versions::versions, replay::replay
    ),
    modifiers(&Tokens)
)]
pub(super) struct Description;

/// Every route asks for a token, but for those that say they do not.
struct Tokens;

impl Modify for Tokens {
    fn modify(&self, description: &mut utoipa::openapi::OpenApi) {
        let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        let components = description.components.get_or_insert_default();
        components.add_security_scheme("token", scheme);
        let none: [&str; 0] = [];
        description.security = Some(vec![SecurityRequirement::new("token", none)]);
    }
}
