//! What is done on a task's volume: scripts for a helper that has the volume too.
//!
//! The filler takes every block, and goes on taking those that the task gives back, until its guard is gone.

use bollard::{errors::Error as DockerError, query_parameters::ContainerArchiveInfoOptions};

use crate::{
    cluster::Cluster,
    error::{Error, Result},
};

/// The largest volume that is filled, in bytes: one of the host's own size would take the host down with it.
pub(crate) const FILL_MAX: u64 = 16 << 30;

/// Less than that is no room: nothing can be written any more.
const NO_ROOM_BYTES: u64 = 4096;

/// The filler's file on the volume.
const FILLER: &str = ".webshop-fill";

/// The shell scripts of one fault. Each fails where one of its steps does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Scripts {
    /// Prints how many bytes the volume's filesystem has.
    pub(super) size: String,
    pub(super) apply: String,
    /// Prints `there` and how many bytes are free, or `gone` where it is no longer filled. What the task gives back is
    /// given a second to be taken.
    pub(super) look: String,
    /// May be run again, and fails if something is left.
    pub(super) undo: String,
}

/// The scripts for a volume, as a helper has it.
pub(super) fn scripts(volume: &str) -> Scripts {
    let place = format!("/volumes/{volume}");
    let file = format!("{place}/{FILLER}");
    let fill = format!("[ -e /run/filling ] && dd if=/dev/zero bs=64k 2>&- >>{file}");
    let block = format!("[ -e /run/filling ] && dd if=/dev/zero bs=512 2>&- >>{file}");
    let blocks = |what: &str| format!("echo $(( $(stat -f -c '%S * {what}' {place}) ))");
    Scripts {
        size: blocks("%b"),
        apply: format!(
            "set -e\n: >/run/filling\n\
             fallocate -l $(( $(stat -f -c '%S * %a' {place}) * 15 / 16 )) {file}\n\
             setsid sh -c 'while [ -e /run/filling ]; do\n\
             flock /run/lock/fill sh -c \"{fill}; {block}\"; sleep 0.1\ndone' >&- 2>&- <&- &\n\
             until [ $(stat -f -c %a {place}) -eq 0 ]; do sleep 0.1; done"
        ),
        look: format!(
            "for again in 1 2 3 4 5 6 7 8 9 10; do\n\
             [ -e /run/filling ] && [ -e {file} ] || {{ echo gone; exit 0; }}\n\
             free=$(stat -f -c %a {place}) && size=$(stat -f -c %S {place}) || exit 1\n\
             [ $((free * size)) -lt {NO_ROOM_BYTES} ] && {{ echo there $((free * size)); exit 0; }}\n\
             sleep 0.1\ndone\necho gone"
        ),
        undo: format!("flock /run/lock/fill rm -f /run/filling {file} && [ ! -e {file} ]"),
    }
}

/// A volume, as a container has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mounted {
    /// The volume's name.
    pub(super) volume: String,
    /// Where it is in the container.
    pub(super) place: String,
}

/// Those of a container's volumes that are filled, whoever filled them: the filler's file is there. A container that has
/// ended has none.
///
/// # Errors
/// The engine does not answer.
pub(super) async fn filled(
    cluster: &Cluster,
    container: &str,
    mounted: &[Mounted],
) -> Result<Vec<String>> {
    let docker = cluster.engine.docker();
    let mut filled = Vec::new();
    for Mounted { volume, place } in mounted {
        let options = ContainerArchiveInfoOptions {
            path: format!("{place}/{FILLER}"),
        };
        match docker
            .get_container_archive_info(container, Some(options))
            .await
        {
            Ok(_there) => filled.push(volume.clone()),
            // Of the file or of the container: what is asked for with HEAD has no words.
            Err(DockerError::DockerResponseServerError {
                status_code: 404, ..
            }) => {}
            Err(error) => return Err(Error::docker(format!("look at {volume}"), error)),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::said;

    #[test]
    fn only_its_own_file_is_written_and_removed() {
        let found = scripts("webshop_stock-db-0");
        let file = "/volumes/webshop_stock-db-0/.webshop-fill";
        assert!(found.apply.contains(file));
        assert_eq!(
            found.undo,
            format!("flock /run/lock/fill rm -f /run/filling {file} && [ ! -e {file} ]")
        );
    }

    /// What the look prints where the filler's files are there or not, and the filesystem says that so many of its blocks
    /// of 512 bytes are free.
    fn look(guard: bool, file: bool, free: &str) -> Option<String> {
        let dir = tempfile::tempdir().unwrap();
        let here = dir.path().display();
        let touch = |path: &str| std::fs::write(dir.path().join(path), "").unwrap();
        std::fs::create_dir(dir.path().join("v")).unwrap();
        if guard {
            touch("filling");
        }
        if file {
            touch("v/.webshop-fill");
        }
        let script = scripts("v")
            .look
            .replace("/run/filling", &format!("{here}/filling"))
            .replace("/volumes/v", &format!("{here}/v"));
        let stat = format!("case $3 in %a) echo {free};; %S) echo 512;; esac");
        said(&script, dir.path(), &[("stat", &stat)])
    }

    #[test]
    fn a_look_finds_a_volume_full_or_the_filling_gone() {
        assert_eq!(look(true, true, "0").as_deref(), Some("there 0"));
        assert_eq!(look(true, true, "7").as_deref(), Some("there 3584"));
        for (guard, file, free) in [(false, true, "0"), (true, false, "0"), (true, true, "4711")] {
            let found = look(guard, file, free);
            assert_eq!(found.as_deref(), Some("gone"), "{guard} {file} {free}");
        }
        assert_eq!(
            look(true, true, "; exit 1"),
            None,
            "no answer is no full disk"
        );
    }
}
