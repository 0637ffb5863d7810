//! What it takes to see the run again: commands, seed, load, images.

use std::{collections::BTreeMap, time::Duration};

use maud::{Markup, html as markup};

use super::cell;
use crate::{
    printable,
    report::{NOT_REPEATABLE, Reported, quantity::signed},
    units::human,
};

pub(super) fn section(run: &Reported) -> Markup {
    let plan = &run.plan;
    markup! {
        section #again {
            h2 { "See it again" }
            p { "Judge this run again, from what it recorded:" }
            pre { code { (printable::line(&run.verify_command())) } }
            @match run.again_command() {
                Some(command) => {
                    p { "Make a run like it: the same operations, not the same interleaving." }
                    pre { code { (printable::line(&command)) } }
                }
                None => p { (NOT_REPEATABLE) }
            }
            dl.facts {
                @if let Some(load) = &plan.load {
                    dt { "seed" } dd.mono { (load.profile.seed) }
                    dt { "load" }
                    dd {
                        (load.profile.rate) "/s for " (human(Duration::from_millis(load.length_ms)))
                        ", " (load.profile.mix) ", request timeout "
                        (human(load.profile.request_timeout())) ", "
                        (load.profile.retries) " retries"
                    }
                    dt { "data" }
                    dd {
                        (signed(load.data.sizes.orders)) " orders, "
                        (signed(load.data.sizes.users)) " users, "
                        (signed(load.data.sizes.items)) " items"
                    }
                } @else {
                    dt { "load" } dd { "none" }
                }
                dt { "stack" } dd { (plan.stack.name) }
                dt { "program" } dd { "webshop " (plan.webshop) }
            }
            (images(run))
        }
    }
}

/// Each image with the services that run it.
fn images(run: &Reported) -> Markup {
    let mut images: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (service, image) in &run.plan.stack.images {
        images.entry(image).or_default().push(service);
    }
    markup! {
        @if !images.is_empty() {
            table.cards {
                thead { tr { th { "image" } th { "services" } } }
                tbody {
                    @for (image, services) in &images {
                        tr {
                            td.wide data-label="image" { span.mono { (image) } }
                            (cell("services", services.join(", ")))
                        }
                    }
                }
            }
        }
    }
}
