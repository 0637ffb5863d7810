use clap::Parser;

use super::*;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    config: Config,
}

fn files(peers: &str) -> (tempfile::TempDir, Files) {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().to_str().unwrap().to_owned();
    let sockets = format!("{root}/run");
    let config = Line::parse_from([
        "db-node",
        "--node-name",
        "stock-db-0",
        "--node-id",
        "0",
        "--peers",
        peers,
        "--root",
        &root,
        "--socket-dir",
        &sockets,
    ])
    .config;
    let secrets = Secrets {
        db: "d".into(),
        repmgr: "r".into(),
    };
    let files = Files::new(config, secrets);
    files.write_static().unwrap();
    (dir, files)
}

fn read(dir: &tempfile::TempDir, name: &str) -> String {
    fs::read_to_string(dir.path().join("conf").join(name)).unwrap()
}

fn walpasses(dir: &tempfile::TempDir) -> Vec<String> {
    let entries = fs::read_dir(dir.path().join("conf")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.contains("walpass")).collect()
}

fn following(epoch: u64) -> Stance {
    Stance::Following {
        primary: "stock-db-1".into(),
        epoch,
    }
}

#[test]
fn one_of_the_two_others_confirms_every_commit() {
    let (dir, _) = files("stock-db-1,stock-db-2");
    let expected = "synchronous_standby_names = 'ANY 1 (\"stock-db-1\",\"stock-db-2\")'\n";
    assert!(read(&dir, "postgresql.conf").contains(expected));
}

#[test]
fn a_cluster_of_one_waits_for_nobody() {
    let (dir, _) = files("");
    assert!(read(&dir, "postgresql.conf").contains("synchronous_standby_names = ''\n"));
}

#[test]
fn only_a_leader_takes_writes() {
    let (dir, files) = files("stock-db-1,stock-db-2");
    for (stance, read_only) in [
        (Stance::Apart, "on"),
        (following(3), "on"),
        (Stance::Leading, "off"),
    ] {
        files.write_stance(&stance).unwrap();
        let expected = format!("default_transaction_read_only = {read_only}\n");
        assert!(read(&dir, "dynamic.conf").contains(&expected), "{stance:?}");
    }
}

#[test]
fn a_receiver_of_an_older_epoch_finds_no_password() {
    let (dir, files) = files("stock-db-1,stock-db-2");
    files.write_stance(&following(3)).unwrap();
    assert_eq!(walpasses(&dir), ["epoch-3.walpass"]);
    assert!(read(&dir, "dynamic.conf").contains("host=stock-db-1 "));
    files.write_stance(&following(4)).unwrap();
    assert_eq!(walpasses(&dir), ["epoch-4.walpass"]);
    files.write_stance(&Stance::Apart).unwrap();
    assert_eq!(walpasses(&dir), Vec::<String>::new());
}

#[test]
fn passwords_are_for_this_user_alone() {
    let (dir, files) = files("stock-db-1");
    files.write_stance(&following(3)).unwrap();
    for name in ["pgpass", "epoch-3.walpass"] {
        let mode = fs::metadata(dir.path().join("conf").join(name))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[test]
fn whom_a_node_follows_stands_in_its_file_as_one_value() {
    let (dir, files) = files("stock-db-1,stock-db-2");
    let stance = |primary: &str| Stance::Following {
        primary: primary.into(),
        epoch: 3,
    };
    files.write_stance(&stance("x' user=postgres")).unwrap();
    let conf = read(&dir, "dynamic.conf");
    assert!(
        conf.starts_with(r"primary_conninfo = 'host=''x\\'' user=postgres'' port=5432 "),
        "{conf}"
    );
    let hostile = stance("x\nrestore_command = 'id'");
    let refused = files.write_stance(&hostile).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::InvalidInput);
    assert_eq!(read(&dir, "dynamic.conf"), conf);
}

#[test]
fn a_server_that_does_not_ask_for_scram_is_not_connected_to() {
    let (dir, files) = files("stock-db-1,stock-db-2");
    files.write_stance(&following(3)).unwrap();
    for name in ["dynamic.conf", "repmgr.conf"] {
        let conf = read(&dir, name);
        assert!(conf.contains(" require_auth=scram-sha-256 "), "{conf}");
    }
}
