//! Where to connect to.

use std::io;

use tokio::net::lookup_host;
use tokio_postgres::config::Config;

use crate::{confine::allowed_of, topology::PostgresUrl};

/// What to connect with; none: the URL is a secret that has no value. The names of a confined URL are resolved here, and only here: what is
/// connected to are the addresses that were compared with what is allowed.
pub(super) async fn config(url: &PostgresUrl) -> io::Result<Option<Config>> {
    let Some(given) = url.config() else {
        return Ok(None);
    };
    let Some(allowed) = url.allowed() else {
        return Ok(Some(given.clone()));
    };
    let mut config = without_hosts(given);
    for server in url.servers() {
        let refused = |why: String| io::Error::new(io::ErrorKind::PermissionDenied, why);
        let (host, port) = server.ok_or_else(|| refused("sockets are not allowed".to_owned()))?;
        let resolved = lookup_host((host.as_str(), port)).await?;
        let addresses = allowed_of(&host, resolved, allowed);
        for address in addresses.map_err(|why| refused(why.to_string()))? {
            config.host(address.ip().to_string());
            config.hostaddr(address.ip());
            config.port(address.port());
        }
    }
    Ok(Some(config))
}

/// All that a URL can say but where the server is.
fn without_hosts(given: &Config) -> Config {
    let mut config = Config::new();
    if let Some(user) = given.get_user() {
        config.user(user);
    }
    if let Some(password) = given.get_password() {
        config.password(password);
    }
    if let Some(database) = given.get_dbname() {
        config.dbname(database);
    }
    if let Some(options) = given.get_options() {
        config.options(options);
    }
    if let Some(name) = given.get_application_name() {
        config.application_name(name);
    }
    if let Some(timeout) = given.get_connect_timeout() {
        config.connect_timeout(*timeout);
    }
    if let Some(timeout) = given.get_tcp_user_timeout() {
        config.tcp_user_timeout(*timeout);
    }
    if let Some(interval) = given.get_keepalives_interval() {
        config.keepalives_interval(interval);
    }
    if let Some(retries) = given.get_keepalives_retries() {
        config.keepalives_retries(retries);
    }
    config
        .ssl_mode(given.get_ssl_mode())
        .ssl_negotiation(given.get_ssl_negotiation())
        .keepalives(given.get_keepalives())
        .keepalives_idle(given.get_keepalives_idle())
        .target_session_attrs(given.get_target_session_attrs())
        .channel_binding(given.get_channel_binding())
        .load_balance_hosts(given.get_load_balance_hosts());
    config
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::confine::Confinement;

    async fn addresses(url: &str, allowed: &[&str]) -> Result<Vec<String>, String> {
        let allowed = allowed.iter().map(|text| text.parse().unwrap());
        let confinement = Confinement::nothing().addresses(allowed);
        let url = PostgresUrl::parse(url).unwrap().confined(&confinement)?;
        let config = config(&url)
            .await
            .map_err(|error| error.to_string())?
            .unwrap();
        let (addresses, ports) = (config.get_hostaddrs().iter(), config.get_ports());
        let both = addresses.zip(ports);
        Ok(both.map(|(ip, port)| format!("{ip}:{port}")).collect())
    }

    #[tokio::test]
    async fn a_confined_url_is_connected_to_where_it_was_looked_at() {
        let local = addresses("postgres://a@localhost:1/d", &["localhost:1"]).await;
        assert!(local.unwrap().contains(&"127.0.0.1:1".to_owned()));
        let two = "postgres://a@10.0.0.1:1,10.0.0.2:2/d";
        assert_eq!(
            addresses(two, &["10.0.0.0/8:1-2"]).await.unwrap(),
            ["10.0.0.1:1", "10.0.0.2:2"]
        );
        for (url, allowed, why) in [
            (two, &["10.0.0.0/8:1"][..], "10.0.0.2:2 is not allowed"),
            // What is allowed for a name is not what the URL says that the name leads to.
            (
                "postgres://a@db.x:1/d?hostaddr=10.0.0.1",
                &["db.x:1"],
                "10.0.0.1:1 is not allowed",
            ),
            (
                "postgres://a@%2Frun%2Fpg/d",
                &["*:*"],
                "sockets of this machine",
            ),
            (
                "postgres://a@localhost:1/d",
                &["*:*"],
                "localhost leads only to",
            ),
            (
                "postgres://a@[::ffff:7f00:1]:1/d",
                &["*:*"],
                "is not allowed",
            ),
            (
                "postgres://a@db.x/d",
                &["db.x:1"],
                "db.x:5432 is not allowed",
            ),
        ] {
            let error = addresses(url, allowed).await.unwrap_err();
            assert!(error.contains(why), "{url}: {error}");
        }
    }

    /// Whatever a URL can say is still said: the timeouts, the user, the database.
    #[test]
    fn nothing_but_the_hosts_gets_lost() {
        let url = "postgres://ann:pw@h:1/d?connect_timeout=3&application_name=x&options=-c%20a%3Db&keepalives=0&keepalives_idle=7&keepalives_interval=5&keepalives_retries=2&tcp_user_timeout=9&target_session_attrs=read-write&channel_binding=disable&load_balance_hosts=random&sslmode=disable";
        let given = PostgresUrl::parse(url).unwrap();
        let mut config = without_hosts(given.config().unwrap());
        config.host("h").port(1);
        assert_eq!(config, *given.config().unwrap());
    }
}
