//! `webshop up`.

use std::collections::BTreeMap;

use harness::project::Profile;
use harness::stack::deploy::{self, Plan};
use harness::{image, printable};

use crate::cli::UpArgs;
use crate::commands::ps;
use crate::exit::Exit;
use crate::session::Session;

const TEST_IMAGES: &str =
    "the services and database nodes have failpoints: for tests, not for a verdict that counts";

/// Brings the stack up; ends with its table and its address.
pub(crate) async fn run(args: UpArgs, session: Session) -> anyhow::Result<Exit> {
    let project = session.project()?;
    let cluster = session.cluster().await?;
    let plan = Plan {
        profile: args.profile.map(Profile::from),
        port: args.port,
        scale: args.scale,
        db_route: args.db_route.name().to_owned(),
        volume_size: args.volume_size,
        environment: environment(),
        images: image::Options {
            rebuild: args.rebuild,
            ca_bundle: session.global.ca_bundle(),
            flavour: if args.test_images {
                image::Flavour::Test
            } else {
                image::Flavour::Release
            },
        },
        planted: None,
        wait_timeout: args.wait_timeout,
    };
    let overview = deploy::up(&cluster, &project, &plan).await?;
    session.printer.block(&ps::services_table(&overview));
    if args.test_images {
        session.printer.warning(TEST_IMAGES);
    }
    if overview.profile() == Some(Profile::Small) {
        session.printer.warning(ps::SMALL);
    }
    if let Some(url) = overview.url(&cluster) {
        session
            .printer
            .block(&format!("\nThe shop answers at {}", printable::line(&url)));
    }
    Ok(Exit::Pass)
}

/// The stack file's variables that have no option: whatever begins with `WEBSHOP_`.
pub(crate) fn environment() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| name.starts_with("WEBSHOP_"))
        .collect()
}
