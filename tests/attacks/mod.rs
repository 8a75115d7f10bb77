//! What one tenant, or anybody, does to a server, while another tenant's records are counted.

mod http_deploys;
mod http_names;
mod http_random;
mod http_slow;
mod http_tokens;
mod victim;
