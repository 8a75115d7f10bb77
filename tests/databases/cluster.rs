//! A PostgreSQL server in a folder, on a Unix socket, stopped at the end. With std alone: tests and
//! `cargo xtask crash` share it.

use std::{
    fs,
    os::unix::{
        fs::{MetadataExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::Command,
};

/// A running server.
pub(crate) struct Cluster {
    folder: PathBuf,
    programs: PathBuf,
    /// Who runs it: the server does not run as root.
    user: Option<(u32, u32)>,
}

impl Cluster {
    /// Starts one in an empty folder, with programs of [`programs`].
    pub(crate) fn start(folder: &Path, programs: PathBuf) -> Result<Self, String> {
        let this = fs::metadata("/proc/self").map_err(|error| error.to_string())?;
        let user = match this.uid() {
            0 => Some(unprivileged()?),
            _ => None,
        };
        if let Some((uid, gid)) = user {
            let owned = chown(folder, Some(uid), Some(gid));
            owned.map_err(|error| format!("{}: {error}", folder.display()))?;
        }
        let cluster = Self {
            folder: folder.to_owned(),
            programs,
            user,
        };
        let data = cluster.data();
        let way = ["-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync"];
        let make = ["-D", &data, "-U", "postgres"];
        cluster.program("initdb", &[&make[..], &way].concat())?;
        let place = folder.display();
        let options =
            format!("-k {place} -c listen_addresses='' -c fsync=off -c max_connections=50");
        let log = folder.join("log").display().to_string();
        let start = ["-D", &data, "-w", "-l", &log, "-o", &options, "start"];
        cluster.program("pg_ctl", &start)?;
        Ok(cluster)
    }

    fn data(&self) -> String {
        self.folder.join("data").display().to_string()
    }

    fn program(&self, name: &str, arguments: &[&str]) -> Result<(), String> {
        let mut command = Command::new(self.programs.join(name));
        command.args(arguments).current_dir(&self.folder);
        if let Some((uid, gid)) = self.user {
            command.uid(uid).gid(gid);
        }
        // A server that pg_ctl starts would hold a pipe open: its words go to a file.
        let said = self.folder.join(format!("{name}.txt"));
        let out = fs::File::create(&said).map_err(|error| error.to_string())?;
        let words = out.try_clone().map_err(|error| error.to_string())?;
        let status = command.stdout(words).stderr(out).status();
        let status = status.map_err(|error| format!("{name}: {error}"))?;
        match status.success() {
            true => Ok(()),
            false => Err(format!(
                "{name}: {}",
                fs::read_to_string(&said).unwrap_or_default()
            )),
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let stop = ["-D", &self.data(), "-m", "immediate", "stop"];
        if let Err(error) = self.program("pg_ctl", &stop) {
            eprintln!("the server goes on: {error}");
        }
    }
}

/// The folder with the server's programs, if this machine has them.
pub(crate) fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let versions = versions.filter_map(Result::ok);
    let mut folders: Vec<_> = versions.map(|entry| entry.path().join("bin")).collect();
    folders.sort();
    folders.reverse();
    folders.push("/usr/local/bin".into());
    folders.push("/usr/bin".into());
    let has_all = |folder: &PathBuf| {
        let names = ["initdb", "pg_ctl", "postgres"];
        names.iter().all(|name| folder.join(name).exists())
    };
    folders.into_iter().find(has_all)
}

/// Someone on this machine with no rights.
fn unprivileged() -> Result<(u32, u32), String> {
    let users = fs::read_to_string("/etc/passwd").map_err(|error| error.to_string())?;
    let find = |name: &str| {
        let mut lines = users.lines();
        let line = lines.find(|line| line.split(':').next() == Some(name))?;
        let mut ids = line.split(':').skip(2).map_while(|id| id.parse().ok());
        Some((ids.next()?, ids.next()?))
    };
    let found = find("postgres").or_else(|| find("nobody"));
    found.ok_or_else(|| "there is neither a user postgres nor nobody".to_owned())
}
