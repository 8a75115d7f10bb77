//! What one tenant, or anybody, does to a server, while another tenant's records are counted.

mod endless_line;
mod field;
mod http_deploys;
mod http_names;
mod http_random;
mod http_slow;
mod http_tokens;
mod log_flood;
mod memory_bomb;
mod slow_sink;
mod spinning;
mod victim;
