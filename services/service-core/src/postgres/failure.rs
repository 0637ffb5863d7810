//! What a failed statement means for whoever ran it.

/// What to do about a database error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// Lost against a concurrent transaction: run again, a bounded number of times.
    Conflict,
    /// The connection, the node or the route is gone: run again until the deadline.
    Outage,
    /// It would fail again.
    Permanent,
}

impl Failure {
    /// Classifies an error by its SQLSTATE, or by being an IO error.
    #[must_use]
    pub fn of(error: &sqlx::Error) -> Self {
        match error {
            sqlx::Error::Database(error) => match error.code().as_deref() {
                Some(code) => Self::of_sqlstate(code, error.constraint()),
                None => Self::Permanent,
            },
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::BeginFailed
            | sqlx::Error::Configuration(_) => Self::Outage,
            _ => Self::Permanent,
        }
    }

    fn of_sqlstate(code: &str, constraint: Option<&str>) -> Self {
        match code {
            "40001" | "40P01" | "55P03" => Self::Conflict,
            // The same request is being answered elsewhere: its answer will be found next time.
            "23505" if constraint == Some("idempotency_pkey") => Self::Conflict,
            // 25006: writing where there is a standby now. 25P03: we were frozen for too long.
            // 53300: too many connections. 57014: somebody cancelled. 28, 3D000: still initialising.
            "25006" | "25P03" | "53300" | "57014" | "57P01" | "57P02" | "57P03" | "57P05"
            | "3D000" => Self::Outage,
            code if code.starts_with("08") || code.starts_with("28") => Self::Outage,
            // A prepared statement or type from before a failover.
            "26000" | "0A000" => Self::Outage,
            _ => Self::Permanent,
        }
    }
}

/// A label for metrics: the SQLSTATE, or what kind of error it was.
#[must_use]
pub fn sqlstate(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(error) => error.code().unwrap_or_default().into_owned(),
        sqlx::Error::Io(_) => "io".into(),
        sqlx::Error::PoolTimedOut => "timeout".into(),
        _ => "other".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_failover_breaks_is_an_outage() {
        for code in [
            "25006", "57P01", "57P03", "08006", "08P01", "25P03", "28000",
        ] {
            assert_eq!(Failure::of_sqlstate(code, None), Failure::Outage, "{code}");
        }
        let reset = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
        assert_eq!(Failure::of(&sqlx::Error::Io(reset)), Failure::Outage);
        assert_eq!(Failure::of(&sqlx::Error::PoolTimedOut), Failure::Outage);
    }

    #[test]
    fn a_lost_race_is_a_conflict_and_a_broken_constraint_is_not() {
        assert_eq!(Failure::of_sqlstate("40001", None), Failure::Conflict);
        assert_eq!(Failure::of_sqlstate("40P01", None), Failure::Conflict);
        let key = Some("idempotency_pkey");
        assert_eq!(Failure::of_sqlstate("23505", key), Failure::Conflict);
        assert_eq!(Failure::of_sqlstate("23505", Some("x")), Failure::Permanent);
        assert_eq!(Failure::of_sqlstate("23514", None), Failure::Permanent);
    }
}
