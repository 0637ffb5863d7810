//! What a PostgreSQL data directory says of itself while the server is down.

use std::path::Path;

/// The file whose presence makes PostgreSQL come up as a standby.
pub const STANDBY_SIGNAL: &str = "standby.signal";

/// The facts of a data directory that decide how it may be started.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DataDir {
    /// Its control file could be read.
    pub readable: bool,
    pub standby_signal: bool,
    /// It was last running in recovery, and not shut down since.
    pub in_recovery: bool,
    pub system_id: String,
    pub timeline: u32,
}

impl DataDir {
    /// A promotion removes the signal file a moment before the new timeline exists. Killed in between, the
    /// node holds a standby's data: started without the file, it would write on the old timeline.
    #[must_use]
    pub fn is_standby(&self) -> bool {
        self.standby_signal || self.in_recovery
    }

    /// Reads what `pg_controldata` prints.
    #[must_use]
    pub fn parse(controldata: &str, standby_signal: bool) -> Self {
        let field = |name: &str| {
            controldata.lines().find_map(|line| {
                let (key, value) = line.split_once(':')?;
                (key == name).then(|| value.trim().to_owned())
            })
        };
        let system_id = field("Database system identifier");
        let timeline = field("Latest checkpoint's TimeLineID").and_then(|text| text.parse().ok());
        let state = field("Database cluster state");
        Self {
            readable: system_id.is_some() && timeline.is_some() && state.is_some(),
            standby_signal,
            in_recovery: matches!(
                state.as_deref(),
                Some("in archive recovery" | "shut down in recovery")
            ),
            system_id: system_id.unwrap_or_default(),
            timeline: timeline.unwrap_or_default(),
        }
    }
}

/// Whether there is a data directory that was once complete.
#[must_use]
pub fn exists(data: &Path) -> bool {
    data.join("PG_VERSION").is_file()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINTED: &str = "\
pg_control version number:            1300
Database system identifier:           7412345678901234567
Database cluster state:               in production
Latest checkpoint location:           0/3000028
Latest checkpoint's TimeLineID:       4
";

    #[test]
    fn a_control_file_is_read() {
        let expected = DataDir {
            readable: true,
            standby_signal: false,
            in_recovery: false,
            system_id: "7412345678901234567".into(),
            timeline: 4,
        };
        assert_eq!(DataDir::parse(PRINTED, false), expected);
        assert!(!expected.is_standby());
    }

    #[test]
    fn a_promotion_cut_short_leaves_a_standby() {
        for state in ["in archive recovery", "shut down in recovery"] {
            let data = DataDir::parse(&PRINTED.replace("in production", state), false);
            assert!(data.is_standby(), "{state}");
        }
    }

    #[test]
    fn a_damaged_control_file_is_not_readable() {
        assert!(!DataDir::parse("", true).readable);
    }
}
