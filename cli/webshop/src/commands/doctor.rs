//! `webshop doctor`.

use std::time::SystemTime;

use harness::doctor::{self, Finding, State};
use harness::printable;

use crate::cli::{DoctorArgs, Format};
use crate::exit::Exit;
use crate::session::Session;

/// Says what is in the way, and how to mend it.
pub(crate) async fn run(args: DoctorArgs, session: Session) -> anyhow::Result<Exit> {
    let cluster = session.cluster().await?;
    let found = doctor::examine(&cluster, args.port, SystemTime::now()).await?;
    match args.format {
        Format::Json => session.printer.json(&found)?,
        Format::Text => {
            for finding in &found {
                session.printer.block(&lines(finding));
            }
        }
    }
    let bad = found.iter().any(|finding| finding.state == State::Bad);
    Ok(if bad { Exit::Harness } else { Exit::Pass })
}

fn lines(finding: &Finding) -> String {
    let sign = match finding.state {
        State::Good => "✓",
        State::Note => "!",
        State::Bad => "✗",
    };
    let mut text = format!(
        "{sign} {:16} {}",
        finding.what,
        printable::line(&finding.says)
    );
    if let Some(hint) = &finding.hint {
        text += &format!("\n  {:16} {}", "", printable::line(hint));
    }
    text
}
