//! `webshop images`.

use harness::{image, printable};

use crate::cli::ImagesArgs;
use crate::exit::Exit;
use crate::session::Session;

/// Builds what is missing and prints `NAME REFERENCE` lines.
pub(crate) async fn run(args: ImagesArgs, session: Session) -> anyhow::Result<Exit> {
    let project = session.project()?;
    let cluster = session.cluster().await?;
    let options = image::Options {
        rebuild: args.rebuild,
        ca_bundle: session.global.ca_bundle(),
        flavour: image::Flavour::Release,
    };
    let images = image::ensure(&cluster, &project, &options).await?;
    for (name, reference) in images.iter() {
        session
            .printer
            .line(&printable::line(&format!("{name} {reference}")));
    }
    Ok(Exit::Pass)
}
