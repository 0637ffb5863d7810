//! Which run a stack served last: a label of a service, so that whoever looks at the stack knows, on whatever machine and
//! as whatever user. It is the agent's, which the load does not need; a change of a service's own labels restarts nothing.

use std::collections::HashMap;

use bollard::models::ServiceSpec;

use super::{LAST_RUN_LABEL, as_found, is_out_of_sequence, overview::Overview};
use crate::{
    agent,
    cluster::Cluster,
    error::{Error, Result},
};

/// Somebody may change the service at the same moment.
const ATTEMPTS: u32 = 5;

impl Overview {
    /// The id of the run that the stack served last; `None` where it has served none.
    #[must_use]
    pub fn last_run(&self) -> Option<&str> {
        let agent = self
            .services
            .iter()
            .find(|service| service.name == agent::SERVICE);
        agent?.last_run.as_deref()
    }
}

/// Writes down that the stack serves this run from now on.
///
/// # Errors
/// What the engine says.
pub(crate) async fn keep(cluster: &Cluster, run: &str) -> Result<()> {
    let docker = cluster.engine.docker();
    let failed = |error| Error::docker("write down which run the stack serves", error);
    let mut attempt = 1;
    loop {
        let found = docker
            .inspect_service(&cluster.stack.scoped(agent::SERVICE), None)
            .await
            .map_err(failed)?;
        let mut spec = found.spec.unwrap_or_default();
        labels(&mut spec).insert(LAST_RUN_LABEL.to_owned(), run.to_owned());
        let options = as_found(found.version);
        let id = found.id.unwrap_or_default();
        match docker.update_service(&id, spec, options, None).await {
            Ok(_warnings) => return Ok(()),
            Err(error) if attempt < ATTEMPTS && is_out_of_sequence(&error) => attempt += 1,
            Err(error) => return Err(failed(error)),
        }
    }
}

/// Keeps the label where a service is given another specification.
pub(super) fn carry(found: &ServiceSpec, wanted: &mut ServiceSpec) {
    let known = found.labels.as_ref();
    if let Some(run) = known.and_then(|labels| labels.get(LAST_RUN_LABEL)) {
        labels(wanted).insert(LAST_RUN_LABEL.to_owned(), run.clone());
    }
}

fn labels(spec: &mut ServiceSpec) -> &mut HashMap<String, String> {
    spec.labels.get_or_insert_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_run_is_carried_over_and_nothing_else() {
        let mut found = ServiceSpec::default();
        let mut wanted = ServiceSpec::default();
        carry(&found, &mut wanted);
        assert_eq!(wanted.labels, None);
        labels(&mut found).insert(LAST_RUN_LABEL.to_owned(), "x".to_owned());
        labels(&mut found).insert("other".to_owned(), "y".to_owned());
        carry(&found, &mut wanted);
        let kept = HashMap::from([(LAST_RUN_LABEL.to_owned(), "x".to_owned())]);
        assert_eq!(wanted.labels, Some(kept));
    }
}
